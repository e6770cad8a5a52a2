"""Samples answered in batches: many pictures at once, in the samples' order, with the records of one-by-one runs.

A window of samples is prepared (program, scene), answered together, looked into together, and yielded one by one. How
many go together follows from how long one takes: a kill loses no more than a window, and a run that asks a slow model
goes on sample by sample. Under the lazy schedule samples are tried out together, on so many pictures at once, and
answered one by one (:mod:`neptune.runs.runner.ahead`): how many does not hang on the clock.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.errors import ModelFailedError
from neptune.perception.oracle.caching.ahead import Ahead
from neptune.runs.record import Record
from neptune.runs.runner.ahead import Found, Trial, Trials
from neptune.runs.runner.samples import Asked

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.engine.session.batch_readings import Job

ALONE = 5
"""So many samples are answered first, each in a window of its own: from their time follows how many go together."""

SECONDS = 20.0
"""About as long a window takes at most. After a kill, what a slow oracle was asked in it is in its cache."""

MOST, MOST_PICTURES = 1024, 256
"""Samples of a window, and pictures."""

GROWTH = 4
"""So many more pictures are asked about at once, under the lazy schedule, after each sample that is answered: whoever
waits for a slow model soon sees the first answer."""

PROGRAMS_KEPT = 256
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


def _is_ready(waiting: tuple[Asked, Trial | None]) -> bool:
    """Tell whether a sample has nothing more to wait for: it has been tried out, or can not be."""
    trial = waiting[1]
    return trial is None or trial.over


class _Clock:
    """Says how long answering takes: by this process's own time, and by what the oracle takes where that is more. On a
    busy machine the time that others get is no reason for small windows.

    Parameters
    ----------
    prepared
        Seconds that were taken before.
    """

    def __init__(self, prepared: float) -> None:
        self._prepared, self._begun = prepared, time.process_time()

    def taken(self, samples: Sequence[Asked]) -> float:
        """Return the seconds for these samples."""
        waited = sum(asked.oracle_seconds for asked in samples)
        return self._prepared + max(time.process_time() - self._begun, waited)


class Batches:
    """Answers samples, a window at a time, and yields what gives the record of each, in their order.

    Parameters
    ----------
    engine
        The run's.
    samples
        The samples, not prepared yet; taken from as far as a window goes.
    most_pictures
        Under the lazy schedule, so many pictures at most are asked about at once; 1: samples are answered one by one.
    """

    def __init__(self, engine: Engine, samples: Iterable[Asked], most_pictures: int = 64) -> None:
        from neptune.engine.analysis.inspection_batch import Insides
        from neptune.engine.evidence.replies import scores_of
        from neptune.engine.session.batch import Batch

        self.ahead = Ahead(engine.context.oracle, scores_of)
        """Counts what is sent to the oracle."""
        engine.context = replace(engine.context, oracle=self.ahead)
        self._context, self._samples = engine.context, iter(samples)
        self._batch, self._insides = Batch(engine.context, PROGRAMS_KEPT), Insides(engine.context)
        self._stopped, self._yielded, self._rounds = False, 0, 0
        self._most_pictures = most_pictures
        self._next: Asked | None = None
        """Prepared, but there is no room for it yet."""

    def __iter__(self) -> Iterator[Callable[[], Record]]:
        return self._in_windows() if self._context.schedule is None else self._lazily()

    def _in_windows(self) -> Iterator[Callable[[], Record]]:
        each = SECONDS
        for asked in islice(self._samples, ALONE):
            begun = time.monotonic()
            asked.prepare()
            clock = _Clock(time.monotonic() - begun)
            self._answer([asked])
            each = clock.taken([asked])
            self._count(asked)
            yield asked.record
            if self._stopped:
                return
        yield from self._windows(each)

    def answered(self, samples: Iterable[Asked]) -> Iterator[Callable[[], Record]]:
        """Yield what gives the record of each of further samples: as many go together as can, if none take long."""
        self._samples = iter(samples)
        return self._windows(SECONDS / MOST)

    def _windows(self, each: float) -> Iterator[Callable[[], Record]]:
        """Yield what gives the records of the samples left, of which each takes about so many seconds."""
        while True:
            begun = time.monotonic()
            window = self._prepared(min(MOST, max(1, int(SECONDS / each))))
            if not window:
                return
            clock = _Clock(time.monotonic() - begun)
            self._answer(window)
            for asked in window:
                self._count(asked)
                yield asked.record
                if self._stopped:
                    return
            each = clock.taken(window) / len(window)
            del window, asked  # before the next ones are prepared
            gc.collect(1)  # what was made ready for it leaves circles behind

    def _lazily(self) -> Iterator[Callable[[], Record]]:
        """Try samples out on many pictures at once, and answer them one by one as soon as their turn comes."""
        trials = Trials(self._context, self.ahead)
        waiting: deque[tuple[Asked, Trial | None]] = deque()
        try:
            while True:
                if not waiting or not _is_ready(waiting[0]):
                    self._take(trials, waiting)
                if not waiting:
                    return
                asked, trial = waiting[0]
                if not _is_ready(waiting[0]) and len(trials) > 1:
                    trials.go_on()
                    continue
                waiting.popleft()
                if trial is not None and asked.evidence is not None:
                    trials.answer(asked.evidence)
                    asked.given(None, trial.seconds)
                self._alone(asked, trial)
                if trial is not None and asked.evidence is not None:
                    trials.answered(asked.evidence)
                self._count(asked)
                yield asked.record
                if self._stopped:
                    return
        finally:
            trials.close()

    def _take(self, trials: Trials, waiting: deque[tuple[Asked, Trial | None]]) -> None:
        """Take samples, as long as there is room for their pictures: for few until the first ones are answered."""
        room = min(self._most_pictures, 1 + GROWTH * self._yielded)
        while len(waiting) < MOST and not (waiting and waiting[-1][0].failure):
            asked = self._next or next(self._samples, None)
            if asked is None:
                return
            if asked is not self._next:
                asked.prepare()
            self._next, question = asked, asked.question
            if question is None or room == 1 == self._most_pictures:
                waiting.append((asked, None))
            else:
                program, _, evidence = question
                if len(trials) >= room and not trials.under_way(evidence):
                    return
                waiting.append((asked, trials.add(evidence, program, asked.policy)))
            self._next = None

    def _count(self, asked: Asked) -> None:
        self._yielded += 1
        self._rounds += asked.rounds

    def sent(self) -> dict[str, Any]:
        """Return ``oracle_batches``: the calls of the oracle, each of many ground atoms, for how many samples, which
        took how many rounds, and how many ground atoms were asked ahead in vain (no record counts these)."""
        ahead = self.ahead
        found = {"batches": ahead.batches, "rounds": self._rounds, "samples": self._yielded}
        return {"oracle_batches": found | {"unneeded": ahead.unneeded}}

    def stop(self) -> None:
        """Yield no further sample."""
        self._stopped = True

    def _prepared(self, most: int) -> list[Asked]:
        """Return the next samples, prepared: as many as go together."""
        window: list[Asked] = []
        pictures: set[int] = set()
        begun = time.monotonic()
        for asked in self._samples:
            asked.prepare()
            window.append(asked)
            pictures.add(id(asked.evidence))
            if len(window) >= most or len(pictures) >= MOST_PICTURES or time.monotonic() - begun > SECONDS:
                break
            if isinstance(asked.failure, ModelFailedError):
                break
        return window

    def _alone(self, asked: Asked, trial: Trial | None = None) -> None:
        """Answer one sample by itself, or as in its trial if that holds; judge it and look inside."""

        def found() -> Found | None:
            assert trial is not None
            assert asked.evidence is not None
            return trial.settle(self._context, asked.evidence)

        with suppress(ModelFailedError):  # its record says so
            asked.run(None if trial is None else found)
        asked.judge()
        asked.look()

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
