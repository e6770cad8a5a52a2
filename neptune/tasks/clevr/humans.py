"""``clevr-humans``: questions that people wrote about CLEVR's pictures (Johnson et al. 2017b)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError
from neptune.tasks.clevr.clevr import Clevr, plain_word
from neptune.tasks.listed import NO_PROGRAMS, Draft
from neptune.tasks.reading import field


class ClevrHumans(Clevr):
    """CLEVR's format in the files ``CLEVR-Humans-<split>.json``, without programs; judged as ``clevr``.

    Families say what the answer is: ``"yes/no"``, ``"number"``, ``"word"``.
    """

    name = "clevr-humans"

    def path(self) -> Path:
        """Return the file of the split, in `data_dir` itself or in its folder ``questions``.

        Raises
        ------
        DatasetError
            If there are several and no split is named.
        """
        root = self.folder.root
        found = sorted(p for place in (root, root / "questions") for p in place.glob("CLEVR-Humans-*.json"))
        split = self.folder.split
        named = [p for p in found if split and p.stem.rpartition("-")[2] == split]
        if named or not found:
            return self.folder.trusted(named[0] if named else root / f"CLEVR-Humans-{split or 'val'}.json")
        if len(found) > 1 or split:
            splits = ", ".join(p.stem.rpartition("-")[2] for p in found)
            raise DatasetError(f"The folder holds the splits {splits}", where=str(root), hint="Set split")
        return self.folder.trusted(found[0])

    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read the answer."""
        if not self.unanswered(record):
            draft.expected = plain_word(field(record, "answer", (str, bool, int), where))
        if draft.expected is None:
            draft.family = "other"
        elif draft.expected in ("yes", "no"):
            draft.family = "yes/no"
        else:
            draft.family = "number" if draft.expected.isdecimal() else "word"
        draft.program_problem = DatasetError(
            "People's questions have no gold programs", where=self.name, hint=NO_PROGRAMS
        )
