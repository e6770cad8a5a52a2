"""Which cells of a scene are being asked at this moment, so that threads never ask the same one twice."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from neptune.scene.types import IntArray


class Claims:
    """The cells that some thread has sent to the oracle and that are not answered yet.

    No lock is held while an oracle works: other programs on the same scene go on, and their requests can join the
    same batch. Only :meth:`wait` may be called without holding the lock.

    Parameters
    ----------
    lock
        Guards the tables of the scene, and these claims with them.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._masks: dict[tuple[str, int], NDArray[np.bool_]] = {}

    def taken(self, question: tuple[str, int], flat: IntArray) -> NDArray[np.bool_]:
        """Return which of the cells (flat indices, shape ``(M,)``) another thread is asking: shape ``(M,)``."""
        mask = self._masks.get(question)
        return np.zeros(len(flat), dtype=np.bool_) if mask is None else mask[flat]

    def claim(self, question: tuple[str, int], flat: IntArray, cells: int) -> None:
        """Take the cells; `cells` is the size of the question's table."""
        self._masks.setdefault(question, np.zeros(cells, dtype=np.bool_))[flat] = True

    def release(self, question: tuple[str, int], flat: IntArray) -> None:
        """Give the cells back, answered or not, and wake who waits for them."""
        mask = self._masks[question]
        mask[flat] = False
        if not mask.any():
            del self._masks[question]
        self._changed.notify_all()

    def wait(self, question: tuple[str, int], flat: IntArray) -> None:
        """Return when no other thread is asking any of the cells."""
        with self._changed:
            self._changed.wait_for(lambda: not self.taken(question, flat).any())
