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
        self._askers: dict[tuple[str, int], IntArray] = {}
        """Of questions of which anything is in flight: for each cell of the table the number of who asks it, or 0."""

    def claim(self, question: Question, flat: IntArray, asker: int, size: int) -> tuple[IntArray, IntArray]:
        """Put in flight what nobody asks.

        Parameters
        ----------
        question, flat
            What is wanted, each once.
        asker
            A number > 0 that nobody else has.
        size
            That of the question's table.

        Returns
        -------
        tuple
            What is in flight for the asker now and was not before, and what others are asking.
        """
        key = (question.key, question.arity)
        askers = self._askers.get(key)
        if askers is None:
            askers = self._askers[key] = np.zeros(size, dtype=np.int64)
            others = flat[:0]
        else:
            asked_by = askers[flat]
            others, flat = flat[(asked_by != 0) & (asked_by != asker)], flat[asked_by == 0]
        askers[flat] = asker
        return flat, others

    def end(self, question: Question, flat: IntArray) -> None:
        """Give them back, answered or not, and wake who waits for them."""
        key = (question.key, question.arity)
        askers = self._askers[key]
        askers[flat] = 0
        if not np.count_nonzero(askers):
            del self._askers[key]
        self._changed.notify_all()

    def wait(self, question: Question, flat: IntArray) -> None:
        """Return when nobody is asking any of them."""
        key = (question.key, question.arity)
        with self._changed:
            self._changed.wait_for(lambda: key not in self._askers or not self._askers[key][flat].any())
