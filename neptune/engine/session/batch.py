"""Batches: many programs on many scenes at once.

Questions whose plans have one shape run as one padded batch: a first axis for the question, a mask for the objects
that a scene has. All that a round needs is asked in one call of the oracle. The answers are those of one-by-one runs,
and so is who of several questions on one picture pays for what: they ask in their order.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from cachetools import LRUCache

from dsl.errors import ProgramError
from dsl.plan import walk
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evaluate.arrays import settings_of
from neptune.engine.evaluate.batched_arrays import PaddedArrays
from neptune.engine.evaluate.stage import NotBatchable, Stage
from neptune.engine.evidence.store import Evidence, Want, ask_many
from neptune.engine.session.batch_readings import Job, Reader, note_described, note_peak
from neptune.engine.session.forms.forms import Forms
from neptune.engine.session.precompiled import Precompiled
from neptune.errors import NeptuneError
from neptune.scene import Scene

Alone = Callable[[int], Answer | None]
"""Runs the question at a place by itself; ``None`` where that failed."""

PROGRAMS_KEPT = 50_000
MOST_NODES = 2000
"""Larger plans run by themselves: one may be more work than a run may do, which is counted there."""


class Batch:
    """Runs batches in one context, and keeps what it precompiled, of so many programs. Threads may share it."""

    def __init__(self, context: RunContext, kept: int = PROGRAMS_KEPT) -> None:
        self._context = context
        self._programs: LRUCache[str, Precompiled | None] = LRUCache(kept)
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._forms = Forms(context)
        self._padded: PaddedArrays[Job] = PaddedArrays(context)
        self._reader = Reader(context, self._padded)

    def run(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer | None]:
        """Return the answers to (program, scene) pairs; ``None`` where a question has to be run by itself.

        Those are programs that need a plain value on their way, empty scenes, pictures out of domain, missing evidence,
        the lazy schedule and budgets; and programs that are wrong, which say so when they are run.
        """
        context = self._context
        jobs = [self.job(*question, context.evidence(question[1]), context.presuppositions) for question in questions]
        ready = [(at, job) for at, job in enumerate(jobs) if job is not None]
        self._choose([job for _, job in ready if job.made.choice])
        self._ask([job for _, job in ready], [job.made.stage for _, job in ready])
        self._read([job for _, job in ready])
        return [job.answer if job is not None else None for job in jobs]

    def job(self, program: str, scene: Scene, evidence: Evidence, presuppositions: str) -> Job | None:
        """Return a question made ready for a batch; ``None`` where it has to be run by itself (:meth:`run`)."""
        context = self._context
        if context.schedule is not None or context.budget is not None or context.semantics == 1 or not len(scene):
            return None
        started = time.perf_counter()
        made = self._precompiled(program)
        planned = 1000 * (time.perf_counter() - started)
        if made is None or evidence.doubt(context.oracle) is not None:
            return None
        job = Job(made, scene, evidence, presuppositions)
        most = sum(len(scene) ** leaf.predicate.arity for stage in made.stages for leaf in stage.leaves)
        if most > context.limits.oracle_calls:
            return None  # it may meet the limit, which is counted there
        job.record.presumption, job.record.usage.plan_ms = self._presumption, planned
        return job

    def in_order(self, jobs: Sequence[Job | None], pictures: Sequence[Evidence], alone: Alone) -> None:
        """Give questions their answers, those of one picture in their order.

        What each is told to have asked, and to have found known, is what it would be one by one: questions of one
        picture ask in their order, also where one of them has to be run by itself or chooses an object first. Many
        pictures are asked about in one call of the oracle. Where that fails, each is run by itself, which says whose
        question it was.

        Parameters
        ----------
        jobs
            The questions; ``None`` for one that is run by itself. They are given their answers, but for those that can
            not be answered in a batch.
        pictures
            The evidence of each.
        alone
            Runs the question at a place by itself; ``None``: it failed. What it raises ends the batch: what has been
            asked by then is still answered.
        """
        queues: dict[Evidence, deque[int]] = defaultdict(deque)
        for at, evidence in enumerate(pictures):
            queues[evidence].append(at)
        asked: dict[int, Job] = {}
        try:
            while any(queues.values()):
                turn = _Turn(jobs, queues.values())
                try:
                    self._ask(*turn.wanted())
                    self._find(list(turn.choosing.values()))
                except Exception:
                    turn.alone += [*turn.plain, *turn.choosing]
                    turn.plain, turn.choosing = {}, {}
                for at, job in turn.choosing.items():
                    if job.objects:
                        queues[pictures[at]].appendleft(at)  # what it says of the object is asked next
                    else:
                        turn.lacking[at] = job
                asked |= turn.plain
                for at in sorted([*turn.alone, *turn.lacking]):
                    answer = alone(at)
                    if at in turn.lacking:
                        turn.lacking[at].answer = _paid(answer, turn.lacking[at])
        finally:
            with suppress(NeptuneError, ProgramError):  # what can not be evaluated together is evaluated one by one
                self._read(list(asked.values()))
        for at, job in sorted(asked.items()):
            if job.answer is None:
                job.answer = _paid(alone(at), job)

    def _precompiled(self, program: str) -> Precompiled | None:
        with self._lock:
            if program in self._programs:
                return self._programs[program]
        try:
            with self._making:
                found = self._forms.made(program)
            made = found if len(list(walk(found.settled))) <= MOST_NODES else None
        except (NotBatchable, ProgramError):
            made = None
        with self._lock:
            self._programs[program] = made
        return made

    @property
    def _presumption(self) -> float:
        return settings_of(self._context).presumption

    def _ask(self, jobs: Sequence[Job], stages: Sequence[Stage]) -> None:
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
        """Ask for and find the object that each job's plan chooses first."""
        self._ask(jobs, [job.made.stages[0] for job in jobs])
        self._find(jobs)

    def _find(self, jobs: list[Job]) -> None:
        """Find the object that each job's plan chooses first; none where evidence is missing."""
        for group in self._padded.evaluate(jobs, [job.made.stages[0] for job in jobs]):
            note_peak(group)
            texts = [job.made.choice[0] for job in group.rows if job.made.choice]
            best = note_described(group, 0, texts, chosen=True)
            for job, index, missing in zip(group.rows, best, group.missing, strict=True):
                if not missing:
                    job.objects.append(index)

    def _read(self, jobs: list[Job]) -> None:
        """Evaluate and read what has been asked."""
        started = time.perf_counter()
        ready = [job for job in jobs if job.objects or not job.made.choice]
        for group in self._padded.evaluate(ready, [job.made.stage for job in ready]):
            self._reader.answer(group)
        for job in ready:  # each takes its share
            job.record.usage.execute_ms += 1000 * (time.perf_counter() - started) / len(ready)


