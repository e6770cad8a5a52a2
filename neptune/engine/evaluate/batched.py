"""Padded batches: plans of one shape, evaluated on many scenes at once.

A first axis for the question, and a mask for the objects that a scene has. On tensors, here, gradients flow from what
comes out to the scores that go in, and to the temperatures; on arrays (:mod:`neptune.engine.evaluate.batched_arrays`)
the same programs are run to be read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from dsl.errors import LimitError
from dsl.plan import Atom, Predicate
from neptune.algebra.late import torch
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.program import ExecutionContext, Program, Vars, all_rows, expand_axes, full, missing_axes
from neptune.engine.context import RunContext
from neptune.engine.evaluate.atom_tensors import Row, RowT, Source
from neptune.engine.evaluate.charges import check_held
from neptune.engine.evaluate.stage import Stage
from neptune.scene.types import IntArray

if TYPE_CHECKING:
    from torch import Tensor

MOST_CELLS = 20_000_000
"""Cells of the largest table that one batch may hold; a group that would need more is run in parts."""


@dataclass
class TensorGroup(Generic[RowT]):
    """Rows of one shape, evaluated: for each truth carrier values and probabilities.

    Parameters
    ----------
    rows, stages
        What was evaluated.
    frame
        The logic, the sizes and the mask.
    internal, chances
        One tensor ``(B, N, …)`` for each truth of the stage, over the variables `vars`: its free ones, sorted.
    missing
        Rows that lack evidence somewhere.
    """

    rows: list[RowT]
    stages: list[Stage]
    frame: ExecutionContext
    internal: list[Tensor]
    chances: list[Tensor]
    vars: list[Vars]
    missing: list[bool]

    @property
    def keep(self) -> Tensor | None:
        """Which objects a scene has, ``(B, N)``; ``None`` if all scenes have N."""
        return self.frame.mask


TableT = TypeVar("TableT", "Tensor", NDArray[Any])
GroupT = TypeVar("GroupT")


class Padded(ABC, Generic[RowT, TableT, GroupT]):
    """Evaluates stages of many rows.

    Parameters
    ----------
    run
        Its logic, temperatures, limits and planner.
    """

    def __init__(self, run: RunContext) -> None:
        self.run = run

    @abstractmethod
    def _group(self, program: Program, rows: list[RowT], stages: list[Stage]) -> GroupT:
        """Return rows of one shape, evaluated."""

    @abstractmethod
    def _internal(self, predicates: list[list[Predicate]], rows: list[RowT], n: int) -> tuple[TableT, TableT | None]:
        """Return carrier values ``(P, B, N, …)`` of P × B atoms, and where evidence is missing (``None``: nowhere)."""

    @abstractmethod
    def _joined(self, layers: TableT, numbers: list[list[int]]) -> TableT:
        """Return conjunctions ``(P, B, N)`` of the first layers of ``(P, depth, B, N)``, as many as each row has."""

    def _stacked(
        self, of: list[int], rows: list[RowT], stages: list[Stage], n: int
    ) -> dict[int, tuple[TableT, TableT | None]]:
        """Return for each predicate of one arity its carrier values in every row, ``(B, N, …)``, and where evidence is
        missing (``None``: nowhere). A pair of one object with itself is never used: guards decide it."""
        layers, numbers, depth = conjunctions(of, stages)
        cells, unknown = self._internal(layers, rows, n)
        if depth > 1:  # conjunctions, of several atoms in some rows
            cells = self._joined(cells.reshape(len(of), depth, *cells.shape[1:]), numbers)
            if unknown is not None:
                layered: Any = unknown.reshape(len(of), depth, *unknown.shape[1:])
                unknown = layered.any(1)
        return {k: (cells[row], None if unknown is None else unknown[row]) for row, k in enumerate(of)}

    def _inputs(
        self, program: Program, rows: list[RowT], stages: list[Stage], n: int, places: IntArray
    ) -> tuple[list[TableT], list[bool]]:
        """Return the carrier values of a program's atoms, and which rows lack evidence; `n` and `places` are those of
        :func:`frame_of`."""
        missing = np.zeros(len(rows), dtype=np.bool_)
        predicates = stages[0].template.predicates
        tables: dict[int, tuple[TableT, TableT | None]] = {}
        for arity in {p.arity for p in predicates}:
            members = [k for k, p in enumerate(predicates) if p.arity == arity]
            tables.update(self._stacked(members, rows, stages, n))
        inputs = []
        for atom in program.atoms:
            cells, unknown = tables[int(atom.predicate.name[1:])]
            inputs.append(_at(cells, atom, places))
            if unknown is not None:
                missing |= np.asarray(_at(unknown, atom, places).reshape(len(rows), -1).any(1))
        return inputs, missing.tolist()

    def evaluate(self, rows: Sequence[RowT], stages: Sequence[Stage]) -> list[GroupT]:
        """Return the stages' truths in groups of one shape. What they need must have been asked.

        Raises
        ------
        LimitError
            If a plan needs more cells on one scene than the limits allow.
        """
        groups, limit, run = [], self.run.limits.tensor_cells, self.run
        laws = plans.laws_of(run.logic, run.parameters) if run.planner == "optimised" else None
        by_template: dict[Any, list[int]] = defaultdict(list)
        for i, stage in enumerate(stages):
            by_template[stage.template.node, stage.main, len(rows[i].scene) == 0].append(i)
        for (node, _, empty), members in by_template.items():
            program = plans.plan(node, "parts", laws, empty)
            largest = max(len(rows[i].scene) for i in members)
            cells = program.peak_cells(largest)
            if cells > limit:
                raise LimitError("tensor_cells", limit, cells, what=f"a formula of {program.axes} variables")
            check_held(program, largest, run.limits, run.logic.cell_bytes)
            step = max(1, MOST_CELLS // max(cells, 1))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                groups.append(self._group(program, [rows[i] for i in part], [stages[i] for i in part]))
        return groups


def frame_of(rows: Sequence[Row], stages: Sequence[Stage]) -> tuple[int, NDArray[np.bool_] | None, IntArray]:
    """Return the most objects N of a scene, which objects each has ``(B, N)`` (``None``: N), and those that the places
    of the plan stand for, ``(B, K)``."""
    sizes = [len(row.scene) for row in rows]
    n = max(sizes)
    mask = None if min(sizes) == n else np.arange(n) < np.array(sizes)[:, None]
    places = [[row.objects[p] for p in stage.template.objects] for row, stage in zip(rows, stages, strict=True)]
    return n, mask, np.array(places, dtype=np.int64).reshape(len(rows), -1)


def conjunctions(of: list[int], stages: Sequence[Stage]) -> tuple[list[list[Predicate]], list[list[int]], int]:
    """Return what the predicates numbered `of` stand for, layer by layer: ``depth`` layers for each, with one atom of
    every row; how many of them count in each row; and `depth`."""
    whole = [[s.parts.get(p, (p,)) for s in stages for p in (s.template.predicates[k],)] for k in of]
    depth = max(len(names) for row in whole for names in row)
    layers = [[ps[d] if d < len(ps) else ps[0] for ps in row] for row in whole for d in range(depth)]
    return layers, [[len(names) for names in row] for row in whole], depth


class PaddedTensors(Padded[RowT, "Tensor", TensorGroup[RowT]]):
    """Evaluates stages of many rows on tensors.

    Parameters
    ----------
    run
        As of :class:`Padded`.
    source
        Where the scores of atoms come from.
    """

    def __init__(self, run: RunContext, source: Source[RowT]) -> None:
        super().__init__(run)
        self._source = source

    def _group(self, program: Program, rows: list[RowT], stages: list[Stage]) -> TensorGroup[RowT]:
        logic, first, batch = self.run.logic, stages[0].template, len(rows)
        n, mask, places = frame_of(rows, stages)
        keep = None if mask is None else torch.from_numpy(mask)
        frame = ExecutionContext(logic, self.run.parameters, batch, n, keep, torch.from_numpy(places), kept={})
        inputs, missing = self._inputs(program, rows, stages, n, places)
        vars: list[Vars] = [tuple(sorted(truth.free)) for truth in first.node.children]
        out: list[Tensor] = []
        known: list[bool] = []
        for (x, is_probability), (_, have), want in zip(program.run(frame, inputs), program.outputs, vars, strict=True):
            # Rewriting may have shown that a variable does not matter.
            out.append(full(expand_axes(all_rows(x, batch), missing_axes(have, want)), n))
            known.append(is_probability)
        internal = _converted(out, known, logic.from_probability)
        chances = _converted(out, [not is_probability for is_probability in known], logic.to_probability)
        return TensorGroup(rows, stages, frame, internal, chances, vars, missing)

    def _joined(self, layers: Tensor, numbers: list[list[int]]) -> Tensor:
        counts, joined = torch.tensor(numbers).unsqueeze(-1), layers[:, 0]
        for d in range(1, layers.shape[1]):
            joined = torch.where(counts > d, self.run.logic.and_(joined, layers[:, d]), joined)
        return joined

    def _internal(self, predicates: list[list[Predicate]], rows: list[RowT], n: int) -> tuple[Tensor, Tensor | None]:
        cells = self._source(predicates, rows, n).to(self.run.logic.dtype)
        unknown = torch.isnan(cells)
        where = unknown if bool(unknown.any()) else None
        if where is not None:
            cells = cells.masked_fill(where, 0.0)
        if len(self.run.parameters.oracle) == 1:
            cells = self.run.parameters.calibrate(cells)
        else:
            names = [p.name or "default" for row in predicates for p in row]
            flat = self.run.parameters.calibrate_rows(cells.flatten(0, 1), names)
            cells = flat.reshape(cells.shape)
        return self.run.logic.to_internal(cells), where


def _converted(tables: list[Tensor], which: list[bool], convert: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Return the tables, those that `which` names converted cell by cell: in one go, for most are small."""
    chosen = [x for x, wanted in zip(tables, which, strict=True) if wanted]
    if len(chosen) < 2:
        return [convert(x) if wanted else x for x, wanted in zip(tables, which, strict=True)]
    sizes = [x.numel() for x in chosen]
    made = iter(torch.split(convert(torch.cat([x.reshape(-1) for x in chosen])), sizes))
    return [next(made).reshape(x.shape) if wanted else x for x, wanted in zip(tables, which, strict=True)]


def _at(table: TableT, leaf: Atom, places: IntArray) -> TableT:
    """Return the cells of an atom, ``(B, N, …)`` over its variables: given objects are looked up."""
    if not any(isinstance(t, int) for t in leaf.terms):
        return table
    index: Iterator[Any] = (places[:, t] if isinstance(t, int) else slice(None) for t in leaf.terms)
    found: TableT = table[(np.arange(len(places)), *index)]
    return found
