"""Bounds of CPU time that do not hang on the machine, nor on what earlier tests of the process left behind."""

from __future__ import annotations

import gc
import time
from types import TracebackType

FIXED_WORK = 0.25
"""Seconds of CPU time that :func:`fixed_work` takes on a machine at full speed."""


def fixed_work() -> float:
    """Return the seconds of CPU time that a fixed piece of work like the interpreter's takes just now."""
    started, made = time.thread_time(), {}
    for i in range(200_000):
        made[i % 977, str(i)] = frozenset((i, i + 1))
    return time.thread_time() - started


def slower() -> float:
    """Return by what factor, at least 1, a piece of work takes longer just now."""
    return max(1.0, fixed_work() / FIXED_WORK)


class CpuTime:
    """The CPU time of what is done within, by this thread: ``with CpuTime() as took: …; assert took < 2, took``.

    Without whole collections of garbage, which look through all that the tests before have left in caches. It is
    compared in seconds of a machine at full speed: where it is longer, it is looked how slow the machine is just now.
    """

    def __init__(self) -> None:
        self.seconds = self._collecting = self._since = 0.0

    def __enter__(self) -> CpuTime:
        gc.callbacks.append(self._told)
        self._started = time.thread_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = time.thread_time() - self._started - self._collecting
        gc.callbacks.remove(self._told)

    def __lt__(self, limit: float) -> bool:
        return self.seconds < limit or self.seconds / slower() < limit

    def __repr__(self) -> str:
        return f"{self.seconds:.2f} s of CPU time"

    def _told(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            now = time.thread_time()
            self._collecting, self._since = self._collecting + (now - self._since if phase == "stop" else 0.0), now
