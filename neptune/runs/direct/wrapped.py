"""A dataset with other samples: judged, and shown, as the dataset does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from neptune.answer import Answer
from neptune.scene import Scene
from neptune.tasks.base import Sample, Task


class Wrapped(Task):
    """A dataset whose samples are made from another's; a subclass says how many there are, and makes them.

    Parameters
    ----------
    task
        The other.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.name = task.name  # type: ignore[misc]  # of this one
        self.points = task.points  # type: ignore[misc]
        self.samples = _Samples(self)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.task.samples)

    def made(self, at: int) -> Sample:
        """Return one sample; its id is one of :meth:`sample_ids`."""
        return self.task.samples[at]

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool | None:
        """Tell whether an answer is right, as the dataset does."""
        return self.task.is_right(sample, answer, scene)

    def show_expected(self, sample: Sample) -> Any:
        """Return the right answer, as the dataset does."""
        return self.task.show_expected(sample)

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return the answer, as the dataset does."""
        return self.task.show_answer(sample, answer, scene)

    def measures(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> dict[str, float]:
        """Return what the dataset measures of an answer."""
        return self.task.measures(sample, answer, scene)


class _Samples(Sequence[Sample]):
    """Samples made when they are looked at."""

    def __init__(self, of: Wrapped) -> None:
        self._of = of

    def __len__(self) -> int:
        return self._of.count

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self._of.made(k) for k in range(*index.indices(len(self)))]
        return self._of.made(range(len(self))[index])
