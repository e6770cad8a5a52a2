"""Registers that are filled when they are first read, in torch for every logic: values node by node, each once.

In NumPy, for the bounds of godel: :mod:`neptune.engine.evaluate.ends.registers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsl.errors import LimitError
from dsl.plan import ExpectationOver, Node
from neptune.engine.compile.compiler import Compiler, Rule
from neptune.engine.compile.program import ExecutionContext, Register
from neptune.engine.compile.rules import RULES
from neptune.engine.evaluate.ends.boxes import BINDERS, dear

if TYPE_CHECKING:
    from torch import Tensor

BRANCH_WORK = 1 << 13
"""A branch of a search takes about as long as so many cells of a table."""


class LazyRegisters:
    """The registers of a compiler that goes on compiling.

    Parameters
    ----------
    compiler
        Has the operations, one for each register.
    context
        Where they run; a table of more than its `cells` is a :class:`dsl.LimitError`.
    spend
        Is told of the work that each takes, in cells of tables.

    Attributes
    ----------
    peaks
        For each register the cells of the largest table that it took.
    """

    def __init__(self, compiler: Compiler, context: ExecutionContext, spend: Callable[[int], None]) -> None:
        self._compiler, self._context, self._spend = compiler, context, spend
        self._values: dict[int, Tensor] = {}
        self.peaks: dict[int, int] = {}
        self._peak = 0

    def clear(self) -> None:
        """Empty all registers: the atoms have changed."""
        self._values.clear()

    def __getitem__(self, slot: int) -> Tensor:
        found = self._values.get(slot)
        if found is None:
            before, self._peak = self._peak, 0
            found = self._values[slot] = self._computed(slot)
            self.peaks[slot], self._peak = self._peak, before
        self._peak = max(self._peak, self.peaks[slot])
        return found

    def _computed(self, slot: int) -> Tensor:
        context, axes = self._context, self._compiler.axes[slot]
        cells = context.size**axes
        if cells > context.cells:
            raise LimitError("tensor_cells", context.cells, cells, what=f"a formula of {axes} variables")
        self._spend(cells)
        made = self._compiler.program.operations[slot](context, self)
        self._peak = max(self._peak, cells, context.peak)
        self._spend(context.branches * BRANCH_WORK)
        context.peak = context.branches = 0
        return made


def in_boxes(objects: int, rows: Callable[[Node], Tensor | None]) -> dict[type[Node], Rule]:
    """Return rules of formulas that may be dear: `rows` gives their bounds, carrier values (of an expectation
    probabilities), where they are computed in a box; ``None`` where they are not."""

    def rule(compiler: Compiler, node: Any) -> Register:
        slot, vars = RULES[type(node)](compiler, node)
        if node not in dear(node, objects):
            return slot, vars
        probability = compiler.probabilities.get(slot)
        read = slot if probability is None else probability

        def boxed(context: ExecutionContext, r: Any) -> Tensor:
            found = rows(node)
            return r[read] if found is None else found

        made = compiler.emit(vars, boxed)
        if isinstance(node, ExpectationOver):
            summed, _ = made
            made = compiler.emit(vars, lambda context, r: context.logic.from_probability(r[summed]))
            compiler.probabilities[made[0]] = summed
        return made

    return dict.fromkeys(BINDERS, rule)
