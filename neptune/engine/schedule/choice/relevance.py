"""Which ground atoms can still change a decision: relevance handed down a plan, from the decision to the atoms.

A node is relevant at the assignments where its value matters: an operand of ∧ only where the conjunction is open,
a body of ∃ only where it may still be the witness. Of the unary conditions of one object in one role, one is
relevant at a time (:mod:`neptune.engine.schedule.choice.conditions`); a description is settled inside before what is
said of it. How a node hands it on is one rule in :data:`RULES`; a class without a rule hands it to all its parts.
"""

from __future__ import annotations

import heapq
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from dsl import plan
from dsl.rewrites.all_different import Block
from neptune.engine.evaluate.ends.axes import Axes, Mask, project, some, spread
from neptune.engine.schedule.choice import weights
from neptune.engine.schedule.choice.all_different import MOST_SPLITS, relaxations
from neptune.engine.schedule.choice.conditions import Conditions, question_of
from neptune.engine.schedule.choice.weights import Later
from neptune.engine.schedule.formulas import axes, block_of, groups_of, over_axes
from neptune.engine.schedule.state import Floats, Inside, State

NEAR, FAR = 3.0, 14.0
"""Logits below the best fit at which an object's weight in a description is neglected: 5 %, one in a million."""

NO_TRUTH = (plan.Description, plan.Describe, plan.Count, plan.CountTrue, plan.Number)
"""Nodes that are no formulas: whether they are open, their rules say."""


