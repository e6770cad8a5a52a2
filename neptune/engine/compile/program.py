"""A compiled program: a flat list of tensor operations on carrier values, and the context that they run in.

Every value has the rows of the context as its first axis: the scenes of a batch (a mask says which objects each has),
or the lower and upper bounds of one scene. A value of a single row is the same in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.limits import DEFAULT_LIMITS
from dsl.plan import Atom
from neptune.algebra import Logic
from neptune.algebra.arrays import Array, ArrayLogic, as_tensor
from neptune.algebra.late import torch

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.algebra import LogicParameters

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
    kept
        What several operations share, each computed once; ``None`` where the context serves several executions.
    """

    __slots__ = (
        "_iota_tau",
        "batch",
        "bounds",
        "branches",
        "branches_allowed",
        "cells",
        "domains",
        "kept",
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
        kept: dict[tuple[str, int, bool], Tensor] | None = None,
    ) -> None:
        self.logic, self.parameters, self.batch, self.size = logic, parameters, batch, size
        self.mask, self.objects, self.tau = mask, objects, parameters.quantifier_tau
        self.cells, self.domains = cells, domains or {}
        self.bounds, self.branches_allowed, self.kept = bounds, branches_allowed, kept
        self.peak = 0  # cells of the largest table beyond what was known beforehand
        self.branches = 0  # of searches, so far
        self._iota_tau: float | Tensor | None = None

    @property
    def iota_tau(self) -> float | Tensor:
        """The temperature of descriptions; read once."""
        if self._iota_tau is None:
            self._iota_tau = self.parameters.iota_tau
        return self._iota_tau

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


Operation: TypeAlias = "Callable[[ExecutionContext, Registers], Tensor]"
"""Computes the value of one register from those before it."""
ArrayOperation = Callable[["ArrayContext", "ArrayRegisters"], Array]
"""The same on NumPy arrays, of scenes of which all is known: no bounds, no gradient."""


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
    arrays
        For each operation the same on arrays; ``None``: the operation itself, on the same memory.
    late
        Registers that need not be filled unless they are read: the carrier values of an expectation.
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
    arrays: list[ArrayOperation | None] = field(default_factory=list)
    late: set[int] = field(default_factory=set)
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

    def run_arrays(self, context: ArrayContext, inputs: Sequence[Array]) -> list[tuple[Array, bool]]:
        """Return the same as :meth:`run` on arrays."""
        values = ArrayRegisters(self, context, inputs)
        return [
            (values[slot if probability is None else probability], probability is not None)
            for (slot, _), probability in zip(self.outputs, self.probabilities, strict=True)
        ]

    def run(self, context: ExecutionContext, inputs: Sequence[Tensor]) -> list[tuple[Tensor, bool]]:
        """Return each result, ``(B, N, …)`` or with one row, and whether it is a probability (else a carrier value)."""
        values: Registers = _LateRegisters(self, context, inputs) if self.late else self.execute(context, inputs)
        return [
            (values[slot if probability is None else probability], probability is not None)
            for (slot, _), probability in zip(self.outputs, self.probabilities, strict=True)
        ]


class _LateRegisters:
    """The registers of one execution on tensors, as :class:`ArrayRegisters` are on arrays."""

    def __init__(self, program: Program, context: ExecutionContext, inputs: Sequence[Tensor]) -> None:
        self._program, self._context, self._inputs = program, context, len(inputs)
        self._values: list[Tensor | None] = list(inputs)
        late = program.late
        for slot, operation in enumerate(program.operations, len(inputs)):
            self._values.append(None if slot in late else operation(context, self))

    def __getitem__(self, slot: int) -> Tensor:
        found = self._values[slot]
        if found is None:
            found = self._values[slot] = self._program.operations[slot - self._inputs](self._context, self)
        return found


