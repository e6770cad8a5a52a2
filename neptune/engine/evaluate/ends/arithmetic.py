"""Bounds in NumPy, for tables of a few objects: what :mod:`neptune.engine.compile` does in torch."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from dsl.plan import Atom, Term
from neptune.algebra.arrays import Array, logistic
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.tables import Table
from neptune.scene.types import IntArray

Ends = tuple[Array, Array]
"""Lower and upper bounds; the same array twice where the values are known."""


class EndSource(Protocol):
    """Gives what is known of atoms as arrays."""

    def ends(self, atom: Atom) -> Ends:
        """Return bounds of an atom's logits over its variables, in the order of its terms: float32 arrays, the same one
        twice where all are known."""
        ...

    def table(self, atom: Atom) -> Table:
        """Return the table that they hang on."""
        ...


def expectation_ends(fits: Ends, said: Ends, tau: float, dtype: DTypeLike = np.float32) -> Array:
    """Return bounds of what is said of a described object, over all axes but the last: both in one array of `dtype`.

    Parameters
    ----------
    fits
        Bounds of the description's logits, ``(…, N)``.
    said
        Bounds of the probabilities of what is said, of shapes that broadcast with it.
    tau
        The temperature of the description; 0 picks the largest alone.
    """
    shape = fits[0].shape
    if said[0].shape != shape:
        shape = np.broadcast_shapes(shape, said[0].shape)
    # Nothing asked yet of what is said: whatever the weights, the ends are 0 and 1.
    nothing = tau != 0.0 and b"\1" not in (said[0] != 0.0).tobytes()
    anything = tau != 0.0 and b"\1" not in (said[1] != 1.0).tobytes()
    ends = np.empty((2, *shape[:-1]))
    if not (nothing and anything):
        w = np.empty((2, *fits[0].shape))
        w[0], w[1] = fits
        np.minimum(np.maximum(w, -LOGIT_LIMIT, out=w), LOGIT_LIMIT, out=w)
        if tau == 0.0:
            possible = w[1] >= w[0].max(-1, keepdims=True)
            ends[0] = np.where(possible, said[0], 1.0).min(-1)
            ends[1] = np.where(possible, said[1], 0.0).max(-1)
        else:
            w -= np.maximum.reduce(w[1], axis=-1, keepdims=True)
            w /= tau
            np.exp(w, out=w)
            _fractional_ends(w[0], w[1], said, shape, ends)
    if nothing:
        ends[0] = 0.0
    if anything:
        ends[1] = 1.0
    return np.minimum(np.maximum(ends, 0.0, out=ends), 1.0, out=ends).astype(dtype)


def _fractional_ends(w_low: Array, w_high: Array, said: Ends, shape: tuple[int, ...], ends: Array) -> None:
    """Put into `ends` the least of ``Σ w·r / Σ w`` over ``w_low ≤ w ≤ w_high``, along the last axis, for r the lower
    ends of what is said, and the most of it for the upper ends.

    See :func:`neptune.engine.compile.descriptions.fractional_bounds`; all broadcast to `shape`, ``(…, n)``. The least
    has the larger weights before some place in the order of r, and the smaller ones from there; the most the other way
    round.
    """
    n = shape[-1]
    rows = math.prod(shape[:-1])
    said_of = np.empty((2, *shape))
    said_of[0], said_of[1] = said
    r = said_of.reshape(2, rows, n)
    order = r.argsort(axis=-1, kind="stable")
    wide = np.empty((2, *shape))
    wide[0], wide[1] = w_low, w_high
    at = order + _begins(rows, n)
    # Weights before each place and from it, and the same times r: sums alone, as a difference of them would lose small
    # weights beside a large one.
    summed = np.zeros((2, 2, 2, rows, n + 1))
    before, after = summed[0, ..., 1:], summed[1, ..., :-1]
    before[0], after[0] = wide.reshape(-1).take(at)
    r = r.reshape(-1).take(at[1])
    np.multiply(before[0], r, out=before[1])
    np.multiply(after[0], r, out=after[1])
    np.add.accumulate(before, axis=-1, out=before)
    np.add.accumulate(after[..., ::-1], axis=-1, out=after[..., ::-1])
    total, weighted = np.add(summed[0], summed[1], out=summed[0])
    found = np.empty_like(total)
    found[0], found[1] = 1.0, 0.0  # of nothing
    np.divide(weighted, total, out=found, where=total > 0)
    ends[0] = np.minimum.reduce(found[0], axis=-1).reshape(shape[:-1])
    ends[1] = np.maximum.reduce(found[1], axis=-1).reshape(shape[:-1])


@lru_cache(maxsize=1024)
def _begins(rows: int, n: int) -> IntArray:
    """Return where in lower and upper weights, one after the other, each row begins of those that come first for the
    least and for the most, and then of those that come after: shape ``(2, 2, rows, 1)``."""
    upper = np.array([[rows * n, 0], [0, rows * n]])
    return upper[:, :, None, None] + np.arange(0, rows * n, n)[:, None]


@lru_cache(maxsize=1024)
def unasked(n: int, terms: tuple[Term, ...]) -> tuple[Ends, Ends]:
    """Return bounds of an atom of which nothing has been asked, over its variables in the order of its terms, as logits
    and as probabilities: a pair of one object with itself is never used, and shown as 0. Read-only."""
    own = diagonal(n, len(terms))[tuple([t if isinstance(t, int) else slice(None) for t in terms])]
    low = np.where(own, np.float32(0.0), np.float32(-np.inf))
    ends = low, low if own.all() else np.asarray(-low)
    chances = logistic(ends[0]), logistic(ends[1])
    for array in (*ends, *chances):
        array.flags.writeable = False
    return ends, chances


@lru_cache(maxsize=1024)
def identity(n: int, given: int | None) -> Array:
    """Return whether two objects are the same, ``(n, n)``, or each is the given one, ``(n,)``: as logits, read-only."""
    same = np.eye(n, dtype=np.bool_) if given is None else np.arange(n) == given
    logits = np.where(same, np.float32(np.inf), np.float32(-np.inf))
    logits.flags.writeable = False
    return logits


def placed(array: Array, have: tuple[str, ...], want: tuple[str, ...]) -> Array:
    """Return an array over `have` with its axes in the order of `want`, of length 1 where it has none."""
    if have == want:
        return array
    order, index = _placing(have, want)
    if order is not None:
        array = array.transpose(order)
    return array if index is None else array[index]


@lru_cache(maxsize=4096)
def _placing(
    have: tuple[str, ...], want: tuple[str, ...]
) -> tuple[tuple[int, ...] | None, tuple[slice | None, ...] | None]:
    kept = tuple([v for v in want if v in have])
    index = tuple([slice(None) if v in have else None for v in want])
    order = None if have == kept else tuple([have.index(v) for v in kept])
    return order, None if len(kept) == len(want) else index
