"""Which cells can still change a decision: demands handed down a plan, from the decision to the atoms.

A node is demanded at the assignments where its value matters: an operand of ∧ only where the conjunction is open,
a body of ∃ only where it may still be the witness. Of the unary conditions of one object in one role, one is
demanded at a time (the likeliest to decide); a description is settled inside before what is said of it.
"""

from __future__ import annotations

import heapq
import itertools
import math

import numpy as np

from dsl.plan import (
    And,
    Atom,
    Compare,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    Predicate,
    Xor,
    conjunction,
    disjunction,
    negation,
    substitute,
    walk,
)
from dsl.rewrites.all_different import Block
from neptune.engine.compile import plan_cache as plans
from neptune.engine.schedule.all_different import MOST_SPLITS, relaxations
from neptune.engine.schedule.goals import Goal
from neptune.engine.schedule.state import (
    Axes,
    Floats,
    Mask,
    View,
    axes,
    highest,
    over_axes,
    project,
    quantified,
    spread,
)

NEAR, FAR = 3.0, 14.0
"""Logits below the best fit at which an object's weight in a description is neglected: 5 %, one in a million."""

SHARING = 1.5
"""An answer that serves r roles at once counts for r to this power: what it refutes needs no other question."""

FEW, WEAK, SHARP = 12, 0.75, 0.5
"""Up to so many objects, conditions that refute less than `WEAK` wait for a description whose relation is foretold
(mean distance of its chances from a coin's, doubled, above `SHARP`): most objects are then refuted by it at once.
With more objects this was measured to save little, for a round more."""


