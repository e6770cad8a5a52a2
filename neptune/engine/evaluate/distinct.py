"""Bounds of a block of distinct variables: the search of the planner, once for the lower and once for the upper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dsl.plan import Exists, Forall, conjunction, disjunction
from dsl.rewrites.all_different import Block
from neptune.algebra import Logic, LogicParameters, ProbabilisticTensor
from neptune.algebra.convert import as_float
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.assignment import MOST_BRANCHES, Search
from neptune.engine.compile.program import Frame, full
from neptune.engine.evaluate.bounds import Interval
from neptune.engine.evaluate.evaluator import Evaluator, LeafSource

BRANCH_WORK = 1 << 13
"""A branch of a search takes about as long as so many cells of a table."""


class SearchingEvaluator(Evaluator):
    """The straightforward executor, but for blocks of distinct variables, which need no joint table.

    Every connective is monotone, so the best distinct objects at the lower ends of the factors give the lower end of
    the block, and those at the upper ends the upper one. Where evidence is missing, a search that does not end within
    `branches` leaves the ends as far apart as they are then: still bounds.

    Parameters
    ----------
    objects, logic, parameters, leaf, cell_limit
        As for :class:`~neptune.engine.evaluate.evaluator.Evaluator`.
    branches
        The most branches of a search for one end.
    """

    def __init__(
        self,
        objects: int,
        logic: Logic,
        parameters: LogicParameters,
        leaf: LeafSource,
        cell_limit: int,
        branches: int = MOST_BRANCHES,
    ) -> None:
        super().__init__(objects, logic, parameters, leaf, cell_limit)
        self.branches = branches

    def _quantified(self, node: Exists | Forall) -> Interval:
        crisp = as_float(self.parameters.quantifier_tau) == 0.0
        search = plans.search(node) if crisp and self.objects else None
        if search is None:
            return super()._quantified(node)
        parts = self._groups(search.block)

        if all(p.exact for p in parts):
            return Interval.point(self._end(search, [p.low for p in parts]))
        low, high = ([getattr(p, side) for p in parts] for side in ("low", "high"))
        return Interval(self._end(search, low, upper=False), self._end(search, high, upper=True))

    def _end(
        self, search: Search, ends: Sequence[ProbabilisticTensor], upper: bool | None = None
    ) -> ProbabilisticTensor:
        """Return the value of a block at one end of its factors; with `upper`, that end of its bounds."""
        frame, tables = self._frame(), self._tables_of(search.block, ends)
        if upper is None:
            cells = search.run(frame, tables)
        else:
            cells = search.bound(frame, tables, upper, self.branches)
        self.peak_cells = max(self.peak_cells, frame.peak)
        self.spend(frame.branches * BRANCH_WORK)
        make = ProbabilisticTensor.from_logits if self.logic.uses_logits else ProbabilisticTensor
        return make(cells[0], search.block.free, logic=self.logic)

    def _frame(self, objects: Sequence[int] = ()) -> Frame:
        """Return where code runs on this one scene; `objects` are those that its terms stand for."""
        given = torch.tensor([objects], dtype=torch.int64)
        return Frame(self.logic, self.parameters, 1, self.objects, None, given, cells=self.cell_limit)

    def _tables_of(self, block: Block, groups: Sequence[ProbabilisticTensor]) -> list[Tensor]:
        """Return what a search takes: the internal numbers of each group, axes as in its scope."""
        return [
            full(group.align(scope).internal.unsqueeze(0), self.objects)
            for group, scope in zip(groups, block.scopes, strict=True)
        ]

    def _groups(self, block: Block) -> list[Interval]:
        """Return the value of each group of factors, over its scope; of an empty one, what leaves a block as it is."""
        join = disjunction if block.universal else conjunction
        empty = torch.full((self.objects,), 0.0 if block.universal else 1.0)
        return [
            self.truth(join(group)) if group else Interval.point(self._tensor(empty, scope))
            for group, scope in zip(block.groups, block.scopes, strict=True)
        ]
