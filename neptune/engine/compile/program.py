"""Code: a flat list of tensor operations on raw numbers, and the frame that it runs in.

A batch of scenes is one more axis, the first; a mask says which objects a scene has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dsl.limits import DEFAULT_LIMITS
from dsl.plan import Atom
from neptune.algebra import Logic, LogicParameters

Vars = tuple[str, ...]
Index = tuple[int, ...]
SEARCH_CELLS = 1 << 17
"""Cells that a search holds at once, if the tables it is given are not larger: up to here it runs dense."""


class Frame:
    """One execution: what operations may look at beside their operands.

    Parameters
    ----------
    logic, parameters
        The t-norm and the temperatures.
    batch, size
        B scenes of at most N objects.
    mask
        Booleans ``(B, N)``, False where a scene has fewer objects; ``None`` where all have N.
    objects
        ``(B, K)`` int64: the given objects that the plan's terms 0 … K-1 stand for.
    cells
        The most cells that a table may have where a search falls back to one over all its variables.
    domains
        Variables that are restricted to some objects when they are reduced: booleans ``(B, N)``.
    """

    __slots__ = (
        "_eyes",
        "batch",
        "branches",
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
    ) -> None:
        self.logic, self.parameters, self.batch, self.size = logic, parameters, batch, size
        self.mask, self.objects, self.tau = mask, objects, parameters.quantifier_tau
        self.cells, self.domains = cells, domains or {}
        self.peak = 0  # cells of the largest table beyond what was known beforehand
        self.branches = 0  # of searches, so far
        self._eyes: Tensor | None = None

    def eye(self) -> Tensor:
        """Return where two objects are the same: booleans ``(1, N, N)``."""
        if self._eyes is None:
            self._eyes = _eye(self.size)
        return self._eyes


_eyes: dict[int, Tensor] = {}


def _eye(size: int) -> Tensor:
    if size not in _eyes:
        if len(_eyes) > 256:
            _eyes.clear()
        _eyes[size] = torch.eye(size, dtype=torch.bool).unsqueeze(0)
    return _eyes[size]


Registers = list[Any]
Operation = Callable[[Frame, Registers], None]


@dataclass
class Code:
    """A compiled plan.

    Parameters
    ----------
    leaves
        The atoms whose tables are its inputs: table k, over the batch and the atom's variables in order, goes to
        register k.
    operations
        Run in order.
    outputs
        Registers of the results, with the variables of each.
    chances
        For an outcome that is an expectation, the register of its probability: what it is before it becomes an
        internal number.
    axes
        The number of variables of the largest table held.
    searches
        For each search (:mod:`neptune.engine.compile.assignment`) among the operations, the number of all its
        variables.
    """

    leaves: list[Atom] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    outputs: list[tuple[int, Vars]] = field(default_factory=list)
    chances: list[int | None] = field(default_factory=list)
    registers: int = 0
    axes: int = 0
    searches: list[int] = field(default_factory=list)

    def peak_cells(self, size: int, batch: int = 1, limit: int = DEFAULT_LIMITS.tensor_cells) -> int:
        """Return the cells of the largest table held, known before anything is run (unless a search gives up).

        Parameters
        ----------
        size, batch
            Of the frame.
        limit
            Its `cells`: a search holds no more at once than that.
        """
        at_once = max((min(size**axes, SEARCH_CELLS, limit) for axes in self.searches), default=0)
        return int(max(batch * size**self.axes, at_once))

    def execute(self, frame: Frame, inputs: Sequence[Tensor]) -> Registers:
        """Return all registers; those of the outputs are named by `outputs`."""
        values: Registers = [*inputs, *([None] * (self.registers - len(inputs)))]
        for operation in self.operations:
            operation(frame, values)
        return values

    def run(self, frame: Frame, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs, each ``(B, N, …)``, as internal numbers of the logic (counts: int64)."""
        values = self.execute(frame, inputs)
        return [_whole(values[slot], frame) for slot, _ in self.outputs]

    def run_chances(self, frame: Frame, inputs: Sequence[Tensor]) -> list[tuple[Tensor, bool]]:
        """Return each output, and whether it is a probability (else an internal number)."""
        values = self.execute(frame, inputs)
        return [
            (_whole(values[slot if chance is None else chance], frame), chance is not None)
            for (slot, _), chance in zip(self.outputs, self.chances, strict=True)
        ]


def _whole(x: Tensor, frame: Frame) -> Tensor:
    return x if len(x) == frame.batch else x.expand(frame.batch, *x.shape[1:])


def view(have: Vars, want: Vars) -> Index:
    """Return where to insert axes of length 1 so that a table over `have` (a subsequence) fits the axes `want`."""
    return tuple(1 + i for i, v in enumerate(want) if v not in have)


def see(x: Tensor, index: Index) -> Tensor:
    """Return the table with axes of length 1 inserted, as :func:`view` says."""
    for axis in index:
        x = x.unsqueeze(axis)
    return x


def cells_of(frame: Frame, x: Tensor, objects: bool) -> Tensor:
    """Return the cells that a count counts, ``(B, …, N)``: padding never counts."""
    x = full(x, frame.size) if objects else x
    if frame.mask is None or not objects:
        return x
    index = (slice(None), *([None] * (x.dim() - 2)), slice(None))
    return x.expand(frame.batch, *x.shape[1:]).masked_fill(~frame.mask[index], frame.logic.bottom)


def full(x: Tensor, size: int) -> Tensor:
    """Return the table with axes of full length (an atom that misses a variable was spread by length 1)."""
    return x if all(n == size for n in x.shape[1:]) else x.expand(-1, *([size] * (x.dim() - 1)))


def mask(frame: Frame, views: Sequence[tuple[str, Index]]) -> Tensor | None:
    """Return which cells are objects of their scenes (and in the domains of their variables), given a view for each
    reduced variable; ``None``: all."""
    if frame.mask is None and not frame.domains:
        return None
    out: Tensor | None = None
    for var, index in views:
        allowed = frame.domains.get(var, frame.mask)
        if allowed is not None:
            one = see(allowed, index)
            out = one if out is None else out & one
    return out
