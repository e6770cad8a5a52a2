"""``clevr-rpm``: does the scene hold the object missing from a 3×3 matrix? (CLEVR-Transfer)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neptune.answer import Answer
from neptune.scene import ATTRIBUTES, Scene
from neptune.tasks.base import Sample
from neptune.tasks.clevr.clevr import ClevrTask
from neptune.tasks.listed import Draft


class ClevrRpm(ClevrTask):
    """Right if yes or no is right.

    Families are the pairs of attributes that the two rules are about, in CLEVR's order: ``"size and shape"``.
    """

    name = "clevr-rpm"
    file = "rpm"
    key = "rpms"

    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read the answer and the rules' attributes."""
        self.read_program(record, draft, where)
        self.read_truth(record, draft, where)
        rules = (record.get("rule1_cat"), record.get("rule2_cat"))
        if all(rule in tuple(ATTRIBUTES) for rule in rules):
            draft.family = " and ".join(name for name in ATTRIBUTES if name in rules)
        draft.extra = {"target": str(record.get("target_object", ""))[:200]}

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether yes or no is right."""
        return not answer.abstained and answer.kind == "truth" and bool(answer.value) == sample.expected

    def show_expected(self, sample: Sample) -> Any:
        """Return ``"yes"`` or ``"no"``."""
        return None if sample.expected is None else "yes" if sample.expected else "no"
