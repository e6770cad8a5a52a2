"""Padded batches on NumPy arrays, for those who read what comes out: no gradient, and no torch where tables are small.

The same compiled programs, run by the operations that answer one question on one scene
(:mod:`neptune.engine.evaluate.arrays`), and the same numbers: of godel bit for bit, but for what an order of summing
moves in the last digits of float64. A logic, temperatures or tables that arrays are not for are run on tensors, on the
same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from dsl.plan import Predicate
from neptune.algebra.arrays import Array, ArrayLogic, any_logic, as_tensor, first_argmax
from neptune.algebra.convert import as_float
from neptune.algebra.late import no_grad
from neptune.engine.compile.program import ArrayContext, Program, Vars, array_axes
from neptune.engine.context import RunContext
from neptune.engine.evaluate.arrays import ARRAY_CELLS, settings_of
from neptune.engine.evaluate.atom_tensors import AskedRow, AskedRowT
from neptune.engine.evaluate.batched import Padded, frame_of
from neptune.engine.evaluate.stage import Stage
from neptune.engine.evidence.indexing import diagonal

Known = tuple[Array, NDArray[np.bool_] | None]
"""Numbers, and where evidence is missing (``None``: nowhere)."""


@dataclass
class Group(Generic[AskedRowT]):
    """Rows of one shape, evaluated: for each truth carrier values and probabilities.

    Parameters
    ----------
    rows, stages
        What was evaluated.
    logic, iota_tau
        The logic on arrays, and the temperature of descriptions.
    size, keep
        N, and which objects a scene has, ``(B, N)``; ``None`` if all scenes have N.
    internal, chances
        One array ``(B, N, …)`` for each truth of the stage, over the variables `vars`: its free ones, sorted.
    missing
        Rows that lack evidence somewhere.
    peaks
        For each row the cells of the largest table that it needs, padding left out.
    """

    rows: list[AskedRowT]
    stages: list[Stage]
    logic: ArrayLogic
    iota_tau: float
    size: int
    keep: NDArray[np.bool_] | None
    internal: list[Array]
    chances: list[Array]
    vars: list[Vars]
    missing: list[bool]
    peaks: list[int]

    @cached_property
    def each(self) -> Array:
        """The numbers of the rows, ``(B,)``."""
        return np.arange(len(self.rows))

    def decided(self, k: int) -> NDArray[np.bool_]:
        """Return where the k-th truth is true, ``(B,)`` or ``(B, N)``; never at padding."""
        hits = self.logic.decide(self.internal[k])
        return hits if self.keep is None or hits.ndim < 2 else hits & self.keep

    def best(self, k: int) -> Array:
        """Return the object of which the k-th truth is truest, the first among equals, ``(B,)``."""
        return first_argmax(self.logic.ranks(self.internal[k]), self.keep)


class PaddedArrays(Padded[AskedRowT, Array, Group[AskedRowT]]):
    """Evaluates stages of many rows on what the oracle has said of their scenes."""

    def __init__(self, run: RunContext) -> None:
        super().__init__(run)
        self._logic = any_logic(run.logic)

    @no_grad()
    def _group(self, program: Program, rows: list[AskedRowT], stages: list[Stage]) -> Group[AskedRowT]:
        logic, first, batch = self._logic, stages[0].template, len(rows)
        n, mask, places = frame_of(rows, stages)
        objects = [places[:, k : k + 1] for k in range(places.shape[1])]
        inputs, missing = self._inputs(program, rows, stages, n, places)
        vars: list[Vars] = [tuple(sorted(truth.free)) for truth in first.node.children]
        tau = as_float(self.run.parameters.iota_tau)
        out: list[Array] = []
        known: list[bool] = []
        found = self._run(program, inputs, batch, n, mask, objects, tau)
        for (x, is_probability), (_, have), want in zip(found, program.outputs, vars, strict=True):
            # Rewriting may have shown that a variable does not matter.
            axes = array_axes(have, want)
            out.append(np.broadcast_to(x if axes is None else x[axes], (batch, *([n] * len(want)))))
            known.append(is_probability)
        internal = _converted(out, known, logic.from_probability)
        chances = _converted(out, [not is_probability for is_probability in known], logic.to_probability)
        peaks = [program.peak_cells(len(row.scene)) for row in rows]
        return Group(rows, stages, logic, tau, n, mask, internal, chances, vars, missing, peaks)

    def _run(
        self,
        program: Program,
        inputs: list[Array],
        batch: int,
        n: int,
        mask: NDArray[np.bool_] | None,
        objects: list[Array],
        tau: float,
    ) -> list[tuple[Array, bool]]:
        """Return the results of a program, as :meth:`Program.run` does."""
        logic = self._logic
        probable: dict[int, Array] = {}

        def chance(slot: int) -> Array:
            if slot not in probable:
                probable[slot] = logic.to_probability(inputs[slot]).astype(np.float64)
            return probable[slot]

        def chances(slots: tuple[int, ...]) -> Array:
            return logic.to_probability(np.stack([inputs[slot] for slot in slots])).astype(np.float64)

        context = ArrayContext(logic, self.run.parameters, tau, n, objects, chance, chances, batch, mask)
        if self._by_arrays() and program.peak_cells(n) <= ARRAY_CELLS:
            return program.run_arrays(context, inputs)
        context.torch.kept = {}
        return [(x.detach().numpy(), p) for x, p in program.run(context.torch, list(map(as_tensor, inputs)))]

    def _by_arrays(self) -> bool:
        """Tell whether small tables are computed by arrays."""
        return settings_of(self.run).logic is not None

    def _joined(self, layers: Array, numbers: list[list[int]]) -> Array:
        counts, joined = np.array(numbers)[..., None], layers[:, 0]
        for d in range(1, layers.shape[1]):
            joined = np.where(counts > d, self._logic.and_(joined, layers[:, d]), joined)
        return joined

    def _internal(self, predicates: list[list[Predicate]], rows: list[AskedRowT], n: int) -> Known:
        raw = self._said(predicates, rows, n)
        unknown = np.isnan(raw)
        where = unknown if unknown.any() else None
        if where is not None:
            raw = np.where(where, raw.dtype.type(0.0), raw)
        return self._logic.to_internal(self._calibrated(raw.astype(self._logic.dtype, copy=False), predicates)), where

    def _calibrated(self, cells: Array, predicates: list[list[Predicate]]) -> Array:
        parameters = self.run.parameters
        if settings_of(self.run).uncalibrated:
            return cells
        tensor = as_tensor(cells)
        if len(parameters.oracle) == 1:
            found: Array = parameters.calibrate(tensor).numpy()
            return found
        names = [p.name or "default" for row in predicates for p in row]
        rows: Array = parameters.calibrate_rows(tensor.flatten(0, 1), names).numpy()
        return rows.reshape(cells.shape)

    def _said(self, predicates: Sequence[Sequence[Predicate]], rows: Sequence[AskedRow], size: int) -> Array:
        """Return what the oracle has said: uncalibrated logits, ``(P, B, N, …)`` float32. NaN where there is no
        evidence; any number at padding and for an object paired with itself."""
        arity, wording = predicates[0][0].arity, self.run.wording
        raw = np.zeros((len(predicates), len(rows), *([size] * arity)), dtype=np.float32)
        for b, row in enumerate(rows):
            inside: tuple[Any, ...] = (slice(len(row.scene)),) * arity
            for k, of in enumerate(predicates):
                raw[(k, b, *inside)] = row.evidence.table(wording.question(of[b]), of[b].symmetric).logits
        if arity > 1:
            raw[:, :, diagonal(size, arity)] = 0.0
        return raw


def _converted(tables: list[Array], which: list[bool], convert: Callable[[Array], Array]) -> list[Array]:
    """Return the tables, those that `which` names converted cell by cell: in one go, for most are small."""
    chosen = [x for x, wanted in zip(tables, which, strict=True) if wanted]
    if len(chosen) < 2:
        return [convert(x) if wanted else x for x, wanted in zip(tables, which, strict=True)]
    ends = np.cumsum([x.size for x in chosen])[:-1]
    made = iter(np.split(convert(np.concatenate([x.reshape(-1) for x in chosen])), ends))
    return [next(made).reshape(x.shape) if wanted else x for x, wanted in zip(tables, which, strict=True)]
