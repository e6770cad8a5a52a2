"""What every dataset gives: samples, a judge of answers, and how answers are shown."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, overload

from neptune.answer import Answer
from neptune.errors import ConfigError, DatasetError, NeptuneError
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One question of a dataset.

    A record that is wrong does not stop the others: what is wrong is carried here, and raised by the part of
    the run that needs it (``sample.check()``, ``sample.truth()``, ``sample.gold()``), so that it ends in the
    record of this sample alone.

    Parameters
    ----------
    id
        Unique and stable within a dataset's file: ``"clevr-000123"`` is its record 123, however many are run.
    dataset
        The task's name.
    question
        The question's text; ``""`` only where `problem` is set.
    picture
        The picture, not opened yet; ``None`` where the record names none.
    annotation
        What is true of the scene, or ``None`` (see `annotation_problem`).
    program
        The gold program (dialect B), or ``None`` (see `program_problem`).
    expected
        The right answer, as the task's judge compares it.
    family
        What `by_family` groups by.
    extra
        What the judge or a report needs besides, JSON-able.
    group
        What this sample shares with others that are also counted together (one sentence about several pictures):
        a run reports in how many groups *all* answers are right (``consistency``). ``""``: none.
    film
        The film's file, of a question about a film; `picture` is ``None`` then.
    problem
        Why this sample can not be run at all.
    annotation_problem, program_problem
        Why `annotation` or `program` is ``None``.
    """

    id: str
    dataset: str
    question: str
    picture: Picture | None
    annotation: Annotation | None
    program: str | None
    expected: Any
    family: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    film: Path | None = None
    problem: NeptuneError | None = None
    annotation_problem: NeptuneError | None = None
    program_problem: NeptuneError | None = None

    def check(self) -> None:
        """Raise `problem`, where there is one."""
        if self.problem is not None:
            raise self.problem

    @property
    def choices(self) -> list[str]:
        """The answers among which one is asked for, in the order shown; empty where any may be given."""
        return list(self.extra.get("choices", ()))

    def inputs(self) -> dict[str, Any]:
        """Return what its task gives a program over regions, by name: ``query`` and ``possible_answers``."""
        return inputs_of(self.question, self.choices)

    def truth(self) -> Annotation:
        """Return the annotation.

        Raises
        ------
        NeptuneError
            `annotation_problem`, where there is no annotation.
        """
        if self.annotation is None:
            raise self.annotation_problem or DatasetError("The sample has no annotation", where=self.id)
        return self.annotation

    def gold(self) -> str:
        """Return the gold program.

        Raises
        ------
        NeptuneError
            `program_problem`, where there is no gold program.
        """
        if self.program is None:
            raise self.program_problem or DatasetError("The sample has no gold program", where=self.id)
        return self.program


def inputs_of(question: str | None, choices: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a program over regions is given beside the picture, of a sample or of its record."""
    return {"query": question or "", "possible_answers": list(choices)}


class Samples(Sequence[Sample]):
    """Samples made when they are looked at: 150,000 questions cost no memory for their pictures and programs.

    Parameters
    ----------
    indices
        The chosen records, in order.
    make
        Makes the sample of a record; never raises for a bad one.
    """

    def __init__(self, indices: Sequence[int], make: Callable[[int], Sample]) -> None:
        self.indices, self._make = indices, make

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Samples: ...

    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples(self.indices[index], self._make)
        return self._make(self.indices[index])


class Task(ABC):
    """A dataset that is ready to run. Made by :func:`neptune.tasks.load`."""

    name: ClassVar[str]
    points: ClassVar[bool] = False
    """Whether an answer has to name objects: then one is named, also where nothing fits."""
    may_fetch: ClassVar[bool] = False
    """Whether a picture may be an http(s) address."""
    fetch_pictures: bool = False
    """Whether it is fetched then."""
    samples: Sequence[Sample]

    def sample_ids(self) -> Iterator[str]:
        """Yield the ids of the samples, in order. A task that knows them without making its samples says so here."""
        return (str(sample.id) for sample in self.samples)

    def picture_of(self, index: int) -> str | None:
        """Return what tells the picture of a sample from others, without opening it; ``None`` where it has none.

        A task that knows it without making the sample says so here.
        """
        picture = self.samples[index].picture
        return None if picture is None else picture.address or (str(picture.path) if picture.path else picture.name)

    def judge(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether an answer is right; ``None`` where the dataset does not say what is.

        Parameters and errors as for :meth:`is_right`.
        """
        return None if sample.expected is None else self.is_right(sample, answer, scene)

    @abstractmethod
    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether an answer to a sample with an expected one is right.

        Parameters
        ----------
        sample
            The question.
        answer
            What the program returned. An answer of a wrong kind is wrong, not an error.
        scene
            The scene it was run on, whose boxes the answer's objects are; needed where an answer names objects.

        Raises
        ------
        NeptuneError
            If the sample lacks what judging needs (its annotation, a scene).
        """

    @abstractmethod
    def show_expected(self, sample: Sample) -> Any:
        """Return the right answer as a JSON-able value, in the form of :meth:`show_answer`; ``None``: not known."""

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return what is measured of an answer besides right or wrong, by the name of its field in the record.

        ``{"iou": …}`` for an answer that should point to a box, in [0, 1]. Parameters and errors as for
        :meth:`judge`.
        """
        return {}

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return the answer as a JSON-able value: ``"yes"``/``"no"``, a number, a text, an index, …"""
        return plain(answer)


def plain(answer: Answer) -> Any:
    """Return an answer's value as a JSON-able one: truth as ``"yes"``/``"no"``, whole numbers as int."""
    if answer.kind == "truth":
        return "yes" if answer.value else "no"
    return _plain(answer.value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):  # JSON has no NaN and no infinity
            return str(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(v) for v in value), key=str)
    item = getattr(value, "item", None)  # a numpy scalar
    return _plain(item()) if callable(item) and getattr(value, "ndim", 1) == 0 else str(value)


def choose(n: int, num_samples: int | None, seed: int | None) -> Sequence[int]:
    """Choose which of `n` records to run, in the order of the file.

    All of them for ``None``; the first `num_samples` without a `seed`; with one, a random subset that the
    seed fixes. A `num_samples` above `n` means all.

    Raises
    ------
    ConfigError
        If `num_samples` is not a whole number from 1.
    """
    if num_samples is None:
        return range(n)
    if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
        raise ConfigError(
            f"num_samples is {num_samples!r}", where="num_samples", expected="a whole number from 1, or null for all"
        )
    if num_samples >= n or seed is None:
        return range(min(n, num_samples))
    return sorted(random.Random(seed).sample(range(n), num_samples))


def yes_no(value: Any) -> bool | None:
    """Read a truth value: ``True``, ``"yes"``, ``"true"`` (any case) and their opposites; else ``None``."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    return {"yes": True, "true": True, "no": False, "false": False}.get(text)
