"""Batches: many programs on many scenes at once.

Questions whose plans have one shape run as one padded batch: a first axis for the question, a mask for the objects
that a scene has. All that a round needs is asked in one call of the oracle. The answers are those of one-by-one runs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from cachetools import LRUCache

from dsl.errors import ProgramError
from dsl.plan import walk
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evaluate.atom_tensors import from_evidence
from neptune.engine.evaluate.batched import Padded
from neptune.engine.evaluate.stage import NotBatchable, Stage
from neptune.engine.evidence.store import Evidence, Want, ask_many
from neptune.engine.session.batch_readings import Job, Reader, note_described, note_peak
from neptune.engine.session.precompiled import Precompiled, precompile
from neptune.scene import Scene

PROGRAMS_KEPT = 50_000
MOST_NODES = 2000
"""Larger plans run by themselves: one may be more work than a run may do, which is counted there."""


class Batch:
    """Runs batches in one context, and keeps what it precompiled. Threads may share it."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._programs: LRUCache[str, Precompiled | None] = LRUCache(PROGRAMS_KEPT)
        self._lock = threading.Lock()
        self._padded: Padded[Job] = Padded(context, partial(from_evidence, context.wording))
        self._reader = Reader(context, self._padded)

    @torch.no_grad()
    def run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer | None]:
        """Return the answers to (program, scene) pairs; ``None`` where a question has to be run by itself.

        Those are programs that need a plain value on their way, empty scenes, pictures out of domain, missing evidence,
        the lazy schedule and budgets; and programs that are wrong, which say so when they are run.
        """
        answers: list[Answer | None] = [None] * len(questions)
        if self._context.schedule is not None or self._context.budget is not None or self._context.semantics == 1:
            return answers
        presumption = float(self._context.parameters.presumption.detach())
        jobs: list[Job] = []
        for at, (program, scene) in enumerate(questions):
            made = self._precompiled(program) if len(scene) else None
            if made is None:
                continue
            evidence = self._context.evidence(scene)
            if evidence.doubt(self._context.oracle) is None:
                jobs.append(Job(at, made, scene, evidence))
                jobs[-1].record.presumption = presumption
        self._choose([job for job in jobs if job.made.choice])
        self._ask(jobs, [job.made.stage for job in jobs])
        ready = [job for job in jobs if job.objects or not job.made.choice]
        for group in self._padded.evaluate(ready, [job.made.stage for job in ready]):
            self._reader.answer(group, answers)
        return answers

    def _precompiled(self, program: str) -> Precompiled | None:
        with self._lock:
            if program in self._programs:
                return self._programs[program]
        try:
            found = precompile(self._context, program)
            made = found if len(list(walk(found.settled))) <= MOST_NODES else None
        except (NotBatchable, ProgramError):
            made = None
        with self._lock:
            self._programs[program] = made
        return made

    def _ask(self, jobs: list[Job], stages: list[Stage]) -> None:
        wording = self._context.wording
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
                    cells = np.array(np.meshgrid(*axes, indexing="ij"), dtype=np.int64).reshape(len(axes), -1).T
                wants.append((wording.question(leaf.predicate), leaf.predicate.symmetric, cells))
            wanted.append((job.evidence, wants))
        if wanted:
            ask_many(self._context.oracle, wanted, [job.record.usage for job in jobs])

    def _choose(self, jobs: list[Job]) -> None:
        """Find the object that each job's plan chooses first."""
        stages = [job.made.choice[1] for job in jobs if job.made.choice]
        self._ask(jobs, stages)
        for group in self._padded.evaluate(jobs, stages):
            note_peak(group)
            texts = [job.made.choice[0] for job in group.rows if job.made.choice]
            best = note_described(group, 0, texts, chosen=True)
            for job, index, missing in zip(group.rows, best, group.missing, strict=True):
                if not missing:
                    job.objects.append(index)