class _Turn:
    """What is asked next of each picture: its next questions, up to one that chooses an object or is run alone.

    A choice that hangs on missing evidence is `lacking`: it is run alone, and has paid for what was asked for it.
    """

    def __init__(self, jobs: Sequence[Job | None], queues: Iterable[deque[int]]) -> None:
        self.plain: dict[int, Job] = {}
        self.choosing: dict[int, Job] = {}
        self.alone: list[int] = []
        self.lacking: dict[int, Job] = {}
        for queue in queues:
            while queue:
                at = queue.popleft()
                job = jobs[at]
                if job is None:
                    self.alone.append(at)
                    break
                if job.made.choice and not job.objects:
                    self.choosing[at] = job
                    break
                self.plain[at] = job

    def wanted(self) -> tuple[list[Job], list[Stage]]:
        """Return who asks, in the order of the questions, and by which stage."""
        both = sorted([*self.plain.items(), *self.choosing.items()])
        return [job for _, job in both], [job.made.stages[-1 if at in self.plain else 0] for at, job in both]


def _paid(answer: Answer | None, job: Job) -> Answer | None:
    """Return an answer found by itself, with what its question had asked before in a batch counted as its own."""
    if answer is None:
        return None
    before, usage = job.record.usage, answer.usage
    return replace(
        answer,
        usage=replace(
            usage,
            oracle_calls=usage.oracle_calls + before.oracle_calls,
            oracle_rounds=usage.oracle_rounds + before.oracle_rounds,
            cache_hits=usage.cache_hits - before.oracle_calls,
            oracle_ms=usage.oracle_ms + before.oracle_ms,
            oracle_stored=usage.oracle_stored + before.oracle_stored,
            oracle_failed=usage.oracle_failed + before.oracle_failed,
            oracle_prompt_tokens=usage.oracle_prompt_tokens + before.oracle_prompt_tokens,
            oracle_completion_tokens=usage.oracle_completion_tokens + before.oracle_completion_tokens,
            oracle_cost=usage.oracle_cost + before.oracle_cost,
            failures={
                k: usage.failures.get(k, 0) + before.failures.get(k, 0) for k in (*before.failures, *usage.failures)
            },
            remarks=list(dict.fromkeys([*before.remarks, *usage.remarks])),
        ),
    )
