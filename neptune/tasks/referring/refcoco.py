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
from neptune.scene import Annotation
from neptune.tasks.listed import Draft, ListedTask, a_mapping, boxes_only, corners, data_folder, find_picture
from neptune.tasks.reading import field, read_json_file
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
        root = data_folder(data_dir)
        self.root = root / self.folder if (root / self.folder).is_dir() else root
        path = self._refs_file()
        refs = read_pickle(path)
        if not isinstance(refs, list) or not refs:
            raise DatasetError("The pickle holds no references", where=str(path), expected="a list of dicts")
        instances = read_json_file(self.root / "instances.json", "COCO's instances.json")
        self._images, self._boxes, self._categories = _indices(instances, self.root / "instances.json")
        chosen = _of_split(refs, split, path)
        pairs = [(ref, at) for ref in chosen for at in range(max(1, _sentences(ref)))]
        self._of_image: dict[Any, list[Mapping[str, Any]]] = {}
        for box in self._boxes.values():
            self._of_image.setdefault(box.get("image_id"), []).append(box)
        self._annotation = lru_cache(maxsize=64)(self._annotate)
        return pairs, path.name

    def _refs_file(self) -> Path:
        places = [self.root / f"refs({who}).p" for who in self.splits_by]
        return next((p for p in places if p.is_file()), places[0])

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one sentence of a reference, and the boxes of its picture."""
        ref, at = record
        ref = a_mapping(ref, where)
        where = f"{where} (ref {ref.get('ref_id')})"
        image = self._images.get(ref.get("image_id"))
        if image is None:
            raise DatasetError(f"instances.json has no image {ref.get('image_id')!r}", where=where)
        draft.picture = find_picture(self.root, self.pictures, image.get("file_name"), where)
        found = self._boxes.get(ref.get("ann_id"))
        if found is None:
            raise DatasetError(f"instances.json has no annotation {ref.get('ann_id')!r}", where=where)
        draft.expected = corners(found.get("bbox"), where)
        draft.family = self._categories.get(found.get("category_id"), "other")
        draft.annotation = self._annotation(ref["image_id"])
        sentences = field(ref, "sentences", (list, tuple), where)
        if not sentences:
            raise DatasetError("The reference has no sentence", where=where)
        draft.question = field(sentences[at], "sent", str, where)
        draft.extra = {"ref_id": ref.get("ref_id"), "sent_id": sentences[at].get("sent_id")}

    def _annotate(self, image_id: Any) -> Annotation | None:
        boxes, names = [], []
        for annotation in self._of_image.get(image_id, ()):
            try:
                boxes.append(corners(annotation.get("bbox"), "instances.json"))
            except DatasetError:
                continue  # an object without area can not be found either
            names.append(self._categories.get(annotation.get("category_id"), "object"))
        image = self._images[image_id]
        size = (image.get("width"), image.get("height"))
        known = all(isinstance(x, int | float) and x > 0 for x in size)
        return boxes_only(boxes, size if known else None, category=names)  # type: ignore[arg-type]


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


def _indices(
    instances: Any, path: Path
) -> tuple[dict[Any, Mapping[str, Any]], dict[Any, Mapping[str, Any]], dict[Any, str]]:
    """Return images and annotations by id, and the names of the categories."""
    if not isinstance(instances, Mapping) or not all(
        isinstance(instances.get(k), list) for k in ("images", "annotations")
    ):
        raise DatasetError(
            "The file is not in COCO's format",
            where=str(path),
            expected='{"images": […], "annotations": […], "categories": […]}',
        )
    images = {i["id"]: i for i in instances["images"] if isinstance(i, Mapping) and "id" in i}
    boxes = {a["id"]: a for a in instances["annotations"] if isinstance(a, Mapping) and "id" in a}
    categories = {c["id"]: str(c.get("name")) for c in instances.get("categories") or [] if isinstance(c, Mapping)}
    return images, boxes, categories


def _of_split(refs: list[Any], split: str | None, path: Path) -> list[Any]:
    """Return the references of a split; one that names no split is bad, and in each of them."""
    known = sorted({str(r["split"]) for r in refs if isinstance(r, Mapping) and r.get("split")})
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
