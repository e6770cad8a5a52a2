"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT


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
