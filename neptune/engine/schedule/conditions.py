"""Which of the conditions on one object in one role to ask about now: one at a time, the likeliest to decide."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from dsl.plan import Atom, ExpectationOver, Node, Not, Predicate, negation, substitute, walk
from neptune.engine.evaluate.ends.axes import Mask, some
from neptune.engine.schedule.state import State, quantified

SHARING = 1.5
"""An answer that serves r roles at once counts for r to this power: what it refutes needs no other question."""

FEW, WEAK, SHARP = 12, 0.75, 0.5
"""Up to so many objects, conditions that refute less than `WEAK` wait for a description whose relation is foretold
(mean distance of its probabilities from a coin's, doubled, above `SHARP`): most objects are then refuted by it at once.
With more objects this was measured to save little, for a round more."""


@lru_cache(maxsize=1024)
def _roles(goal: Node) -> Mapping[Predicate, float]:
    """Return how much more than one an answer about each condition of one object counts, by on how many variables a
    formula puts it."""
    roles = Counter([n.predicate for n in walk(goal) if isinstance(n, Atom) and len(n.free) == 1])
    return {predicate: count**SHARING for predicate, count in roles.items()}


class Conditions:
    """Chooses among conditions on the same object.

    Parameters
    ----------
    state
        What is known.
    goal
        The formula to decide: a condition that it puts on several variables counts for more. ``None``: each alike.
    """

    def __init__(self, state: State, goal: Node | None = None) -> None:
        self.state = state
        self._roles: Mapping[Predicate, float] = {} if goal is None else _roles(goal)

    def one_each(self, operands: Sequence[Node], live: Mask, exact: bool, falsest: bool) -> list[tuple[Node, Mask]]:
        """Return operands, each with where it is the one to ask about, among the objects that are `live`: none that is
        so nowhere because nothing of it can be asked.

        `falsest`: the likeliest to be false comes first, else the likeliest to be true.
        """
        if len(operands) == 1:
            return [(operands[0], live)]
        state, possible, orders = self.state, [], []
        for operand in operands:
            open_at = state.open(operand, exact)
            asked_at = None if open_at is None else open_at & self._askable(operand)
            if asked_at is not None and some(asked_at):
                possible.append((operand, asked_at))
        if len(possible) < 2:
            return [(operand, live & asked_at) for operand, asked_at in possible]
        for operand, asked_at in possible:
            guess = state.guess(operand)
            order = 1.0 - (1.0 - guess if falsest else guess) * self._shared(operand)
            orders.append(np.where(asked_at, order, math.inf))
        stacked = np.array(orders)
        first = stacked.argmin(0)
        best = live & (stacked.min(0) < math.inf)
        return [(operand, best & (first == k)) for k, (operand, _) in enumerate(possible)]

    def any_askable(self, operands: Sequence[Node], live: Mask, whole: Node, exact: bool) -> bool:
        """Tell whether some condition can be asked about where the formula that they make is open, among the objects
        that are `live`."""
        open_at = self.state.open(whole, exact)
        if open_at is None or not some(live := live & open_at):
            return False
        for operand in operands:
            atom = operand.body if isinstance(operand, Not) else operand
            denied, itself = self.state.open(operand, exact), self.state.open(atom, exact)
            if denied is None or itself is None:
                continue
            if some(live & denied & itself & self._askable(operand)):
                return True
        return False

    def wait(self, operands: Sequence[Node], conditions: Iterable[Node]) -> bool:
        """Tell whether the conditions of a conjunction wait until it is known who its relations speak of: that refutes
        more objects than any of them."""
        state = self.state
        if state.n > FEW or not any(isinstance(o, ExpectationOver) and self._foretold(o) for o in operands):
            return False
        for operand in conditions:
            open_at = state.open(operand, False)
            if open_at is not None:
                refuted = (1.0 - state.guess(operand)) * self._shared(operand)
                if float(refuted[open_at].mean()) >= WEAK:
                    return False
        return True

    def said(self, node: Node) -> Node:
        """Return what is said of a described object as said of the object itself, once it is known who that is.

        A relation to it is then one condition among others: where the boxes tell that it hardly holds, it refutes
        an object sooner than any attribute.
        """
        inner = node.body if isinstance(node, Not) else node
        if not isinstance(inner, ExpectationOver) or inner.description.free:
            return node
        found = self.state.memo.get(("said", node))
        if found is None:
            found = self.state.memo["said", node] = self._said(node, inner)
        return cast(Node, found)

    def _said(self, node: Node, inner: ExpectationOver) -> Node:
        low, high = self.state.over(inner.description)
        middle = self.state.middle
        if int((high > middle).sum()) != 1 or not (low > middle).any():
            return node
        said = substitute(inner.body, {inner.var: int(low.argmax())})
        return negation(said) if isinstance(node, Not) else said

    def _foretold(self, node: ExpectationOver) -> bool:
        """Tell whether a description is not settled yet, but will soon be, and its relation can be guessed at."""
        found = self.state.memo.get(("foretold", node))
        if found is None:
            found = self.state.memo["foretold", node] = self._is_foretold(node)
        return bool(found)

    def _is_foretold(self, node: ExpectationOver) -> bool:
        if node.description.free or quantified(node.description.body) or self.said(node) is not node:
            return False
        pairs = [a for a in walk(node.body) if isinstance(a, Atom) and len(a.terms) == 2]
        sharp = [float(np.abs(2.0 * self.state.probability(a) - 1.0).mean()) for a in pairs]
        return bool(sharp) and min(sharp) > SHARP

    def _shared(self, node: Node) -> float:
        """Return how much more an answer counts that serves several roles: the same condition on their variables."""
        atom = node.body if isinstance(node, Not) else node
        if not isinstance(atom, Atom) or len(atom.terms) != 1:
            return 1.0
        return self._roles.get(atom.predicate, 1.0)

    def _askable(self, node: Node) -> Mask:
        """Return where some atom of a formula of at most one variable can be asked."""
        atom = node.body if isinstance(node, Not) else node
        if isinstance(atom, Atom):
            return self.state.askable(atom)
        out = np.zeros((self.state.n,) * len(node.free), dtype=np.bool_)
        for atom in walk(node):
            if isinstance(atom, Atom):
                out = out | self.state.askable(atom)
        return out
