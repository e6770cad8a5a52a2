"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neptune.algebra import Logic, ProbabilisticTensor, counting
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.algebra.tensor.axes import view

SLAB = 1 << 17
"""Cells sorted at once: what fits the processor's cache is done five times as fast."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper bound of a truth, cell by cell; the same object twice where the value is known."""

    low: ProbabilisticTensor
    high: ProbabilisticTensor

    @staticmethod
    def point(value: ProbabilisticTensor) -> Interval:
        """Return the interval of a known value."""
        return Interval(value, value)

    @property
    def exact(self) -> bool:
        """Whether the value is known."""
        return self.low is self.high

    def negated(self) -> Interval:
        """Return the interval of ¬."""
        if self.exact:
            return Interval.point(self.low.not_op())
        return Interval(self.high.not_op(), self.low.not_op())


def fractional_bounds(w_low: Tensor, w_high: Tensor, r: Tensor, *, upper: bool) -> Tensor:
    """Return the extreme of ``Σ w·r / Σ w`` over ``w_low ≤ w ≤ w_high``, along the last axis.

    The extreme of a linear-fractional function on a box lies at a vertex of threshold form: sorted by r, the weights
    on the better side of a threshold are at their upper end and the others at their lower end (Charnes and Cooper
    1962). All thresholds are tried: O(n log n).

    Parameters
    ----------
    w_low, w_high
        Unnormalised weights ≥ 0, shape ``(…, n)``; ``w_high`` is positive somewhere.
    r
        Values in [0, 1], shape ``(…, n)``.
    upper
        The maximum, else the minimum.
    """
    shape = (w_low + w_high + r).shape
    w_low, w_high, r = (t.expand(shape) for t in (w_low, w_high, r))
    n = r.shape[-1]
    if r.numel() > max(SLAB, n):
        rows = max(SLAB // n, 1)
        a, b, c = (t.reshape(-1, n) for t in (w_low, w_high, r))
        slabs = [slice(i, i + rows) for i in range(0, len(c), rows)]
        return torch.cat([fractional_bounds(a[s], b[s], c[s], upper=upper) for s in slabs]).reshape(
            shape[:-1]
        )
    order = r.argsort(dim=-1, descending=upper)
    w_low, w_high, r = (t.gather(-1, order) for t in (w_low, w_high, r))
    zero = torch.zeros_like(r[..., :1])

    def running(t: Tensor) -> Tensor:
        return torch.cat([zero, t.cumsum(-1)], dim=-1)

    above_w, above_wr = running(w_high), running(w_high * r)
    below_w, below_wr = running(w_low), running(w_low * r)
    total = above_w + below_w[..., -1:] - below_w
    weighted = above_wr + below_wr[..., -1:] - below_wr
    ratios = weighted / total.clamp_min(torch.finfo(r.dtype).tiny)
    ratios = torch.where(total > 0, ratios, torch.full_like(ratios, 0.0 if upper else 1.0))
    return ratios.amax(-1) if upper else ratios.amin(-1)


def settled_argmax(logic: Logic, low: Tensor, high: Tensor) -> tuple[int, bool]:
    """Return the index of the largest value (the likeliest, if open) and whether it is settled: the lowest wins ties.

    Index i is settled when ``low[i] > high[j]`` for j < i and ``low[i] ≥ high[j]`` for j > i.

    Parameters
    ----------
    logic
        Compares the values: see :meth:`neptune.algebra.Logic.ranks`.
    low, high
        Bounds of the values as internal numbers, shape ``(n,)``, n ≥ 1.
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


def equal_bounds(a: Interval, b: Interval, logic: Logic) -> Interval:
    """Return bounds of "as many a as b", each counted over its axis ``#``.

    The chance of exactly k lies between ``P(≥k)`` and ``P(≥k+1)`` at opposite ends of the cells' bounds; equality is
    godel's ``maxₖ min(a₌ₖ, b₌ₖ)``, else ``Σₖ P(a=k)·P(b=k)``, and both rise with each ``a₌ₖ`` and ``b₌ₖ``.

    Parameters
    ----------
    a, b
        What is counted, with an axis ``#`` and any free variables, aligned by name.
    logic
        The logic of both.
    """
    rest_a, rest_b = ([v for v in t.low.vars if v != "#"] for t in (a, b))
    vars = tuple(dict.fromkeys([*rest_a, *rest_b]))
    ends = []
    for counted, rest in ((a, rest_a), (b, rest_b)):
        low, high = (
            view(_at_least(t, logic), (*rest, "#"), (*vars, "#")) for t in (counted.low, counted.high)
        )
        ends.append((_exactly(low, high, logic), _exactly(high, low, logic)))
    bounds = []
    for first, second in zip(ends[0], ends[1], strict=True):
        size = min(first.shape[-1], second.shape[-1])
        first, second = first[..., :size], second[..., :size]
        if logic.uses_logits:
            bounds.append(
                ProbabilisticTensor.from_logits(
                    logic.exists(logic.and_(first, second), -1), vars, logic=logic
                )
            )
        else:
            total = (first * second).sum(-1).clamp(0.0, 1.0).to(a.low.dtype)
            bounds.append(ProbabilisticTensor(total, vars, logic=logic))
    return Interval(bounds[0], bounds[1])


def _at_least(counted: ProbabilisticTensor, logic: Logic) -> Tensor:
    """Return how true "at least k" is for k = 0 … n + 1: godel's as logits, else as probabilities in float64."""
    ordered = counted.align((*(v for v in counted.vars if v != "#"), "#"))
    if logic.uses_logits:
        return counting.at_least_each(ordered.logits, None)
    chances = counted.count_distribution("#").double()
    tails = chances.flip(-1).cumsum(-1).flip(-1)
    return torch.cat([tails, torch.zeros_like(tails[..., :1])], -1)


def _exactly(least: Tensor, most: Tensor, logic: Logic) -> Tensor:
    """Return one end of "exactly k" from "at least k" at that end and at the other."""
    if logic.uses_logits:
        return logic.and_(least[..., :-1], logic.not_(most[..., 1:]))
    return (least[..., :-1] - most[..., 1:]).clamp(0.0, 1.0)
