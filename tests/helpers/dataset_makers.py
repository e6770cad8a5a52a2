"""A small, good dataset of every kind, for tests that then spoil it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from neptune import tasks
from neptune.errors import NeptuneError

BOX = [10, 10, 40, 30]
SLOTS = {"OBJ1": "red cube"}
SCENE_OBJECT = {"size": "large", "color": "red", "material": "metal", "shape": "cube", "bbox": [10, 10, 50, 40]}
NAMES = ("left", "right", "front", "behind")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 80), (90, 120, 30)).save(path)


def write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))


def scene(name: str, **more: Any) -> dict[str, Any]:
    relations = {relation: [[]] for relation in NAMES}
    return {"image_filename": name, "objects": [SCENE_OBJECT | more], "relationships": relations}


def corners_of(box: Any) -> Any:
    """Return the corners of ``[x, y, width, height]``; what is no such box stays what it is."""
    good = isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]] if good else box


class Maker:
    """Writes a dataset of two records, of which the second is wrong."""

    images = "images"
    split: str | None = None
    picture_field = "image_filename"
    answer_field = "answer"
    each = 1
    """Samples that a record makes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def record(self, image: Any = "good.png") -> dict[str, Any]:
        shared = {"question": "Is there a red cube?", "image_filename": image}
        return (
            shared
            | {
                "clevr": {"answer": "yes", "program": []},
                "clevr-humans": {"answer": "yes"},
                "clevr-refexps": {"answer": 0, "program": "point(iota(Object, lambda x: red(x)))", "slot_dict": {}},
                "clevr-puzzle": {"answer": True, "program": "exists(Object)", "slot_dict": SLOTS},
                "clevr-rpm": {"answer": True, "program": "exists(Object)"},
            }[self.name]
        )

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        file, key = {
            "clevr": ("questions", "questions"),
            "clevr-humans": ("CLEVR-Humans-val", "questions"),
            "clevr-refexps": ("refexps", "refexps"),
            "clevr-puzzle": ("puzzles", "puzzles"),
            "clevr-rpm": ("rpm", "rpms"),
        }[self.name]
        write(root / f"{file}.json", {key: ([self.record()] if good else []) + [bad]})
        names = ("good.png", "bad.png", "x.png", "none.png")
        write(root / "scenes.json", {"scenes": [scene(name) for name in names]})

    def with_box(self, root: Path, box: Any) -> None:
        """Give the object asked for in the second record another box."""
        self.write(root, self.record("bad.png"))
        corners = corners_of(box)
        write(root / "scenes.json", {"scenes": [scene("good.png"), scene("bad.png", bbox=corners)]})


class FolderMaker(Maker):
    picture_field = "image"

    def record(self, image: Any = "good.png") -> dict[str, Any]:
        return {"image": image, "question": "the cube", "box": [10, 10, 50, 40]}

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        lines = ([self.record()] if good else []) + [bad]
        write(root / "questions.jsonl", "\n".join(map(json.dumps, lines)))

    def with_box(self, root: Path, box: Any) -> None:
        corners = corners_of(box)
        self.write(root, self.record() | {"box": corners})


class GqaMaker(Maker):
    picture_field = "imageId"

    def record(self, image: Any = "good") -> dict[str, Any]:
        stem = image[:-4] if isinstance(image, str) and image.endswith(".png") else image
        return {"question": "Is it red?", "imageId": stem, "answer": "yes", "types": {"structural": "verify"}}

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        records = ({"1": self.record()} if good else {}) | {"2": bad}
        write(root / "val_balanced_questions.json", records)


class ReferMaker(Maker):
    answer_field = "ann_id"
    split = "val"

    def record(self, image: Any = "good.png") -> dict[str, Any]:
        return {
            "ref_id": 2, "ann_id": 71, "image_id": 8, "category_id": 1, "split": "val",
            "sentences": [{"sent": "the cube", "sent_id": 1}], "_image": image, "_box": BOX,
        }  # fmt: skip

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        who = {"refgta": "utokyo", "refcocog": "umd"}.get(self.name, "unc")
        image, box = bad.pop("_image", "good.png"), bad.pop("_box", BOX)
        fine = self.record()
        fine.update({"ann_id": 70, "image_id": 7, "_image": None})
        refs = ([fine] if good else []) + [bad]
        root.mkdir(parents=True, exist_ok=True)
        (root / f"refs({who}).p").write_bytes(pickle.dumps(refs, protocol=2))
        images = [{"id": 7, "file_name": "good.png", "width": 100, "height": 80}, {"id": 8, "file_name": image}]
        annotations = [{"id": 70, "image_id": 7, "bbox": BOX}, {"id": 71, "image_id": 8, "bbox": box}]
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cube"}]}
        write(root / "instances.json", content)

    def with_box(self, root: Path, box: Any) -> None:
        self.write(root, self.record() | {"_box": box})


