"""Best-first: follow the likeliest way to settle a decision, one cell after the other.

Of the cells that can still change the decision, those of the likeliest witness come first: every demand carries the
estimated chance of the best witness through each assignment (max-product elimination along the nested plan). On
that witness, conditions on one object go before pairs, and the likeliest to fail goes first: most witnesses fail,
and should fail early.
"""

from __future__ import annotations

import numpy as np

from dsl.plan import Atom
from neptune.engine.schedule.relevance import Demand
from neptune.engine.schedule.state import View
from neptune.scene.types import IntArray


def likeliest(view: View, demand: Demand, batch: int) -> list[tuple[Atom, IntArray]]:
    """Return up to `batch` cells, the best first: pairs of an atom and one of its cells ``(1, arity)``.

    Parameters
    ----------
    view
        What is known.
    demand
        The cells demanded, with the chance of the best witness through each.
    batch
        The most cells.
    """
    rows: list[tuple[float, int, float, int, Atom, tuple[int, ...]]] = []
    for serial, (leaf, mask) in enumerate(demand.wanted.items()):
        weight, chance = demand.weights[leaf], view.chance(leaf)
        pairs = len(leaf.free) > 1
        places = np.argwhere(mask)
        order = np.argsort(-weight[mask], kind="stable")[: 4 * batch]
        for place in map(tuple, places[order]):
            rows.append((-round(float(weight[place]), 9), pairs, float(chance[place]), serial, leaf, place))
    rows.sort(key=lambda row: row[:4])
    out = []
    for *_, leaf, place in rows[:batch]:
        mask = np.zeros((view.n,) * len(leaf.free), dtype=np.bool_)
        mask[place] = True
        out.append((leaf, view.cells(leaf, mask)))
    return out
