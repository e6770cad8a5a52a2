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
from neptune.algebra.iota import LEAST_EXPONENTS
from neptune.engine.evaluate.ends.axes import some
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.tables import Table
from neptune.scene.types import IntArray

Ends = tuple[Array, Array]
"""Lower and upper bounds; the same array twice where the values are known."""


def ends_in(rows: Array) -> Ends:
    """Return bounds off one array, ``(2, …)``, or ``(1, …)`` where the values are known."""
    low = rows[0, ...]
    return low, low if len(rows) == 1 else rows[1, ...]


def rows_of(ends: Ends) -> Array:
    """Return the same the other way round."""
    return ends[0][None] if ends[0] is ends[1] else np.array(ends)


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
    shape, begins = _layout(fits[0].shape, said[0].shape)
    if tau != 0.0 and not (some(said[1] != 1.0) or some(said[0] != 0.0)):
        # Nothing asked yet of what is said: whatever the weights, the ends are 0 and 1.
        ends = np.empty((2, *shape[:-1]), dtype)
        ends[0], ends[1] = 0.0, 1.0
        return ends
    w = np.empty((2, *fits[0].shape))
    w[0], w[1] = fits
    np.minimum(np.maximum(w, -LOGIT_LIMIT, out=w), LOGIT_LIMIT, out=w)
    if tau == 0.0:
        possible = w[1] >= w[0].max(-1, keepdims=True)
        ends = np.array([np.where(possible, said[0], 1.0).min(-1), np.where(possible, said[1], 0.0).max(-1)])
    else:
        ends = _fractional_ends(weights_between(w, tau), said, shape, begins)
    rounded: Array = np.minimum(ends, 1.0, out=ends).astype(dtype)
    return rounded


def weights_between(logits: Array, tau: float) -> Array:
    """Return bounds of weights in a description, as far as they matter (up to a factor), ``(2, …, N)``, given those of
    logits within their limits, float64, which are written to. The temperature is above 0."""
    logits -= np.maximum.reduce(logits[1], axis=-1, keepdims=True)
    if tau != 1.0:
        logits /= tau
        for end, least in zip(logits, LEAST_EXPONENTS, strict=True):
            np.maximum(end, least, out=end)
    return np.exp(logits, out=logits)


def _fractional_ends(w: Array, said: Ends, shape: tuple[int, ...], begins: IntArray) -> Array:
    """Return the least of ``Σ w·r / Σ w`` over ``w[0] ≤ w ≤ w[1]``, along the last axis, for r the lower ends of what
    is said, and the most of it for the upper ends: both in one array. `shape`, `begins`: see :func:`_layout`; `w` is
    written to.

    See :func:`neptune.engine.compile.descriptions.fractional_bounds`. The least has the larger weights up to some place
    in the order of r, and the smaller ones from there. The most for r is, but for its sign, the least for −r.
    """
    r = np.empty((2, *shape))
    r[0] = said[0]
    np.negative(said[1], out=r[1])
    at = r.argsort(axis=-1, kind="stable")
    at += begins
    r.sort(axis=-1)
    # All smaller weights, and for each place how much larger the larger ones up to it are; and the same times r. Sums
    # alone, as a difference of them would lose small weights beside a large one.
    w[1] -= w[0]
    sums = np.empty((2, 2, *r.shape))
    sums[0] = w.reshape(2, -1).take(at, axis=1)
    np.multiply(sums[0], r, out=sums[1])
    found = np.add.accumulate(sums[:, 1], axis=-1)
    found += np.add.reduce(sums[:, 0], axis=-1, keepdims=True)
    ends: Array = np.abs(np.minimum.reduce(np.divide(found[1], found[0], out=r), axis=-1))
    return ends


@lru_cache(maxsize=1024)
def _layout(weights: tuple[int, ...], said: tuple[int, ...]) -> tuple[tuple[int, ...], IntArray]:
    """Return the shape that weights and what is said have together, and where each row of the weights (along the last
    axis) begins among their cells, of a shape that broadcasts with it."""
    begins = np.arange(0, math.prod(weights), weights[-1]).reshape(*weights[:-1], 1)
    return np.broadcast_shapes(weights, said), begins


@lru_cache(maxsize=1024)
def unasked_rows(n: int, terms: tuple[Term, ...]) -> Array:
    """Return bounds of an atom of which nothing has been asked, over its variables in the order of its terms, as logits
    in one array (:func:`ends_in`): a pair of one object with itself is never used, and shown as 0. Read-only."""
    own = diagonal(n, len(terms))[tuple([t if isinstance(t, int) else slice(None) for t in terms])]
    low = np.where(own, np.float32(0.0), np.float32(-np.inf))
    rows = low[None] if own.all() else np.array((low, -low))
    rows.flags.writeable = False
    return rows


@lru_cache(maxsize=1024)
def unasked(n: int, terms: tuple[Term, ...]) -> tuple[Ends, Ends]:
    """Return the same as logits and as probabilities."""
    rows = unasked_rows(n, terms)
    chances = logistic(rows)
    chances.flags.writeable = False
    return ends_in(rows), ends_in(chances)


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
