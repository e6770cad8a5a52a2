"""How likely the best witness through each place is: what is guessed at a formula, along the way to it.

Read only where one of several ways has to be taken: about pairs, about the first few of many, best first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dsl import plan
from neptune.engine.evaluate.ends.axes import Axes, Mask, project, spread
from neptune.engine.schedule.formulas import axes, quantified
from neptune.engine.schedule.state import Floats, State

ROUNDING = 1e-9
"""Of a sum of guesses, in whatever order."""


class Later:
    """An array that is worked out when it is first read: most are not.

    Parameters
    ----------
    rule, given
        What makes it, of what; of other such arrays in there what they come to.
    """

    __slots__ = ("_found", "_given", "_rule")

    def __init__(self, rule: Callable[..., Any], *given: Any) -> None:
        self._rule, self._given = rule, given
        self._found: Floats | None = None

    @property
    def found(self) -> Floats:
        """The array."""
        if self._found is None:
            self._found = self._rule(*[x.found if isinstance(x, Later) else x for x in self._given])
            self._given = ()
        return self._found


def likely(among: Mask, mask: Mask, weight: Floats | None, have: Axes, want: Axes) -> Floats:
    """Return how likely the best witness through each place is; `among` is the mask over the axes wanted."""
    return among.astype(np.float64) if weight is None else within(mask, weight, have, want)


def within(mask: Mask, weight: Floats, have: Axes, want: Axes) -> Floats:
    """Return the largest weights of a mask over the axes wanted."""
    return project(np.where(mask, weight, 0.0), have, want)


def through_witness(state: State, node: plan.Exists | plan.Forall, weight: Floats) -> Floats:
    """Return how likely the best witness of a quantifier through each place of its body is."""
    have, want = axes(node), axes(node.body)
    above = np.maximum(decisive(state.guess(node), node), 1e-9)
    weight, above = (spread(array, have, want, state.sizes) for array in (weight, above))
    return np.asarray(weight * decisive(state.guess(node.body), node) / above)


def fitting(state: State, node: plan.Exists | plan.Forall) -> Floats:
    """Return how likely each object fits the conditions on the quantified variable alone."""
    gather = plan.And if isinstance(node, plan.Exists) else plan.Or
    out = np.ones(state.n)
    for part in node.body.operands if isinstance(node.body, gather) else (node.body,):
        if part.free == {node.var} and not quantified(part):
            out = out * decisive(state.guess(part), node)
    return out


def are_few(state: State, node: plan.Exists | plan.Forall, alive: Mask, width: float) -> bool:
    """Tell whether fewer than so many witnesses are to be expected among all objects that are alive."""
    return float((fitting(state, node) * alive).sum()) < width - ROUNDING


def decisive(guess: Floats, node: plan.Exists | plan.Forall) -> Floats:
    """Return the probability of what decides a quantifier at once: a witness of ∃, a counterexample to ∀."""
    return guess if isinstance(node, plan.Exists) else 1.0 - guess
