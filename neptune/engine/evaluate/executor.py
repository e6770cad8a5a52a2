"""The optimised executor: rewritten, eliminated, compiled, cached by shape. The values are the naive ones.

Where evidence is missing, values are intervals; then the rewritten formula is evaluated node by node, with the
interval rules of the straightforward executor. An empty scene is evaluated as written: rewrites speak of N ≥ 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dsl import plan as nodes
from dsl.errors import LimitError
from dsl.plan import And, Atom, Const, Count, CountTrue, Describe, Description, Exists, Node, Same
from dsl.rewrites.elimination import width
from neptune.algebra import Logic, LogicParameters, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.assignment import Search
from neptune.engine.evaluate.bounds import Interval, settled_argmax
from neptune.engine.evaluate.distinct import SearchingEvaluator
from neptune.engine.evaluate.evaluator import LeafSource, leaves


class PlannedEvaluator(SearchingEvaluator):
    """Evaluates guarded plan nodes over one scene by compiled plans. Parameters as for its base."""

    def __init__(
        self, objects: int, logic: Logic, parameters: LogicParameters, leaf: LeafSource, cell_limit: int
    ) -> None:
        super().__init__(objects, logic, parameters, leaf, cell_limit)
        self.laws = plans.laws_of(logic, parameters)
        self._timer = plans.Timer()
        self._tables: dict[Atom, Tensor | None] = {}
        self._chance: dict[Node, bool] = {}
        self._results: dict[tuple[Node, plans.Kind], list[Tensor] | None] = {}

    def take_plan_ms(self) -> float:
        """Return the milliseconds spent on planning since this was last asked."""
        spent, self._timer.spent = self._timer.spent, 0.0
        return spent

    def forget(self) -> None:
        """Drop what was computed: answers came in."""
        self._tables.clear()
        self._results.clear()
        super().forget()

    # --- values ----------------------------------------------------------------------------------

    def truth(self, node: Node) -> Interval:
        """Return the value of a formula, over its free variables."""
        found = self._memo.get(node)
        if found is None:
            if self.objects and not isinstance(node, Atom | Const | Same):
                found = self._outermost(node) or self._planned(node)
            if found is None:
                self._check(len(node.free))
                found = self._truth(node)
            self._memo[node] = found
        return found

    def _outermost(self, node: Node) -> Interval | None:
        """Evaluate a closed ∃x φ by the table of φ over x: the same cost, and who makes it true can be read off."""
        if not isinstance(node, Exists) or node.free or node.var not in node.body.free or not self.laws.crisp:
            return None
        if plans.search(node) is not None:  # one search, not one for each x
            return None
        body = self.truth(node.body)
        low = body.low.exists(node.var)
        return Interval.point(low) if body.exact else Interval(low, body.high.exists(node.var))

    def _planned(self, node: Node) -> Interval | None:
        found = self._run(node, "truth")
        if found is not None:
            vars = tuple(sorted(node.free))
            given = {"values" if self._chance[node] or not self.logic.uses_logits else "logits": found[0]}
            return Interval.point(ProbabilisticTensor._make(vars, {}, self.logic, **given))
        if width(node) < 3:
            return None
        with self._timer:
            shape = plans.shape(node)
            rewritten = _named(plans.plan(shape.node, "truth", self.laws).outputs[0], shape)
        return None if rewritten is node else self._spread(self._by_node(rewritten), node)

    def _by_node(self, node: Node) -> Interval:
        """Evaluate node by node, without planning what is inside again."""
        arguments = self.objects, self.logic, self.parameters, self.leaf, self.cell_limit
        return SearchingEvaluator(*arguments).truth(node)

    def over(self, node: Description | Count) -> Interval:
        """Return the body of a description or count, with an axis for its variable even where it is vacuous."""
        if self.objects and node.var in node.body.free:
            return self.truth(node.body)
        return super().over(node)

    def number(self, node: Node) -> tuple[int, int]:
        """Return the least and the largest number that a count can still be (the same where all is known)."""
        if isinstance(node, Count | CountTrue) and self.objects and not node.free:
            cells = self._run(node, "cells")
            if cells is not None:
                count = int(self.logic.decide(cells[0]).sum())
                return count, count
        return super().number(node)

    def choose(self, node: Describe) -> tuple[int, bool, Tensor]:
        """Return the chosen value's index, whether it is settled, and the probabilities of the values ``(K,)``."""
        cells = self._run(node, "parts") if self.objects and not node.free else None
        if cells is None:
            return super().choose(node)
        values = torch.stack([c.reshape(()) for c in cells])
        logits = self.logic.to_logits(values)
        best, settled = settled_argmax(self.logic, values, values)
        return best, settled, torch.softmax(logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), 0)

    def witness(self, node: Node, vars: list[str]) -> dict[str, int]:
        """Return objects that make a closed formula as true as it is: for each of the variables, as some ∃ binds
        them, outermost first, the lowest index that reaches the value given those before it.

        The same tuple as the joint table's, without the table: each variable in turn is left free, with those before
        it fixed, and maximised.
        """
        found: dict[str, int] = {}
        if len(set(vars)) == len(vars):
            self._seek(node, frozenset(vars), found)
        return found

    def _seek(self, node: Node, vars: frozenset[str], found: dict[str, int]) -> None:
        search = plans.search(node) if isinstance(node, Exists) and not node.free else None
        if search is not None and self.laws.crisp:
            self._seek_apart(search, vars, found)
        elif isinstance(node, Exists) and node.var in vars and node.var not in found:
            body = node.body
            if node.var in body.free:
                cells = self.truth(body).low.internal
                found[node.var] = int(cells.argmax())
                body = nodes.substitute(body, {node.var: found[node.var]})
            self._seek(body, vars, found)
        elif isinstance(node, And):
            for operand in node.operands:
                if not operand.free:
                    self._seek(operand, vars, found)

    def _seek_apart(self, search: Search, vars: frozenset[str], found: dict[str, int]) -> None:
        """Find the objects of a block of distinct variables: the lowest tuple, by searches instead of tables."""
        tables = self._tables_of(search.block, [value.low for value in self._groups(search.block)])
        lowest = search.lowest(self._frame(), tables)
        for var, at in (lowest or {}).items():
            if var in vars:
                found.setdefault(var, at)
        for group in search.block.groups:
            for factor in group:
                if not factor.free:
                    self._seek(factor, vars, found)

    # --- running ---------------------------------------------------------------------------------

    def _run(self, node: Node, kind: plans.Kind) -> list[Tensor] | None:
        """Return the plan's tables, or ``None`` where evidence is missing."""
        key = (node, kind)
        if key in self._results:
            return self._results[key]
        if any(self._table(leaf) is None for leaf in leaves(node)):
            self._results[key] = None
            return None
        with self._timer:
            shape = plans.shape(node)
            plan = plans.plan(shape.node, kind, self.laws)
        cells = plan.code.peak_cells(self.objects, limit=self.cell_limit)
        if cells > self.cell_limit:
            raise LimitError(
                "tensor_cells", self.cell_limit, cells, what=f"a formula of {plan.code.axes} variables"
            )
        tables = [self._table(shape.leaf(leaf)) for leaf in plan.code.leaves]
        frame = self._frame(shape.objects)
        if kind == "truth":
            whole, self._chance[node] = plan.code.run_chances(frame, tables)[0]  # type: ignore[arg-type]
            made = [whole]
        else:
            made = plan.code.run(frame, tables)  # type: ignore[arg-type]
        self.peak_cells = max(self.peak_cells, cells, frame.peak)
        wanted = tuple(sorted(node.free)) if kind == "truth" else None
        outputs = zip(made, plan.code.outputs, strict=True)
        result = [_spread(x[0], vars, wanted, self.objects) for x, (_, vars) in outputs]
        self._results[key] = result
        return result

    def _table(self, leaf: Atom) -> Tensor | None:
        """Return an atom's internal numbers with the batch axis, one table for all names of its variables."""
        names = iter(range(len(leaf.terms)))
        renamed = nodes.make(
            Atom, leaf.predicate, tuple(f"@{next(names)}" if isinstance(t, str) else t for t in leaf.terms)
        )
        if renamed not in self._tables:
            self._tables[renamed] = self._look_up(renamed)
        return self._tables[renamed]

    def _look_up(self, leaf: Atom) -> Tensor | None:
        if any(isinstance(t, int) for t in leaf.terms):
            whole = nodes.make(Atom, leaf.predicate, tuple(f"@{i}" for i in range(len(leaf.terms))))
            table = self._tables.get(whole)
            if table is not None:
                return table[(slice(None), *(t if isinstance(t, int) else slice(None) for t in leaf.terms))]
        interval = self.leaf(leaf)
        return interval.low.internal.unsqueeze(0) if interval.exact else None


def _spread(x: Tensor, have: tuple[str, ...], want: tuple[str, ...] | None, size: int) -> Tensor:
    """Return the table with axes for variables that rewriting has shown not to matter."""
    if want is None or have == want:
        return x
    return x[tuple(slice(None) if v in have else None for v in want)].expand([size] * len(want))


def _named(node: Node, shape: plans.Shape) -> Node:
    """Return a formula of a shape with the names that it stands for."""

    def named(current: Node) -> Node:
        if isinstance(current, Atom):
            return shape.leaf(current)
        return nodes.with_terms(current, lambda term: shape.objects[term] if isinstance(term, int) else term)

    return nodes.transform(node, named)
