"""What is known of a plan between two rounds, as arrays: bounds, which truths are open, what can be asked, guesses.

Every array about a node has one axis of length N for each variable in :func:`axes` of the node.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dsl import plan
from dsl.rewrites.all_different import Block
from neptune.engine.evaluate.ends.axes import Axes, Mask, Sizes, placing, project, shape_of, some, spread
from neptune.engine.evaluate.ends.boxed import BoxedEnds
from neptune.engine.evaluate.ends.boxes import Box, Reach
from neptune.engine.evaluate.executor import Executor
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.priors import Estimates
from neptune.engine.evidence.tables import Table
from neptune.engine.schedule.formulas import axes, block_of, groups_of
from neptune.scene import Scene
from neptune.scene.types import IntArray

Floats = NDArray[np.float64]

Opened: TypeAlias = "tuple[dict[plan.Node, Mask | None], dict[plan.Node, Mask | None]]"
LookedAt: TypeAlias = tuple[
    Opened,
    dict[plan.Node, tuple[Floats, Floats]],
    dict[plan.Node, tuple[Floats, Floats]],
    dict[plan.Atom, Mask],
    dict[plan.Atom, list[tuple[plan.Predicate, Mask]]],
    dict[plan.Node, tuple[Box, "LookedAt"]],
]
"""Where nodes are undecided, and unknown; bounds of nodes, and of what they bind; where atoms can be asked; what is
known of the values beside a value; and the same of each dear formula in its box."""

Weighing: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], Any]
"""What estimates decided: the rule, what it was given besides the state, and what it said: a truth, or an array."""

SURE = 0.98
"""The probability of what follows from the other values of a sort, were they exclusive."""


class State:
    """The state of one plan on one scene between two rounds.

    Parameters
    ----------
    evaluator
        Gives intervals; :meth:`refresh` drops those that new answers changed.
    scene
        The scene.
    table
        Returns the evidence table of an atom.
    estimates
        Guesses at ground atoms that were not asked.
    """

    def __init__(
        self, evaluator: Executor, scene: Scene, table: Callable[[plan.Atom], Table], estimates: Estimates
    ) -> None:
        self.evaluator, self.scene, self.table, self.estimates = evaluator, scene, table, estimates
        self.n = evaluator.objects
        self.sizes: int | Sizes = self.n
        self.middle = evaluator.logic.middle
        self._bounds: dict[plan.Node, tuple[Floats, Floats]] = {}
        self._over: dict[plan.Node, tuple[Floats, Floats]] = {}
        self._guesses: dict[plan.Node, Floats] = {}
        self._askable: dict[plan.Atom, Mask] = {}
        self._siblings: dict[plan.Atom, list[tuple[plan.Predicate, Table]]] = {}
        self._told: dict[plan.Atom, list[tuple[plan.Predicate, Mask]]] = {}
        self.inside: dict[plan.Node, Inside] = {}
        """Of dear formulas what is known in their boxes."""
        self.reach: Reach = "whole"
        self._opened: Opened = ({}, {})
        self.memo: dict[Hashable, Any] = {}
        """What whoever looks at this state has found out, until the next round."""
        self._probabilities: dict[plan.Atom, Floats] = {}
        self.weighings: list[Weighing] = []
        """What estimates have decided since the last round."""
        self.hangs_together = False
        """Whether estimates have decided more than that: in which order witnesses come."""

    def refresh(self) -> None:
        """Forget what follows from the evidence, after a round of new answers."""
        self.evaluator.forget()
        self._begin((({}, {}), {}, {}, {}, {}, {}))

    def confine(self, root: plan.Node, reach: Reach) -> bool:
        """Look at dear formulas only where they may matter to a goal; tell whether that is elsewhere than before."""
        before = {node: part.box for node, part in self.inside.items()}
        boxed, self.reach = self.evaluator.confine(root, reach), reach
        if boxed.boxes or self.inside:
            self._begin((({}, {}), {}, {}, {}, {}, {}))
            self.inside = {node: Inside(self, box, boxed.within(node)) for node, box in boxed.boxes.items()}
        return boxed.boxes != before

    @property
    def looked_at(self) -> LookedAt:
        """What was looked at since the last round, as far as it follows from the evidence alone."""
        inside = {node: (part.box, part.looked_at) for node, part in self.inside.items()}
        return self._opened, self._bounds, self._over, self._askable, self._told, inside

    def weigh(self, rule: Callable[..., Any], *given: Any) -> Any:
        """Return what a rule makes of this state and what it is given, and note it: all else that follows from it does
        not hang on estimates."""
        said = rule(self, *given)
        self.weighings.append((rule, given, said))
        return said

    def _begin(self, known: LookedAt) -> None:
        self._opened, self._bounds, self._over, self._askable, self._told, inside = known
        self._guesses, self._probabilities, self.memo = {}, {}, {}
        self.inside = {node: Inside(self, box, None, part) for node, (box, part) in inside.items()}
        self.weighings, self.hangs_together = [], False

    # --- bounds ----------------------------------------------------------------------------------

    def bounds(self, node: plan.Node) -> tuple[Floats, Floats]:
        """Return lower and upper bounds over :func:`axes`, as internal numbers of the logic."""
        found = self._bounds.get(node)
        if found is None:
            found = self._bounds[node] = self.evaluator.ends(node)
        return found

    def bounds_of(self, nodes: Sequence[plan.Node]) -> list[tuple[Floats, Floats]]:
        """Return the bounds of several nodes."""
        known = self._bounds
        if not known.keys() >= set(nodes):
            known.update(zip(nodes, self.evaluator.ends_of(nodes), strict=True))
        return [known[node] for node in nodes]

    def over(self, node: plan.Count | plan.Description) -> tuple[Floats, Floats]:
        """Return the bounds of the body over :func:`over_axes`."""
        found = self._over.get(node)
        if found is None:
            found = self._over[node] = self.evaluator.ends(node)
        return found

    def open(self, node: plan.Node, exact: bool) -> Mask | None:
        """Return where the node is undecided (`exact`: where its value is unknown); ``None``: nowhere."""
        opened = self._opened[exact]
        if node in opened:
            return opened[node]
        low, high = self.bounds(node)
        found = None if low is high else self.is_open(low, high, exact)
        if found is not None and not some(found):
            found = None
        opened[node] = found
        return found

    def is_open(self, low: Floats, high: Floats, exact: bool) -> Mask:
        """Return where bounds leave ½ (`exact`: anything) undecided."""
        return np.asarray(low < high if exact else (low <= self.middle) & (high > self.middle))

    # --- atoms -----------------------------------------------------------------------------------

    def askable(self, atom: plan.Atom) -> Mask:
        """Return which ground atoms have not been asked, over :func:`axes`."""
        found = self._askable.get(atom)
        if found is None:
            found = self._askable[atom] = self._unasked(atom)
        return found

    def _unasked(self, atom: plan.Atom) -> Mask:
        table, index, order = self.table(atom), *placing(atom.terms)
        asked = table.asked if len(atom.terms) < 2 else table.asked | diagonal(self.n, len(atom.terms))
        fresh = ~asked if index is None else np.asarray(~asked[index])
        return fresh if order is None else fresh.transpose(order)

    def tuples(self, atom: plan.Atom, places: IntArray) -> IntArray:
        """Return the objects that stand for the terms at places over :func:`axes`: ``(M, axes)`` → ``(M, arity)``."""
        if atom.terms == axes(atom):
            return places
        out = np.empty((len(places), len(atom.terms)), dtype=np.int64)
        names = axes(atom)
        for at, term in enumerate(atom.terms):
            out[:, at] = term if isinstance(term, int) else places[:, names.index(term)]
        return out

    def probability(self, atom: plan.Atom) -> Floats:
        """Return estimated probabilities of an atom over :func:`axes`, whether asked or not."""
        found = self._probabilities.get(atom)
        if found is None:
            whole = self.estimates.everywhere(self.scene, atom.predicate)
            frequency = self.estimates.of(atom.predicate)
            if whole is None:
                found = np.full((self.n,) * len(atom.free), frequency.estimate)
            else:
                index, order = placing(atom.terms)
                found = whole if index is None else whole[index]
                found = found if order is None else found.transpose(order)
            if frequency.siblings:
                found = self._given_siblings(atom, found)
            self._probabilities[atom] = found
        return found

    def _given_siblings(self, atom: plan.Atom, probability: Floats) -> Floats:
        """Return the probabilities of a value, given what is known of the other values of its sort: a red object is
        not blue."""
        siblings = self._told_of_siblings(atom)
        if not siblings:
            return np.minimum(np.maximum(probability, 0.0), SURE)
        taken, left = np.zeros(self.n, dtype=np.bool_), np.ones(self.n)
        for sibling, (true, false) in siblings:
            taken |= true
            left -= false * self.estimates.frequency(sibling)
        (term,) = atom.terms
        if isinstance(term, int):
            taken, left = taken[term], left[term]
        likelier = np.minimum(np.maximum(probability / np.maximum(left, 1e-3), 0.0), SURE)
        return np.asarray(np.where(taken, 1.0 - SURE, likelier))

    def _told_of_siblings(self, atom: plan.Atom) -> list[tuple[plan.Predicate, Mask]]:
        """Return the other values of a value's sort of which anything is known: where they are true, and false, shape
        ``(2, N)``."""
        found = self._told.get(atom)
        if found is None:
            siblings = self._siblings.get(atom)
            if siblings is None:
                siblings = self._siblings[atom] = [
                    (sibling, self.table(plan.make(plan.Atom, sibling, atom.terms)))
                    for sibling in self.estimates.of(atom.predicate).siblings
                ]
            found = self._told[atom] = [(s, _told(t)) for s, t in siblings if t.writes]
        return found

    # --- guesses ---------------------------------------------------------------------------------

    def guess(self, node: plan.Node) -> Floats:
        """Return the estimated probability that a formula is true, over :func:`axes`: 0 or 1 where it is decided, and
        ½ where it is open and :data:`GUESSES` has no rule for it."""
        found = self._guesses.get(node)
        if found is None:
            low, high = self.bounds(node)
            rule = GUESSES.get(type(node))
            if self.inside and node in self.inside:
                rule = State._in_box
            guessed = rule(self, node) if rule else 0.5
            found = np.where(high <= self.middle, 0.0, np.where(low > self.middle, 1.0, guessed))
            self._guesses[node] = found
        return found

    def _in_box(self, node: plan.Node) -> Floats:
        """Guess at a dear formula in its box; elsewhere it is not looked at."""
        inside = self.inside[node]
        guess = np.zeros(0) if inside.box.empty else inside.guess(node)
        return cast(Floats, inside.box.put(guess, axes(node), 0.5))

    def _jointly(self, operands: Sequence[plan.Node], want: Axes, negated: bool = False) -> Floats:
        """Guess that all operands are true (`negated`: false), as if they were independent."""
        out = np.ones(shape_of(self.sizes, want))
        for operand in operands:
            part = self.guess(operand)
            out = out * spread(1.0 - part if negated else part, axes(operand), want, self.sizes)
        return out

    def _quantified(self, node: plan.Exists | plan.Forall) -> Floats:
        """Guess at the likeliest witness, not that there is one: it is a witness that will be asked about."""
        block, have = block_of(node), axes(node.body)
        if block is not None:
            return self._all_different(block, axes(node))
        body = self.guess(node.body)
        if node.var not in have:
            return body
        axis = have.index(node.var)
        return np.asarray(body.max(axis) if isinstance(node, plan.Exists) else body.min(axis))

    def _all_different(self, block: Block, want: Axes) -> Floats:
        """Guess at a block of distinct variables by each group of factors alone: they need no joint table."""
        out = np.ones((self.n,) * len(want))
        for joined, scope in groups_of(block):
            guess = 1.0 - self.guess(joined) if block.universal else self.guess(joined)
            kept = tuple(v for v in scope if v in want)
            out = out * spread(project(guess, scope, kept), kept, want, self.n)
        return np.asarray(1.0 - out if block.universal else out)

    def _expectation(self, node: plan.ExpectationOver) -> Floats:
        description, joint = node.description, (*axes(node), node.var)
        names = tuple(node.var if v == description.var else v for v in axes(description.body))
        described = spread(self.guess(description.body), names, joint, self.sizes)
        said = spread(self.guess(node.body), axes(node.body), joint, self.sizes)
        return np.asarray((described * said).sum(-1) / np.maximum(described.sum(-1), 1e-9))


class Inside(State):
    """What is known of a dear formula in its box, each axis as long as the box says.

    Parameters
    ----------
    around
        The state of the whole plan.
    box
        The objects that variables stand for.
    bounds
        Computes bounds in the box.
    looked_at
        What was looked at in an earlier round.
    """

    def __init__(self, around: State, box: Box, bounds: BoxedEnds | None, looked_at: LookedAt | None = None) -> None:
        super().__init__(around.evaluator, around.scene, around.table, around.estimates)
        self.around, self.box, self.sizes, self._ends = around, box, box.sizes, bounds
        if looked_at is not None:
            self._begin(looked_at)

    def bounds(self, node: plan.Node) -> tuple[Floats, Floats]:
        """Return lower and upper bounds in the box."""
        found = self._bounds.get(node)
        if found is None:
            found = self._bounds[node] = self._boxed.truth(node)
        return found

    def over(self, node: plan.Count | plan.Description) -> tuple[Floats, Floats]:
        """Return the bounds of the body in the box."""
        found = self._over.get(node)
        if found is None:
            found = self._over[node] = self._boxed.ends(node)
        return found

    @property
    def _boxed(self) -> BoxedEnds:
        if self._ends is None:
            raise UnforeseenError(self.box)
        return self._ends

    def askable(self, atom: plan.Atom) -> Mask:
        """Return which ground atoms of the box have not been asked."""
        found = self._askable.get(atom)
        if found is None:
            found = self._askable[atom] = self.box.cut(self.around.askable(atom), axes(atom))
        return found

    def probability(self, atom: plan.Atom) -> Floats:
        """Return estimated probabilities in the box."""
        found = self._probabilities.get(atom)
        if found is None:
            found = self._probabilities[atom] = self.box.cut(self.around.probability(atom), axes(atom))
        return found


def _told(table: Table) -> Mask:
    """Return where an evidence table of one object says yes, and where it says no: shape ``(2, N)``."""
    found = table.ready.get("told")
    if found is None:
        found = table.ready["told"] = np.array((table.logits > 0, table.logits <= 0))
    return found


class UnforeseenError(Exception):
    """Something is looked at that was not looked at then."""


GUESSES: dict[type[plan.Node], Callable[[State, Any], Floats]] = {
    plan.Atom: lambda state, node: state.probability(node),
    plan.Not: lambda state, node: 1.0 - state.guess(node.body),
    plan.And: lambda state, node: state._jointly(node.operands, axes(node)),
    plan.Or: lambda state, node: 1.0 - state._jointly(node.operands, axes(node), negated=True),
    plan.Exists: State._quantified,
    plan.Forall: State._quantified,
    plan.ExpectationOver: State._expectation,
}
"""Node class → its estimated probability, of its parts'."""
