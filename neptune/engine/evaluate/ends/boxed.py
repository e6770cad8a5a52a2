"""Bounds of a dear formula in a box of live objects (:mod:`neptune.engine.evaluate.ends.boxes`): in NumPy, for every
logic whose quantifiers are max and min."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dsl.errors import LimitError
from dsl.plan import And, Atom, Const, Count, Description, Exists, ExpectationOver, Forall, Node, Not, Or, Same
from neptune.algebra import Logic
from neptune.algebra.arrays import ArrayLogic, any_logic
from neptune.algebra.convert import as_float
from neptune.algebra.late import torch
from neptune.engine.evaluate.ends.arithmetic import Ends, expectation_ends, placed
from neptune.engine.evaluate.ends.axes import Axes, sorted_axes
from neptune.engine.evaluate.ends.boxes import Box

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.algebra import LogicParameters

SLAB = 1 << 15
"""Cells of an expectation that are computed at once: what fits the processor's cache is done several times as fast."""


class BoxedEnds:
    """Bounds of formulas in a box, each computed once: carrier values over the sorted free variables.

    Parameters
    ----------
    box
        The objects that variables stand for; those that are not in it stand for all.
    logic, iota_tau
        The logic on arrays, and the temperature of descriptions.
    atoms
        Gives the bounds of an atom at all objects.
    spend
        Is told of the work that each takes, in cells of tables.
    cells
        The most cells of a table; a larger one is a :class:`dsl.LimitError`.
    """

    def __init__(
        self,
        box: Box,
        logic: ArrayLogic,
        iota_tau: float,
        atoms: Callable[[Atom], Ends],
        spend: Callable[[int], None],
        cells: int,
    ) -> None:
        self.box, self._logic, self._tau, self._atoms = box, logic, iota_tau, atoms
        self._spend, self._cells = spend, cells
        self._memo: dict[Node, Ends] = {}
        self._chances: dict[Node, Ends] = {}

    def ends(self, node: Node) -> Ends:
        """Return the bounds of a formula; of a description or a count those of its body, the axis of its variable
        last."""
        if isinstance(node, Description | Count):
            have = sorted_axes(node.body.free)
            return self._wide(self.truth(node.body), have, (*sorted_axes(node.free), node.var))
        return self.truth(node)

    def truth(self, node: Node) -> Ends:
        """Return the bounds of a formula."""
        found = self._memo.get(node)
        if found is None:
            self._count(sorted_axes(node.free))
            found = self._memo[node] = _RULES[type(node)](self, node)
        return found

    def chances(self, node: Node) -> Ends:
        """Return the same as probabilities."""
        ends = self.truth(node)
        found = self._chances.get(node)
        if found is None:
            low, high = ends
            p = self._logic.to_probability(low)
            found = self._chances[node] = p, p if low is high else self._logic.to_probability(high)
        return found

    def _count(self, names: Axes) -> None:
        cells = math.prod(self.box.sizes.shape(names))
        if cells > self._cells:
            raise LimitError("tensor_cells", self._cells, cells, what=f"a formula of {len(names)} variables")
        self._spend(cells)

    def _wide(self, ends: Ends, have: Axes, want: Axes) -> Ends:
        """Return bounds over more axes, or in another order."""
        shape = self.box.sizes.shape(want)
        low = np.broadcast_to(placed(ends[0], have, want), shape)
        return low, low if ends[0] is ends[1] else np.broadcast_to(placed(ends[1], have, want), shape)

    # --- rules ---

    def _atom(self, node: Atom) -> Ends:
        low, high = self._atoms(node)
        have = sorted_axes(node.free)
        part = self.box.cut(low, have)
        return part, part if low is high else self.box.cut(high, have)

    def _const(self, node: Const) -> Ends:
        value = self._logic.from_probability(np.full((), node.value, dtype=self._logic.dtype))
        return value, value

    def _same(self, node: Same) -> Ends:
        free = sorted_axes(node.free)
        if len(free) == 2:
            same = self.box.of(free[0])[:, None] == self.box.of(free[1])
        elif free:
            given = [t for t in node.terms if isinstance(t, int)]
            same = self.box.of(free[0]) == (given[0] if given else self.box.of(free[0]))
        else:
            same = np.asarray(node.terms[0] == node.terms[1])
        value = self._logic.hard(same)
        return value, value

    def _not(self, node: Not) -> Ends:
        low, high = self.truth(node.body)
        least = self._logic.not_(high)
        return least, least if low is high else self._logic.not_(low)

    def _junction(self, node: And | Or) -> Ends:
        join, want = self._logic.and_ if isinstance(node, And) else self._logic.or_, sorted_axes(node.free)
        parts = []
        for operand in node.operands:
            (low, high), have = self.truth(operand), sorted_axes(operand.free)
            parts.append((placed(low, have, want), placed(high, have, want), low is high))
        low, high, known = parts[0]
        for a, b, too in parts[1:]:
            low, known = join(low, a), known and too
            high = low if known else join(high, b)
        return self._wide((low, low if known else high), want, want)

    def _quantified(self, node: Exists | Forall) -> Ends:
        low, high = self.truth(node.body)
        if node.var not in node.body.free:
            return low, high
        at = sorted_axes(node.body.free).index(node.var)
        extreme = np.maximum.reduce if isinstance(node, Exists) else np.minimum.reduce
        least = np.asarray(extreme(low, axis=at))
        return least, least if low is high else np.asarray(extreme(high, axis=at))

    def _expectation(self, node: ExpectationOver) -> Ends:
        said, have, rest = self.chances(node.body), sorted_axes(node.body.free), sorted_axes(node.free)
        if node.var not in node.body.free:
            chances = self._wide(said, have, rest)
        else:
            names = (*sorted_axes(node.description.free), node.var)
            self._count((*rest, node.var))
            chances = self._expected(self.ends(node.description), names, said, have, (*rest, node.var), node.pick)
        self._chances[node] = chances
        low = self._logic.from_probability(chances[0])
        return low, low if chances[0] is chances[1] else self._logic.from_probability(chances[1])

    def _expected(self, fits: Ends, names: Axes, said: Ends, have: Axes, want: Axes, pick: bool) -> Ends:
        """Return bounds of what is said of a described object, over all axes of `want` but the last."""
        logic, tau = self._logic, 0.0 if pick else self._tau
        known = fits[0] is fits[1]
        logits = [logic.to_logits(logic.ranks(f) if pick else f) for f in (fits[:1] if known else fits)]
        if known:
            w = placed(logic.weights(logits[0], tau).astype(np.float64), names, want)
            sums = [(w * placed(end, have, want)).sum(-1) for end in (said[:1] if said[0] is said[1] else said)]
            shape = self.box.sizes.shape(want[:-1])
            found = [
                np.broadcast_to(np.minimum(np.maximum(total, 0.0), 1.0).astype(logic.dtype), shape) for total in sums
            ]
            return found[0], found[-1]
        parts = [placed(x, have if k > 1 else names, want) for k, x in enumerate([*logits, *said])]
        shape = self.box.sizes.shape(want)
        ends = np.empty((2, *shape[:-1]), dtype=logic.dtype)
        step = max(1, SLAB * shape[0] // max(math.prod(shape), 1))
        for at in range(0, shape[0], step):
            a, b, r, s = (x if len(x) == 1 else x[at : at + step] for x in parts)
            ends[:, at : at + step] = expectation_ends((a, b), (r, s), tau, logic.dtype)
        return ends[0], ends[1]


_RULES: dict[type[Node], Callable[[BoxedEnds, Any], Ends]] = {
    Atom: BoxedEnds._atom,
    Const: BoxedEnds._const,
    Same: BoxedEnds._same,
    Not: BoxedEnds._not,
    And: BoxedEnds._junction,
    Or: BoxedEnds._junction,
    Exists: BoxedEnds._quantified,
    Forall: BoxedEnds._quantified,
    ExpectationOver: BoxedEnds._expectation,
}


class Boxed:
    """Dear formulas over one scene, and the boxes that they are computed in.

    Parameters
    ----------
    objects, logic, parameters
        N, the logic, and the temperatures.
    atoms, spend, cells
        See :class:`BoxedEnds`.

    Attributes
    ----------
    boxes
        For each dear formula its box; of others everything is computed.
    """

    def __init__(
        self,
        objects: int,
        logic: Logic,
        parameters: LogicParameters,
        atoms: Callable[[Atom], Ends],
        spend: Callable[[int], None],
        cells: int,
    ) -> None:
        self.boxes: dict[Node, Box] = {}
        self._objects, self._of, self._parameters = objects, logic, parameters
        self._given = atoms, spend, cells
        self._made: dict[Node, BoxedEnds] = {}

    @cached_property
    def _logic(self) -> ArrayLogic:
        return any_logic(self._of)

    def take(self, boxes: dict[Node, Box]) -> bool:
        """Take other boxes; tell whether any is another."""
        if boxes.keys() == self.boxes.keys() and all(box == self.boxes[node] for node, box in boxes.items()):
            return False
        self.boxes = boxes
        return True

    def forget(self) -> None:
        """Drop what was computed."""
        self._made = {}

    def within(self, node: Node) -> BoxedEnds:
        """Return what computes a dear formula in its box."""
        found = self._made.get(node)
        if found is None:
            found = self._made[node] = BoxedEnds(
                self.boxes[node], self._logic, as_float(self._parameters.iota_tau), *self._given
            )
        return found

    def ends(self, node: Node) -> tuple[Ends, Ends | None]:
        """Return the bounds of a dear formula at all objects, as carrier values, and of an expectation as
        probabilities."""
        box, have, logic = self.boxes[node], sorted_axes(node.free), self._logic
        if box.empty:
            shape = (self._objects,) * len(have)
            chances = [np.broadcast_to(logic.dtype.type(p), shape) for p in (0.0, 1.0)]
            carriers = [np.broadcast_to(logic.dtype.type(p), shape) for p in (logic.bottom, logic.top)]
            return (carriers[0], carriers[1]), (chances[0], chances[1]) if isinstance(node, ExpectationOver) else None
        within = self.within(node)
        low, high = within.truth(node)
        carriers = [box.put(low, have, logic.bottom), box.put(high, have, logic.top)]
        if not isinstance(node, ExpectationOver):
            return (carriers[0], carriers[1]), None
        low, high = within.chances(node)
        return (carriers[0], carriers[1]), (box.put(low, have, 0.0), box.put(high, have, 1.0))

    def rows(self, node: Node) -> Tensor | None:
        """Return the same as a tensor, ``(2, N, …)``, of an expectation the probabilities; ``None`` where the formula
        is computed everywhere."""
        if node not in self.boxes:
            return None
        carriers, chances = self.ends(node)
        return torch.from_numpy(np.stack(chances or carriers))
