"""Programs of every question, written once and kept, and a dataset in which each of them is a sample of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dsl
from neptune.config import Config
from neptune.errors import DatasetError, NeptuneError
from neptune.learn.shared import Progress
from neptune.runs.direct.wrapped import Wrapped
from neptune.runs.evaluate.side_files import SideFile
from neptune.runs.runner.programs import Programs
from neptune.tasks.base import Sample, Task
from neptune.writer.failures import ProviderError

PROGRAMS = "programs"
"""``programs.jsonl``: a line a question."""

_SEPARATOR = "#"

Row = Mapping[str, Any]


def write_programs(config: Config, loaded: Sequence[Task], folder: Path, progress: Progress) -> dict[str, list[Row]]:
    """Get the programs of all questions that have none yet, and keep those of each as soon as they are there.

    Parameters
    ----------
    config
        Its ``code_gen_*`` fields say who writes.
    loaded
        The datasets.
    folder
        Gets ``programs.jsonl``; what is there is not asked for again.
    progress
        Told of each question.

    Returns
    -------
    dict
        Dataset → a row for each of its samples, in order: ``id programs`` (different ones, the most meant first),
        ``source``, ``usage``, and ``why`` there is none.

    Raises
    ------
    ProviderError
        If the provider of programs fails, whatever the question.
    """
    kept = SideFile(folder, PROGRAMS)
    ids = [(task, k, name) for task in loaded for k, name in enumerate(task.sample_ids())]
    missing = [(task, k) for task, k, name in ids if (task.name, name) not in kept.rows]
    with Programs(config) as programs:
        asked = programs.ahead((task, task.samples[k]) for task, k in missing)
        for done, (task, sample, write) in enumerate(asked, 1):
            row: dict[str, Any] = {"dataset": task.name, "id": str(sample.id), "programs": []}
            try:
                written = write()
                row["programs"] = [c.program for c in written.candidates] or [written.program]
                row |= {"source": written.source, "usage": written.usage.as_dict() if written.usage.calls else {}}
            except ProviderError:
                raise
            except (NeptuneError, dsl.ProgramError) as error:
                row["why"] = type(error).__name__
            kept.add(row)
            progress("programs", done / len(missing), f"{done} questions")
    found: dict[str, list[Row]] = {task.name: [] for task in loaded}
    for task, _, name in ids:
        found[task.name].append(kept.rows[task.name, name])
    return found


class Programmed(Wrapped):
    """A dataset with programs that were given: a sample for each question and program, judged as the dataset says.

    Parameters
    ----------
    task
        The dataset.
    rows
        The programs of its samples, in order (:func:`write_programs`).
    most
        So many of each question at most; of one without a right answer, the first alone.
    """

    def __init__(self, task: Task, rows: Sequence[Row], most: int) -> None:
        super().__init__(task)
        self._rows = rows
        self.places: list[tuple[int, int]] = []
        for k, row in enumerate(rows):
            count = min(most, len(row["programs"]))
            if count > 1 and task.samples[k].expected is None:
                count = 1
            self.places += [(k, j) for j in range(max(1, count))]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.places)

    def sample_ids(self) -> Iterator[str]:
        """Yield the ids: the question's, and for each further program its number."""
        return (_named(str(self._rows[k]["id"]), j) for k, j in self.places)

    def made(self, at: int) -> Sample:
        """Return one sample, with its program."""
        k, j = self.places[at]
        sample, row = self.task.samples[k], self._rows[k]
        program = row["programs"][j] if row["programs"] else None
        problem = None if program is not None else DatasetError("The question has no program", where=str(sample.id))
        return _with(sample, _named(str(sample.id), j), program, problem)


def question_of(identifier: str) -> str:
    """Return the id of the question that a sample is about."""
    name, separator, number = identifier.rpartition(_SEPARATOR)
    return name if separator and number.isdecimal() and int(number) > 1 else identifier


def _named(identifier: str, j: int) -> str:
    return f"{identifier}{_SEPARATOR}{j + 1}" if j else identifier


def _with(sample: Sample, identifier: str, program: str | None, problem: NeptuneError | None) -> Sample:
    return replace(sample, id=identifier, program=program, program_problem=problem)
