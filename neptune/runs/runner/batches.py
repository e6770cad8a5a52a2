"""Samples answered in batches: many pictures at once, in the samples' order, with the records of one-by-one runs.

A window of samples is prepared (program, scene), answered together, looked into together, and yielded one by one. How
many go together follows from how long one takes: a kill loses no more than a window, and a run that asks a slow model
goes on sample by sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from neptune.config import Config
from neptune.errors import ModelFailedError
from neptune.runs.record import Record
from neptune.runs.runner.samples import Asked

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.engine.session.batch_readings import Job

ALONE = 4
"""So many samples are answered one by one first: from their time follows how many go together."""

SECONDS = 2.0
"""About as long a window takes."""

MOST, MOST_PICTURES = 1024, 256
"""Samples of a window, and pictures."""


def fits(config: Config) -> bool:
    """Whether a run's samples can be answered in batches, with the records that they have one by one.

    A budget is spent sample by sample; several logics ask one after the other what each needs; several workers or
    devices answer samples at once already.
    """
    budget = config.max_oracle_calls is not None or config.max_run_calls is not None
    return (
        config.schedule == "all"
        and not budget
        and len(config.logics) < 2
        and config.workers == 1
        and len(config.gpus) < 2
    )


class Batches:
    """Answers samples, a window at a time, and yields what gives the record of each, in their order.

    Parameters
    ----------
    engine
        The run's.
    samples
        The samples, not prepared yet; taken from as far as a window goes.
    """

    def __init__(self, engine: Engine, samples: Iterable[Asked]) -> None:
        from neptune.engine.analysis.inspection_batch import Insides
        from neptune.engine.session.batch import Batch

        self._samples = iter(samples)
        self._batch, self._insides = Batch(engine.context), Insides(engine.context)
        self._stopped = False

    def __iter__(self) -> Iterator[Callable[[], Record]]:
        each = SECONDS
        for asked in islice(self._samples, ALONE):
            begun = time.monotonic()
            asked.prepare()
            with suppress(ModelFailedError):  # its record says so
                asked.run()
            asked.judge()
            asked.look()
            each = time.monotonic() - begun
            yield asked.record
            if self._stopped:
                return
        while True:
            begun = time.monotonic()
            window = self._prepared(min(MOST, max(1, int(SECONDS / each))))
            if not window:
                return
            self._answer(window)
            each = (time.monotonic() - begun) / len(window)
            for asked in window:
                yield asked.record
                if self._stopped:
                    return

    def stop(self) -> None:
        """Yield no further sample."""
        self._stopped = True

    def _prepared(self, most: int) -> list[Asked]:
        """Return the next samples, prepared: as many as go together."""
        window: list[Asked] = []
        begun = time.monotonic()
        for asked in self._samples:
            asked.prepare()
            window.append(asked)
            pictures = len({id(a.evidence) for a in window[-MOST_PICTURES:]})
            if len(window) >= most or pictures >= MOST_PICTURES or time.monotonic() - begun > SECONDS:
                break
            if isinstance(asked.failure, ModelFailedError):
                break
        return window

    def _answer(self, window: list[Asked]) -> None:
        """Answer the samples of a window, judge them and look inside their runs; each takes its share of the time."""
        begun = time.perf_counter()
        before = sum(asked.seconds for asked in window)
        there = [asked for asked in window if asked.whole]
        jobs = [self._job(asked) for asked in there]
        try:
            self._batch.in_order(jobs, [a.evidence for a in there if a.evidence], lambda at: there[at].run())
        except ModelFailedError as error:
            for asked, job in zip(there, jobs, strict=True):
                if asked.whole and not asked.answered and (job is None or job.answer is None):
                    asked.failure = error  # never asked: answered when the run resumes
        together = [job for job in jobs if job is not None and job.answer is not None]
        spent = time.perf_counter() - begun - (sum(asked.seconds for asked in window) - before)
        for asked, job in zip(there, jobs, strict=True):
            if job is not None and job.answer is not None:
                asked.given(job.answer, spent / len(together))
        for asked in there:
            asked.judge()
        self._look(there, jobs)

    def _job(self, asked: Asked) -> Job | None:
        if asked.question is None:
            return None
        try:
            return self._batch.job(*asked.question, asked.policy)
        except Exception:
            return None  # run by itself, it says what is wrong

    def _look(self, there: list[Asked], jobs: list[Job | None]) -> None:
        shown = [(asked, job) for asked, job in zip(there, jobs, strict=True) if asked.is_shown]
        begun = time.perf_counter()
        together = [(asked, job) for asked, job in shown if job is not None and not asked.shows_flips]
        insides = self._insides.of([job for _, job in together])
        found = sum(inside is not None for inside in insides)
        each = (time.perf_counter() - begun) / max(found, 1)
        by_sample = {id(asked): inside for (asked, _), inside in zip(together, insides, strict=True)}
        for asked, _ in shown:
            inside = by_sample.get(id(asked))
            asked.look(inside, each if inside is not None else 0.0)
