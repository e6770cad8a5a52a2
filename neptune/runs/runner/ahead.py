"""Asking ahead under the lazy schedule: the rounds of questions on different pictures share one batch.

What a question asks next depends on what it was told, and on what earlier questions have taught about likely answers.
So samples are answered strictly in order, and their calls are those of one by one. But before, samples are tried out,
many pictures at once, each picture's questions in order, on copies of what is known: what they ask in a round goes to
the oracle together, and is kept. When a sample's turn comes, it is looked whether it would ask the same, with all that
has been learned by then: if so, the trial's answer is its answer. If not, it is answered by itself, and finds what it
asks for but for the few cells that the trial did not foresee. As soon as a picture's questions are tried out, another
picture takes its place.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from greenlet import greenlet

from dsl.plan import Node
from neptune.algebra.late import no_grad
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.store import Evidence, LookedAt, Want
from neptune.engine.schedule.rounds import Decision, Remembered, still_chosen
from neptune.engine.schedule.stopping import Goal
from neptune.perception.oracle.caching.ahead import Ahead
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

if TYPE_CHECKING:
    from neptune.engine.session.session import Session

Found: TypeAlias = tuple[Answer, list[tuple[Goal, Node]]]
"""An answer, and the decisions that led to it, each as evaluated and as written."""


class Trial:
    """A question that is tried out before it is answered.

    Parameters
    ----------
    program
        Its program.
    policy
        Its policy for what is not there.

    Attributes
    ----------
    over
        Whether it has been tried out.
    seconds, asking
        Its share of the time that trials have taken; of this, that of the oracle.
    found
        Its answer, and what it decided.
    asked, wants
        How it came to what it asked, and all of that.
    looked_at
        What had been asked of each table that it looked at.
    """

    def __init__(self, program: str, policy: str) -> None:
        self.program, self.policy = program, policy
        self.over, self.seconds, self.asking = False, 0.0, 0.0
        self.found: Found | None = None
        self.asked: list[Decision] = []
        self.wants: list[Want] = []
        self.looked_at: LookedAt = {}

    def settle(self, context: RunContext, evidence: Evidence) -> Found | None:
        """Return its answer, and what it decided, where the sample would ask the same in the same rounds; what these
        asked is then known, and has been learned from. ``None``: it has to be answered by itself."""
        schedule = context.schedule
        if self.found is None or schedule is None or not evidence.agrees(self.looked_at):
            return None
        if evidence.doubt(context.oracle) is not None:
            return None
        then = Remembered(evidence.scene, context.logic, context.estimates)
        if not still_chosen(self.asked, schedule, then, context.estimates):
            return None
        usage = self.found[0].usage
        counts = usage.oracle_calls, usage.oracle_rounds, usage.cache_hits
        usage.oracle_ms = 1000 * self.asking
        evidence.ask(context.oracle, self.wants, usage)  # whatever it cost is told here: the trial was told no costs
        usage.oracle_calls, usage.oracle_rounds, usage.cache_hits = counts
        return self.found


class _Lane:
    """Tries out the questions on one picture, in order; stands still wherever it asks, until it is told.

    It runs only where :meth:`on` lets it go on: lanes take turns on one thread, and what they learn comes in the same
    order each time.
    """

    name = "ahead"

    def __init__(self, context: RunContext, evidence: Evidence, trials: deque[Trial]) -> None:
        self._steps = greenlet(self._try_all)
        self._shadow = evidence.copy()
        self._runs: list[Session] = []
        self._context = replace(context, oracle=self, kept=EvidenceKept.only(self._shadow), watch=self._runs.append)
        self._scene, self._trials = evidence.scene, trials
        self.wanted: Sequence[ScoreRequest] | None = None

    @property
    def trial(self) -> Trial:
        """What is tried out now, or next."""
        return self._trials[0]

    def on(self, told: list[Scores] | None = None) -> None:
        """Go on with what was told, up to the next request (`wanted`) or, of all trials, to the end."""
        with no_grad():  # torch's own mode is the thread's: where the lane stands still, it is as before
            self.wanted = self._steps.switch(told)

    def close(self) -> None:
        """Try out no more."""
        with no_grad():
            self._steps.throw()

    def _try_all(self, told: None) -> None:
        """Try out the questions; whatever goes wrong with one is said when it is answered."""
        while True:
            while self._trials:
                trial = self._trials[0]
                with suppress(Exception):
                    self._try(trial)
                trial.over = True
                self._trials.popleft()
            self._steps.parent.switch(None)

    def _try(self, trial: Trial) -> None:
        from neptune.engine.session.answers import is_over_regions, run_program

        self._shadow.looked_at = trial.looked_at
        self._runs.clear()
        context = self._context.under(trial.policy)
        answer = run_program(context, trial.program, self._scene)
        (run,) = self._runs
        asked = run.asker.journal
        # What a program over regions comes to hangs on what its sample gives it.
        if asked is not None and not is_over_regions(context, trial.program, len(self._scene)):
            trial.found, trial.asked, trial.wants = (answer, run.decided), asked, run.asker.wants(asked)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Ask, and wait to be told."""
        told: list[Scores] | None = self._steps.parent.switch(requests)
        if told is None:
            raise InterruptedError("no further")
        return told

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Open questions are not asked ahead."""
        raise InterruptedError("no further")


@dataclass(eq=False)
class _Picture:
    """The questions on one picture.

    Parameters
    ----------
    evidence
        What is known of it.
    trials
        Those to be tried out.
    open
        How many are not answered yet.
    lane
        Who tries them out.
    """

    evidence: Evidence
    trials: deque[Trial] = field(default_factory=deque)
    open: int = 0
    lane: _Lane | None = None

    def stop(self) -> None:
        """Try out no more, for now."""
        if self.lane is not None:
            self.lane.close()
            self.lane = None


class Trials:
    """Tries out questions on many pictures at once, those on one picture in order, and keeps what the oracle says.

    Parameters
    ----------
    context
        What programs are run with; it learns nothing.
    ahead
        Asks, and keeps.
    """

    def __init__(self, context: RunContext, ahead: Ahead) -> None:
        self._context = replace(context, estimates=context.estimates.copy())
        self._ahead = ahead
        self._pictures: dict[Evidence, _Picture] = {}

    def under_way(self, evidence: Evidence) -> bool:
        """Tell whether there are questions on the picture that are to be tried out."""
        return evidence in self._pictures and bool(self._pictures[evidence].trials)

    def __len__(self) -> int:
        """How many such pictures there are."""
        return sum(bool(picture.trials) for picture in self._pictures.values())

    def add(self, evidence: Evidence, program: str, policy: str) -> Trial:
        """Take one more question, after those on the same picture. What is known of it stays as it is."""
        picture = self._pictures.get(evidence)
        if picture is None:
            picture = self._pictures[evidence] = _Picture(evidence)
            self._ahead.begin(evidence.scene)
        trial = Trial(program, policy)
        picture.trials.append(trial)
        picture.open += 1
        return trial

    def go_on(self) -> None:
        """Ask the next round of all pictures, in one batch.

        An oracle that fails ends the trials that wait for it: what is wrong is said when the samples are answered.
        """
        begun = time.perf_counter()
        at_work = [picture for picture in self._pictures.values() if picture.trials]
        trials = [picture.trials[0] for picture in at_work]
        lanes = [self._lane(picture) for picture in at_work]
        for lane in lanes:
            if lane.wanted is None:  # it has come to the end of what there was to try out
                lane.on()
        waiting = [(lane, list(lane.wanted)) for lane in lanes if lane.wanted is not None]
        answers: Iterator[Scores] | None = None
        asked = time.perf_counter()
        with suppress(Exception):
            if waiting:
                answers = iter(self._ahead.foresee([request for _, wanted in waiting for request in wanted]))
        asking = time.perf_counter() - asked
        for lane, wanted in waiting:
            lane.trial.asking += asking / len(waiting)
            lane.on(None if answers is None else [next(answers) for _ in wanted])
        for trial in trials:
            trial.seconds += (time.perf_counter() - begun) / len(trials)

    def answer(self, evidence: Evidence) -> None:
        """The picture's next question is about to be answered: without trial, if it has not been tried out yet."""
        picture = self._pictures[evidence]
        if len(picture.trials) == picture.open:
            picture.stop()
            picture.trials.popleft()

    def answered(self, evidence: Evidence) -> None:
        """It has been answered; after a picture's last one, forget what was said of it."""
        picture = self._pictures[evidence]
        picture.open -= 1
        if not picture.open:
            self._drop(picture)

    def close(self) -> None:
        """Try out no more, and forget everything."""
        for picture in list(self._pictures.values()):
            self._drop(picture)

    def _lane(self, picture: _Picture) -> _Lane:
        if picture.lane is None:
            picture.lane = _Lane(self._context, picture.evidence, picture.trials)
        return picture.lane

    def _drop(self, picture: _Picture) -> None:
        picture.stop()
        del self._pictures[picture.evidence]
        self._ahead.forget(picture.evidence.scene)
