"""``nextqa``: questions about films with five options (Xiao et al. 2021).

``<split>.csv`` has the columns ``video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4``; `answer` is
the number of the right option, `type` begins with C (why, how), T (when, before, after) or D (what is there). Films are
``videos/<video>.mp4``, or below it as ``map_vid_vidorID.json`` says.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.files import below, trusted
from neptune.scene import Scene
from neptune.tasks.base import Sample
from neptune.tasks.json_files import read_json_file
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder
from neptune.tasks.vqa.normalised import normalised, said

COLUMNS = ("video", "question", "answer", "qid", "type", "a0", "a1", "a2", "a3", "a4")
FAMILIES = {"C": "causal", "T": "temporal", "D": "descriptive"}
MAP = "map_vid_vidorID.json"
MOST_BYTES = 500_000_000


class NextQa(ListedTask):
    """Right if the answer is the right option: in its words, or by its number from 0."""

    name = "nextqa"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the rows of a split."""
        self.root = data_folder(data_dir)
        path = self.root / f"{split or 'val'}.csv"
        if not path.is_file():
            known = ", ".join(p.stem for p in sorted(self.root.glob("*.csv")))
            raise DatasetError("The file does not exist", where=str(path), expected=f"one of {known}" if known else "")
        rows = self._rows(trusted(path, [self.root], follow_links=self.follow_links))
        places = self.root / MAP
        self._places: Mapping[str, Any] = {}
        if places.is_file():
            content = read_json_file(trusted(places, [self.root], follow_links=self.follow_links), "NExT-QA's films")
            self._places = a_mapping(content, MAP)
        return rows, path.name

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(f"The file has {path.stat().st_size:,} bytes", where=str(path))
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
                if missing:
                    raise DatasetError(
                        f"The table has no column '{missing[0]}'", where=str(path), expected=",".join(COLUMNS)
                    )
                return list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DatasetError(f"The table can not be read: {error}", where=str(path), expected="CSV") from error

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one question."""
        row = {name: record.get(name) for name in COLUMNS}
        empty = [name for name, value in row.items() if not isinstance(value, str) or not value.strip()]
        empty = [name for name in empty if name != "answer" or not self.unanswered(record)]
        if empty or record.get(None):
            what = f"'{empty[0]}' is empty" if empty else "The row has more fields than the table has columns"
            raise DatasetError(what, where=where, expected=",".join(COLUMNS))
        draft.question = f"{row['question'].strip().rstrip('?')}?"
        options = [row[f"a{k}"].strip() for k in range(5)]
        draft.family = FAMILIES.get(row["type"][0].upper(), "other")
        draft.extra = {"video": row["video"], "qid": row["qid"], "type": row["type"], "choices": options}
        place = str(self._places.get(row["video"], row["video"]))
        folders = [self.root / "videos", self.root / "NExTVideo", self.root]
        paths = [below(f, f"{place}.mp4", where, what="film", follow_links=True) for f in folders]
        path = next((p for p in paths if p.is_file()), paths[0])
        draft.film = trusted(path, [self.root], where, follow_links=self.follow_links)
        if self.unanswered(record):
            return
        if row["answer"].strip() not in ("0", "1", "2", "3", "4"):
            raise DatasetError(f"'answer' is '{row['answer'][:40]}'", where=where, expected="0, 1, 2, 3 or 4")
        draft.expected = options[int(row["answer"])]

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a row says which option is right."""
        return bool(str(record.get("answer") or "").strip())

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer is the right option."""
        options = [normalised(o) for o in sample.extra["choices"]]
        given, right = said(answer), normalised(str(sample.expected))
        if given is not None and given not in options and given.isdecimal() and len(given) == 1 and int(given) < 5:
            given = options[int(given)]
        return given == right

    def show_expected(self, sample: Sample) -> Any:
        """Return the right option."""
        return sample.expected
