"""``clevr``: CLEVR's questions (Johnson et al. 2017), and what all tasks in its format share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from neptune.answer import Answer
from neptune.errors import DatasetError, NeptuneError
from neptune.scene import Scene
from neptune.tasks.base import Sample, Samples, plain, yes_no
from neptune.tasks.clevr import functional
from neptune.tasks.json_files import read_records, shown
from neptune.tasks.listed import Draft, ListedTask
from neptune.tasks.reading import Folder
from neptune.tasks.reading import field as get


class ClevrTask(ListedTask):
    """A task whose questions lie in one JSON file beside CLEVR's scenes and pictures."""

    file: ClassVar[str]
    """The file's name without ``.json``."""
    key: ClassVar[str]
    """The field that holds the list of records."""
    needs_annotation: ClassVar[bool] = False
    """Whether judging needs the annotation, whatever the oracle is."""

    def open(self, data_dir: str | Path, split: str | None) -> tuple[Sequence[Any], str]:
        """Return the questions of a split."""
        self.folder = Folder(data_dir, split, follow_links=self.follow_links)
        path = self.path()
        records = read_records(path, self.key)
        self.folder.load_scenes()
        judged = self.needs_annotation and not self.hidden(records, split, path.name)
        if judged and self.folder.scenes_problem is not None:
            raise DatasetError(
                self.folder.scenes_problem.what,
                where=self.folder.scenes_problem.where,
                expected="the scenes, by which the objects in the answers are judged",
                hint="Put the file there, or run another task",
            )
        return records, path.name

    def path(self) -> Path:
        """Return the path of the questions' file; it may be missing."""
        return self.folder.file(self.file)

    def picture_of(self, index: int) -> str | None:
        """Return the file's name as the record has it."""
        record = self.records[self.samples.indices[index]] if isinstance(self.samples, Samples) else None
        name = record.get("image_filename") if isinstance(record, Mapping) else None
        return name if isinstance(name, str) else super().picture_of(index)

    def read(self, record: Any, draft: Draft, where: str) -> None:
        """Read question, picture and annotation, and what the task says besides."""
        draft.family = "other"
        draft.question = get(record, "question", str, where)
        filename = get(record, "image_filename", str, where)
        draft.picture = self.folder.picture(filename)
        draft.annotation, draft.annotation_problem = self.folder.annotation(filename)
        self.read_more(record, draft, where)
        if self.needs_annotation and draft.expected is not None and draft.annotation_problem is not None:
            raise draft.annotation_problem

    @abstractmethod
    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Fill `draft`, which knows question, picture and annotation, from a record; errors as for :meth:`read`."""

    @staticmethod
    def read_program(record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read a ``program`` that is text already; a missing one matters only to runs of gold programs."""
        try:
            draft.program = get(record, "program", str, where)
        except NeptuneError as error:
            draft.program_problem = error

    def read_truth(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read an ``answer`` that is yes or no."""
        if self.unanswered(record):
            return
        draft.expected = yes_no(get(record, "answer", (bool, str), where))
        if draft.expected is None:
            raise DatasetError(f"The answer is {shown(record['answer'])}", where=where, expected="true or false")


class Clevr(ClevrTask):
    """CLEVR's questions: right if the answer is the expected word, number, yes or no.

    Families are those of CLEVR's results: ``count``, ``exist``, ``query color`` …, ``compare integer: less`` …,
    ``compare color`` …; ``extra["template"]`` is the official template file (``"one hop"``, ``"same relate"``, …).
    """

    name = "clevr"
    file = "questions"
    key = "questions"

    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read the answer, and translate the functional program."""
        program = record.get("program")
        draft.family = functional.family(program)
        index = record.get("question_family_index")
        draft.extra = {
            "template": functional.template(program),
            "question_family_index": index if isinstance(index, int) else None,
        }
        try:
            draft.program = functional.translate(program, where)
        except NeptuneError as error:
            draft.program_problem = error
        if not self.unanswered(record):
            draft.expected = plain_word(get(record, "answer", (str, bool, int), where))

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether the answer is the expected word (any case), number, yes or no."""
        if answer.abstained or answer.kind not in ("truth", "number", "text"):
            return False
        return bool(plain_word(plain(answer)) == sample.expected)

    def show_expected(self, sample: Sample) -> Any:
        """Return ``"yes"``/``"no"``, an int, or a word."""
        expected = sample.expected
        return int(expected) if isinstance(expected, str) and expected.isdecimal() else expected


def plain_word(value: Any) -> str:
    """Return an answer as one lower-case word: ``True`` is ``"yes"``, 2 and 2.0 are ``"2"``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip().lower()
