"""Samples answered in batches: many pictures at once, in the samples' order, with the records of one-by-one runs.

A window of samples is prepared (program, scene), answered together, looked into together, and yielded one by one; under
the lazy schedule it is tried out together and answered one by one (:mod:`neptune.runs.runner.ahead`). How many go
together follows from how long one takes: a kill loses no more than a window, and a run that asks a slow model goes on
sample by sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from neptune.config import Config
from neptune.errors import ModelFailedError
from neptune.runs.record import Record
from neptune.runs.runner.samples import Asked

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.engine.evidence.store import Evidence
    from neptune.engine.session.batch_readings import Job
    from neptune.scene import Scene

ALONE = 5
"""So many samples are answered one by one first: from their time follows how many go together."""

SECONDS = 20.0
"""About as long a window takes at most. After a kill, what a slow oracle was asked in it is in its cache."""

MOST, MOST_PICTURES, MOST_AHEAD = 1024, 256, 64
"""Samples of a window, and pictures; and pictures that are asked about ahead, each in a thread of its own."""

PROGRAMS_KEPT = 2048
"""Programs whose plans are kept: a run meets most of them once."""


def fits(config: Config) -> bool:
    """Whether a run's samples can be answered in batches, with the records that they have one by one.

    A budget is spent sample by sample; several logics ask one after the other what each needs; several workers or
    devices answer samples at once already.
    """
    budget = config.max_oracle_calls is not None or config.max_run_calls is not None
    if config.certificate is not None or config.set:  # each question is answered alone
        return False
    return not budget and len(config.logics) < 2 and config.workers == 1 and len(config.gpus) < 2


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
        from neptune.runs.runner.ahead import Ahead

        self.ahead = Ahead(engine.context.oracle)
        """Counts what is sent to the oracle."""
        engine.context = replace(engine.context, oracle=self.ahead)
        self._context, self._samples = engine.context, iter(samples)
        self._batch, self._insides = Batch(engine.context, PROGRAMS_KEPT), Insides(engine.context)
        self._stopped, self._yielded = False, 0

    def __iter__(self) -> Iterator[Callable[[], Record]]:
        each = SECONDS
        for asked in islice(self._samples, ALONE):
            begun = time.monotonic()
            asked.prepare()
            self._alone(asked)
            each = time.monotonic() - begun
            self._yielded += 1
            yield asked.record
            if self._stopped:
                return
        while True:
            begun = time.monotonic()
            window = self._prepared(min(MOST, max(1, int(SECONDS / each))))
            if not window:
                return
            lazy = self._context.schedule is not None
            if lazy:
                self._try_out(window)
            else:
                self._answer(window)
            for asked in window:
                if lazy:
                    self._alone(asked)
                self._yielded += 1
                yield asked.record
                if self._stopped:
                    return
            self.ahead.forget()
            each = (time.monotonic() - begun) / len(window)

    def sent(self) -> dict[str, Any]:
        """Return ``oracle_batches``: the calls of the oracle, each of many ground atoms, for how many samples, and how
        many ground atoms were asked ahead in vain (no record counts these)."""
        ahead = self.ahead
        found = {"batches": ahead.batches, "samples": self._yielded, "unneeded": ahead.unneeded}
        return {"oracle_batches": found}

    def stop(self) -> None:
        """Yield no further sample."""
        self._stopped = True

    def _prepared(self, most: int) -> list[Asked]:
        """Return the next samples, prepared: as many as go together."""
        window: list[Asked] = []
        pictures: set[int] = set()
        most_pictures = MOST_PICTURES if self._context.schedule is None else MOST_AHEAD
        begun = time.monotonic()
        for asked in self._samples:
            asked.prepare()
            window.append(asked)
            pictures.add(id(asked.evidence))
            if len(window) >= most or len(pictures) >= most_pictures or time.monotonic() - begun > SECONDS:
                break
            if isinstance(asked.failure, ModelFailedError):
                break
        return window

    @staticmethod
    def _alone(asked: Asked) -> None:
        """Answer one sample by itself, judge it and look inside."""
        with suppress(ModelFailedError):  # its record says so
            asked.run()
        asked.judge()
        asked.look()

    def _try_out(self, window: list[Asked]) -> None:
        """Ask ahead what the samples of a window will ask; each takes its share of the time."""
        from neptune.runs.runner.ahead import ask_ahead

        begun = time.perf_counter()
        pictures: dict[Evidence, list[tuple[str, str]]] = {}
        there = [asked for asked in window if asked.whole and asked.question is not None]
        for asked in there:
            program, _, evidence = cast("tuple[str, Scene, Evidence]", asked.question)
            pictures.setdefault(evidence, []).append((program, asked.policy))
        if len(pictures) > 1:
            ask_ahead(self._context, self.ahead, list(pictures.items()))
        for asked in there:
            asked.given(None, (time.perf_counter() - begun) / len(there))

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
