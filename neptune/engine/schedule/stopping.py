"""When to stop: a decision is settled as soon as the bounds leave no other.

Nothing here guesses. Bounds are sound (`neptune.engine.evaluate.evaluator`), so a settled decision is the one
that asking everything gives. Numbers that went through rounding (any logic but godel, and every expectation) count as
separated only beyond `MARGIN`, so that another order of the same operations can not decide otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dsl.plan import Count, CountTrue, Describe, Description
from neptune.algebra import Logic
from neptune.engine.evaluate.bounds import Interval, settled_argmax
from neptune.engine.evaluate.evaluator import Evaluator
from neptune.engine.schedule.goals import Goal

MARGIN = 1e-5
"""Rounding of a plan's values stays far below this, also that of another order of its operations."""


def settled(goal: Goal, evaluator: Evaluator) -> bool:
    """Tell whether the bounds decide the goal.

    Parameters
    ----------
    goal
        What is to be decided.
    evaluator
        Evaluates to intervals over what is known so far.
    """
    margin = MARGIN if goal.soft or not evaluator.logic.uses_logits else 0.0
    node = goal.node
    if goal.kind == "exact":
        interval = evaluator.over(node) if isinstance(node, Description | Count) else evaluator.truth(node)
        return _closed(interval)
    if goal.kind == "argmax":
        assert isinstance(node, Description)
        return _largest(evaluator.over(node), evaluator.logic, margin)
    if goal.kind == "choose":
        assert isinstance(node, Describe)
        parts = [evaluator.truth(b) for b in node.bodies]
        if margin:
            low, high = (torch.stack([p.reshape(()) for p in side]) for side in _sides(parts))
            return _apart(low, high, margin)
        low = torch.stack([p.low.internal.reshape(()) for p in parts])
        high = torch.stack([p.high.internal.reshape(()) for p in parts])
        return settled_argmax(evaluator.logic, low, high)[1]
    if isinstance(node, CountTrue):
        return all(bool(decided(evaluator.truth(b), margin).all()) for b in node.bodies)
    interval = evaluator.over(node) if isinstance(node, Count) else evaluator.truth(node)
    return bool(decided(interval, margin).all())


def decided(interval: Interval, margin: float) -> Tensor:
    """Return booleans, one a cell: the bounds lie on one side of ½ (beyond the margin)."""
    if margin == 0.0:
        return interval.low.decide() == interval.high.decide()
    return (interval.low.values > 0.5 + margin) | (interval.high.values < 0.5 - margin)


def _closed(interval: Interval) -> bool:
    return interval.exact or bool((interval.low.internal == interval.high.internal).all())


def _largest(interval: Interval, logic: Logic, margin: float) -> bool:
    if not interval.low.shape[0]:
        return True
    if margin:
        return _apart(interval.low.values, interval.high.values, margin)
    return settled_argmax(logic, interval.low.internal, interval.high.internal)[1]


def _sides(parts: list[Interval]) -> tuple[list[Tensor], list[Tensor]]:
    return [p.low.values for p in parts], [p.high.values for p in parts]


def _apart(low: Tensor, high: Tensor, margin: float) -> bool:
    best = int(low.argmax())
    others = torch.cat([high[:best], high[best + 1 :]])
    return not len(others) or bool(low[best] > others.max() + margin)
