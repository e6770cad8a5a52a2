"""A compiled program: a flat list of tensor operations on carrier values, and the context that they run in.

Every value has the rows of the context as its first axis: the scenes of a batch (a mask says which objects each has),
or the lower and upper bounds of one scene. A value of a single row is the same in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from dsl.limits import DEFAULT_LIMITS
from dsl.plan import Atom
from neptune.algebra import Logic, LogicParameters

Vars = tuple[str, ...]
Register = tuple[int, Vars]
"""The number of a register, and the variables of its axes after the first."""
Index = tuple[int, ...]
SEARCH_CELLS = 1 << 17
"""Cells that a search holds at once, if the tables it is given are not larger: up to here it runs dense."""


class ExecutionContext:
    """One execution: what operations may look at beside their operands.

    Parameters
    ----------
    logic, parameters
        The t-norm and the temperatures.
    batch, size
        B rows, of scenes of at most N objects.
    mask
        Booleans ``(B, N)``, False where a scene has fewer objects; ``None`` where all have N.
    objects
        ``(B, K)`` int64 (or one row): the given objects that the plan's terms 0 … K-1 stand for.
    cells
        The most cells that a table may have where a search falls back to one over all its variables.
    domains
        Variables that are restricted to some objects when they are reduced: booleans ``(B, N)``.
    bounds
        The two rows are the lower and the upper bound of every value on one scene; what has one row is known.
    branches_allowed
        The most branches of a search for one bound.
    """

    __slots__ = (
        "batch",
        "bounds",
        "branches",
        "branches_allowed",
        "cells",
        "domains",
        "logic",
        "mask",
        "objects",
        "parameters",
        "peak",
        "size",
        "tau",
    )

    def __init__(
        self,
        logic: Logic,
        parameters: LogicParameters,
        batch: int,
        size: int,
        mask: Tensor | None,
        objects: Tensor,
        cells: int = DEFAULT_LIMITS.tensor_cells,
        domains: Mapping[str, Tensor] | None = None,
        bounds: bool = False,
        branches_allowed: int = 0,
    ) -> None:
        self.logic, self.parameters, self.batch, self.size = logic, parameters, batch, size
        self.mask, self.objects, self.tau = mask, objects, parameters.quantifier_tau
        self.cells, self.domains = cells, domains or {}
        self.bounds, self.branches_allowed = bounds, branches_allowed
        self.peak = 0  # cells of the largest table beyond what was known beforehand
        self.branches = 0  # of searches, so far

    def eye(self) -> Tensor:
        """Return where two objects are the same: booleans ``(1, N, N)``."""
        return _eye(self.size)

    def opposite(self, x: Tensor) -> Tensor:
        """Return a value with its lower and upper bound swapped: what an operation takes that falls as it rises."""
        return x.flip(0) if self.bounds and len(x) > 1 else x

    def is_open(self, *values: Tensor) -> bool:
        """Tell whether any of the values is known by bounds alone."""
        return self.bounds and any(len(x) > 1 for x in values)


@lru_cache(maxsize=256)
def _eye(size: int) -> Tensor:
    return torch.eye(size, dtype=torch.bool).unsqueeze(0)


class Registers(Protocol):
    """The values computed so far, by the numbers of their registers."""

    def __getitem__(self, slot: int, /) -> Tensor: ...


Operation = Callable[[ExecutionContext, Registers], Tensor]
"""Computes the value of one register from those before it."""


@dataclass
class Program:
    """A compiled plan.

    Parameters
    ----------
    atoms
        Its inputs: register k is the table of atom k, over the rows and the atom's variables in order.
    operations
        Run in order; each fills the next register.
    outputs
        Registers of the results, with the variables of each.
    probabilities
        For an outcome that is an expectation, the register of its probability: what it is before it becomes a
        carrier value.
    axes
        The number of variables of the largest table held.
    tables
        How many registers have so many axes.
    searches
        For each search (:mod:`neptune.engine.compile.assignment`) among the operations, the number of all its
        variables.
    """

    atoms: list[Atom] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    outputs: list[Register] = field(default_factory=list)
    probabilities: list[int | None] = field(default_factory=list)
    axes: int = 0
    tables: Counter[int] = field(default_factory=Counter)
    searches: list[int] = field(default_factory=list)

    def peak_cells(self, size: int, limit: int = DEFAULT_LIMITS.tensor_cells) -> int:
        """Return the cells of the largest table held for one row of N = `size` objects, known before anything is run
        (unless a search gives up); a search holds no more than `limit` at once."""
        at_once = max((min(size**axes, SEARCH_CELLS, limit) for axes in self.searches), default=0)
        return int(max(size**self.axes, at_once))

    def held_cells(self, size: int) -> int:
        """Return the cells of all registers for one row of N = `size` objects: they are held until the end."""
        return sum(number * size**axes for axes, number in self.tables.items())

    def execute(self, context: ExecutionContext, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return all registers; those of the results are named by `outputs`."""
        values = list(inputs)
        for operation in self.operations:
            values.append(operation(context, values))
        return values

    def run(self, context: ExecutionContext, inputs: Sequence[Tensor]) -> list[tuple[Tensor, bool]]:
        """Return each result, ``(B, N, …)`` or with one row, and whether it is a probability (else a carrier value)."""
        values = self.execute(context, inputs)
        return [
            (values[slot if probability is None else probability], probability is not None)
            for (slot, _), probability in zip(self.outputs, self.probabilities, strict=True)
        ]


def all_rows(x: Tensor, batch: int) -> Tensor:
    """Return a value with a row for each of the batch."""
    return x if len(x) == batch else x.expand(batch, *x.shape[1:])


def missing_axes(have: Vars, want: Vars) -> Index:
    """Return where to insert axes of length 1 so that a table over `have` (a subsequence) fits the axes `want`."""
    return tuple(1 + i for i, v in enumerate(want) if v not in have)


def expand_axes(x: Tensor, index: Index) -> Tensor:
    """Return the table with axes of length 1 inserted, as :func:`missing_axes` says."""
    for axis in index:
        x = x.unsqueeze(axis)
    return x


def full(x: Tensor, size: int) -> Tensor:
    """Return the table with axes of full length (an atom that misses a variable was spread by length 1)."""
    return x if all(n == size for n in x.shape[1:]) else x.expand(-1, *([size] * (x.dim() - 1)))


def counted_cells(context: ExecutionContext, x: Tensor) -> Tensor:
    """Return the cells that a count of objects counts, ``(B, …, N)``: padding never counts."""
    x = full(x, context.size)
    if context.mask is None:
        return x
    index = (slice(None), *([None] * (x.dim() - 2)), slice(None))
    return all_rows(x, context.batch).masked_fill(~context.mask[index], context.logic.bottom)


def mask(context: ExecutionContext, places: Sequence[tuple[str, Index]]) -> Tensor | None:
    """Return which cells are objects of their scenes (and in the domains of their variables), given for each reduced
    variable the axes that its mask misses; ``None``: all."""
    if context.mask is None and not context.domains:
        return None
    out: Tensor | None = None
    for var, index in places:
        allowed = context.domains.get(var, context.mask)
        if allowed is not None:
            one = expand_axes(allowed, index)
            out = one if out is None else out & one
    return out