class Relevance:
    """One pass over a plan.

    Parameters
    ----------
    state
        What is known.
    exact
        Every value that is still an interval is relevant, not only open decisions.
    width
        How many witnesses to expect among the objects that a quantifier asks about: the likeliest first, the others
        only if those are not enough. Infinite: all of them.
    goal
        The formula (or description, count, …) to decide.

    Attributes
    ----------
    wanted
        For each atom where it is relevant and not yet asked, over the atom's axes; only atoms with any.
    weights
        How likely the best witness through each of these is.
    compares
        Whether these weights hang on estimates.
    """

    def __init__(self, state: State, exact: bool, width: float = math.inf, goal: plan.Node | None = None) -> None:
        self.state, self.exact, self.width = state, exact, width
        self.wanted: dict[plan.Atom, Mask] = {}
        self.weights: dict[plan.Atom, Later] = {}
        self.compares = False
        self._conditions, self._goal = Conditions(state, goal), goal
        self._inside: dict[plan.Node, Relevance] = {}
        self._masks: dict[tuple[plan.Node, bool], tuple[Mask, Later]] = {}
        self._found_out: dict[tuple[plan.Description, bool, bool], tuple[Mask, bool]] = {}
        self._queue: list[tuple[int, int, plan.Node, bool]] = []
        self._serial = itertools.count()
        if goal is not None:
            self._push(goal, axes(goal), np.ones((state.n,) * len(goal.free), dtype=np.bool_), exact)
            self._drain()

    def _drain(self, *, first_only: bool = False) -> None:
        while self._queue and not (first_only and self.wanted):
            _, _, node, exact = heapq.heappop(self._queue)
            self._visit(node, *self._masks.pop((node, exact)), exact)
        for inside in self._inside.values():
            inside._drain(first_only=first_only)
            put = cast(Inside, inside.state).box.put
            for atom, mask in inside.wanted.items():
                weight = Later(put, inside.weights[atom], axes(atom), 0.0)
                self._want(atom, put(mask, axes(atom), False), weight)
            inside.wanted, self.compares = {}, self.compares or inside.compares

    def _visit(self, node: plan.Node, mask: Mask, weight: Later, exact: bool) -> None:
        rule = Relevance._look_inside if node in self.state.inside else RULES.get(type(node), Relevance._parts)
        rule(self, node, mask, weight, exact)

    def _look_inside(self, node: plan.Node, mask: Mask, weight: Later, exact: bool) -> None:
        """Make a dear formula relevant in its box alone."""
        state = self.state.inside[node]
        inside = self._inside.setdefault(node, Relevance(state, exact, self.width))
        inside._conditions = Conditions(state, self._goal)
        mask = state.box.cut(mask, axes(node))
        if some(mask):
            inside._visit(node, mask, Later(state.box.cut, weight, axes(node)), exact)

    def _push(self, node: plan.Node, have: Axes, mask: Mask, exact: bool, weight: Later | None = None) -> None:
        """Make a node relevant at the assignments of the mask (over `have`, which holds the node's free variables).

        `weight`: how likely the best witness through each assignment is.
        """
        want = axes(node)
        if isinstance(node, NO_TRUTH):
            among = project(mask, have, want)
            self._visit(node, among, Later(weights.likely, among, mask, weight, have, want), exact)
            return
        open_at = self.state.open(node, exact)
        if open_at is None:
            return
        among = project(mask, have, want)
        open_among = among & open_at
        if not some(open_among):
            return
        key, likely = (node, exact), Later(weights.likely, among, mask, weight, have, want)
        before = self._masks.get(key)
        if before is not None:
            self._masks[key] = (before[0] | open_among, Later(np.maximum, before[1], likely))
            return
        self._masks[key] = (open_among, likely)
        # Deeper formulas come first, so that each node is visited once, with all that makes it relevant.
        heapq.heappush(self._queue, (-node.depth, next(self._serial), node, exact))

    # --- rules: where the parts of a node matter, which matters itself where the mask (over its axes) says ---

    def _parts(self, node: plan.Node, mask: Mask, weight: Later, exact: bool) -> None:
        """Any other node: all its parts, for every object that it binds."""
        have = axes(node)
        for part in node.children:
            joint = (*have, *sorted(part.free - node.free))
            self._push(part, joint, spread(mask, have, joint, self.state.sizes), exact)

    def _atom(self, node: plan.Atom, mask: Mask, weight: Later, exact: bool) -> None:
        self._want(node, mask & self.state.askable(node), weight)

    def _want(self, node: plan.Atom, fresh: Mask, weight: Later) -> bool:
        """Want an atom where the mask is true; tell whether it is anywhere."""
        if not some(fresh):
            return False
        before = self.wanted.get(node)
        self.wanted[node] = fresh if before is None else before | fresh
        self.weights[node] = weight if before is None else Later(np.maximum, self.weights[node], weight)
        return True

    def _not(self, node: plan.Not, mask: Mask, weight: Later, exact: bool) -> None:
        self._push(node.body, axes(node), mask, exact, weight)

    def _connective(self, node: plan.And | plan.Or, mask: Mask, weight: Later, exact: bool) -> None:
        """Operands that speak of the same object (or of none) one at a time, the likeliest to decide first."""
        conditions, others = self._conditions.among(node, exact)
        for other in others:
            self._push(other, axes(node), mask, exact, weight)
        self._of_conditions(node, conditions, mask, weight, exact)

    def _of_conditions(
        self, node: plan.Node, conditions: list[plan.Node], mask: Mask, weight: Later, exact: bool
    ) -> bool:
        """Make conditions of a connective (or one that stands alone) relevant; tell whether any of them came to an atom
        to ask at once."""
        wanted = False
        if isinstance(node, plan.And) and not exact and conditions and self._conditions.wait(node, conditions):
            return wanted
        have, falsest = axes(node), not isinstance(node, plan.Or)
        groups: dict[Axes, list[plan.Node]] = {}
        for condition in conditions:
            groups.setdefault(axes(condition), []).append(condition)
        for want, operands in groups.items():
            live = project(mask, have, want)
            chosen = self._conditions.one_each(operands, live, exact, falsest)
            if chosen:
                likely = Later(weights.within, mask, weight, have, want)
                for operand, where in chosen:
                    atom = question_of(operand)
                    if atom is None:
                        self._push(operand, want, where, exact, likely)
                    elif self._want(atom, where, likely):
                        wanted = True
        return wanted

    def _quantifier(self, node: plan.Exists | plan.Forall, mask: Mask, weight: Later, exact: bool) -> None:
        state, have, want = self.state, axes(node), axes(node.body)
        block = block_of(node)
        if block is not None:
            if exact:
                self._factors(node, block, mask)
            else:
                self._relaxations(node, block, mask, weight)
            return
        if node.var not in want:
            self._push(node.body, have, mask, exact, weight)
            return

        def wide(array: Any) -> Any:
            return spread(array, have, want, state.sizes)

        open_at = state.open(node.body, exact)
        if open_at is None:
            return
        where = wide(mask) & open_at
        if exact:
            low, high = state.bounds(node.body)
            outer_low, outer_high = state.bounds(node)
            where &= high > wide(outer_low) if isinstance(node, plan.Exists) else low < wide(outer_high)
        self.compares = True
        likely = Later(weights.through_witness, state, node, weight)
        if not exact and self.width < math.inf:
            where &= self._likeliest(node, where, likely)
        self._push(node.body, want, where, exact, likely)

    def _likeliest(self, node: plan.Exists | plan.Forall, wide: Mask, likely: Later) -> Mask:
        """Return which objects to ask about now (over the body's axes): enough for `width` witnesses, as guessed."""
        own, want = (node.var,), axes(node.body)
        alive = project(wide, want, own)
        if self.state.weigh(weights.are_few, node, alive, self.width):
            return wide
        self.state.hangs_together = True
        order = (-np.where(alive, project(likely.found, want, own), -1.0)).argsort(kind="stable")
        fitting = (weights.fitting(self.state, node) * alive)[order]
        reached = fitting.cumsum() - fitting
        keep = np.zeros(self.state.n, dtype=np.bool_)
        keep[order] = reached < self.width
        return spread(keep, own, want, self.state.sizes)

    def _relaxations(self, node: plan.Exists | plan.Forall, block: Block, mask: Mask, weight: Later) -> None:
        """A block of distinct variables by its relaxations (:mod:`neptune.engine.schedule.choice.all_different`)."""
        left = MOST_SPLITS
        for place in map(tuple, np.argwhere(mask)):
            here = dict(zip(axes(node), map(int, place), strict=True))
            found, tried = relaxations(self.state, block, here, left)
            for relaxed in found:
                self._push(relaxed, (), np.ones((), dtype=np.bool_), False, Later(operator.getitem, weight, place))
            left -= tried
            if left <= 0:
                break

    def _factors(self, node: plan.Exists | plan.Forall, block: Block, mask: Mask) -> None:
        """A block of distinct variables by the values of its factors, where an assignment could still better it: none
        is truer than the least of its factors."""
        state, have = self.state, axes(node)
        low, high = state.bounds(node)
        sign, reached = (-1.0, high) if block.universal else (1.0, low)
        least = np.where(mask, sign * reached, np.inf)
        for joined, scope in groups_of(block):
            low, high = state.bounds(joined)
            shared = tuple(v for v in have if v in scope)
            floor = spread(-project(-least, have, shared), shared, scope, state.n)
            self._push(joined, scope, sign * (low if block.universal else high) > floor, True)

    def _expectation(self, node: plan.ExpectationOver, mask: Mask, weight: Later, exact: bool) -> None:
        """First who is meant, then what is said of them."""
        possible, leads = self._who_is_meant(node, mask, exact)
        if not leads:
            self._what_is_said(node, mask, weight, exact, possible)

    def _who_is_meant(self, node: plan.ExpectationOver, mask: Mask, exact: bool) -> tuple[Mask, bool]:
        """Make a description relevant where it is open; return which objects it may mean (its own variable last), and
        whether that leads to any ground atom to ask: once for all that is said of one object."""
        if node.description.free:
            return self._meant(node, mask, exact)
        key = node.description, node.pick, exact
        found = self._found_out.get(key)
        if found is None:
            found = self._found_out[key] = self._meant(node, mask, exact)
        return found

    def _meant(self, node: plan.ExpectationOver, mask: Mask, exact: bool) -> tuple[Mask, bool]:
        state, description = self.state, node.description
        have, inside = axes(node), over_axes(description)
        low, high = state.over(description)
        logic = state.evaluator.logic
        fits_low = _logits(low, logic.uses_logits)
        fits_high = fits_low if high is low else _logits(high, logic.uses_logits)
        peak = np.maximum.reduce(fits_low, axis=-1, keepdims=True)
        reach = 0.0 if node.pick else FAR if exact else NEAR
        possible = project(mask, have, inside[:-1])[..., None] & (fits_high >= peak - reach)
        if high is low:
            return possible, False
        undecided, unknown = (possible & state.is_open(low, high, whole) for whole in (False, True))
        open_at = unknown
        if not (exact or node.pick):
            # Where nothing is known to fit, weights need the values themselves.
            certain = np.logical_or.reduce(low > logic.middle, axis=-1, keepdims=True)
            open_at = np.where(certain, undecided, unknown)
        undecided = open_at & undecided
        if some(undecided):
            todo, whole = undecided, False
        else:
            todo, whole = open_at, True
        return possible, some(todo) and self._leads_on(description, inside, todo, whole)

    def _what_is_said(self, node: plan.ExpectationOver, mask: Mask, weight: Later, exact: bool, possible: Mask) -> None:
        """What is said of the objects that a description may mean (`possible`, its own variable last)."""
        n, have, description = self.state.sizes, axes(node), node.description
        joint = (*have, node.var)
        names = (*axes(description), node.var)
        wide = spread(mask, have, joint, n) & spread(possible, names, joint, n)
        self._push(node.body, joint, wide, exact, Later(spread, weight, have, joint, n))

    def _leads_on(self, description: plan.Description, inside: Axes, mask: Mask, exact: bool) -> bool:
        """Make a description's body relevant, if that leads to any ground atom to ask; tell whether it does."""
        memo, key, body = self.state.memo, (description, exact, mask.tobytes()), description.body
        leads = memo.get(key)
        if leads is None:  # found out once: descriptions within descriptions would double the work with each
            leads = memo[key] = self._leads_at_once(body, inside, mask, exact)
            if leads is not None:
                return bool(leads)
            trial = Relevance(self.state, exact)
            trial._push(body, inside, mask, exact)
            trial._drain(first_only=True)
            leads = memo[key] = bool(trial.wanted)
        if leads:
            self._push(body, inside, mask, exact)
        return bool(leads)

    def _leads_at_once(self, body: plan.Node, inside: Axes, mask: Mask, exact: bool) -> bool | None:
        """Make a body relevant that has conditions of its own which can be asked about, and tell that it has; ``None``:
        it may still lead on."""
        conditions, others = [body], list[plan.Node]()
        if isinstance(body, plan.And | plan.Or):
            conditions, others = self._conditions.among(body, exact)
        if len(body.free) > 1 or any(c.free != body.free or question_of(c) is None for c in conditions):
            return None
        open_at = self.state.open(body, exact)
        if open_at is None:
            return False
        want = axes(body)
        among = project(mask, inside, want)
        live, weight = among & open_at, Later(weights.likely, among, mask, None, inside, want)
        if not self._of_conditions(body, conditions, live, weight, exact):
            return None if others else False
        for other in others:
            self._push(other, want, live, exact, weight)
        return True

    def _count(self, node: plan.Count, mask: Mask, weight: Later, exact: bool) -> None:
        low, high = self.state.over(node)
        where = mask[..., None] & self.state.is_open(low, high, exact)
        self._push(node.body, over_axes(node), where, exact)

    # --- goals that are no formulas ---

    def _description(self, node: plan.Description, mask: Mask, weight: Later, exact: bool) -> None:
        """The objects that may still be the one meant."""
        low, high = self.state.over(node)
        where = (high >= low.max()) & self.state.is_open(low, high, exact)
        self._push(node.body, over_axes(node), where, exact)

    def _describe(self, node: plan.Describe, mask: Mask, weight: Later, exact: bool) -> None:
        """The values that may still be the truest, once it is known of whom."""
        bounds = [(float(low), float(high)) for low, high in self.state.bounds_of(node.bodies)]
        best, middle = max(low for low, _ in bounds), self.state.middle
        for body, (low, high) in zip(node.bodies, bounds, strict=True):
            if high < best or not (low < high if exact else low <= middle < high):
                continue
            waits = (
                isinstance(body, plan.ExpectationOver)
                and body not in self.state.inside
                and self._who_is_meant(body, mask, exact)[1]
            )
            if not waits:
                self._push(body, (), mask, exact)


RULES: dict[type[plan.Node], Callable[[Relevance, Any, Mask, Later, bool], None]] = {
    plan.Atom: Relevance._atom,
    plan.Not: Relevance._not,
    plan.And: Relevance._connective,
    plan.Or: Relevance._connective,
    plan.Exists: Relevance._quantifier,
    plan.Forall: Relevance._quantifier,
    plan.ExpectationOver: Relevance._expectation,
    plan.Count: Relevance._count,
    plan.Description: Relevance._description,
    plan.Describe: Relevance._describe,
}


def _logits(internal: Floats, are_logits: bool) -> Floats:
    if are_logits:
        return np.minimum(np.maximum(internal, -FAR), FAR)
    p = np.clip(internal.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))
