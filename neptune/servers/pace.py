"""How fast a server may be asked: so many requests, and so many tokens, a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Spreads what is used evenly over time, with a little room to start.

    Each use moves a mark forward by its share of a minute; whoever comes finds how long to wait until the mark is no
    more than `slack` seconds ahead. (The generic cell rate algorithm.) Threads may share it.

    Parameters
    ----------
    per_minute
        How much may be used in a minute; ``None``: as much as one likes.
    slack
        Seconds' worth that may be used at once.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self, per_minute: float | None, slack: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute, self.slack = per_minute, slack
        self._clock, self._lock = clock, threading.Lock()
        self._mark = clock()

    def take(self, amount: float = 1.0) -> float:
        """Use an amount; return the seconds to wait before it."""
        if self.per_minute is None:
            return 0.0
        with self._lock:
            now = self._clock()
            self._mark = max(self._mark, now)
            wait = max(self._mark - self.slack - now, 0.0)
            self._mark += 60.0 * amount / self.per_minute
            return wait

    def correct(self, amount: float) -> None:
        """Add what an earlier use took more than was said (less, if negative)."""
        if self.per_minute is not None:
            with self._lock:
                self._mark += 60.0 * amount / self.per_minute