class RefAdvMaker(Maker):
    images = "Images"
    picture_field = "img_file_name"
    answer_field = "most_confused_bbox_number"

    def record(self, image: Any = "good.png") -> dict[str, Any]:
        return {
            "img_file_name": image, "bbox_candidates_map": {"1": BOX, "2": [0, 0, 5, 5]},
            "most_confused_bbox_number": "1", "most_confused_bbox_GT_desc": "the cube",
        }  # fmt: skip

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        records = ({"1": self.record()} if good else {}) | {"2": bad}
        write(root / "refcocog_adv_annotations.json", records)

    def with_box(self, root: Path, box: Any) -> None:
        self.write(root, self.record() | {"bbox_candidates_map": {"1": box, "2": [0, 0, 5, 5]}})


class NlvrMaker(Maker):
    """A record's picture is named by its folder, split, identifier and order of the boxes: files are put there."""

    picture_field = "directory"
    answer_field = "label"
    split = "dev"

    def __init__(self, name: str, each: int) -> None:
        super().__init__(name)
        self.each = each

    def record(self, image: Any = "good.png") -> dict[str, Any]:
        plain = isinstance(image, str) and "/" not in image
        thing = {"x_loc": 10, "y_loc": 20, "size": 20, "type": "square", "color": "Yellow"}
        return {
            "identifier": image.removesuffix(".png") if plain else "bad", "directory": "1" if plain else image,
            "sentence": "there is a box with a yellow item", "label": "true", "structured_rep": [[thing], [], [thing]],
        }  # fmt: skip

    def write(self, root: Path, bad: dict[str, Any], *, good: bool = True) -> None:
        for path in sorted((root / self.images).glob("*.png")):
            for order in range(self.each):
                self._put(path, root / self.images / "1" / f"dev-{path.stem}-{order}.png")
        lines = ([self.record()] if good else []) + [bad]
        write(root / "dev.json", "\n".join(map(json.dumps, lines)))

    @staticmethod
    def _put(path: Path, at: Path) -> None:
        """Copy a file, a folder or a link (which leads where it led)."""
        at.parent.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            at.mkdir(exist_ok=True)
        elif not at.is_symlink():
            shutil.copy(path, at, follow_symlinks=False)

    def with_box(self, root: Path, box: Any) -> None:
        """Give an object in the second record another place and size; what is no box of four is all its place."""
        x, y, side = box[:3] if isinstance(box, list) and len(box) == 4 else (box, 20, 20)
        record = self.record("bad.png")
        record["structured_rep"][2][0].update({"x_loc": x, "y_loc": y, "size": side})
        self.write(root, record)


MAKERS = {name: Maker(name) for name in ("clevr", "clevr-humans", "clevr-refexps", "clevr-puzzle", "clevr-rpm")}
MAKERS |= {name: ReferMaker(name) for name in ("refcoco", "refcoco+", "refcocog", "refgta")}
MAKERS |= {"refadv": RefAdvMaker("refadv"), "gqa": GqaMaker("gqa"), "folder": FolderMaker("folder")}
MAKERS |= {"nlvr": NlvrMaker("nlvr", 1), "nlvr-pictures": NlvrMaker("nlvr-pictures", 6)}
readers = pytest.mark.parametrize("name", MAKERS)
SCENED = ("clevr", "clevr-humans", "clevr-rpm", "nlvr", "nlvr-pictures")
"""Datasets whose boxes are no answers, only what is known of a scene."""
BOXED = [name for name in MAKERS if name not in ("gqa", *SCENED)]


def load(maker: Maker, root: Path, **options: Any) -> tasks.Task:
    return tasks.load(maker.name, root, split=maker.split, **options)


def outcome(sample: tasks.Sample) -> NeptuneError | None:
    """What a run would meet: the record's problem, or its picture's."""
    try:
        sample.check()
        assert sample.picture is not None
        _ = sample.picture.size
    except NeptuneError as error:
        found = error
    else:
        return None
    assert len(found.one_line().splitlines()) == 1
    assert len(found.one_line()) < 800
    return found


def deep(levels: int) -> Any:
    """Return so many lists in one another."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value
