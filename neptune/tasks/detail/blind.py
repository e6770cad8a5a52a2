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
        if not isinstance(truth, str | int | float) or not str(truth).strip():
            raise DatasetError(f"The answer is {truth!r}"[:80], where=where, expected="a number, a letter or a word")
        draft.expected = {"answer": str(truth)}

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is the same."""
        if answer.abstained or answer.value is None:
            return False
        return _bare(str(plain(answer))) == _bare(sample.expected["answer"])

    def show_expected(self, sample: Sample) -> Any:
        """Return the answer."""
        return sample.expected["answer"]


def _bare(text: str) -> str:
    """Return what an answer says: what stands in its last braces, words small, numbers and truths in one form."""
    held = re.findall(r"\{([^{}]*)\}", text)
    said = " ".join(re.sub(r"[^\w\s.,-]", " ", (held[-1] if held else text).lower()).split()).strip(" .,")
    said = {"true": "yes", "false": "no", "one": "1", "two": "2", "three": "3", "zero": "0"}.get(said, said)
    try:
        number = float(said)
    except ValueError:
        return said.replace(" ", "").replace(",", "x")
    return str(int(number)) if number.is_integer() else str(number)
