"""What is known of one question about one scene: a table with one cell for each tuple of objects."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.engine.evidence.indexing import all_flat, distinct, unflatten, unique
from neptune.scene.types import FloatArray, IntArray, Question


@dataclass(slots=True, eq=False)
class Table:
    """What is known of one question: a view that fills as the oracle is asked.

    Parameters
    ----------
    question
        What is asked.
    symmetric
        The order of the two objects does not matter.
    logits
        Shape ``(N,) * arity``, float32 in [-50, 50]. NaN where not asked, and where evidence is missing; ±∞ where
        it is read off the boxes.
    asked
        Same shape, bool. The diagonal stays false.
    complete
        All of it has been asked at once: there is nothing to look for.
    bounds
        Flat index of a cell of missing evidence → bounds of its logit, where something is known of it.
    writes
        How often it was written to: what was computed of it at another number is of an earlier state.
    """

    question: Question
    symmetric: bool
    logits: FloatArray
    asked: NDArray[np.bool_]
    complete: bool = False
    bounds: dict[int, tuple[float, float]] = field(default_factory=dict)
    writes: int = 0
    ready: dict[Hashable, NDArray[Any] | None] = field(default_factory=dict)
    """What runs computed from the whole table, by what they computed it with; ``None``: evidence is missing."""

    def normalised(self, tuples: IntArray | None) -> IntArray:
        """Return tuples of objects ``(M, arity)`` as flat indices ``(M',)``, each once, in order; ``None``: all.

        Those of a symmetric question come back as i < j; those that name one object twice are dropped.

        Raises
        ------
        IndexError
            If a tuple names an object that the scene does not have.
        """
        shape = self.logits.shape
        n, arity = (shape[0] if shape else 1), len(shape)
        if tuples is None:
            return all_flat(n, arity, self.symmetric)
        tuples = np.asarray(tuples, dtype=np.int64)
        if arity == 0:
            return np.zeros(min(len(tuples), 1), dtype=np.int64)
        if tuples.ndim != 2 or tuples.shape[1] != arity:
            raise IndexError(f"cells of shape {tuples.shape}; expected (M, {arity}) for '{self.question.text}'")
        if np.count_nonzero(tuples.view(np.uint64) >= n):  # there are no negative numbers: these are beyond any n
            raise IndexError(f"a cell of '{self.question.text}' names an object outside 0 … {n - 1}")
        if arity == 1:
            return unique(tuples[:, 0])
        if arity == 2:
            first, second = tuples[:, 0], tuples[:, 1]
            if self.symmetric:
                first, second = np.minimum(first, second), np.maximum(first, second)
            return unique((first * n + second)[first != second])
        return unique(np.ravel_multi_index(tuple(tuples[distinct(tuples)].T), shape))

    def known(self, flat: IntArray) -> NDArray[np.bool_]:
        """Return which of the flat indices ``(M,)`` have been asked: shape ``(M,)``."""
        return self.asked.reshape(-1)[flat]

    def tuples(self, flat: IntArray) -> IntArray:
        """Return flat indices ``(M,)`` as tuples of objects, shape ``(M, arity)``."""
        return unflatten(flat, self.logits.shape)

    def write(self, flat: IntArray, logits: FloatArray, bounds: FloatArray | None = None) -> None:
        """Fill in answers (of a symmetric table: both mirrored ones); `asked` last, for readers without the lock.

        Parameters
        ----------
        flat, logits
            Shape ``(M,)``.
        bounds
            Of the logits that are NaN, shape ``(M, 2)``, if anything is known of them.
        """
        places = [flat]
        if self.symmetric:
            n = self.logits.shape[0]
            places.append(flat % n * n + flat // n)
        for at in places:
            if bounds is not None:
                rows = zip(at.tolist(), logits.tolist(), bounds.tolist())
                self.bounds.update({i: (low, high) for i, x, (low, high) in rows if x != x})
            self.logits.reshape(-1)[at] = logits
            self.asked.reshape(-1)[at] = True
        self.writes += 1
        self.ready.clear()
