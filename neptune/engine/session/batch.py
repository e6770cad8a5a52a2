"""Batches: many programs on many scenes at once.

Questions whose plans have one shape run as one padded batch: a first axis for the question, a mask for the objects
that a scene has. All that a round needs is asked in one call of the oracle. The answers are those of one-by-one runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from dsl.errors import ProgramError
from neptune.answer import Answer, TraceStep
from neptune.engine.compile.plan_cache import Cache
from neptune.engine.evaluate.atom_tensors import FromEvidence
from neptune.engine.evaluate.batched import Job, Padded
from neptune.engine.evidence.store import Evidence, Want, ask_many
from neptune.engine.session.own import own
from neptune.engine.session.precompiled import Prepared, Stage, Unprepared, prepare
from neptune.engine.session.replies import Replies, note_peak
from neptune.scene import Scene

if TYPE_CHECKING:
    from neptune.engine import Engine

PROGRAMS_KEPT = 50_000


class Batch:
    """Runs batches for one engine, and keeps what it prepared."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._programs = Cache(PROGRAMS_KEPT)
        self._padded: Padded[Job] = Padded(engine.context, FromEvidence(engine.context))
        self._replies = Replies(self._padded)

    def run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
        """Return the answer to each (program, scene); see :func:`run_many`."""
        with torch.no_grad():
            return self._run(questions)

    def _run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
        answers: list[Answer | None] = [None] * len(questions)
        jobs: list[Job] = []
        whole = self.engine.schedule == "all" and self.engine.max_oracle_calls is None
        for at, (program, scene) in enumerate(questions):
            made = self._prepared(program) if whole and len(scene) else None
            if made is not None:
                jobs.append(Job(at, made, scene, self.engine.evidence(scene)))
        self._pick([job for job in jobs if job.made.pick])
        self._ask(jobs, [job.made.stage for job in jobs])
        ready = [job for job in jobs if job.objects or not job.made.pick]
        for group in self._padded.evaluate(ready, [job.made.stage for job in ready]):
            self._replies.answer(group, answers)
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

    def _ask(self, jobs: list[Job], stages: list[Stage]) -> None:
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

    def _pick(self, jobs: list[Job]) -> None:
        """Find the object that each job's choice means."""
        stages = [job.made.pick[1] for job in jobs if job.made.pick]
        self._ask(jobs, stages)
        for group in self._padded.evaluate(jobs, stages):
            note_peak(group)
            hits = group.decided(0).any(1).tolist()
            best = group.best(0).tolist()
            rows = group.chances[0].tolist()
            for b, job in enumerate(group.rows):
                if group.missing[b]:
                    continue
                assert job.made.pick is not None
                text = job.made.picked
                job.objects.append(best[b])
                if not hits[b]:
                    job.failed.append(text)
                job.trace.append(TraceStep(0, text, f"object {best[b]}", tuple(rows[b][: len(job.scene)])))


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
    return own(engine, Batch).run(questions)
