"""What is being asked about a scene at this moment, so that threads never ask the same twice."""

from __future__ import annotations

import threading

import numpy as np

from neptune.scene.types import IntArray, Question


class InFlight:
    """The ground atoms that some thread has sent to the oracle and that are not answered yet.

    No lock is held while an oracle works: other programs on the same scene go on, and their requests can join the
    same batch. Only :meth:`wait` may be called without holding the lock. Ground atoms of a question are given as flat
    indices into its table, shape ``(M,)``.

    Parameters
    ----------
    lock
        Guards the tables of the scene, and what is in flight with them.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._parts: dict[tuple[str, int], list[IntArray]] = {}
        """By question what is in flight, in parts that have nothing in common."""

    def begin(self, question: Question, flat: IntArray) -> tuple[IntArray, IntArray]:
        """Put in flight what is not yet: return this, a part, and what is in flight already."""
        key = (question.key, question.arity)
        parts = self._parts.get(key)
        if parts is None:
            self._parts[key] = [flat]
            return flat, flat[:0]
        taken = np.isin(flat, np.concatenate(parts))
        fresh = flat[~taken]
        if len(fresh):
            parts.append(fresh)
        return fresh, flat[taken]

    def end(self, question: Question, part: IntArray) -> None:
        """Give a part back, answered or not, and wake who waits for it."""
        key = (question.key, question.arity)
        parts = [other for other in self._parts[key] if other is not part]
        if parts:
            self._parts[key] = parts
        else:
            del self._parts[key]
        self._changed.notify_all()

    def wait(self, question: Question, flat: IntArray) -> None:
        """Return when none of them is in flight."""
        key = (question.key, question.arity)
        with self._changed:
            self._changed.wait_for(lambda: not any(np.isin(flat, part).any() for part in self._parts.get(key, ())))
