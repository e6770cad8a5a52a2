"""``refcoco``, ``refcoco+``, ``refcocog`` and ``refgta``: files in the format of the REFER interface.

``refs(<who split it>).p`` is a pickled list of references, ``{ref_id, ann_id, image_id, category_id, split, sentences:
[{sent, raw, tokens, sent_id}, …]}``; ``instances.json`` is COCO's format, with ``bbox`` as ``[x, y, width, height]``.
RefCOCO/+ (Yu et al. 2016), RefCOCOg (Mao et al. 2016), RefGTA (Tanaka et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from neptune.errors import DatasetError, one_of
from neptune.files import trusted
from neptune.scene import Annotation
from neptune.tasks.boxes import boxes_only, corners, objects_of, picture_size
from neptune.tasks.json_files import read_json_file, shown
from neptune.tasks.listed import Draft, ListedTask, a_mapping, an_id, data_folder, find_picture
from neptune.tasks.reading import field
from neptune.tasks.referring.pointing import PointingTask
from neptune.tasks.referring.unpickle import read_pickle

COCO_FOLDERS = (
    "images/train2014",
    "train2014",
    "images/mscoco/images/train2014",
    "../images/mscoco/images/train2014",
    "../images/train2014",
    "../train2014",
    "images",
)
"""Where COCO's pictures are looked for, seen from the folder of the annotations."""


