"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neptune.algebra import ProbabilisticTensor


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
    shape = torch.broadcast_shapes(w_low.shape, r.shape)
    w_low, w_high, r = (t.expand(shape) for t in (w_low, w_high, r))
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


def settled_argmax(low: Tensor, high: Tensor) -> tuple[int, bool]:
    """Return the index of the largest value and whether it is settled: the lowest index wins ties.

    Index i is settled when ``low[i] > high[j]`` for j < i and ``low[i] ≥ high[j]`` for j > i.

    Parameters
    ----------
    low, high
        Bounds of the values, shape ``(n,)``, n ≥ 1.
    """
    best = int(((low + high) if low is not high else low).argmax())
    bound = float(low[best])
    before, after = high[:best], high[best + 1 :]
    settled = not bool((before >= bound).any()) and not bool((after > bound).any())
    return best, settled
