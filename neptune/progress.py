"""How a run shows that it moves: a bar on a terminal, a plain line every tenth of the way elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Shows rate, accuracy so far, oracle calls, cache hits and the time left. Use as a context manager.

    Parameters
    ----------
    total
        Number of samples.
    stream
        Where to write; stderr by default, so that stdout holds the results alone.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.done = self.right = self.calls = self.hits = self.errors = 0
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
            left = f"{seconds:.0f} s left" if self.done < self.total else "done"
            print(f"{self.done}/{self.total} {self._line()} · {left}", file=self._console.file, flush=True)

    def _count(self, record: Mapping[str, Any]) -> None:
        usage = record.get("usage") or {}
        self.done += 1
        self.right += record.get("correct") is True
        self.errors += bool(record.get("error"))
        self.calls += int(usage.get("oracle_calls", 0))
        self.hits += int(usage.get("cache_hits", 0))

    def _rate(self) -> float:
        return (self.done - self._before) / max(time.monotonic() - self._start, 1e-9)

    def _line(self) -> str:
        line = f"{self._rate():.1f}/s · {self.right / max(self.done, 1):.1%} right · {self.calls:,} calls"
        line += f" · {self.hits:,} cache hits"
        return line + (f" · {self.errors} errors" if self.errors else "")

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar:
            self._bar.stop()
