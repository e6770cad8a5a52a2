"""``clevr-refexps``: point to the object that an expression refers to (CLEVR-Transfer, Hsu et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from neptune.errors import DatasetError
from neptune.tasks.base import Sample
from neptune.tasks.clevr.clevr import ClevrTask
from neptune.tasks.listed import Draft
from neptune.tasks.reading import field
from neptune.tasks.referring.pointing import PointingTask, rounded


class ClevrRefExps(PointingTask, ClevrTask):
    """Right if the box pointed to has an IoU ≥ 0.5 with the true object's.

    Families: ``"0 relations"``, ``"1 relation"``, ``"2 relations"``. ``sample.expected`` is the true object's index in
    the annotation; the answer's index is that of a box of the scene, which a detector may order otherwise.
    """

    name = "clevr-refexps"
    file = "refexps"
    key = "refexps"
    needs_annotation = True

    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read the object's index and count the relations."""
        self.read_program(record, draft, where)
        slots = record.get("slot_dict")
        if isinstance(slots, Mapping):
            n = sum(re.fullmatch(r"R\d+", str(slot)) is not None for slot in slots)
            draft.family = f"{n} relation" + ("" if n == 1 else "s")
            draft.extra = {"slots": dict(slots)}
        if self.unanswered(record):
            return
        index = field(record, "answer", int, where)
        draft.expected = index
        if index < 0 or (draft.annotation is not None and index >= len(draft.annotation)):
            expected = "an object of the scene, counted from 0"
            if draft.annotation is not None:
                expected += f", of which there are {len(draft.annotation)}"
            raise DatasetError(f"The answer is object {index}", where=where, expected=expected)

    def target(self, sample: Sample) -> Sequence[float]:
        """Return the annotated box of the object meant."""
        box: list[float] = sample.truth().boxes[sample.expected].tolist()
        return box

    def show_expected(self, sample: Sample) -> Any:
        """Return ``{"object": index in the annotation, "box": its true box}``."""
        if sample.expected is None:
            return None
        shown: dict[str, Any] = {"object": sample.expected}
        if sample.annotation is not None and sample.problem is None:
            shown["box"] = rounded(sample.annotation.boxes[sample.expected])
        return shown
