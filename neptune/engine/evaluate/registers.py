"""Registers that are filled when they are first read, in torch for every logic: values node by node, each once.

In NumPy, for the bounds of godel: :mod:`neptune.engine.evaluate.ends.registers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsl.errors import LimitError
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.program import ExecutionContext

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
