"""``task: direct``: the oracle is asked the question itself, of the whole picture.

A question that is answered by yes or no is asked as one, so that its probability is known; any other is answered in
words. In either case it is asked in the words in which an oracle is asked about a whole picture, and in which distilled
samples ask it. No program is written and nothing is detected; everything else is a run as any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from neptune.answer import Answer
from neptune.config import Config
from neptune.perception.oracle.visual import visual_words
from neptune.runs.direct.wrapped import Wrapped
from neptune.scene import Scene
from neptune.tasks.base import Sample

_ASKS = frozenset(
    ("is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "can", "could", "will", "would", "should")
)
_BOX = re.compile(r"\(?\[?\s*(-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){3})\s*\]?\)?")
NOTHING = "none"
"""The detector that finds nothing: the whole picture is asked about."""


def asks_yes_or_no(question: str) -> bool:
    """Tell whether a question is answered by yes or no: its last clause begins as one that is, and gives no choice."""
    clause = re.split(r"[;:.!?]\s+|;", question.strip().rstrip("?. "))[-1].strip().lower()
    words = re.findall(r"[\w']+", clause)
    return bool(words) and words[0] in _ASKS and "or" not in words


def asked(question: str) -> str:
    """Return the words in which a model is asked a question about a whole picture."""
    kind = "score" if asks_yes_or_no(question) else "query"
    words: str = visual_words("answers", "score", "query")[kind]
    return words.replace("{question}", question)


def program_of(question: str) -> str:
    """Return the program that asks a question as it stands."""
    text = json.dumps(question, ensure_ascii=False)
    return f"score({text}, 0)" if asks_yes_or_no(question) else f"query({text})"


def understood(answer: Answer) -> Answer:
    """Return what a model says in words as the answer that it is: yes or no, a number, a box, or words."""
    if answer.abstained or answer.kind != "text":
        return answer
    said = " ".join(str(answer.value).split()).strip().rstrip(".")
    if said.lower() in ("yes", "no"):
        return replace(answer, value=said.lower() == "yes", kind="truth")
    if re.fullmatch(r"-?\d{1,9}", said):
        return replace(answer, value=int(said), kind="number")
    box = _BOX.fullmatch(said)
    if box is not None:
        return replace(answer, value=[float(v) for v in box[1].split(",")], kind="region")
    return replace(answer, value=said)


class Direct(Wrapped):
    """A dataset whose questions are asked as they stand."""

    def sample_ids(self) -> Iterator[str]:
        """Yield the dataset's ids."""
        return self.task.sample_ids()

    def made(self, at: int) -> Sample:
        """Return one sample, with the program that asks its question."""
        sample = self.task.samples[at]
        return replace(sample, program=program_of(sample.question), program_problem=None)

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether an answer is right, as the dataset does of the answer that the words are."""
        return self.task.is_right(sample, understood(answer), scene)

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return the answer that the words are, as the dataset does."""
        return self.task.show_answer(sample, understood(answer), scene)

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return what the dataset measures of the answer that the words are."""
        return self.task.measures(sample, understood(answer), scene)


def direct_config(config: Config) -> Config:
    """Return the config of the run: nothing is detected, and the programs are those that ask."""
    return config.model_copy(update={"od_model": NOTHING, "od_options": {}, "code_gen_provider": "gold"})
