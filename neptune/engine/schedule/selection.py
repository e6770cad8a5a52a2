"""What to ask in the next round. Free to guess: whatever is chosen here, stopping decides by bounds alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsl.plan import Atom, Node, walk
from neptune.engine.schedule.best_first import likeliest
from neptune.engine.schedule.goals import Goal
from neptune.engine.schedule.relevance import Demand
from neptune.engine.schedule.state import Floats, Mask, View
from neptune.scene.types import IntArray

ROLE_WIDTH, PAIR_WIDTH = 3.0, 1.5
"""How many fitting objects of a role, and how many true pairs of a relation, a round may expect to find."""

PATIENCE, GROWTH = 4, 2.0
"""After so many rounds both widths grow by this factor each round: the worst case takes few rounds too."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Cells of one atom to ask, shape ``(M, arity)``, the most useful first, and their estimated chances ``(M,)``."""

    leaf: Atom
    cells: IntArray
    chances: Floats


def choose(view: View, goal: Goal, batch: int | None, best_first: bool, turn: int = 0) -> list[Choice]:
    """Return the cells of the next round; none if nothing is left to ask.

    Parameters
    ----------
    view
        What is known.
    goal
        What is to be decided.
    batch
        The most cells of a round; ``None``: no bound.
    best_first
        Follow the likeliest witness, instead of asking about many candidates at once.
    turn
        How many rounds there were: the frontier widens with each, so that their number stays small.
    """
    for exact in (False, True):
        growth = GROWTH ** max(turn - PATIENCE, 0)
        demand = Demand(view, exact, ROLE_WIDTH * growth if not best_first else math.inf)
        wanted = demand.run(goal)
        if not wanted:
            continue
        if best_first:
            return [
                Choice(leaf, cells, np.zeros(len(cells)))
                for leaf, cells in likeliest(view, demand, batch or 1)
            ]
        return _capped(view, _stage(view, demand, PAIR_WIDTH * growth), batch)
    # Nothing that could matter is left; what is open is a tie within rounding, or hangs on missing evidence.
    return _capped(view, _leftover(view, goal.node), batch)


def _stage(view: View, demand: Demand, width: float) -> dict[Atom, Mask]:
    """Unary cells of all roles at once; when there are none, pairs of the likeliest witnesses."""
    wanted = demand.wanted
    unary = {leaf: mask for leaf, mask in wanted.items() if len(leaf.free) <= 1}
    if unary:
        return unary
    out = {}
    for leaf, mask in wanted.items():
        weight = demand.weights[leaf][mask]
        order = np.argsort(-weight, kind="stable")
        chances = view.chance(leaf)[mask][order]
        keep = np.cumsum(chances) - chances < width
        rows = np.argwhere(mask)[order][keep]
        chosen = np.zeros_like(mask)
        chosen[tuple(rows.T)] = True
        out[leaf] = chosen
    return out


def _leftover(view: View, node: Node) -> dict[Atom, Mask]:
    found = {leaf: view.askable(leaf) for leaf in walk(node) if isinstance(leaf, Atom)}
    return {leaf: mask for leaf, mask in found.items() if mask.any()}


def _capped(view: View, chosen: dict[Atom, Mask], batch: int | None) -> list[Choice]:
    choices = []
    for leaf, mask in chosen.items():
        cells, chances = view.cells(leaf, mask), view.chance(leaf)[mask]
        order = np.argsort(-chances, kind="stable")
        choices.append(Choice(leaf, cells[order], chances[order]))
    if batch is not None:
        left = batch
        for k, choice in enumerate(choices):
            take = max(min(left, len(choice.cells)), 0)
            left -= take
            choices[k] = Choice(choice.leaf, choice.cells[:take], choice.chances[:take])
        choices = [c for c in choices if len(c.cells)]
    return choices
