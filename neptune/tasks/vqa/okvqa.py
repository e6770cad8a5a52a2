"""``okvqa``: questions about photographs that need knowledge of the world (Marino et al. 2019), ten answers each.

``OpenEnded_mscoco_<split>_questions.json`` is ``{"questions": [{"image_id", "question", "question_id"}, …]}``,
``mscoco_<split>_annotations.json`` ``{"annotations": [{"question_id", "answers": [{"answer"}, …], "question_type",
"answer_type"}, …]}``; pictures are COCO's, ``COCO_val2014_000000297147.jpg``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError
from neptune.files import trusted
from neptune.scene import Scene
from neptune.tasks.base import Sample
from neptune.tasks.json_files import read_records
from neptune.tasks.listed import Draft, ListedTask, a_mapping, an_id, data_folder, find_picture
from neptune.tasks.reading import field
from neptune.tasks.vqa.normalised import normalised, said

_NAME = re.compile(r"^OpenEnded_mscoco_(\w+)_questions\.json$")
ENOUGH = 3
"""So many of the ten people's answers make an answer wholly right."""


class OkVqa(ListedTask):
    """Right if three of the ten people said the same; VQA's soft accuracy is measured beside it."""

    name = "okvqa"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the questions of a split."""
        self.root = data_folder(data_dir)
        files = sorted(self.root.glob("OpenEnded_mscoco_*_questions.json"))
        found = {m[1]: p for p in files if (m := _NAME.match(p.name))}
        named = {s: p for s, p in found.items() if split in (None, s, s.removesuffix("2014"))}
        if split and found and not named:
            raise DatasetError(
                f"There is no split '{split}'", where=str(self.root), expected=f"one of {', '.join(found)}"
            )
        if len(named) > 1:
            raise DatasetError(
                f"The folder holds the splits {', '.join(named)}", where=str(self.root), hint="Set split"
            )
        self.part, path = next(iter(named.items()), ("val2014", self.root / "OpenEnded_mscoco_val2014_questions.json"))
        answers = self.root / f"mscoco_{self.part}_annotations.json"
        if answers.is_file():
            rows = read_records(trusted(answers, [self.root], follow_links=self.follow_links), "annotations")
            self._answers = {row["question_id"]: row for row in rows if isinstance(row, Mapping) and _has_id(row)}
        else:
            self._answers = {}
        return read_records(trusted(path, [self.root], follow_links=self.follow_links), "questions"), path.name

    def hidden(self, records: Sequence[Any], split: str | None, source: str) -> bool:
        """Tell whether a split keeps its answers to itself: there is no file of them."""
        return not self._answers

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read one question."""
        record = a_mapping(record, where)
        number = an_id(record.get("question_id"), where, "question_id")
        draft.question = field(record, "question", str, where)
        image = field(record, "image_id", (int, str), where)
        name = f"COCO_{self.part}_{image:012d}.jpg" if isinstance(image, int) and image >= 0 else f"{image}.jpg"
        folders = (self.part, f"images/{self.part}", "images", ".", f"../{self.part}", "../images")
        draft.picture = find_picture(self.root, folders, name, where, follow_links=self.follow_links)
        draft.extra = {"question_id": number}
        if not self._answers:
            return
        found = self._answers.get(number)
        if found is None:
            raise DatasetError(f"There are no answers to question {number}", where=where)
        listed = field(found, "answers", list, where)
        draft.expected = [normalised(field(a_mapping(a, where), "answer", str, where)) for a in listed]
        if not draft.expected:
            raise DatasetError("'answers' is an empty list", where=where, expected="the answers of ten people")
        draft.family = str(found.get("question_type") or "other")[:100]

    def soft(self, sample: Sample, answer: Answer) -> float:
        """Return VQA's accuracy in [0, 1]: over the people but one, a third for each who said the same, at most 1."""
        given, expected = said(answer), list(sample.expected)
        if given is None:
            return 0.0
        if len(expected) == 1:
            return float(expected[0] == given)
        same = [a == given for a in expected]
        return float(sum(min(1.0, (sum(same) - own) / ENOUGH) for own in same) / len(same))

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether three people, or all where there are fewer, said the same."""
        return list(sample.expected).count(said(answer)) >= min(ENOUGH, len(sample.expected))

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return VQA's soft accuracy."""
        return {} if sample.expected is None else {"vqa_accuracy": round(self.soft(sample, answer), 6)}

    def show_expected(self, sample: Sample) -> Any:
        """Return the answers of the ten people."""
        return sample.expected


def _has_id(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("question_id"), int | str)
