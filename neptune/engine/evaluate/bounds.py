"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.algebra.late import torch

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
    low, high = (end.astype(np.float64).clip(-LOGIT_LIMIT, LOGIT_LIMIT) for end in fits)
    if tau == 0.0:
        possible = high >= low.max(-1, keepdims=True)
        least, most = np.where(possible, said[0], 1.0).min(-1), np.where(possible, said[1], 0.0).max(-1)
    else:
        peak = high.max(-1, keepdims=True)
        w_low, w_high = np.exp((low - peak) / tau), np.exp((high - peak) / tau)
        shape = np.broadcast_shapes(low.shape, said[0].shape)
        w_low, w_high, r_low, r_high = (
            x if x.shape == shape else np.broadcast_to(x, shape) for x in (w_low, w_high, *said)
        )
        # Nothing asked yet of what is said: whatever the weights, the ends are 0 and 1.
        least = most = None
        if not said[0].any():
            least = np.zeros(shape[:-1])
        if (said[1] == 1.0).all():
            most = np.ones(shape[:-1])
        if least is None:
            least, found = fractional_ends(w_low, w_high, r_low, both=most is None and said[0] is said[1])
            most = found if most is None else most
        if most is None:
            _, most = fractional_ends(w_low, w_high, r_high, both=True)
    return tuple(np.asarray(end.clip(0.0, 1.0).astype(np.float32)) for end in (least, most))  # type: ignore[return-value]


def fractional_ends(w_low: Array, w_high: Array, r: Array, *, both: bool) -> tuple[Array, Array | None]:
    """Return the least of ``Σ w·r / Σ w`` over ``w_low ≤ w ≤ w_high``, along the last axis, and with `both` the most.

    See :func:`neptune.engine.compile.descriptions.fractional_bounds`; the three have one shape, ``(…, n)``.
    """
    shape, n = r.shape[:-1], r.shape[-1]
    r = r.reshape(-1, n)
    order = r.argsort(axis=-1, kind="stable")
    rows = np.arange(len(r))[:, None]
    # Weights at their lower and upper ends, and the same times r, in the order of r; their sums before and from each
    # place: sums alone, as a difference of them would lose small weights beside a large one.
    stacked = np.empty((4, len(r), n))
    stacked[0], stacked[1] = w_low.reshape(-1, n)[rows, order], w_high.reshape(-1, n)[rows, order]
    np.multiply(stacked[:2], r[rows, order], out=stacked[2:])
    before, after = np.zeros((2, 4, len(r), n + 1))
    stacked.cumsum(-1, out=before[..., 1:])
    after[..., :-1] = stacked[..., ::-1].cumsum(-1)[..., ::-1]
    least = _quotient(before[1] + after[0], before[3] + after[2], 1.0).min(-1)
    if not both:
        return least.reshape(shape), None
    return least.reshape(shape), _quotient(before[0] + after[1], before[2] + after[3], 0.0).max(-1).reshape(shape)


def _quotient(total: Array, weighted: Array, of_nothing: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, weighted / total, of_nothing)


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
