"""How much slower the machine is just now than at full speed: limits of CPU time are scaled by it."""

from __future__ import annotations

import time

FIXED_WORK = 0.25
"""Seconds of CPU time that :func:`fixed_work` takes on a machine at full speed."""


def fixed_work() -> float:
    """Return the seconds of CPU time that a fixed piece of work like the interpreter's takes just now."""
    started, made = time.process_time(), {}
    for i in range(200_000):
        made[i % 977, str(i)] = frozenset((i, i + 1))
    return time.process_time() - started


def slower() -> float:
    """Return by what factor, at least 1, a piece of work takes longer just now."""
    return max(1.0, fixed_work() / FIXED_WORK)
