"""When to stop: a decision (a :class:`Goal`) is settled as soon as the bounds leave no other.

Nothing here guesses. Bounds are sound (`neptune.engine.evaluate.executor`), so a settled decision is the one
that asking everything gives. Numbers that went through rounding (any logic but godel, and every expectation) count as
separated only beyond `MARGIN`, so that another order of the same operations can not decide otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dsl.plan import Count, CountTrue, Describe, Description, ExpectationOver, Node, walk
from neptune.algebra import Logic
from neptune.engine.evaluate.bounds import Interval, settled_argmax
from neptune.engine.evaluate.executor import Executor

MARGIN = 1e-5
"""Rounding of a plan's values stays far below this, also that of another order of its operations."""

Kind = Literal["decide", "argmax", "choose", "each", "exact", "some"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A decision to settle.

    Parameters
    ----------
    kind
        ``decide``: is the closed formula true? ``argmax``: which object is a closed
        :class:`dsl.plan.Description` about?
        ``choose``: which value of a closed :class:`dsl.plan.Describe` is truest? ``each``: at which objects is
        the formula (or the body of a count) true? ``exact``: the values themselves. ``some``: does any object fit a
        closed :class:`dsl.plan.Description`, is any value of a closed :class:`dsl.plan.Describe` true, or a formula?
    node
        The formula, guarded and without unresolved pointing.
    """

    kind: Kind
    node: Node

    @property
    def soft(self) -> bool:
        """Whether its values come out of sums: a description's expectation inside."""
        return any(isinstance(n, ExpectationOver) and not n.pick for n in walk(self.node))


def settled(goal: Goal, evaluator: Executor) -> bool:
    """Tell whether the bounds decide the goal.

    Parameters
    ----------
    goal
        What is to be decided.
    evaluator
        Evaluates to intervals over what is known so far.
    """
    node, logic = goal.node, evaluator.logic
    margin = MARGIN if goal.soft or not logic.uses_logits else 0.0
    if isinstance(node, CountTrue):
        return all(bool(decided(evaluator.truth(body), margin).all()) for body in node.bodies)
    if goal.kind == "some":
        return _some(_alternatives(goal, evaluator), margin)
    if isinstance(node, Describe):
        return _largest([evaluator.truth(body) for body in node.bodies], logic, margin)
    value = evaluator.over(node) if isinstance(node, Description | Count) else evaluator.truth(node)
    if goal.kind == "exact":
        return value.exact or bool((value.low.internal == value.high.internal).all())
    if goal.kind == "argmax":
        return not value.low.shape[0] or _largest([value], logic, margin)
    return bool(decided(value, margin).all())


def fitting(goal: Goal, evaluator: Executor) -> bool:
    """Tell of a goal ``some`` whether, as far as is known, anything may fit: some upper bound is above ½."""
    return any(bool(part.high.decide().any()) for part in _alternatives(goal, evaluator))


def _alternatives(goal: Goal, evaluator: Executor) -> list[Interval]:
    node = goal.node
    if isinstance(node, Describe):
        return [evaluator.truth(b) for b in node.bodies]
    return [evaluator.over(node) if isinstance(node, Description) else evaluator.truth(node)]


def decided(interval: Interval, margin: float) -> Tensor:
    """Return booleans, one for each assignment: the bounds lie on one side of ½ (beyond the margin)."""
    if margin == 0.0:
        return interval.low.decide() == interval.high.decide()
    return (interval.low.values > 0.5 + margin) | (interval.high.values < 0.5 - margin)


def _some(parts: list[Interval], margin: float) -> bool:
    """Tell whether it is known if any value of all parts is above ½ (beyond the margin)."""
    if margin == 0.0:
        return any(bool(p.low.decide().any()) for p in parts) or not any(bool(p.high.decide().any()) for p in parts)
    above = any(bool((p.low.values > 0.5 + margin).any()) for p in parts)
    return above or all(bool((p.high.values < 0.5 - margin).all()) for p in parts)


def _largest(parts: list[Interval], logic: Logic, margin: float) -> bool:
    """Tell whether it is known which value of all parts is the largest."""
    ends = [[p.low for p in parts], [p.high for p in parts]]
    if not margin:
        low, high = (torch.cat([t.internal.reshape(-1) for t in end]) for end in ends)
        return settled_argmax(logic, low, high)[1]
    low, high = (torch.cat([t.values.reshape(-1) for t in end]) for end in ends)
    best = int(low.argmax())
    others = torch.cat([high[:best], high[best + 1 :]])
    return not len(others) or bool(low[best] > others.max() + margin)
