"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsl.plan import Term
from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.algebra.late import torch
from neptune.engine.evidence.indexing import diagonal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper bound of a truth, cell by cell; the same object twice where all evidence is there."""

    low: ProbabilisticTensor
    high: ProbabilisticTensor

    @staticmethod
    def point(value: ProbabilisticTensor) -> Interval:
        """Return the interval of a known value."""
        return Interval(value, value)

    @property
    def exact(self) -> bool:
        """Whether all evidence is there."""
        return self.low is self.high

    @property
    def known(self) -> bool:
        """Whether the value is known: all evidence is there, or what is left open can not change it, as where a
        minimum has been found and the rest is known to be larger."""
        return self.exact or torch.equal(self.low.internal, self.high.internal)


def settled_argmax(logic: Logic, low: Tensor, high: Tensor) -> tuple[int, bool]:
    """Return the index of the largest value (the likeliest, if open) and whether it is settled: the lowest wins ties.

    Index i is settled when ``low[i] > high[j]`` for j < i and ``low[i] ≥ high[j]`` for j > i.

    Parameters
    ----------
    logic
        Compares the values: see :meth:`neptune.algebra.Logic.ranks`.
    low, high
        Bounds of the values as carrier values, shape ``(n,)``, n ≥ 1.
    """
    exact = low is high
    low = logic.ranks(low)
    high = low if exact else logic.ranks(high)
    best = int(low.argmax())  # The first among equals; no other index can be settled.
    bound = low[best]
    settled = not bool((high[:best] >= bound).any()) and not bool((high[best + 1 :] > bound).any())
    if not settled:
        # The best guess: the middle of the bounds, infinite ones clamped.
        best = int((low.clamp(-50.0, 50.0) + high.clamp(-50.0, 50.0)).argmax())
    return best, settled


def softmax_bounds(low: Tensor, high: Tensor, index: int, tau: float) -> tuple[float, float]:
    """Return bounds of one cell's share of a softmax: its own logit at one end, all others at the other.

    Parameters
    ----------
    low, high
        Bounds of the logits, shape ``(n,)``; clamped to ±13.8.
    index
        The cell.
    tau
        The temperature; 0 bounds nothing better than [0, 1].
    """
    if tau == 0.0:
        return 0.0, 1.0
    low, high = low.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), high.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    own = torch.arange(len(low)) == index
    least = torch.softmax(torch.where(own, low, high) / tau, 0)[index]
    most = torch.softmax(torch.where(own, high, low) / tau, 0)[index]
    return float(least), float(most)


# --- the same in NumPy, for tables of a few objects ----------------------------------------------

Array = NDArray[Any]
Ends = tuple[Array, Array]
"""Lower and upper bounds; the same array twice where the values are known."""


def probability(logits: Array) -> Array:
    """Return σ of logits, float32, any shape: :func:`neptune.algebra.convert.to_probability`."""
    p = np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))), dtype=np.float32)
    tied = (p == 0.5) & (logits != 0)
    if tied.any():
        ulp = np.finfo(np.float32).eps
        p[tied] = np.where(logits[tied] > 0, 0.5 + ulp / 2, 0.5 - ulp / 4)
    return p


def logit(p: Array) -> Array:
    """Return the logits of probabilities, float32, any shape; ∓∞ at 0 and 1."""
    exact = p.astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(exact / (1.0 - exact)).astype(np.float32))


def weights(logits: Array, tau: float) -> Array:
    """Return the softmax of logits over the last axis, as :func:`neptune.algebra.iota.weights` does; float64."""
    if tau == 0.0:
        return np.asarray(logits.argmax(-1)[..., None] == np.arange(logits.shape[-1])).astype(np.float64)
    cells = logits.clip(-LOGIT_LIMIT, LOGIT_LIMIT)
    raised = np.exp(((cells - cells.max(-1, keepdims=True)) / np.float32(tau)).astype(np.float64))
    return np.asarray((raised / raised.sum(-1, keepdims=True)).astype(np.float32).astype(np.float64))


def expectation_ends(fits: Ends, said: Ends, tau: float) -> Ends:
    """Return bounds of what is said of a described object, over all axes but the last.

    Parameters
    ----------
    fits
        Bounds of the description's logits, ``(…, N)``.
    said
        Bounds of the probabilities of what is said, of shapes that broadcast with it.
    tau
        The temperature of the description; 0 picks the largest alone.
    """
    shape = np.broadcast_shapes(fits[0].shape, said[0].shape)
    # Nothing asked yet of what is said: whatever the weights, the ends are 0 and 1.
    nothing, anything = tau != 0.0 and not said[0].any(), tau != 0.0 and bool((said[1] == 1.0).all())
    if nothing and anything:
        return np.zeros(shape[:-1], np.float32), np.ones(shape[:-1], np.float32)
    low, high = (np.minimum(np.maximum(end.astype(np.float64), -LOGIT_LIMIT), LOGIT_LIMIT) for end in fits)
    if tau == 0.0:
        possible = high >= low.max(-1, keepdims=True)
        least, most = np.where(possible, said[0], 1.0).min(-1), np.where(possible, said[1], 0.0).max(-1)
    else:
        peak = np.maximum.reduce(high, axis=-1, keepdims=True)
        least, most = _fractional_ends(np.exp((low - peak) / tau), np.exp((high - peak) / tau), said, shape)
        least = np.zeros(shape[:-1]) if nothing else least
        most = np.ones(shape[:-1]) if anything else most
    return tuple(  # type: ignore[return-value]
        np.asarray(np.minimum(np.maximum(end, 0.0), 1.0).astype(np.float32)) for end in (least, most)
    )


def _fractional_ends(w_low: Array, w_high: Array, said: Ends, shape: tuple[int, ...]) -> Ends:
    """Return the least of ``Σ w·r / Σ w`` over ``w_low ≤ w ≤ w_high``, along the last axis, for r the lower ends of
    what is said, and the most of it for the upper ends.

    See :func:`neptune.engine.compile.descriptions.fractional_bounds`; all broadcast to `shape`, ``(…, n)``. The least
    has the larger weights before some place in the order of r, and the smaller ones from there; the most the other way
    round.
    """
    n = shape[-1]
    wide = np.empty((3, 2, *shape))
    wide[0, 0], wide[0, 1] = w_high, w_low
    wide[1, 0], wide[1, 1] = w_low, w_high
    wide[2, 0], wide[2, 1] = said
    first, then, r = wide.reshape(3, -1, n)
    rows = len(r)
    order = r.argsort(axis=-1, kind="stable")
    order += np.arange(0, rows * n, n)[:, None]
    # Weights before each place and from it, and the same times r: sums alone, as a difference of them would lose small
    # weights beside a large one.
    stacked = np.empty((2, 2, rows, n))
    r = r.take(order)
    first.take(order, out=stacked[0, 0])
    then.take(order, out=stacked[1, 0])
    np.multiply(stacked[:, 0], r, out=stacked[:, 1])
    before, after = np.zeros((2, 2, rows, n + 1))
    stacked[0].cumsum(-1, out=before[..., 1:])
    stacked[1, ..., ::-1].cumsum(-1, out=after[..., -2::-1])
    before += after
    total, weighted = before.reshape(2, 2, -1, n + 1)
    found = np.empty_like(total)
    found[0], found[1] = 1.0, 0.0  # of nothing
    np.divide(weighted, total, out=found, where=total > 0)
    return found[0].min(-1).reshape(shape[:-1]), found[1].max(-1).reshape(shape[:-1])


@lru_cache(maxsize=1024)
def unasked(n: int, terms: tuple[Term, ...]) -> tuple[Ends, Ends]:
    """Return bounds of an atom of which nothing has been asked, over its variables in the order of its terms, as logits
    and as probabilities: a pair of one object with itself is never used, and shown as 0. Read-only."""
    own = diagonal(n, len(terms))[tuple([t if isinstance(t, int) else slice(None) for t in terms])]
    low = np.where(own, np.float32(0.0), np.float32(-np.inf))
    ends = low, low if own.all() else np.asarray(-low)
    chances = probability(ends[0]), probability(ends[1])
    for array in (*ends, *chances):
        array.flags.writeable = False
    return ends, chances


def placed(array: Array, have: Sequence[str], want: Sequence[str]) -> Array:
    """Return an array over `have` with its axes in the order of `want`, of length 1 where it has none."""
    kept = [v for v in want if v in have]
    if list(have) != kept:
        array = array.transpose([have.index(v) for v in kept])
    return array if len(kept) == len(want) else array[tuple(slice(None) if v in have else None for v in want)]


Fit = tuple[bool, bool, tuple[float, float]]
"""Whether nothing fits, whether several do, as far as is known, and bounds of how true it is that something does."""


def fit_of(description: Interval) -> Fit:
    """Return of a description's body over the objects: whether nothing fits, whether several do, as far as is known,
    and bounds of how true it is that something does."""
    low, high = description.low, description.high
    least, sure = float(low.values.detach().max()), int(low.decide().sum())
    if description.exact:  # low and high are one
        return not sure, sure > 1, (least, least)
    return not bool(high.decide().any()), sure > 1, (least, float(high.values.detach().max()))


def fit_of_values(truths: list[Interval]) -> Fit:
    """Return the same of the closed truths of a value's alternatives."""
    fit = max(float(t.low.values) for t in truths), max(float(t.high.values) for t in truths)
    several = sum(bool(t.low.decide()) for t in truths) > 1
    return not any(bool(t.high.decide()) for t in truths), several, fit


def exactly(logic: Logic, truths: Sequence[ProbabilisticTensor], k: int) -> float:
    """Return how true it is that exactly k of some closed truths are true."""
    cells = torch.stack([t.internal.reshape(()) for t in truths]) if truths else torch.zeros(0, dtype=logic.dtype)
    kind = "logits" if logic.uses_logits else "values"
    return float(ProbabilisticTensor._make(("#",), {}, logic, **{kind: cells}).exactly(k, "#").values)


def floats(values: Tensor) -> tuple[float, ...]:
    """Return the numbers of a vector."""
    return tuple(values.detach().tolist())


def places(hits: Tensor) -> tuple[int, ...]:
    """Return where a vector of booleans is true."""
    return tuple(hits.nonzero().flatten().tolist())
