"""Answers that point to an object: right by the overlap of its box with the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.scene import Scene, iou
from neptune.tasks.base import Sample, Task, plain

THRESHOLD = 0.5
"""Least IoU of the box pointed to with the true one: Acc@0.5, as all referring datasets report."""


class PointingTask(Task):
    """Right if the box pointed to has an IoU ≥ 0.5 with the true object's; a list of one object counts as it.

    The answer names a box of the scene, which a detector may order otherwise than the annotation.
    """

    points = True

    def target(self, sample: Sample) -> Sequence[float]:
        """Return the true box, ``x0 y0 x1 y1`` in pixels; by default what is expected.

        Raises
        ------
        NeptuneError
            If the sample does not know it.
        """
        box: Sequence[float] = sample.expected
        return box

    def show_expected(self, sample: Sample) -> Any:
        """Return ``{"box": […]}``."""
        return {"box": rounded(sample.expected)} if sample.expected is not None else None

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the box pointed to overlaps the true one."""
        return self._overlap(sample, answer, scene) >= THRESHOLD

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return the IoU of the box pointed to with the true one; 0 for an answer that points to none."""
        if sample.expected is None:
            return {}
        return {"iou": round(self._overlap(sample, answer, scene), 6)}

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return ``{"object": index, "box": […]}`` (the box only with a scene), or the plain value."""
        at = pointed(answer)
        if answer.kind == "region" and not answer.abstained:
            return {"box": rounded(answer.value)}
        if at is None:
            return plain(answer)
        shown: dict[str, Any] = {"object": at}
        if scene is not None and 0 <= at < len(scene):
            shown["box"] = rounded(scene.boxes[at])
        return shown

    def _overlap(self, sample: Sample, answer: Answer, scene: Scene | None) -> float:
        at = pointed(answer)
        if answer.kind == "region" and not answer.abstained:
            return float(iou(answer.value, self.target(sample))[0, 0])
        if answer.abstained or at is None:
            return 0.0
        true = self.target(sample)
        if scene is None:
            raise DatasetError("Judging an object needs the scene it was found in", where=sample.id)
        return float(iou(scene.boxes[at], true)[0, 0]) if 0 <= at < len(scene) else 0.0


def pointed(answer: Answer) -> int | None:
    """Return the one object that an answer points to, as a box index, or ``None``."""
    value = answer.value
    if answer.kind == "objects" and isinstance(value, list | tuple) and len(value) == 1:
        return int(value[0])
    return int(value) if answer.kind == "object" and value is not None else None


def rounded(box: Any) -> list[float]:
    """Return a box in tenths of a pixel."""
    return [round(float(x), 1) for x in box]
