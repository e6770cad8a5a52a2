"""Blocks of distinct variables: which relaxations of one are still open, and so what to ask.

Without its inequations a block is pushed down like any other. That relaxation is decided too soon where one object is
given to two variables: then it is split by which of the two is another object. Some part of an open block is open,
whatever the splits. Only choosing is done here; the bounds that stop are the block's own
(:mod:`neptune.engine.compile.assignment`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dsl.plan import Exists, Forall, Node, conjunction, disjunction, negation, quantify, same, substitute
from dsl.rewrites.all_different import Block
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.schedule.state import State
from neptune.engine.schedule.witness import witness_of

MOST_SPLITS = 200
"""The most relaxations looked at in a round; where none is found open, the values of the factors are asked."""
SPLIT_WORK = 1 << 15
"""One takes about as long as so many cells of a table."""

Excluded = tuple[tuple[str, int], ...]
"""Variables, and an object that each is not."""


def relaxations(state: State, block: Block, here: Mapping[str, int], most: int) -> tuple[list[Node], int]:
    """Return open formulas, closed, without inequations of two variables: to ask what decides them is progress; and
    how many were looked at.

    Parameters
    ----------
    state
        What is known.
    block
        An open block.
    here
        The objects that its free variables stand for.
    most
        How many to look at.
    """
    found: list[Node] = []
    queue: list[Excluded] = [()]
    tried = 0
    for excluded in queue:
        if tried == most:
            break
        tried += 1
        state.evaluator.spend(SPLIT_WORK)
        relaxed = _relaxed(block, here, excluded)
        if state.open(relaxed, False) is not None:
            found.append(relaxed)
            continue
        low, _ = state.bounds(relaxed)
        # A false ∃, or a true ∀, is so with the inequations too.
        if (float(low) > state.middle) == block.universal:
            continue
        witnessed = push_down(negation(relaxed)) if block.universal else relaxed
        at = {**witness_of(witnessed, block.variables, state.evaluator), **here}
        clash = next((pair for pair in block.apart if len({at.get(v, v) for v in pair}) == 1), ())
        queue += [(*excluded, (v, at[v])) for v in clash if v not in here]
    return found, tried


def _relaxed(block: Block, here: Mapping[str, int], excluded: Excluded) -> Node:
    pairs = [(v, here[w]) for a, b in block.apart for v, w in ((a, b), (b, a)) if v not in here and w in here]
    equal = [same(v, item) for v, item in (*pairs, *excluded)]
    factors = [f for group in block.groups for f in group]
    if block.universal:
        whole = quantify(Forall, reversed(block.variables), disjunction([*factors, *equal]))
    else:
        body = conjunction([*factors, *map(negation, equal)])
        whole = quantify(Exists, reversed(block.variables), body)
    return push_down(substitute(whole, dict(here)))
