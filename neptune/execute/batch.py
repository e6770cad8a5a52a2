"""Batches: many programs on many scenes at once.

Questions whose plans have one shape run as one padded batch: a first axis for the question, a mask for the objects
that a scene has. All that a round needs is asked in one call of the oracle. The answers are those of one-by-one runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dsl.errors import ProgramError
from dsl.plan import Leaf
from dsl.rewrites import Laws
from neptune.algebra import counting, iota
from neptune.answer import Answer, TraceStep, Usage
from neptune.execute import plans
from neptune.execute.compile import Frame, cells_of
from neptune.execute.evidence import Evidence, Want, ask_many
from neptune.execute.plans import Cache
from neptune.execute.prepared import Prepared, Stage, Unprepared, after, prepare
from neptune.scene import Scene

if TYPE_CHECKING:
    from neptune.engine import Engine

PROGRAMS_KEPT = 50_000
LIMIT = 13.815509557963774  # the clamp of logits, as in Evaluator.choose


@dataclass(eq=False)
class _Job:
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
class _Group:
    """Jobs of one shape, evaluated: for each truth internal numbers and probabilities, ``(B, …)``."""

    jobs: list[_Job]
    stage: list[Stage]
    frame: Frame
    internal: list[Tensor]
    chances: list[Tensor]
    missing: list[bool]


class Batch:
    """Runs batches for one engine, and keeps what it prepared."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._programs = Cache(PROGRAMS_KEPT)
        tau = engine.parameters.quantifier_tau
        self._laws = Laws(engine.logic.name, engine.logic.idempotent, isinstance(tau, float) and tau == 0.0)

    def run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
        """Return the answer to each (program, scene); see :func:`run_many`."""
        with torch.no_grad():
            return self._run(questions)

    def _run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
        answers: list[Answer | None] = [None] * len(questions)
        jobs: list[_Job] = []
        whole = self.engine.schedule == "all" and self.engine.max_oracle_calls is None
        for at, (program, scene) in enumerate(questions):
            made = self._prepared(program) if whole and len(scene) else None
            if made is not None:
                jobs.append(_Job(at, made, scene, self.engine.evidence(scene)))
        self._pick([job for job in jobs if job.made.pick])
        self._ask(jobs, [job.made.stage for job in jobs])
        ready = [job for job in jobs if job.objects or not job.made.pick]
        for group in self._evaluate(ready, [job.made.stage for job in ready]):
            self._answer(group, answers)
        for at, (program, scene) in enumerate(questions):
            if answers[at] is None:
                answers[at] = self.engine.run(program, scene)
        return answers  # type: ignore[return-value]

    def _prepared(self, program: str) -> Prepared | None:
        found = self._programs.get(program)
        if found is None:
            try:
                found = prepare(self.engine, program)
            except (Unprepared, ProgramError):  # a wrong program says so when it is run
                found = False
            self._programs.put(program, found)
        return found or None

    # --- asking ----------------------------------------------------------------------------------

    def _ask(self, jobs: list[_Job], stages: list[Stage]) -> None:
        wording = self.engine.wording
        wanted: list[tuple[Evidence, list[Want]]] = []
        for job, stage in zip(jobs, stages, strict=True):
            n = len(job.scene)
            wants: list[Want] = []
            for leaf in stage.leaves:
                cells = None
                if any(isinstance(t, int) for t in leaf.terms):
                    if not job.objects:
                        continue
                    axes = [[job.objects[t]] if isinstance(t, int) else range(n) for t in leaf.terms]
                    cells = (
                        np.array(np.meshgrid(*axes, indexing="ij"), dtype=np.int64).reshape(len(axes), -1).T
                    )
                wants.append((wording.question(leaf.predicate), leaf.predicate.symmetric, cells))
            wanted.append((job.evidence, wants))
        if wanted:
            ask_many(self.engine.oracle, wanted, [job.usage for job in jobs])

    # --- evaluating ------------------------------------------------------------------------------

    def _evaluate(self, jobs: list[_Job], stages: list[Stage]) -> list[_Group]:
        by_shape: dict[Any, list[int]] = defaultdict(list)
        for i, stage in enumerate(stages):
            by_shape[stage.shape.node, stage.main].append(i)
        groups = []
        for members in by_shape.values():
            groups.append(self._group([jobs[i] for i in members], [stages[i] for i in members]))
        return groups

    def _group(self, jobs: list[_Job], stages: list[Stage]) -> _Group:
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
        return _Group(jobs, stages, frame, internal, chances, missing.tolist())

    def _stacked(
        self, of: list[int], jobs: list[_Job], stages: list[Stage], n: int
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

    def _pick(self, jobs: list[_Job]) -> None:
        """Find the object that each job's choice means."""
        stages = [job.made.pick[1] for job in jobs if job.made.pick]
        self._ask(jobs, stages)
        for group in self._evaluate(jobs, stages):
            hits = self._decided(group, 0).any(1).tolist()
            best = iota.first_argmax(group.internal[0], _keep(group)).tolist()
            rows = group.chances[0].tolist()
            for b, job in enumerate(group.jobs):
                if group.missing[b]:
                    continue
                assert job.made.pick is not None
                text = job.made.picked
                job.objects.append(best[b])
                if not hits[b]:
                    job.failed.append(text)
                job.trace.append(TraceStep(0, text, f"object {best[b]}", tuple(rows[b][: len(job.scene)])))

    # --- answering -------------------------------------------------------------------------------

    def _decided(self, group: _Group, k: int) -> Tensor:
        hits = self.engine.logic.decide(group.internal[k])
        return hits if group.frame.mask is None or hits.dim() < 2 else hits & group.frame.mask

    def _answer(self, group: _Group, answers: list[Answer | None]) -> None:
        self._presuppositions(group)
        by_kind: dict[str, list[int]] = defaultdict(list)
        for b, job in enumerate(group.jobs):
            if not group.missing[b]:
                by_kind[job.made.kind].append(b)
        for kind, rows in by_kind.items():
            getattr(self, f"_{kind}")(group, rows, answers)

    def _presuppositions(self, group: _Group) -> None:
        for k in range(group.stage[0].main, len(group.internal)):
            hits = self._decided(group, k).any(1).tolist()
            best = iota.first_argmax(group.internal[k], _keep(group)).tolist()
            rows = group.chances[k].tolist()
            for b, job in enumerate(group.jobs):
                text = group.stage[b].presupposed[k - group.stage[b].main][1]
                if not hits[b]:
                    if text not in job.failed:
                        job.failed.append(text)
                elif not any(s.source == text for s in job.trace):
                    job.trace.append(
                        TraceStep(0, text, f"object {best[b]}", tuple(rows[b][: len(job.scene)]))
                    )

    def _finish(
        self, job: _Job, value: Any, kind: Any, shown: str, *, p: float | None, **rest: Any
    ) -> Answer:
        made = job.made
        if shown:
            text = made.text[:200] if made.kind == "text" else made.text
            job.trace.append(TraceStep(made.line, text, shown, rest.get("traced")))
        rest.pop("traced", None)
        bounds = None if p is None else (p, p)
        return Answer(
            value,
            kind,
            p,
            bounds,
            trace=tuple(job.trace),
            usage=job.usage,
            tie=job.tie,
            presuppositions=tuple(job.failed),
            notes=made.notes,
            **rest,
        )

    def _truth(self, group: _Group, rows: list[int], answers: list[Answer | None]) -> None:
        table, chance = group.internal[0], group.chances[0]
        logic = self.engine.logic
        first = [-1] * len(group.jobs)
        if table.dim() > 1:
            first = iota.first_argmax(table, _keep(group)).tolist()
            at = torch.tensor(first).unsqueeze(1)
            table = table.gather(1, at).squeeze(1)
            chance = logic.to_probability(table)
        yes, ties, values = logic.decide(table).tolist(), logic.is_tie(table).tolist(), chance.tolist()
        many = []
        for b in rows:
            job = group.jobs[b]
            if first[b] >= 0 and job.made.vars:
                job.objects = [first[b]]
                if yes[b] and len(job.made.vars) > 1:
                    if job.made.pick is None:
                        many.append(b)
                    else:
                        group.missing[b] = True
        self._witnesses([group.jobs[b] for b in many])
        for b in rows:
            job, p = group.jobs[b], values[b]
            found = job.objects if yes[b] and first[b] >= 0 and job.made.vars else []
            wanted = len(job.made.vars) if yes[b] else 0
            if group.missing[b] or len(found) < wanted or len(set(found)) < len(found):
                continue  # run by itself
            job.tie = ties[b]
            witness = tuple((name, i) for (_, name), i in zip(job.made.vars, found))
            shown = f"{'yes' if yes[b] else 'no'} ({p if yes[b] else 1 - p:.3f})"
            answers[job.at] = self._finish(
                job,
                yes[b],
                "truth",
                shown,
                p=p if yes[b] else 1 - p,
                objects=tuple(dict.fromkeys(found)),
                witness=witness,
            )

    def _witnesses(self, jobs: list[_Job]) -> None:
        """Find the other objects of witnesses, one variable of all jobs a round."""
        while True:
            left, stages = [], []
            for job in jobs:
                if len(job.objects) < len(job.made.vars) and len(set(job.objects)) == len(job.objects):
                    try:
                        stages.append(after(job.made, len(job.objects)))
                        left.append(job)
                    except Unprepared:
                        job.objects = [0, 0]  # run by itself
            if not left:
                return
            for group in self._evaluate(left, stages):
                best = iota.first_argmax(group.internal[0], _keep(group)).tolist()
                for job, i in zip(group.jobs, best, strict=True):
                    job.objects.append(i)

    def _objects(self, group: _Group, rows: list[int], answers: list[Answer | None]) -> None:
        hits, values = self._decided(group, 0).tolist(), group.chances[0].tolist()
        for b in rows:
            job, n = group.jobs[b], len(group.jobs[b].scene)
            chosen = tuple(i for i in range(n) if hits[b][i])
            scores = tuple(values[b][:n])
            answers[job.at] = self._finish(
                job, list(chosen), "objects", "", p=None, scores=scores, objects=chosen
            )

    def _number(self, group: _Group, rows: list[int], answers: list[Answer | None]) -> None:
        engine, hits, values = self.engine, self._decided(group, 0), group.chances[0].tolist()
        counts = hits.sum(1)
        cells = cells_of(group.frame, group.internal[0], True)
        if engine.logic.uses_logits:
            each = counting.at_least_each(cells, None)
            at = each.gather(1, counts.unsqueeze(1)), each.gather(1, counts.unsqueeze(1) + 1)
            chance = engine.logic.to_probability(engine.logic.and_(at[0], engine.logic.not_(at[1])))
        else:
            chance = counting.distribution(cells, 1.0 - cells).gather(1, counts.unsqueeze(1))
        for b in rows:
            job, n, number = group.jobs[b], len(group.jobs[b].scene), int(counts[b])
            scores = tuple(values[b][:n])
            chosen = tuple(i for i in range(n) if hits[b, i])
            answers[job.at] = self._finish(
                job,
                number,
                "number",
                str(number),
                p=float(chance[b]),
                scores=scores,
                objects=chosen,
                traced=scores,
            )

    def _object(self, group: _Group, rows: list[int], answers: list[Answer | None]) -> None:
        logic, cells = self.engine.logic, group.internal[0]
        keep = _keep(group)
        best = iota.first_argmax(cells, keep)
        top = cells.gather(1, best.unsqueeze(1))
        same = (cells == top) if keep is None else (cells == top) & keep
        ties, hits = (same.sum(1) > 1).tolist(), self._decided(group, 0).any(1).tolist()
        weights = iota.weights(logic.to_logits(cells), keep, self.engine.parameters.iota_tau).tolist()
        values = group.chances[0].tolist()
        for b in rows:
            job, n, index = group.jobs[b], len(group.jobs[b].scene), int(best[b])
            job.tie = ties[b]
            if not hits[b] and job.made.text not in job.failed:
                job.failed.append(job.made.text)
            scores = tuple(weights[b][:n])
            answers[job.at] = self._finish(
                job,
                index,
                "object",
                f"object {index}",
                p=scores[index],
                scores=scores,
                objects=(index,),
                traced=tuple(values[b][:n]),
            )

    def _text(self, group: _Group, rows: list[int], answers: list[Answer | None]) -> None:
        logic, main = self.engine.logic, group.stage[0].main
        logits = logic.to_logits(torch.stack(group.internal[:main], 1))
        scores = torch.softmax(logits.clamp(-LIMIT, LIMIT), 1)
        best = logits.argmax(1).tolist()
        ties = ((scores == scores.gather(1, torch.tensor(best).unsqueeze(1))).sum(1) > 1).tolist()
        values = scores.tolist()
        for b in rows:
            job = group.jobs[b]
            job.tie, p = ties[b], values[b][best[b]]
            name = job.made.node.values[best[b]]  # type: ignore[attr-defined]
            answers[job.at] = self._finish(job, name, "text", f"{name} ({p:.3f})", p=p)


def _keep(group: _Group) -> Tensor | None:
    return group.frame.mask


def _at(table: Tensor, leaf: Leaf, frame: Frame) -> Tensor:
    """Return the cells of an atom, ``(B, N, …)`` over its variables: given objects are looked up."""
    if not any(isinstance(t, int) for t in leaf.terms):
        return table
    places = (frame.objects[:, t] if isinstance(t, int) else slice(None) for t in leaf.terms)
    return table[(torch.arange(frame.batch), *places)]


def run_many(engine: Engine, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
    """Run many (program, scene) pairs as padded batches; the answers are those of one-by-one runs.

    One batch a shape of plan, one call of the oracle a round. Programs that need a plain value on their way, empty
    scenes, missing evidence, the lazy schedule and budgets run one by one. The engine keeps what was prepared.

    Parameters
    ----------
    engine
        An :class:`~neptune.engine.Engine`.
    questions
        Program texts and scenes.

    Raises
    ------
    dsl.ProgramError, NeptuneError
        As :meth:`~neptune.engine.Engine.run`, for the first question that has an error.
    """
    batch = engine.__dict__.get("_batch")
    if batch is None:
        batch = engine.__dict__["_batch"] = Batch(engine)
    return batch.run(questions)
