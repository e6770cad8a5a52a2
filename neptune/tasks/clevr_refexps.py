"""``clevr-refexps``: point to the object that an expression refers to (CLEVR-Transfer, Hsu et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.scene import Annotation, Scene, iou
from neptune.tasks.base import Sample, plain
from neptune.tasks.clevr import ClevrTask, Fields
from neptune.tasks.reading import field

THRESHOLD = 0.5
"""Least IoU of the box pointed to with the true one."""


class ClevrRefExps(ClevrTask):
    """Right if the box pointed to has an IoU ≥ 0.5 with the true object's.

    Families: ``"0 relations"``, ``"1 relation"``, ``"2 relations"``. ``sample.expected`` is the true object's
    index in the annotation; the answer's index is that of a box of the scene, which a detector may order
    otherwise.
    """

    name = "clevr-refexps"
    file = "refexps"
    key = "refexps"
    needs_annotation = True

    def read(
        self, record: Mapping[str, Any], fields: Fields, annotation: Annotation | None, where: str
    ) -> None:
        """Read the object's index and count the relations."""
        self.read_program(record, fields, where)
        slots = record.get("slot_dict")
        if isinstance(slots, Mapping):
            n = sum(re.fullmatch(r"R\d+", str(slot)) is not None for slot in slots)
            fields.family = f"{n} relation" + ("" if n == 1 else "s")
            fields.extra = {"slots": dict(slots)}
        index = field(record, "answer", int, where)
        fields.expected = index
        if index < 0 or (annotation is not None and index >= len(annotation)):
            expected = "an object of the scene, counted from 0"
            if annotation is not None:
                expected += f", of which there are {len(annotation)}"
            raise DatasetError(f"The answer is object {index}", where=where, expected=expected)

    def judge(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether the box pointed to overlaps the true one; a list of one object counts as it."""
        pointed = _pointed(answer)
        if answer.abstained or pointed is None:
            return False
        truth = sample.truth()
        if scene is None:
            raise DatasetError("Judging an object needs the scene it was found in", where=sample.id)
        if not 0 <= pointed < len(scene):
            return False
        return bool(iou(scene.boxes[pointed], truth.boxes[sample.expected])[0, 0] >= THRESHOLD)

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return ``{"object": index, "box": […]}`` (the box only with a scene), or the plain value."""
        pointed = _pointed(answer)
        if pointed is None:
            return plain(answer)
        shown: dict[str, Any] = {"object": pointed}
        if scene is not None and 0 <= pointed < len(scene):
            shown["box"] = _box(scene.boxes[pointed])
        return shown

    def show_expected(self, sample: Sample) -> Any:
        """Return ``{"object": index in the annotation, "box": its true box}``."""
        shown: dict[str, Any] = {"object": sample.expected}
        if sample.annotation is not None and sample.problem is None:
            shown["box"] = _box(sample.annotation.boxes[sample.expected])
        return shown


def _pointed(answer: Answer) -> int | None:
    """Return the one object that an answer points to, as a box index."""
    value = answer.value
    if answer.kind == "objects" and isinstance(value, list | tuple) and len(value) == 1:
        return int(value[0])
    return int(value) if answer.kind == "object" and value is not None else None


def _box(box: Any) -> list[float]:
    return [round(float(x), 1) for x in box]
