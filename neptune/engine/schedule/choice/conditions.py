"""Which of the conditions on one object in one role to ask about now: one at a time, the likeliest to decide."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from dsl.plan import And, Atom, ExpectationOver, Node, Not, Or, Predicate, Same, negation, substitute, walk
from neptune.engine.evaluate.ends.axes import Mask, shape_of, some
from neptune.engine.schedule.formulas import axes, quantified
from neptune.engine.schedule.state import State
from neptune.scene.types import IntArray

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

    def among(self, node: And | Or, exact: bool) -> tuple[list[Node], list[Node]]:
        """Return the operands of a connective that are conditions on one object (or on none), what is said of a known
        one as one of them, and the others."""
        conditions, others = [], []
        for operand, speaks, of_one in _operands(node):
            plain = operand
            if speaks and not exact:
                plain = said(self.state, operand)
                of_one = of_one if plain is operand else len(plain.free) <= 1 and not quantified(plain)
            if of_one:
                conditions.append(plain)
            else:
                others.append(operand)
        return conditions, others

    def one_each(self, operands: Sequence[Node], live: Mask, exact: bool, falsest: bool) -> list[tuple[Node, Mask]]:
        """Return operands, each with where it is the one to ask about, among the objects that are `live`: none that is
        so nowhere because nothing of it can be asked.

        `falsest`: the likeliest to be false comes first, else the likeliest to be true.
        """
        state, possible = self.state, []
        for operand in operands:
            open_at = state.open(operand, exact)
            asked_at = None if open_at is None else open_at & self._askable(operand)
            if asked_at is not None and some(asked_at):
                possible.append((operand, asked_at))
        if len(possible) < 2:
            return [(operand, live & asked_at) for operand, asked_at in possible]
        shared = [self._shared(operand) for operand, _ in possible]
        first = state.weigh(_first, possible, shared, live, falsest)
        return [(operand, first == k) for k, (operand, _) in enumerate(possible)]

    def wait(self, node: And, conditions: Iterable[Node]) -> bool:
        """Tell whether the conditions of a conjunction wait until it is known who its relations speak of: that refutes
        more objects than any of them."""
        if self.state.n > FEW:
            return False
        memo, key = self.state.memo, ("waits", node, bool(self._roles))
        found = memo.get(key)
        if found is None:
            soon = [o for o in node.operands if isinstance(o, ExpectationOver) and _is_settled_soon(self.state, o)]
            found = memo[key] = bool(soon) and self.state.weigh(_waits, soon, self._refuting(conditions))
        return bool(found)

    def _refuting(self, conditions: Iterable[Node]) -> list[tuple[Node, Mask, float]]:
        """Return the conditions that are open, where, and how much more an answer counts."""
        opened = ((operand, self.state.open(operand, False)) for operand in conditions)
        return [(operand, at, self._shared(operand)) for operand, at in opened if at is not None]

    def _shared(self, node: Node) -> float:
        """Return how much more an answer counts that serves several roles: the same condition on their variables."""
        atom = node.body if isinstance(node, Not) else node
        if not isinstance(atom, Atom) or len(atom.terms) != 1:
            return 1.0
        return self._roles.get(atom.predicate, 1.0)

    def _askable(self, node: Node) -> Mask:
        """Return where some atom of a formula of at most one variable can be asked."""
        question = question_of(node)
        if question is not None:
            return self.state.askable(question)
        out = np.zeros(shape_of(self.state.sizes, axes(node)), dtype=np.bool_)
        for atom in walk(node):
            if isinstance(atom, Atom):
                out = out | self.state.askable(atom)
        return out


def said(state: State, node: Node) -> Node:
    """Return what is said of a described object as said of the object itself, once it is known who that is.

    A relation to it is then one condition among others: where the boxes tell that it hardly holds, it refutes
    an object sooner than any attribute.
    """
    inner = node.body if isinstance(node, Not) else node
    if not isinstance(inner, ExpectationOver) or inner.description.free:
        return node
    found = state.memo.get(("said", node))
    if found is None:
        low, high = state.over(inner.description)
        found = node
        if np.count_nonzero(high > state.middle) == 1 and some(low > state.middle):
            found = _said_of(inner.body, inner.var, int(low.argmax()))
            found = negation(found) if isinstance(node, Not) else found
        state.memo["said", node] = found
    return cast(Node, found)


@lru_cache(maxsize=4096)
def _operands(node: And | Or) -> tuple[tuple[Node, bool, bool], ...]:
    """Return the operands of a connective, each with whether it says something of a described object (or denies it),
    and whether it is a condition on one object (or none)."""

    def of(operand: Node) -> tuple[Node, bool, bool]:
        inner = operand.body if isinstance(operand, Not) else operand
        speaks = isinstance(inner, ExpectationOver)
        return operand, speaks, len(operand.free) <= 1 and not quantified(operand)

    return tuple(map(of, node.operands))


@lru_cache(maxsize=4096)
def question_of(node: Node) -> Atom | None:
    """Return the atom that a formula comes to, if it is one, perhaps denied, perhaps beside identities of objects:
    where the formula is open, the atom is."""
    operands = node.operands if isinstance(node, And) else (node,)
    inner = [o.body if isinstance(o, Not) else o for o in operands]
    atoms = [o for o in inner if isinstance(o, Atom)]
    return atoms[0] if len(atoms) == 1 and all(isinstance(o, Atom | Same) for o in inner) else None


@lru_cache(maxsize=4096)
def _said_of(body: Node, var: str, index: int) -> Node:
    """Return what is said of an object: the same few relations of the same few objects, in question after question."""
    return substitute(body, {var: index})


def _first(
    state: State, possible: Sequence[tuple[Node, Mask]], shared: Sequence[float], live: Mask, falsest: bool
) -> IntArray:
    """Return for each object which of the conditions comes first among those that can be asked about; −1 where none."""
    orders = np.full((len(possible), *live.shape), math.inf)
    for k, ((operand, asked_at), times) in enumerate(zip(possible, shared, strict=True)):
        # Where it is open, the guess at an atom is its probability.
        guess = state.probability(operand) if isinstance(operand, Atom) else state.guess(operand)
        np.copyto(orders[k, ...], 1.0 - (1.0 - guess if falsest else guess) * times, where=asked_at)
    return np.where(live & (orders.min(0) < math.inf), orders.argmin(0), -1)


def _waits(state: State, soon: Sequence[ExpectationOver], conditions: Sequence[tuple[Node, Mask, float]]) -> bool:
    """Tell whether what some descriptions say can be guessed at, and no condition refutes as much."""
    if not any(_is_foretold(state, node) for node in soon):
        return False
    return not any(
        float(((1.0 - state.guess(operand)) * times)[at].mean()) >= WEAK for operand, at, times in conditions
    )


def _is_settled_soon(state: State, node: ExpectationOver) -> bool:
    """Tell whether a description is not settled yet, but will soon be."""
    return not (node.description.free or quantified(node.description.body)) and said(state, node) is node


def _is_foretold(state: State, node: ExpectationOver) -> bool:
    """Tell whether the relation to a described object can be guessed at."""
    found = state.memo.get(("foretold", node))
    if found is None:
        pairs = [a for a in walk(node.body) if isinstance(a, Atom) and len(a.terms) == 2]
        sharp = [float(np.abs(2.0 * state.probability(a) - 1.0).mean()) for a in pairs]
        found = state.memo["foretold", node] = bool(sharp) and min(sharp) > SHARP
    return bool(found)