class ArrayContext:
    """One execution on arrays.

    Parameters
    ----------
    logic
        The t-norm, on arrays.
    parameters
        The temperatures; `iota_tau` is that of descriptions. Quantifiers are max and min.
    size
        N ≥ 1.
    objects
        The given objects that the plan's terms 0 … K-1 stand for: each a number, or one for each row, int64 ``(B, 1)``.
    chance, chances
        Give the probabilities of an input, float64; of several inputs over one variable, ``(K, B, N)`` (or one row).
    batch, mask
        B rows, and booleans ``(B, N)``, False where a scene has fewer objects; ``None`` where all have N.
    """

    def __init__(
        self,
        logic: ArrayLogic,
        parameters: LogicParameters,
        iota_tau: float,
        size: int,
        objects: Sequence[int | Array],
        chance: Callable[[int], Array],
        chances: Callable[[tuple[int, ...]], Array],
        batch: int = 1,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        self.logic, self.parameters, self.iota_tau, self.size, self.objects = logic, parameters, iota_tau, size, objects
        self.chance, self.chances, self.batch, self.mask = chance, chances, batch, mask
        self.weights: dict[tuple[int, bool], Array] = {}
        """Of descriptions, by their register and whether one object is picked: several speak of the same object."""
        self.sums: dict[tuple[int, bool], Array] = {}
        """Of descriptions what is said of them by one input each, ``(K, B)``."""
        self.peak = 0

    @cached_property
    def torch(self) -> ExecutionContext:
        """The same for operations of tensors."""
        columns = [np.full((self.batch, 1), o) if isinstance(o, int) else o for o in self.objects]
        objects = torch.from_numpy(np.concatenate(columns, 1) if columns else np.zeros((self.batch, 0), np.int64))
        keep = None if self.mask is None else torch.from_numpy(self.mask)
        return ExecutionContext(self.logic.logic, self.parameters, self.batch, self.size, keep, objects)

    def eye(self) -> NDArray[np.bool_]:
        """Return where two objects are the same: ``(1, N, N)``."""
        return _same(self.size)

    def kept(self, x: Array, masks: Sequence[tuple[Any, ...]], fill: float) -> Array:
        """Return a table with `fill` at padding: for each axis that is looked at, the index that spreads the mask along
        it."""
        if self.mask is None:
            return x
        keep = self.mask[masks[0]]
        for index in masks[1:]:
            keep = keep & self.mask[index]
        return np.where(keep, x, x.dtype.type(fill))

    def by_tensors(self, operation: Operation, registers: ArrayRegisters) -> Array:
        """Return what an operation of tensors makes of arrays."""
        made = operation(self.torch, _Tensors(registers)).numpy()
        self.peak = max(self.peak, self.torch.peak)
        return made


@lru_cache(maxsize=256)
def _same(size: int) -> NDArray[np.bool_]:
    return np.eye(size, dtype=np.bool_)[None]


class ArrayRegisters:
    """The registers of one execution on arrays: filled in order, those that may be late when they are read."""

    def __init__(self, program: Program, context: ArrayContext, inputs: Sequence[Array]) -> None:
        self._program, self._context, self._inputs = program, context, len(inputs)
        self._values: list[Array | None] = list(inputs)
        late = program.late
        for slot in range(len(inputs), len(inputs) + len(program.operations)):
            self._values.append(None if slot in late else self._made(slot))

    def _made(self, slot: int) -> Array:
        at = slot - self._inputs
        operation = self._program.arrays[at]
        if operation is not None:
            return operation(self._context, self)
        return self._context.by_tensors(self._program.operations[at], self)

    def __getitem__(self, slot: int) -> Array:
        found = self._values[slot]
        if found is None:
            found = self._values[slot] = self._made(slot)
        return found


class _Tensors:
    """Registers of arrays as operations of tensors read them."""

    def __init__(self, registers: ArrayRegisters) -> None:
        self._registers = registers

    def __getitem__(self, slot: int) -> Tensor:
        return as_tensor(self._registers[slot])


def array_axes(have: Vars, want: Vars) -> tuple[Any, ...] | None:
    """Return the index that turns an array over `have` (a subsequence of `want`) into one over `want`, with axes of
    length 1; ``None``: it is one. The first axis is that of rows."""
    if have == want:
        return None
    return (slice(None), *(slice(None) if v in have else None for v in want))


def array_view(have: Vars, want: Vars) -> Callable[[Array], Array]:
    """Return what turns an array over `have` into one over `want`, which has all its variables, in any order."""
    kept = tuple(v for v in want if v in have)
    order = None if kept == have else (0, *(1 + have.index(v) for v in kept))
    axes = array_axes(kept, want)

    def view(x: Array) -> Array:
        if order is not None:
            x = x.transpose(order)
        return x if axes is None else x[axes]

    return view


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
