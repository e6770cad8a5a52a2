"""When to stop: a decision (a :class:`Goal`) is settled as soon as the bounds leave no other.

Nothing here guesses. Bounds are sound (`neptune.engine.evaluate.executor`), so a settled decision is the one
that asking everything gives. Numbers that went through rounding (any logic but godel, and every expectation) count as
separated only beyond `MARGIN`, so that another order of the same operations can not decide otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from dsl.plan import CountTrue, Describe, ExpectationOver, Node, walk
from neptune.algebra.arrays import logistic
from neptune.engine.evaluate.ends.arithmetic import Ends
from neptune.engine.evaluate.ends.axes import Mask, every, some
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
        return _weighs(self.node)


@lru_cache(maxsize=4096)
def _weighs(node: Node) -> bool:
    return any(isinstance(n, ExpectationOver) and not n.pick for n in walk(node))


def settled(goal: Goal, evaluator: Executor) -> bool:
    """Tell whether the bounds decide the goal.

    Parameters
    ----------
    goal
        What is to be decided.
    evaluator
        Evaluates to intervals over what is known so far.
    """
    node = goal.node
    margin = MARGIN if goal.soft or not evaluator.logic.uses_logits else 0.0
    if isinstance(node, CountTrue):
        return all(every(_decided(evaluator.ends(body), evaluator, margin)) for body in node.bodies)
    if goal.kind == "some":
        return _some(_alternatives(goal, evaluator), evaluator, margin)
    if isinstance(node, Describe):
        return _largest(evaluator.ends_of(node.bodies), evaluator, margin)
    low, high = evaluator.ends(node)
    if goal.kind == "exact":
        return low is high or every(low == high)
    if goal.kind == "argmax":
        return not len(low) or _largest([(low, high)], evaluator, margin)
    return every(_decided((low, high), evaluator, margin))


def fitting(goal: Goal, evaluator: Executor) -> bool:
    """Tell of a goal ``some`` whether, as far as is known, anything may fit: some upper bound is above ½."""
    return any(some(high > evaluator.logic.middle) for _, high in _alternatives(goal, evaluator))


def _alternatives(goal: Goal, evaluator: Executor) -> list[Ends]:
    node = goal.node
    return evaluator.ends_of(node.bodies) if isinstance(node, Describe) else [evaluator.ends(node)]


def _sides(evaluator: Executor, margin: float) -> tuple[float, float]:
    """Return below and above what a carrier value is on one side of ½, by the margin in probability."""
    if evaluator.logic.uses_logits:
        far = math.log((0.5 + margin) / (0.5 - margin))
        return -far, far
    return 0.5 - margin, 0.5 + margin


def _decided(ends: Ends, evaluator: Executor, margin: float) -> Mask:
    """Return booleans, one for each assignment: the bounds lie on one side of ½ (beyond the margin)."""
    (low, high), (below, above) = ends, _sides(evaluator, margin)
    if margin == 0.0:
        return np.asarray((low > above) == (high > above))
    return np.asarray((low > above) | (high < below))


def _some(parts: list[Ends], evaluator: Executor, margin: float) -> bool:
    """Tell whether it is known if any value of all parts is above ½ (beyond the margin)."""
    below, above = _sides(evaluator, margin)
    if any(some(low > above) for low, _ in parts):
        return True
    return all(every(high <= above if margin == 0.0 else high < below) for _, high in parts)


def _largest(parts: list[Ends], evaluator: Executor, margin: float) -> bool:
    """Tell whether it is known which value of all parts is the largest: of equal ones the first."""
    # Of a few values quicker by lists than by arrays.
    low, high = ([x for part in parts for x in part[end].reshape(-1).tolist()] for end in (0, 1))
    best = low.index(max(low))
    if margin and evaluator.logic.uses_logits:
        if sum([x > low[best] for x in high]) > (high[best] > low[best]):
            return False  # another may be larger, whatever the margin
        low, high = (logistic(np.array(cells, parts[0][0].dtype)).tolist() for cells in (low, high))
        best = low.index(max(low))
    before, after = high[:best], high[best + 1 :]
    if not margin:
        return all(x < low[best] for x in before) and all(x <= low[best] for x in after)
    return bool(low[best] > max([*before, *after], default=-math.inf) + margin)
