"""How a run shows that it moves: a bar on a terminal, a plain line every tenth of the way elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from neptune.runs.record.outcome import ABSTAINED, ANSWERED, ERROR, outcome_of

WORTH = 0.25
"""Of a lazy run's time, the least that asking must take: below, choosing what to ask takes longer than what is spared
(docs/schedule.md has the figures)."""

ENOUGH = 10
"""Samples before that is judged."""


class Progress:
    """Shows rate, accuracy so far, oracle calls, cache hits, cost, failures, time left. Use as a context manager.

    Parameters
    ----------
    total
        Number of samples.
    lazy
        Whether the schedule is lazy: where that costs more than it saves, the line says so.
    stream
        Where to write; stderr by default, so that stdout holds the results alone.
    """

    def __init__(self, total: int, stream: TextIO | None = None, lazy: bool = False) -> None:
        self.total = total
        self.done = self.right = self.judged = self.answered = self.calls = self.hits = self.errors = self.abstained = 0
        self.cost = self.seconds = self.asking = 0.0
        self._lazy = lazy
        self._before = 0
        self._console = Console(file=stream or sys.stderr)
        self._start = time.monotonic()
        self._next = 1
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def resume(self, records: list[dict[str, Any]]) -> None:
        """Count the records of an earlier run, which say nothing about the rate of this one."""
        for record in records:
            self._count(record)
        self._before = self.done
        self._next = self.done * 10 // max(self.total, 1) + 1
        if self._bar:
            self._bar.update(self._task, completed=self.done)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one more sample and show it."""
        self._count(record)
        if self._bar:
            self._bar.update(self._task, completed=self.done, description=self._line())
        elif self.done * 10 >= self._next * self.total or self.done == self.total:
            self._next = self.done * 10 // max(self.total, 1) + 1
            seconds = (self.total - self.done) / max(self._rate(), 1e-9)
            left = f"{show_time(seconds)} left" if self.done < self.total else "done"
            print(f"{self.done}/{self.total} {self._line()} · {left}", file=self._console.file, flush=True)

    def _count(self, record: Mapping[str, Any]) -> None:
        usage = record.get("usage") or {}
        self.done += 1
        outcome, known = outcome_of(record), record.get("correct") is not None
        self.right += record.get("correct") is True and outcome == ANSWERED
        self.judged += known
        self.answered += known and outcome == ANSWERED
        self.errors += outcome == ERROR
        self.abstained += outcome == ABSTAINED
        self.cost += float(usage.get("oracle_cost", 0.0)) + float(usage.get("code_gen_cost", 0.0))
        self.seconds += float(record.get("seconds") or 0.0)
        self.asking += float(usage.get("oracle_ms", 0.0)) / 1000
        self.calls += int(usage.get("oracle_calls", 0))
        self.hits += int(usage.get("cache_hits", 0))

    def _rate(self) -> float:
        return (self.done - self._before) / max(time.monotonic() - self._start, 1e-9)

    def _line(self) -> str:
        right = f"{self.right / self.judged:.1%} right" if self.judged else "not judged"
        if 0 < self.answered < self.judged:
            right += f" ({self.right / self.answered:.1%} of the answered)"
        parts = [f"{self._rate():.1f}/s", right, f"{self.calls:,} calls", f"{self.hits:,} cache hits"]
        if self._lazy and self.done >= ENOUGH and self.asking < WORTH * self.seconds:
            share = f"asking takes {self.asking / self.seconds:.0%} of the time"
            parts.append(f"lazy costs more than it saves ({share}): --schedule all is quicker")
        if self.cost:
            parts.append(f"{self.cost:.4f} in money")
        if self.errors:
            parts.append(f"{self.errors} errors")
        if self.abstained:
            parts.append(f"{self.abstained} abstained")
        return " · ".join(parts)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar:
            self._bar.stop()


def show_time(seconds: float) -> str:
    """Return a time for reading: ``"42 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
