"""Bounds of a block of distinct variables: the search of the planner, once for the lower and once for the upper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dsl.apart import Block
from dsl.plan import Exists, Forall, conjunction, disjunction
from neptune.algebra import ProbabilisticTensor
from neptune.algebra.convert import as_float
from neptune.execute import plans
from neptune.execute.code import Frame, full
from neptune.execute.evaluate import Evaluator
from neptune.execute.intervals import Interval


class SearchingEvaluator(Evaluator):
    """The straightforward executor, but for blocks of distinct variables, which need no joint table.

    Every connective is monotone, so the best distinct objects at the lower ends of the factors give the lower end of
    the block, and those at the upper ends the upper one. Parameters as for
    :class:`~neptune.execute.evaluate.Evaluator`.
    """

    def _quantified(self, node: Exists | Forall) -> Interval:
        crisp = as_float(self.parameters.quantifier_tau) == 0.0
        search = plans.search(node) if crisp and self.objects else None
        if search is None:
            return super()._quantified(node)
        parts = self._groups(search.block)

        def best(ends: list[ProbabilisticTensor]) -> ProbabilisticTensor:
            frame = self._frame()
            cells = search.run(frame, self._tables_of(search.block, ends))[0]
            self.peak_cells = max(self.peak_cells, frame.peak)
            make = ProbabilisticTensor.from_logits if self.logic.uses_logits else ProbabilisticTensor
            return make(cells, search.block.free, logic=self.logic)

        low = best([p.low for p in parts])
        return (
            Interval.point(low)
            if all(p.exact for p in parts)
            else Interval(low, best([p.high for p in parts]))
        )

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