class Demand:
    """One pass over a plan: what is demanded of each atom.

    Parameters
    ----------
    view
        What is known.
    exact
        Demand every value that is still an interval, not only open decisions.
    width
        How many witnesses to expect among the objects that a quantifier asks about: the likeliest first, the others
        only if those are not enough. Infinite: all of them.
    """

    def __init__(self, view: View, exact: bool, width: float = math.inf) -> None:
        self.view, self.exact, self.width = view, exact, width
        self.wanted: dict[Atom, Mask] = {}
        self.weights: dict[Atom, Floats] = {}
        self._masks: dict[tuple[Node, bool], tuple[Mask, Floats]] = {}
        self._queue: list[tuple[int, int, Node, bool]] = []
        self._serial = itertools.count()
        self._roles: dict[Predicate, float] = {}

    def run(self, goal: Goal) -> dict[Atom, Mask]:
        """Return for each atom the cells demanded and not yet asked, over the atom's axes; only atoms with any."""
        self._start(goal)
        return self._drain()

    def _drain(self) -> dict[Atom, Mask]:
        while self._queue:
            _, _, node, exact = heapq.heappop(self._queue)
            self._visit(node, *self._masks.pop((node, exact)), exact)
        return self.wanted

    # --- from the goal ---------------------------------------------------------------------------

    def _start(self, goal: Goal) -> None:
        view, node, exact = self.view, goal.node, self.exact
        for atom in walk(node):
            if isinstance(atom, Atom) and len(atom.free) == 1:
                self._roles[atom.predicate] = self._roles.get(atom.predicate, 0.0) + 1.0
        match node:
            case Description():
                low, high = view.over(node)
                alive = high >= low.max() if goal.kind == "argmax" else np.ones_like(low, dtype=np.bool_)
                self._push(node.body, (node.var,), alive & view.is_open(low, high, exact), exact)
            case Describe():
                bounds = [view.bounds(b) for b in node.bodies]
                best = max(float(low) for low, _ in bounds)
                for body, (low, high) in zip(node.bodies, bounds, strict=True):
                    if float(high) >= best and float(low) < float(high):
                        self._push(body, (), np.ones((), dtype=np.bool_), exact)
            case Count():
                self._count(node, np.ones((), dtype=np.bool_), exact)
            case CountTrue():
                self._tally(node, np.ones((), dtype=np.bool_), exact)
            case _:
                self._push(node, axes(node), np.ones((view.n,) * len(node.free), dtype=np.bool_), exact)

    def _push(self, node: Node, have: Axes, mask: Mask, exact: bool, weight: Floats | None = None) -> None:
        """Demand a node at the assignments of the mask (over `have`, which holds the node's free variables).

        `weight`: how likely the best witness through each assignment is.
        """
        want = axes(node)
        if weight is None:
            weight = np.ones(mask.shape)
        weight = highest(np.where(mask, weight, 0.0), have, want)
        mask = project(mask, have, want) & self.view.open(node, exact)
        if not mask.any():
            return
        key = (node, exact)
        before = self._masks.get(key)
        if before is not None:
            self._masks[key] = (before[0] | mask, np.maximum(before[1], weight))
            return
        self._masks[key] = (mask, weight)
        # Deeper formulas come first, so that each node is visited once, with all that is demanded of it.
        heapq.heappush(self._queue, (-node.depth, next(self._serial), node, exact))

    # --- one node --------------------------------------------------------------------------------

    def _visit(self, node: Node, mask: Mask, weight: Floats, exact: bool) -> None:
        have = axes(node)
        match node:
            case Atom():
                fresh = mask & self.view.askable(node)
                if fresh.any():
                    before = self.wanted.get(node)
                    self.wanted[node] = fresh if before is None else before | fresh
                    self.weights[node] = weight if before is None else np.maximum(self.weights[node], weight)
            case Not():
                self._push(node.body, have, mask, exact, weight)
            case And() | Or():
                self._connective(node, mask, weight, exact)
            case Xor():
                self._push(node.left, have, mask, exact)
                self._push(node.right, have, mask, exact)
            case Exists() | Forall():
                self._quantifier(node, mask, weight, exact)
            case ExpectationOver():
                self._expect(node, mask, weight, exact)
            case Compare():
                for side in (node.left, node.right):
                    if isinstance(side, Count):
                        self._count(side, project(mask, have, axes(side)), exact)
                    elif isinstance(side, CountTrue):
                        self._tally(side, project(mask, have, axes(side)), exact)

    def _connective(self, node: And | Or, mask: Mask, weight: Floats, exact: bool) -> None:
        """Operands that speak of the same object (or of none) one at a time, the likeliest to decide first."""
        have = axes(node)
        groups: dict[str, list[Node]] = {}
        for operand in node.operands:
            plain = operand if exact else self._said(operand)
            if len(plain.free) <= 1 and not quantified(plain):
                groups.setdefault(next(iter(plain.free), ""), []).append(plain)
            else:
                self._push(operand, have, mask, exact, weight)
        if not exact and self._waits(node, groups):
            return
        for var, operands in groups.items():
            want = (var,) if var else ()
            live, likely = project(mask, have, want), highest(np.where(mask, weight, 0.0), have, want)
            for operand, chosen in zip(
                operands, self._one_each(operands, live, exact, isinstance(node, And)), strict=True
            ):
                self._push(operand, want, chosen, exact, likely)

    def _waits(self, node: And | Or, groups: dict[str, list[Node]]) -> bool:
        """Tell whether to find out first who the relations speak of: their conditions refute more than the others."""
        if self.view.n > FEW or isinstance(node, Or):
            return False
        if not any(isinstance(o, ExpectationOver) and self._foretold(o) for o in node.operands):
            return False
        for operand in itertools.chain(*groups.values()):
            open_cells = self.view.open(operand, False)
            refuted = (1.0 - self.view.guess(operand)) * self._shared(operand)
            if open_cells.any() and float(refuted[open_cells].mean()) >= WEAK:
                return False
        return True

    def _foretold(self, node: ExpectationOver) -> bool:
        """Tell whether a description is not settled yet, but will soon be, and its relation can be guessed at."""
        if node.description.free or quantified(node.description.body) or self._said(node) is not node:
            return False
        pairs = [a for a in walk(node.body) if isinstance(a, Atom) and len(a.terms) == 2]
        sharp = [float(np.abs(2.0 * self.view.chance(a) - 1.0).mean()) for a in pairs]
        return bool(sharp) and min(sharp) > SHARP

    def _said(self, node: Node) -> Node:
        """Return what is said of a described object as said of the object itself, once it is known who that is.

        A relation to it is then one condition among others: where the boxes tell that it hardly holds, it refutes
        an object sooner than any attribute.
        """
        inner = node.body if isinstance(node, Not) else node
        if not isinstance(inner, ExpectationOver) or inner.description.free:
            return node
        low, high = self.view.over(inner.description)
        middle = self.view.evaluator.logic.middle
        if int((high > middle).sum()) != 1 or not (low > middle).any():
            return node
        said = substitute(inner.body, {inner.var: int(low.argmax())})
        return negation(said) if isinstance(node, Not) else said

    def _one_each(self, operands: list[Node], live: Mask, exact: bool, falsest: bool) -> list[Mask]:
        if len(operands) == 1:
            return [live]
        guesses: list[Floats] = []
        for operand in operands:
            guess = self.view.guess(operand)
            order = 1.0 - (1.0 - guess if falsest else guess) * self._shared(operand)
            possible = self.view.open(operand, exact) & self._has_askable(operand)
            guesses.append(np.broadcast_to(np.where(possible, order, math.inf), live.shape))
        stacked = np.stack(guesses)
        first = stacked.argmin(0)
        return [live & (first == k) & (stacked[k] < math.inf) for k in range(len(operands))]

    def _shared(self, node: Node) -> float:
        """Return how much more an answer counts that serves several roles: the same condition on their variables."""
        atom = node.body if isinstance(node, Not) else node
        if not isinstance(atom, Atom) or len(atom.terms) != 1:
            return 1.0
        return float(self._roles.get(atom.predicate, 1.0) ** SHARING)

    def _has_askable(self, node: Node) -> Mask:
        """Return where some atom of a formula of at most one variable can be asked."""
        match node:
            case Atom():
                return self.view.askable(node)
            case Not():
                return self._has_askable(node.body)
            case And() | Or():
                parts = [self._has_askable(o) for o in node.operands]
            case Xor():
                parts = [self._has_askable(node.left), self._has_askable(node.right)]
            case _:
                return np.zeros((), dtype=np.bool_)
        out = np.zeros((self.view.n,) * len(node.free), dtype=np.bool_)
        for part in parts:
            out = out | part
        return out

    def _quantifier(self, node: Exists | Forall, mask: Mask, weight: Floats, exact: bool) -> None:
        have, want = axes(node), axes(node.body)
        block = plans.search(node)
        if block is not None:
            if exact:
                self._factors(node, block.block, mask)
            else:
                self._distinct(node, block.block, mask, weight)
            return
        if node.var not in want:
            self._push(node.body, have, mask, exact, weight)
            return
        low, high = self.view.bounds(node.body)
        outer_low, outer_high = self.view.bounds(node)
        wide = spread(mask, have, want, self.view.n)
        if exact and isinstance(node, Exists):
            wide = wide & (high > spread(outer_low, have, want, self.view.n))
        elif exact:
            wide = wide & (low < spread(outer_high, have, want, self.view.n))
        wide = np.asarray(wide & self.view.is_open(low, high, exact))
        chances = _decisive(self.view.guess(node.body), node)
        above = spread(np.maximum(_decisive(self.view.guess(node), node), 1e-9), have, want, self.view.n)
        likely = spread(weight, have, want, self.view.n) * chances / above
        if not exact and self.width < math.inf:
            wide = wide & self._likeliest(node, wide, np.asarray(likely))
        self._push(node.body, want, wide, exact, np.asarray(likely))

    def _distinct(self, node: Exists | Forall, block: Block, mask: Mask, weight: Floats) -> None:
        """A block of distinct variables by its relaxations (:mod:`neptune.engine.schedule.all_different`)."""
        have = axes(node)
        left = MOST_SPLITS
        for place in map(tuple, np.argwhere(mask)):
            here = dict(zip(have, map(int, place), strict=True))
            found, tried = relaxations(self.view, block, here, left)
            for relaxed in found:
                self._push(relaxed, (), np.ones((), dtype=np.bool_), False, weight[place])
            left -= tried
            if left <= 0:
                break

    def _factors(self, node: Exists | Forall, block: Block, mask: Mask) -> None:
        """A block of distinct variables by the values of its factors, where an assignment could still better it: none
        is truer than the least of its factors."""
        view, have = self.view, axes(node)
        low, high = view.bounds(node)
        sign, reached = (-1.0, high) if block.universal else (1.0, low)
        least = -highest(np.where(mask, -sign * reached, -np.inf), have, have)
        for group, scope in zip(block.groups, block.scopes, strict=True):
            if not group:
                continue
            joined = disjunction(group) if block.universal else conjunction(group)
            low, high = view.bounds(joined)
            shared = tuple(v for v in have if v in scope)
            floor = spread(-highest(-least, have, shared), shared, scope, view.n)
            self._push(joined, scope, sign * (low if block.universal else high) > floor, True)

    def _likeliest(self, node: Exists | Forall, wide: Mask, likely: Floats) -> Mask:
        """Return which objects to ask about now (over the body's axes): enough for `width` witnesses, as guessed."""
        want = axes(node.body)
        alive = project(wide, want, (node.var,))
        order = np.argsort(-np.where(alive, highest(likely, want, (node.var,)), -1.0), kind="stable")
        role = self._role(node) * alive
        reached = np.cumsum(role[order]) - role[order]
        keep = np.zeros(self.view.n, dtype=np.bool_)
        keep[order] = reached < self.width
        return np.asarray(spread(keep, (node.var,), want, self.view.n))

    def _role(self, node: Exists | Forall) -> Floats:
        """Return how likely each object fits the conditions on the quantified variable alone."""
        gather = And if isinstance(node, Exists) else Or
        parts = node.body.operands if isinstance(node.body, gather) else (node.body,)
        out = np.ones(self.view.n)
        for part in parts:
            if part.free == {node.var} and not quantified(part):
                out = out * _decisive(self.view.guess(part), node)
        return out

    # --- descriptions and counts -----------------------------------------------------------------

    def _expect(self, node: ExpectationOver, mask: Mask, weight: Floats, exact: bool) -> None:
        """First who is meant, then what is said of them."""
        view, iota = self.view, node.description
        have, inside = axes(node), over_axes(iota)
        low, high = view.over(iota)
        live = project(mask, have, inside[:-1])[..., None]
        logic = view.evaluator.logic
        fits_low, fits_high = (_logits(x, logic.uses_logits) for x in (low, high))
        peak = fits_low.max(-1, keepdims=True)
        reach = 0.0 if node.pick else FAR if exact else NEAR
        possible = live & (fits_high >= peak - reach)
        # Where nothing is known to fit, weights need the values themselves.
        certain = (low > logic.middle).any(-1, keepdims=True)
        open_cells = possible & np.where(
            certain & (not exact) & (not node.pick),
            view.is_open(low, high, False),
            view.is_open(low, high, True),
        )
        undecided = open_cells & view.is_open(low, high, False)
        todo, todo_exact = (undecided, False) if undecided.any() else (open_cells, True)
        if todo.any() and self._demands(iota, inside, todo, todo_exact):
            return
        joint = (*have, node.var)
        wide = spread(mask, have, joint, view.n)
        names = tuple(node.var if v == iota.var else v for v in inside)
        wide = wide & spread(possible, names, joint, view.n)
        self._push(node.body, joint, np.asarray(wide), exact, np.asarray(spread(weight, have, joint, view.n)))

    def _demands(self, iota: Description, inside: Axes, mask: Mask, exact: bool) -> bool:
        """Demand a description's body; tell whether that leads to any cell to ask."""
        trial = Demand(self.view, exact)
        trial._push(iota.body, inside, mask, exact)
        found = bool(trial._drain())
        if found:
            self._push(iota.body, inside, mask, exact)
        return found

    def _count(self, node: Count, mask: Mask, exact: bool) -> None:
        inside = over_axes(node)
        low, high = self.view.over(node)
        self._push(node.body, inside, mask[..., None] & self.view.is_open(low, high, exact), exact)

    def _tally(self, node: CountTrue, mask: Mask, exact: bool) -> None:
        for body in node.bodies:
            self._push(body, axes(node), mask, exact)


def _decisive(guess: Floats, node: Exists | Forall) -> Floats:
    """Return the chance of what decides a quantifier at once: a witness of ∃, a counterexample to ∀."""
    return guess if isinstance(node, Exists) else 1.0 - guess


def _logits(internal: Floats, are_logits: bool) -> Floats:
    if are_logits:
        return np.clip(internal, -FAR, FAR)
    p = np.clip(internal.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))
