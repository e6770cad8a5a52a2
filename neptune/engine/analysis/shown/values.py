"""The values that stand beside the lines of a plan, as plain data."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl import plan
from dsl.plan import Atom, Node, Not
from dsl.plan.guards import insert_guards
from neptune.algebra.arrays import logistic
from neptune.engine.analysis.score_vector import ScoreVector, SeenScores
from neptune.engine.analysis.shown.parts import MOST_NODES, parts_of
from neptune.engine.evaluate.bounds import largest
from neptune.engine.evaluate.ends.axes import sorted_axes
from neptune.engine.evaluate.executor import Executor
from neptune.engine.interpret.values import node_of

KNOWN = 2e-3
"""A value whose bounds are closer than this is shown as known."""

_WITHOUT_VALUE = (plan.Number, plan.Const)
_OVER_A_BODY = (plan.Description, plan.Count)

Row: TypeAlias = dict[str, Any]
"""One line of what is shown, as in a record."""


class _Cells:
    """Numbers that are gathered table by table, and rounded at once."""

    def __init__(self) -> None:
        self._tables: list[NDArray[Any]] = []
        self._size = 0

    def add(self, table: NDArray[Any]) -> slice:
        """Return where the cells of a table will be."""
        begin = self._size
        self._tables.append(table)
        self._size += table.size
        return slice(begin, self._size)

    def all(self) -> NDArray[Any]:
        """Return the cells of all tables, one after the other."""
        return np.concatenate(self._tables, axis=None) if self._tables else np.zeros(0, dtype=np.float32)


class Shown:
    """Shows the values of plans: what is shown is gathered first, and put into words at once (:meth:`finish`).

    Parameters
    ----------
    scores
        What is known of the atoms.
    evaluator
        Evaluates by that.

    Attributes
    ----------
    plan
        As of :class:`~neptune.engine.analysis.inspection.Inside`.
    """

    def __init__(self, scores: ScoreVector | SeenScores, evaluator: Executor) -> None:
        self.scores, self.evaluator, self._arrays = scores, evaluator, evaluator.arrays
        self.plan: list[Row] = []
        self._logits, self._chances = _Cells(), _Cells()
        self._open: list[tuple[Row, bool, slice, slice, Row | None, Row]] = []
        """A row, whether its cells are logits, where the lower and the upper ones are, what is said of the variable
        that they are over (if there is one), and what follows."""

    def tree(self, root: Node, line: int) -> None:
        """Add the nodes of a plan, parents first, as many as fit.

        Raises
        ------
        LimitError
            If a table is too large; the nodes before stay.
        """
        names: dict[str, str] = {}
        for depth, node, label in parts_of(root, 0, names, set()):
            if len(self.plan) >= MOST_NODES:
                return
            row: Row = {"depth": depth, "text": label}
            self._add(row, node, names, {} if depth else {"line": line})
            self.plan.append(row)

    def line(self, line: int, name: str, value: Any) -> Row:
        """Return the value of a name that the program bound: of a formula its truth, if the run has asked about all its
        atoms.

        Raises
        ------
        LimitError
            If a table is too large.
        """
        row, node = {"line": line, "name": name}, node_of(value)
        if node is None:
            return row | {"value": _plain(value)}
        guarded = insert_guards(node)
        if not all(self.scores.has(atom) for atom in plan.walk(guarded) if isinstance(atom, Atom)):
            return row | {"value": plan.show(node)[:80]}
        self._add(row, guarded, {}, {})
        return row

    def _add(self, row: Row, node: Node, names: dict[str, str], after: Row) -> None:
        """Add the value of a node to its row, and what comes after; nothing for what has none of its own."""
        if isinstance(node, _WITHOUT_VALUE):
            row |= after
            return
        if isinstance(node, plan.Describe):
            row |= self._chosen(node) | after
            return
        if isinstance(node, plan.CountTrue):
            row |= self._number(node) | after
            return
        have = vars = sorted_axes(node.free)
        if isinstance(node, _OVER_A_BODY):
            have, vars = (*have, node.var), (node.var, *have)
            if isinstance(node, plan.Count) and not node.free:
                after = self._number(node) | after
        else:
            atom = node.body if isinstance(node, Not) else node
            if isinstance(atom, Atom):
                question, cells, known = self.scores.asked(atom)
                after = {"question": question.text, "cells": cells, "known": known, **after}
        low, high, logits = self._ends(node)
        said: Row | None = None
        if vars:
            said = {"over": names.get(vars[0], vars[0])}
            if len(vars) > 1:
                said["best"] = [names.get(v, v) for v in vars[1:]]
                at = have.index(vars[0])
                rest = (*range(at), *range(at + 1, len(have)))
                wide = high
                if low.size:
                    high = np.maximum.reduce(high, axis=rest)
                    low = high if low is wide else np.maximum.reduce(low, axis=rest)
        cells_of = self._logits if logits else self._chances
        lower = cells_of.add(low)
        self._open.append((row, logits, lower, lower if low is high else cells_of.add(high), said, after))

    def _ends(self, node: Node) -> tuple[NDArray[Any], NDArray[Any], bool]:
        """Return the bounds of a node, and whether they are logits, or else probabilities."""
        if self._arrays is None:
            return *self.evaluator.ends(node, chances=True), False
        made = node.body if isinstance(node, _OVER_A_BODY) else node
        probable = made in self._arrays.probabilities
        return *self._arrays.read(node, probable), not probable

    def _chosen(self, node: plan.Describe) -> Row:
        parts, logic = self.evaluator.ends_of(node.bodies), self.evaluator.logic
        low, high = (np.array([part[k] for part in parts]).reshape(-1) for k in (0, 1))
        best, known = largest(logic, low, high)
        return {"value": node.values[best] if known else "?"}

    def _number(self, node: plan.Count | plan.CountTrue) -> Row:
        if isinstance(node, plan.Count) and self._arrays is not None:
            middle = self.evaluator.logic.middle
            low, high = (int(np.count_nonzero(end > middle)) for end in self.evaluator.ends(node))
        else:
            low, high = self.evaluator.number(node)
        return {"n": low} if low == high else {"value": f"{low} to {high}"}

    def finish(self) -> None:
        """Put the values into their rows: scores over the first variable of each, the others bound by ∃."""
        p = logistic(self._logits.all()).tolist(), self._chances.all().tolist()
        short = {x: round(x, 3) if x == x else None for x in {*p[0], *p[1]}}
        for row, logits, lower, upper, said, after in self._open:
            of = p[0 if logits else 1]
            low, high = of[lower], of[upper]
            if said is not None:
                row["scores"] = [short[a] if b - a < KNOWN else None for a, b in zip(low, high)]
                row |= said
            elif high[0] - low[0] < KNOWN:
                row["p"] = short[low[0]]
            else:
                row["bounds"] = [round(low[0], 3), round(high[0], 3)]
            row |= after
        self._open.clear()


def _plain(value: Any) -> str:
    if isinstance(value, bool | int | float | str | None):
        return str(value)[:80]
    if isinstance(value, list | tuple | set | dict):
        return f"{len(value)} values"
    return f"({type(value).__name__.lower()})"
