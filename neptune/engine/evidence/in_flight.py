"""What is being asked about a scene at this moment, so that threads never ask the same twice."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

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
        self._masks: dict[tuple[str, int], NDArray[np.bool_]] = {}

    def taken(self, question: Question, flat: IntArray) -> NDArray[np.bool_]:
        """Return which of them another thread is asking: shape ``(M,)``."""
        mask = self._masks.get((question.key, question.arity))
        return np.zeros(len(flat), dtype=np.bool_) if mask is None else mask[flat]

    def begin(self, question: Question, flat: IntArray, size: int) -> None:
        """Put them in flight; `size` is that of the question's table."""
        key = (question.key, question.arity)
        self._masks.setdefault(key, np.zeros(size, dtype=np.bool_))[flat] = True

    def end(self, question: Question, flat: IntArray) -> None:
        """Give them back, answered or not, and wake who waits for them."""
        key = (question.key, question.arity)
        self._masks[key][flat] = False
        if not self._masks[key].any():
            del self._masks[key]
        self._changed.notify_all()

    def wait(self, question: Question, flat: IntArray) -> None:
        """Return when no other thread is asking any of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self.taken(question, flat).any())