class RefCoco(PointingTask, ListedTask):
    """One sample for each sentence of each reference of the split; families are COCO's categories.

    ``sample.expected`` is the true box; the annotation holds the boxes of all annotated objects of the picture.

    `split` may be left out where there is only one.
    """

    name = "refcoco"
    folder: ClassVar[str] = "refcoco"
    """The folder that the official archive unpacks to."""
    splits_by: ClassVar[tuple[str, ...]] = ("unc", "google")
    """Who made the splits: the first whose file is there."""
    pictures: ClassVar[tuple[str, ...]] = COCO_FOLDERS

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the sentences of a split."""
        self._named = root = data_folder(data_dir)
        self.root = root / self.folder if (root / self.folder).is_dir() else root
        path = trusted(self._refs_file(), [root], follow_links=self.follow_links)
        refs = read_pickle(path)
        if not isinstance(refs, list) or not refs:
            raise DatasetError("The pickle holds no references", where=str(path), expected="a list of dicts")
        known = trusted(self.root / "instances.json", [root], follow_links=self.follow_links)
        self._images, self._boxes, self._categories = _indices(read_json_file(known, "COCO's instances.json"), known)
        chosen = _of_split(refs, split, path)
        pairs = [(ref, at) for ref in chosen for at in range(max(1, _sentences(ref)))]
        self._of_image: dict[Any, list[Mapping[str, Any]]] = {}
        for box in self._boxes.values():
            if box is not None and isinstance(box.get("image_id"), int | str):
                self._of_image.setdefault(box["image_id"], []).append(box)
        self._annotation = lru_cache(maxsize=64)(self._annotate)
        return pairs, path.name

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a reference names the object meant."""
        return isinstance(record[0], Mapping) and record[0].get("ann_id") is not None

    def _refs_file(self) -> Path:
        places = [self.root / f"refs({who}).p" for who in self.splits_by]
        return next((p for p in places if p.is_file()), places[0])

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one sentence of a reference, and the boxes of its picture."""
        ref, at = record
        hidden, ref = self.unanswered(record), a_mapping(ref, where)
        where = f"{where} (ref {shown(ref.get('ref_id'))})"
        image = _one_of(self._images, ref.get("image_id"), "image", where)
        draft.picture = find_picture(
            self.root, self.pictures, image.get("file_name"), where, named=self._named, follow_links=self.follow_links
        )
        draft.annotation = self._annotation(ref["image_id"])
        sentences = field(ref, "sentences", (list, tuple), where)
        if not sentences:
            raise DatasetError("The reference has no sentence", where=where)
        draft.question = field(sentences[at], "sent", str, where)
        draft.extra = {"ref_id": ref.get("ref_id"), "sent_id": sentences[at].get("sent_id")}
        if hidden:
            draft.family = "other"
            return
        found = _one_of(self._boxes, ref.get("ann_id"), "annotation", where)
        draft.expected = corners(found.get("bbox"), where)
        draft.family = self._category(found, "other")

    def _category(self, annotation: Mapping[str, Any], unknown: str) -> str:
        given = annotation.get("category_id")
        return self._categories.get(given, unknown) if isinstance(given, int | str) else unknown

    def _annotate(self, image_id: Any) -> Annotation | None:
        annotations = self._of_image.get(image_id, [])
        boxes = objects_of([annotation.get("bbox") for annotation in annotations], "instances.json")
        names = [self._category(annotations[at], "object") for at in boxes]
        image = self._images[image_id]
        return boxes_only(list(boxes.values()), picture_size(image) if image else None, category=names)


class RefCocoPlus(RefCoco):
    """RefCOCO+: no words of place."""

    name = "refcoco+"
    folder = "refcoco+"
    splits_by = ("unc",)


class RefCocoG(RefCoco):
    """RefCOCOg: long sentences; the UMD split, whose pictures do not overlap, comes first."""

    name = "refcocog"
    folder = "refcocog"
    splits_by = ("umd", "google")


class RefGta(RefCoco):
    """RefGTA: people in pictures of a video game."""

    name = "refgta"
    folder = "refgta"
    splits_by = ("utokyo",)
    pictures = ("images", "gta_image", "../gta_image", "../images/refgta")


ById = dict[Any, Mapping[str, Any] | None]
"""Records by id; ``None`` where several have the same: which is meant can not be known."""


def _indices(instances: Any, path: Path) -> tuple[ById, ById, dict[Any, str]]:
    """Return images and annotations by id, and the names of the categories."""
    if not isinstance(instances, Mapping) or not all(
        isinstance(instances.get(k), list) for k in ("images", "annotations")
    ):
        raise DatasetError(
            "The file is not in COCO's format",
            where=str(path),
            expected='{"images": […], "annotations": […], "categories": […]}',
        )
    given = instances.get("categories")
    categories = _by_id(given if isinstance(given, list) else [])
    names = {key: str(category.get("name"))[:60] for key, category in categories.items() if category is not None}
    return _by_id(instances["images"]), _by_id(instances["annotations"]), names


def _by_id(records: Sequence[Any]) -> ById:
    found: ById = {}
    for record in records:
        key = record.get("id") if isinstance(record, Mapping) else None
        if isinstance(key, int | str) and not isinstance(key, bool):  # of others no reference can say that it means it
            found[key] = record if key not in found else None
    return found


def _one_of(records: ById, given: Any, what: str, where: str) -> Mapping[str, Any]:
    """Return the record of an id that a reference gives."""
    key = an_id(given, where, f"{what}_id" if what == "image" else "ann_id")
    if key not in records:
        raise DatasetError(f"instances.json has no {what} {shown(key)}", where=where)
    found = records[key]
    if found is None:
        raise DatasetError(f"instances.json has the {what} {shown(key)} twice", where=where)
    return found


def _of_split(refs: list[Any], split: str | None, path: Path) -> list[Any]:
    """Return the references of a split; one that names no split is bad, and in each of them."""
    known = sorted({str(r["split"])[:60] for r in refs if isinstance(r, Mapping) and r.get("split")})
    if split is None and len(known) > 1:
        hint = f"Set split, e.g. to '{'val' if 'val' in known else known[-1]}'"
        raise DatasetError(
            f"The file holds the splits {', '.join(known)}", where=str(path), expected="one of them", hint=hint
        )
    if split is not None and split not in known:
        raise DatasetError(f"There is no split '{split}'", where=str(path), **one_of(split, known))
    return [r for r in refs if not isinstance(r, Mapping) or r.get("split") in (None, split or r.get("split"))]


def _sentences(ref: Any) -> int:
    found = ref.get("sentences") if isinstance(ref, Mapping) else None
    return len(found) if isinstance(found, list | tuple) else 0
