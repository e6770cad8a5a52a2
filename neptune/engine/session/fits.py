"""How well a description is fit, read off its evaluated body."""

from __future__ import annotations

from neptune.engine.evaluate.bounds import Interval

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
