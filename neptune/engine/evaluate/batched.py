"""Padded batches: plans of one shape, evaluated on many scenes at once.

A first axis for the question, and a mask for the objects that a scene has. Gradients flow from what comes out to the
scores that go in, and to the temperatures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from dsl.errors import LimitError
from dsl.plan import Atom, Predicate
from neptune.algebra import iota
from neptune.answer import TraceStep, Usage
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.program import Code, Frame, Vars, full, see, view
from neptune.engine.evidence.store import Evidence
from neptune.engine.session.precompiled import Prepared, Stage
from neptune.scene import Scene

if TYPE_CHECKING:
    from neptune.engine import Engine

MOST_CELLS = 20_000_000
"""Cells of the largest table that one batch may hold; a group that would need more is run in parts."""


class Row(Protocol):
    """One row of a batch: a scene, and the objects that the places of its plan stand for."""

    @property
    def scene(self) -> Scene:
        """The scene."""

    @property
    def objects(self) -> Sequence[int]:
        """The object of each place."""


@dataclass(eq=False)
class Job:
    """One question of a batch: its program, its scene, and what is found on the way to its answer."""

    at: int
    made: Prepared
    scene: Scene
    evidence: Evidence
    usage: Usage = field(default_factory=Usage)
    objects: list[int] = field(default_factory=list)
    trace: list[TraceStep] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tie: bool = False


RowT = TypeVar("RowT", bound=Row)
RowIn = TypeVar("RowIn", bound=Row, contravariant=True)


class Source(Protocol[RowIn]):
    """Where the scores of atoms come from."""

    def raw(self, predicates: Sequence[Sequence[Predicate]], rows: Sequence[RowIn], size: int) -> Tensor:
        """Return uncalibrated logits, ``(P, B, N, …)`` float32, for P × B predicates of one arity on B rows.

        N is `size`. NaN where there is no evidence; any number at padding and for an object paired with itself.
        """


@dataclass
class Group(Generic[RowT]):
    """Rows of one shape, evaluated: for each truth internal numbers and probabilities.

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
    peak
        Cells of the largest table, for one row.
    """

    rows: list[RowT]
    stages: list[Stage]
    frame: Frame
    internal: list[Tensor]
    chances: list[Tensor]
    vars: list[Vars]
    missing: list[bool]
    peak: int

    @property
    def keep(self) -> Tensor | None:
        """Which objects a scene has, ``(B, N)``; ``None`` if all scenes have N."""
        return self.frame.mask

    def decided(self, k: int) -> Tensor:
        """Return where the k-th truth is true, ``(B,)`` or ``(B, N)``; never at padding."""
        hits = self.frame.logic.decide(self.internal[k])
        return hits if self.keep is None or hits.dim() < 2 else hits & self.keep

    def best(self, k: int) -> Tensor:
        """Return the object of which the k-th truth is truest, the first among equals, ``(B,)``; -1 for none."""
        return iota.first_argmax(self.frame.logic.ranks(self.internal[k]), self.keep)


class FromEvidence:
    """What the oracle has said, without gradient."""

    def __init__(self, engine: Engine) -> None:
        self._wording = engine.wording

    def raw(self, predicates: Sequence[Sequence[Predicate]], rows: Sequence[Job], size: int) -> Tensor:
        """Return the logits that have been asked; see :class:`Source`."""
        arity = predicates[0][0].arity
        raw = np.zeros((len(predicates), len(rows), *([size] * arity)), dtype=np.float32)
        for b, job in enumerate(rows):
            inside: tuple[Any, ...] = (slice(len(job.scene)),) * arity
            for k, of in enumerate(predicates):
                table = job.evidence.table(self._wording.question(of[b]), of[b].symmetric)
                raw[(k, b, *inside)] = table.logits
        if arity == 2:
            raw[:, :, np.arange(size), np.arange(size)] = 0.0
        return torch.from_numpy(raw)


class Padded(Generic[RowT]):
    """Evaluates stages of many rows for one engine.

    Parameters
    ----------
    engine
        Its logic, temperatures and limits.
    source
        Where the scores of atoms come from.
    """

    def __init__(self, engine: Engine, source: Source[RowT]) -> None:
        self.engine, self._source = engine, source

    def evaluate(self, rows: Sequence[RowT], stages: Sequence[Stage]) -> list[Group[RowT]]:
        """Return the stages' truths in groups of one shape. What they need must have been asked.

        Raises
        ------
        LimitError
            If a plan needs more cells on one scene than the engine's limits allow.
        """
        by_shape: dict[Any, list[int]] = defaultdict(list)
        for i, stage in enumerate(stages):
            by_shape[stage.shape.node, stage.main].append(i)
        groups, laws = [], plans.laws_of(self.engine.logic, self.engine.parameters)
        for members in by_shape.values():
            code = plans.plan(stages[members[0]].shape.node, "parts", laws).code
            size = max(len(rows[i].scene) for i in members)
            cells, limit = code.peak_cells(size), self.engine.limits.tensor_cells
            if cells > limit:
                raise LimitError("tensor_cells", limit, cells, what=f"a formula of {code.axes} variables")
            step = max(1, MOST_CELLS // max(cells, 1))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                groups.append(self._group(code, [rows[i] for i in part], [stages[i] for i in part]))
        return groups

    def _group(self, code: Code, rows: list[RowT], stages: list[Stage]) -> Group[RowT]:
        engine, first = self.engine, stages[0].shape
        sizes = [len(row.scene) for row in rows]
        n = max(sizes)
        mask = None if min(sizes) == n else torch.arange(n) < torch.tensor(sizes).unsqueeze(1)
        places = [
            [row.objects[p] for p in stage.shape.objects] for row, stage in zip(rows, stages, strict=True)
        ]
        objects = torch.tensor(places, dtype=torch.int64).reshape(len(rows), -1)
        frame = Frame(engine.logic, engine.parameters, len(rows), n, mask, objects)
        missing = torch.zeros(len(rows), dtype=torch.bool)
        tables: dict[int, tuple[Tensor, Tensor | None]] = {}
        for arity in {p.arity for p in first.predicates}:
            members = [k for k, p in enumerate(first.predicates) if p.arity == arity]
            tables.update(self._stacked(members, rows, stages, n))
        inputs = []
        for leaf in code.leaves:
            cells, unknown = tables[int(leaf.predicate.name[1:])]
            inputs.append(_at(cells, leaf, frame))
            if unknown is not None:
                missing |= _at(unknown, leaf, frame).reshape(len(rows), -1).any(1)
        internal, chances = [], []
        vars: list[Vars] = [tuple(sorted(truth.free)) for truth in first.node.children]
        for (out, is_chance), (_, have), want in zip(
            code.run_chances(frame, inputs), code.outputs, vars, strict=True
        ):
            out = full(
                see(out, view(have, want)), n
            )  # rewriting may have shown that a variable does not matter
            internal.append(engine.logic.from_probability(out) if is_chance else out)
            chances.append(out if is_chance else engine.logic.to_probability(out))
        return Group(rows, stages, frame, internal, chances, vars, missing.tolist(), code.peak_cells(n))

    def _stacked(
        self, of: list[int], rows: list[RowT], stages: list[Stage], n: int
    ) -> dict[int, tuple[Tensor, Tensor | None]]:
        """Return for each predicate of one arity its internal numbers in every row, ``(B, N, …)``, and where evidence
        is missing (``None``: nowhere). A pair of one object with itself is never used: guards decide it."""
        whole = [[s.parts.get(p, (p,)) for s in stages for p in (s.shape.predicates[k],)] for k in of]
        depth = max(len(names) for row in whole for names in row)
        layers = [[ps[d] if d < len(ps) else ps[0] for ps in row] for row in whole for d in range(depth)]
        cells, unknown = self._internal(layers, rows, n)
        if depth > 1:  # conjunctions, of several atoms in some rows
            cells = cells.reshape(len(of), depth, *cells.shape[1:])
            counts = torch.tensor([[len(names) for names in row] for row in whole]).unsqueeze(-1)
            joined = cells[:, 0]
            for d in range(1, depth):
                joined = torch.where(counts > d, self.engine.logic.and_(joined, cells[:, d]), joined)
            cells = joined
            if unknown is not None:
                unknown = unknown.reshape(len(of), depth, *unknown.shape[1:]).any(1)
        return {k: (cells[row], None if unknown is None else unknown[row]) for row, k in enumerate(of)}

    def _internal(
        self, predicates: list[list[Predicate]], rows: list[RowT], n: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return internal numbers ``(P, B, N, …)`` of P × B atoms, and where evidence is missing."""
        engine = self.engine
        cells = self._source.raw(predicates, rows, n).to(engine.logic.dtype)
        unknown = torch.isnan(cells)
        where = unknown if bool(unknown.any()) else None
        if where is not None:
            cells = cells.masked_fill(where, 0.0)
        if len(engine.parameters.oracle) == 1:
            cells = engine.parameters.calibrate(cells)
        else:
            names = [p.name or "default" for row in predicates for p in row]
            flat = engine.parameters.calibrate_rows(cells.flatten(0, 1), names)
            cells = flat.reshape(cells.shape)
        return engine.logic.to_internal(cells), where


def _at(table: Tensor, leaf: Atom, frame: Frame) -> Tensor:
    """Return the cells of an atom, ``(B, N, …)`` over its variables: given objects are looked up."""
    if not any(isinstance(t, int) for t in leaf.terms):
        return table
    places = (frame.objects[:, t] if isinstance(t, int) else slice(None) for t in leaf.terms)
    return table[(torch.arange(frame.batch), *places)]
