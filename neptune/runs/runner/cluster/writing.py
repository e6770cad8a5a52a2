"""Programs on a cluster: a language model is asked by one actor beside its file of programs, else by each engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.runs.runner.cluster.keeper import Said, said, told
from neptune.runs.runner.programs import Programs, Write

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task


class WriterActor:
    """An actor: writes programs by the run's language model, `code_gen_concurrency` at once."""

    def __init__(self, config: Config, home: Callable[[], None]) -> None:
        home()
        self._programs, self._error = said(lambda: Programs(config))

    def about(self) -> Said:
        """Return nothing, once the model can be asked."""
        return None, self._error

    def write(self, question: str, dataset: str) -> Said:
        """Return the program of a question."""
        if self._programs is None:
            return None, self._error
        return said(lambda: self._programs.writer.write(question, dataset))

    def close(self) -> Said:
        """Bring the file of programs into its final form; return in words what the model used."""
        if self._programs is None:
            return "", None
        spent = self._programs.spent()
        return spent, said(self._programs.close)[1]


def writes(writer: Any, programs: Programs, samples: Sequence[tuple[Task, Sample]]) -> list[tuple[Task, Sample, Write]]:
    """Return samples with what gives the program of each: a model, where there is one, is asked for all of them."""
    if writer is None:
        return list(programs.ahead(samples))
    found: list[tuple[Task, Sample, Write]] = []
    for task, sample in samples:
        if sample.problem is not None:
            found.append((task, sample, partial(_refuse, sample)))
        else:
            found.append((task, sample, partial(told, writer.write.remote(sample.question, task.name))))
    return found


def _refuse(sample: Sample) -> Any:
    sample.check()
