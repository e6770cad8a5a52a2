"""``gqa-normalised``: GQA, judged by normalised exact match, as ViperGPT and others report it."""

from __future__ import annotations

from neptune.answer import Answer
from neptune.scene import Scene
from neptune.tasks.base import Sample
from neptune.tasks.gqa import Gqa
from neptune.tasks.vqa.normalised import normalised, said


class GqaNormalised(Gqa):
    """Right if the answer is the expected one, both without case, articles, punctuation, numbers as digits."""

    name = "gqa-normalised"

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is the expected one."""
        return said(answer) == normalised(str(sample.expected))
