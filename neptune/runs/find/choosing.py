"""What to ask about a picture of a search next: what is likeliest to refute it, for most pictures do not match.

Conditions on one object come before pairs. Of the variables that have any, the one comes first of which it is likeliest
that no object fulfils its condition: then the picture is refuted by one question an object, and nothing else is asked.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from dsl.plan import Atom, Forall, Node, Not, walk
from neptune.engine.evaluate.ends.axes import Mask
from neptune.engine.schedule.choice.relevance import Relevance
from neptune.engine.schedule.choice.selection import Choice, everything, likeliest
from neptune.engine.schedule.formulas import quantified
from neptune.engine.schedule.state import State
from neptune.engine.schedule.stopping import Goal

FEW, PATIENCE, GROWTH = 2, 4, 2
"""So many pairs are asked at once; after some rounds this grows, so that there are not too many."""


def questions(state: State, goal: Goal, turn: int) -> list[Choice]:
    """Return the ground atoms to ask next; none where nothing is left.

    Parameters
    ----------
    state
        What is known of the picture.
    goal
        What is to be known.
    turn
        How many rounds there were.
    """
    for exact in (False, True):
        relevance = Relevance(state, exact, math.inf, goal.node)
        if not relevance.wanted:
            continue
        roles: dict[frozenset[str], dict[Atom, Mask]] = {}
        for atom, mask in relevance.wanted.items():
            if len(atom.free) <= 1:
                roles.setdefault(atom.free, {})[atom] = mask
        if not roles or _universal(goal.node):
            return likeliest(state, relevance, FEW * GROWTH ** max(turn - PATIENCE, 0))
        chosen = max(roles.values(), key=lambda role: _refutes(state, role))
        return [(atom, state.tuples(atom, np.argwhere(mask))) for atom, mask in chosen.items()]
    return everything(state, goal)


@lru_cache(maxsize=256)
def _universal(node: Node) -> bool:
    """Tell whether one object may refute a formula: then few are asked at a time."""
    return any(isinstance(n, Forall) or (isinstance(n, Not) and quantified(n.body)) for n in walk(node))


def _refutes(state: State, role: dict[Atom, Mask]) -> float:
    """Return how likely it is that all answers are no, as a logarithm."""
    return sum(float(np.log1p(-np.minimum(state.probability(a)[mask], 1.0 - 1e-9)).sum()) for a, mask in role.items())
