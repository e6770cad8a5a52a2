"""``clevr``: CLEVR's questions (Johnson et al. 2017), and what all tasks in its format share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from neptune.answer import Answer
from neptune.errors import DatasetError, NeptuneError
from neptune.scene import Annotation, Scene
from neptune.tasks.base import Sample, Samples, Task, choose, plain
from neptune.tasks.clevr import functional
from neptune.tasks.reading import Folder, read_records
from neptune.tasks.reading import field as get


@dataclass(slots=True)
class Fields:
    """What a task reads from one record, besides question and picture, as far as the record is good."""

    expected: Any = None
    family: str = "other"
    program: str | None = None
    program_problem: NeptuneError | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class ClevrTask(Task):
    """A task whose questions lie in one JSON file beside CLEVR's scenes and pictures.

    Parameters and errors as for :func:`neptune.tasks.load`.
    """

    file: ClassVar[str]
    """The file's name without ``.json``."""
    key: ClassVar[str]
    """The field that holds the list of records."""
    needs_annotation: ClassVar[bool] = False
    """Whether judging needs the annotation, whatever the oracle is."""

    def __init__(
        self,
        data_dir: str | Path,
        num_samples: int | None = None,
        seed: int | None = None,
        split: str | None = None,
    ) -> None:
        self.folder = Folder(data_dir, split)
        self.source = self.path()
        self.records = read_records(self.source, self.key)
        self.folder.load_scenes()
        if self.needs_annotation and self.folder.scenes_problem is not None:
            raise DatasetError(
                self.folder.scenes_problem.what,
                where=self.folder.scenes_problem.where,
                expected="the scenes, by which the objects in the answers are judged",
                hint="Put the file there, or run another task",
            )
        self.samples = Samples(choose(len(self.records), num_samples, seed), self._sample)

    def path(self) -> Path:
        """Return the path of the questions' file; it may be missing."""
        return self.folder.file(self.file)

    @abstractmethod
    def read(
        self, record: Mapping[str, Any], fields: Fields, annotation: Annotation | None, where: str
    ) -> None:
        """Fill `fields` from a record; raise a :class:`DatasetError` where the sample can not be run."""

    def _sample(self, index: int) -> Sample:
        """Make the sample of a record. Whatever is wrong with the record becomes the sample's problem."""
        record = self.records[index]
        where = f"{self.source.name}, record {index}"
        fields, question, picture = Fields(), "", None
        annotation: Annotation | None = None
        problem: NeptuneError | None = None
        annotation_problem: NeptuneError | None = None
        try:
            question = get(record, "question", str, where)
            filename = get(record, "image_filename", str, where)
            picture = self.folder.picture(filename)
            annotation, annotation_problem = self.folder.annotation(filename)
            self.read(record, fields, annotation, where)
            if self.needs_annotation:
                problem = annotation_problem
        except NeptuneError as error:
            problem = error
        return Sample(
            id=f"{self.name}-{index:06d}",
            dataset=self.name,
            question=question,
            picture=picture,
            annotation=annotation,
            program=fields.program,
            expected=fields.expected,
            family=fields.family,
            extra=fields.extra,
            problem=problem,
            annotation_problem=annotation_problem,
            program_problem=fields.program_problem,
        )

    @staticmethod
    def read_program(record: Mapping[str, Any], fields: Fields, where: str) -> None:
        """Read a ``program`` that is text already; a missing one matters only to runs of gold programs."""
        try:
            fields.program = get(record, "program", str, where)
        except NeptuneError as error:
            fields.program_problem = error


class Clevr(ClevrTask):
    """CLEVR's questions: right if the answer is the expected word, number, yes or no.

    Families are those of CLEVR's results: ``count``, ``exist``, ``query color`` …, ``compare integer: less``
    …, ``compare color`` …; ``extra["template"]`` is the official template file (``"one hop"``, ``"same
    relate"``, …).
    """

    name = "clevr"
    file = "questions"
    key = "questions"

    def read(
        self, record: Mapping[str, Any], fields: Fields, annotation: Annotation | None, where: str
    ) -> None:
        """Read the answer, and translate the functional program."""
        program = record.get("program")
        fields.family = functional.family(program)
        fields.extra = {
            "template": functional.template(program),
            "question_family_index": record.get("question_family_index"),
        }
        try:
            fields.program = functional.translate(program, where)
        except NeptuneError as error:
            fields.program_problem = error
        fields.expected = str(plain_word(get(record, "answer", (str, bool, int), where)))

    def judge(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
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
