"""V*'s benchmark: questions with options about something small in a large picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError, one_of
from neptune.files import trusted
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.tasks.base import Sample, plain
from neptune.tasks.detail.choices import LETTERS, chosen, shuffled, with_options
from neptune.tasks.listed import Draft, ListedTask, a_mapping, data_folder
from neptune.tasks.reading import field

CATEGORIES = ("direct_attributes", "relative_position")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
MOST_BYTES = 1_000_000
"""Of a file that says what is asked of one picture."""


class VStar(ListedTask):
    """V*'s benchmark (Wu and Xie 2024): a question with options about something small in a large picture.

    A folder a category, in it for each picture a JSON file of the same name with ``question`` and ``options``, of
    which the first is right. Right is the letter, or the words, of that option. Parameters and errors as for
    :func:`neptune.tasks.load`; `split` names one category.
    """

    name = "vstar"

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the files of all pictures, or of one category, in order."""
        self.root = data_folder(data_dir)
        if split is not None and split not in CATEGORIES:
            raise DatasetError(f"There is no category '{split}'", where=str(self.root), **one_of(split, CATEGORIES))
        wanted = [split] if split else CATEGORIES
        found = [path for name in wanted for path in sorted((self.root / name).glob("*.json"))]
        if not found:
            raise DatasetError(
                "No question is there",
                where=str(self.root),
                expected=f"{', '.join(f'{name}/*.json' for name in wanted)}, each beside its picture",
            )
        return found, "V*"

    @staticmethod
    def answered(record: Any) -> bool:
        """Tell whether a record says what is right: each does."""
        return True

    def place(self, index: int) -> str:
        """Return the file's place below the folder."""
        path: Path = self.records[index]
        return path.relative_to(self.root).as_posix()

    def sample_id(self, index: int) -> str:
        """Return the category and the picture's name."""
        path: Path = self.records[index]
        return f"vstar-{path.parent.name}-{path.stem}"

    def read(self, record: Path, draft: Draft, where: str) -> None:
        """Read one picture's file."""
        path = trusted(record, [self.root], where, follow_links=self.follow_links)
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(f"The file has {path.stat().st_size:,} bytes", where=where, expected="a short JSON file")
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"The file is no JSON: {error}", where=where) from error
        said = a_mapping(said, where)
        question, options = field(said, "question", str, where), field(said, "options", list, where)
        if not 2 <= len(options) <= len(LETTERS) or not all(isinstance(o, str) and o.strip() for o in options):
            raise DatasetError(
                "The options are no texts, or fewer than two", where=where, expected="the right one first"
            )
        if len(set(options)) < len(options):
            raise DatasetError("An option is there twice", where=where)
        images = [path.with_suffix(end) for end in PICTURES if path.with_suffix(end).is_file()]
        if not images:
            raise DatasetError("There is no picture beside the file", where=where, expected=f"{path.stem}.jpg")
        draft.picture = Picture(trusted(images[0], [self.root], where, follow_links=self.follow_links))
        shown = shuffled(options, path.stem)
        draft.question, draft.family = with_options(question, shown), path.parent.name
        draft.expected = {"option": options[0]}
        draft.extra = {"choices": shown}

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether the answer names the right option."""
        if answer.abstained or answer.value is None:
            return False
        options = list(sample.extra["choices"])
        found = chosen(str(plain(answer)), options)
        return found is not None and options[found] == sample.expected["option"]

    def show_expected(self, sample: Sample) -> Any:
        """Return the right option, with its letter."""
        options = list(sample.extra["choices"])
        return f"({LETTERS[options.index(sample.expected['option'])]}) {sample.expected['option']}"
