"""VLMsAreBlind: simple drawings that models see badly, with a number, a letter or a word as the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.scene import Scene
from neptune.tasks.base import Sample, plain
from neptune.tasks.hub import PREFIX, parquet_files, rows, stored_picture
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder
from neptune.tasks.reading import field


class VlmsAreBlind(ListedTask):
    """VLMsAreBlind (Rahmanzadehgervi et al. 2024): lines that cross, circles that overlap, letters in a ring, counted.

    Rows of parquet files, or on Hugging Face (``hf:XAI/vlmsareblind``), with ``image``, ``task``, ``prompt``,
    ``groundtruth``. Right is the same number, letter or word, in braces or alone. Parameters and errors as for
    :func:`neptune.tasks.load`.
    """

    name = "vlmsareblind"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the rows."""
        hub = str(data_dir).startswith(PREFIX)
        self.root = None if hub else data_folder(data_dir)
        if self.root is not None and not parquet_files(self.root):
            raise DatasetError(
                "There are no parquet files", where=str(self.root), hint="Download them, or say hf:XAI/vlmsareblind"
            )
        return rows(data_dir, split, self.follow_links), str(data_dir)

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a row says what is right."""
        return isinstance(record, Mapping) and record.get("groundtruth") is not None

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one row."""
        row = a_mapping(record, where)
        draft.question = field(row, "prompt", str, where)
        draft.family = str(row.get("task") or "all")[:80]
        draft.picture = stored_picture(row.get("image"), where, self.root, self.follow_links)
        truth = row.get("groundtruth")
        if not isinstance(truth, str | int | float) or not str(truth).strip() or truth != truth:
            raise DatasetError(f"The answer is {truth!r}"[:80], where=where, expected="a number, a letter or a word")
        draft.expected = {"answer": str(truth)}

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is the same."""
        if answer.abstained or answer.value is None:
            return False
        return same(str(plain(answer)), sample.expected["answer"])

    def show_expected(self, sample: Sample) -> Any:
        """Return the answer."""
        return sample.expected["answer"]


_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_NUMBERS = {word: str(k) for k, word in enumerate(_WORDS.split())}
_PAIR = re.compile(r"\d+\s*[,x×]\s*\d+")


def same(said: str, truth: str) -> bool:
    """Tell whether what a model says is the right answer, which its kind decides: of a text that says two, neither is.

    >>> same("rows={4} columns={5}", "4,5"), same("The lines cross {2} times.", "2"), same("{3}", "2")
    (True, True, False)
    """
    truth = truth.strip().lower()
    text = re.sub(r"[a-z]+", lambda word: _NUMBERS.get(word[0], word[0]), said.lower())
    held = re.findall(r"\{([^{}]*)\}", text)
    if _PAIR.fullmatch(truth):  # rows and columns
        return _numbers(" ".join(held) if held else text) == _numbers(truth)
    shown = held[-1] if held else text
    if _numbers(truth) and not re.search("[a-z]", truth):
        return set(_numbers(shown)) == set(_numbers(truth))
    words = re.findall(r"[^\W_]+", shown)
    if truth in ("yes", "no", "true", "false"):
        found = {{"true": "yes", "false": "no"}.get(w, w) for w in words} & {"yes", "no"}
        return found == {{"true": "yes", "false": "no"}.get(truth, truth)}
    if len(truth) == 1 and len(words) > 1:  # a letter within a sentence: "a" may be an article, if another is there
        letters = [w for w in words if len(w) == 1]
        return set(letters if len(set(letters)) == 1 else [w for w in letters if w not in "ai"]) == {truth}
    return words == re.findall(r"[^\W_]+", truth)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]
