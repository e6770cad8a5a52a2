"""``clevr-rpm``: does the scene hold the object missing from a 3×3 matrix? (CLEVR-Transfer)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.scene import ATTRIBUTES, Annotation, Scene
from neptune.tasks.base import Sample, yes_no
from neptune.tasks.clevr.clevr import ClevrTask, Fields
from neptune.tasks.reading import field


class ClevrRpm(ClevrTask):
    """Right if yes or no is right.

    Families are the pairs of attributes that the two rules are about, in CLEVR's order: ``"size and shape"``.
    """

    name = "clevr-rpm"
    file = "rpm"
    key = "rpms"

    def read(
        self, record: Mapping[str, Any], fields: Fields, annotation: Annotation | None, where: str
    ) -> None:
        """Read the answer and the rules' attributes."""
        self.read_program(record, fields, where)
        fields.expected = yes_no(field(record, "answer", (bool, str), where))
        if fields.expected is None:
            raise DatasetError(f"The answer is {record['answer']!r}", where=where, expected="true or false")
        rules = (record.get("rule1_cat"), record.get("rule2_cat"))
        if all(rule in tuple(ATTRIBUTES) for rule in rules):
            fields.family = " and ".join(name for name in ATTRIBUTES if name in rules)
        fields.extra = {"target": str(record.get("target_object", ""))}

    def judge(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether yes or no is right."""
        return not answer.abstained and answer.kind == "truth" and bool(answer.value) == sample.expected

    def show_expected(self, sample: Sample) -> Any:
        """Return ``"yes"`` or ``"no"``."""
        return "yes" if sample.expected else "no"
