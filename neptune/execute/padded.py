"""Padded batches: plans of one shape, evaluated on many scenes at once.

A first axis for the question, and a mask for the objects that a scene has.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dsl.plan import Leaf
from dsl.rewrites import Laws
from neptune.answer import TraceStep, Usage
from neptune.execute import plans
from neptune.execute.compile import Frame
from neptune.execute.evidence import Evidence
from neptune.execute.prepared import Prepared, Stage
from neptune.scene import Scene

if TYPE_CHECKING:
    from neptune.engine import Engine


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


@dataclass
class Group:
    """Jobs of one shape, evaluated: for each truth internal numbers and probabilities, ``(B, …)``."""

    jobs: list[Job]
    stage: list[Stage]
    frame: Frame
    internal: list[Tensor]
    chances: list[Tensor]
    missing: list[bool]

    @property
    def keep(self) -> Tensor | None:
        """Which objects a scene has, ``(B, N)``; ``None`` if all scenes have N."""
        return self.frame.mask

    def decided(self, k: int) -> Tensor:
        """Return where the k-th truth is true, ``(B,)`` or ``(B, N)``; never at padding."""
        hits = self.frame.logic.decide(self.internal[k])
        return hits if self.keep is None or hits.dim() < 2 else hits & self.keep


class Padded:
    """Evaluates stages of many jobs for one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        tau = engine.parameters.quantifier_tau
        self._laws = Laws(engine.logic.name, engine.logic.idempotent, isinstance(tau, float) and tau == 0.0)

    def evaluate(self, jobs: list[Job], stages: list[Stage]) -> list[Group]:
        """Return the stages' truths in groups of one shape. What they need must have been asked."""
        by_shape: dict[Any, list[int]] = defaultdict(list)
        for i, stage in enumerate(stages):
            by_shape[stage.shape.node, stage.main].append(i)
        groups = []
        for members in by_shape.values():
            groups.append(self._group([jobs[i] for i in members], [stages[i] for i in members]))
        return groups

    def _group(self, jobs: list[Job], stages: list[Stage]) -> Group:
        engine, first = self.engine, stages[0].shape
        code = plans.plan(first.node, "parts", self._laws).code
        sizes = [len(job.scene) for job in jobs]
        n = max(sizes)
        mask = None if min(sizes) == n else torch.arange(n) < torch.tensor(sizes).unsqueeze(1)
        places = [
            [job.objects[p] for p in stage.shape.objects] for job, stage in zip(jobs, stages, strict=True)
        ]
        objects = torch.tensor(places, dtype=torch.int64).reshape(len(jobs), -1)
        frame = Frame(engine.logic, engine.parameters, len(jobs), n, mask, objects)
        missing = torch.zeros(len(jobs), dtype=torch.bool)
        tables: dict[int, tuple[Tensor, Tensor | None]] = {}
        for arity in {p.arity for p in first.predicates}:
            members = [k for k, p in enumerate(first.predicates) if p.arity == arity]
            tables.update(self._stacked(members, jobs, stages, n))
        inputs = []
        for leaf in code.leaves:
            cells, unknown = tables[int(leaf.predicate.name[1:])]
            inputs.append(_at(cells, leaf, frame))
            if unknown is not None:
                missing |= _at(unknown, leaf, frame).reshape(len(jobs), -1).any(1)
        internal, chances = [], []
        for out, is_chance in code.run_chances(frame, inputs):
            internal.append(engine.logic.from_probability(out) if is_chance else out)
            chances.append(out if is_chance else engine.logic.to_probability(out))
        peak = code.peak_cells(n)
        for job in jobs:
            job.usage.peak_cells = max(job.usage.peak_cells, peak)
        return Group(jobs, stages, frame, internal, chances, missing.tolist())

    def _stacked(
        self, of: list[int], jobs: list[Job], stages: list[Stage], n: int
    ) -> dict[int, tuple[Tensor, Tensor | None]]:
        """Return for each predicate of one arity its internal numbers in every job, ``(B, N, …)``, and where evidence
        is missing (``None``: nowhere). A pair of one object with itself is never used: guards decide it."""
        engine, arity = self.engine, stages[0].shape.predicates[of[0]].arity
        raw = np.zeros((len(of), len(jobs), *([n] * arity)), dtype=np.float32)
        for b, (job, stage) in enumerate(zip(jobs, stages, strict=True)):
            inside: tuple[Any, ...] = (slice(len(job.scene)),) * arity
            for row, k in enumerate(of):
                predicate = stage.shape.predicates[k]
                table = job.evidence.table(engine.wording.question(predicate), predicate.symmetric)
                raw[(row, b, *inside)] = table.logits
        if arity == 2:
            raw[:, :, np.arange(n), np.arange(n)] = 0.0
        unknown = np.isnan(raw)
        lacks = bool(unknown.any())
        cells = torch.from_numpy(np.where(unknown, np.float32(0.0), raw) if lacks else raw)
        if len(engine.parameters.oracle) == 1:
            cells = engine.parameters.calibrate(cells)
        else:
            cells = torch.stack(
                [
                    self._calibrated(cells[row], [s.shape.predicates[k].name or "default" for s in stages])
                    for row, k in enumerate(of)
                ]
            )
        cells = engine.logic.to_internal(cells)
        where = torch.from_numpy(unknown) if lacks else None
        return {k: (cells[row], None if where is None else where[row]) for row, k in enumerate(of)}

    def _calibrated(self, cells: Tensor, kinds: list[str]) -> Tensor:
        parameters = self.engine.parameters
        if len(set(kinds)) == 1:
            return parameters.calibrate(cells, kinds[0])
        return torch.stack([parameters.calibrate(row, kind) for row, kind in zip(cells, kinds, strict=True)])


def _at(table: Tensor, leaf: Leaf, frame: Frame) -> Tensor:
    """Return the cells of an atom, ``(B, N, …)`` over its variables: given objects are looked up."""
    if not any(isinstance(t, int) for t in leaf.terms):
        return table
    places = (frame.objects[:, t] if isinstance(t, int) else slice(None) for t in leaf.terms)
    return table[(torch.arange(frame.batch), *places)]
