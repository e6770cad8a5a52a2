"""What to ask in the next round. Free to guess: whatever is chosen here, stopping decides by bounds alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from dsl.plan import Atom, walk
from neptune.engine.evaluate.ends.axes import Mask, places, some
from neptune.engine.schedule.choice.relevance import Relevance
from neptune.engine.schedule.formulas import axes
from neptune.engine.schedule.state import Floats, State
from neptune.engine.schedule.stopping import Goal
from neptune.scene.types import IntArray

ROLE_WIDTH, PAIR_WIDTH = 3.0, 1.5
"""How many fitting objects of a role, and how many true pairs of a relation, a round may expect to find."""

PATIENCE, GROWTH = 4, 2.0
"""After so many rounds both widths grow by this factor each round: the worst case takes few rounds too."""

Choice: TypeAlias = tuple[Atom, IntArray]
"""An atom and the tuples of objects to ask it about, shape ``(M, arity)``."""


def choose(state: State, goal: Goal, batch: int | None, best_first: bool, turn: int = 0) -> list[Choice]:
    """Return the ground atoms of the next round; none if nothing is left to ask, or nothing is found in boxes.

    Parameters
    ----------
    state
        What is known.
    goal
        What is to be decided.
    batch
        The most ground atoms of a round; ``None``: no bound.
    best_first
        Follow the likeliest witness, instead of asking about many candidates at once.
    turn
        How many rounds there were: what is relevant widens with each, so that their number stays small.
    """
    state.hangs_together = best_first or batch is not None
    growth = GROWTH ** max(turn - PATIENCE, 0)
    for exact in (False,) if state.reach in ("few", "settled") else (False, True):
        relevance = Relevance(state, exact, math.inf if best_first else ROLE_WIDTH * growth, goal.node)
        if relevance.wanted and best_first:
            return likeliest(state, relevance, batch or 1)
        if relevance.wanted:
            return cut(state, _choices(state, _stage(state, relevance, PAIR_WIDTH * growth)), batch)
    if state.reach != "whole":
        return []
    # Nothing that could matter is left; what is open is a tie within rounding, or hangs on missing evidence.
    return everything(state, goal, batch)


def everything(state: State, goal: Goal, batch: int | None = None) -> list[Choice]:
    """Return all ground atoms of a goal that were not asked, or the first ones of a batch."""
    atoms = {atom: state.askable(atom) for atom in walk(goal.node) if isinstance(atom, Atom)}
    return cut(state, _choices(state, {atom: mask for atom, mask in atoms.items() if some(mask)}), batch)


def first(choices: Iterable[Choice], count: int) -> list[Choice]:
    """Return the first `count` ground atoms of the choices."""
    kept = []
    for atom, tuples in choices:
        if count and len(tuples):
            kept.append((atom, tuples[:count]))
            count -= min(count, len(tuples))
    return kept


def likeliest(state: State, relevance: Relevance, batch: int) -> list[Choice]:
    """Return up to `batch` ground atoms, one a choice: the likeliest way to settle the decision.

    Those of the likeliest witness come first: relevance carries the estimated probability of the best witness through
    each assignment (max-product elimination along the plan). On that witness, conditions on one object go before
    pairs, and the likeliest to fail goes first: most witnesses fail, and should fail early.
    """
    rows: list[tuple[float, int, float, int, Atom, IntArray]] = []
    for serial, (atom, mask) in enumerate(relevance.wanted.items()):
        weight, probability = relevance.weights[atom].found, state.probability(atom)
        order = np.argsort(-weight[mask], kind="stable")[: 4 * batch]
        for place in np.argwhere(mask)[order]:
            at = tuple(place)
            of_pair = len(atom.free) > 1
            rows.append((-round(float(weight[at]), 9), of_pair, float(probability[at]), serial, atom, place))
    rows.sort(key=lambda row: row[:4])
    return [(atom, state.tuples(atom, place[None])) for *_, atom, place in rows[:batch]]


def _stage(state: State, relevance: Relevance, width: float) -> dict[Atom, Mask]:
    """Return where to ask: the conditions on one object of all roles at once; when there are none, pairs of the
    likeliest witnesses."""
    of_one = {atom: mask for atom, mask in relevance.wanted.items() if len(atom.free) <= 1}
    if of_one:
        return of_one
    state.hangs_together |= relevance.compares
    return {
        atom: state.weigh(_likely_pairs, atom, mask, relevance.weights[atom].found, width)
        for atom, mask in relevance.wanted.items()
    }


def _likely_pairs(state: State, atom: Atom, mask: Mask, weight: Floats, width: float) -> Mask:
    """Return where of a mask to ask about pairs: those of the likeliest witnesses, about `width` true ones."""
    order = (-weight[mask]).argsort(kind="stable")
    probabilities = state.probability(atom)[mask][order]
    keep = probabilities.cumsum() - probabilities < width
    found = np.zeros_like(mask)
    found[tuple(places(mask)[order][keep].T)] = True
    return found


def _choices(state: State, chosen: dict[Atom, Mask]) -> list[Choice]:
    """Return the ground atoms of the masks."""
    return [(atom, state.tuples(atom, places(mask))) for atom, mask in chosen.items()]


def cut(state: State, choices: list[Choice], most: int | None) -> list[Choice]:
    """Return as many ground atoms of choices as may be asked (`most`): where not all, the likeliest of each atom first;
    of what is asked at once the order does not matter."""
    if most is None or sum(len(tuples) for _, tuples in choices) <= most:
        return choices
    ordered = []
    for atom, tuples in choices:
        at = [tuples[:, atom.terms.index(var)] for var in axes(atom)]
        probability = np.broadcast_to(state.probability(atom)[tuple(at)], len(tuples))
        ordered.append((atom, tuples[(-probability).argsort(kind="stable")]))
    return first(ordered, most)
