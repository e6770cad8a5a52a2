"""Asking ahead under the lazy schedule: the rounds of questions on different pictures share one batch.

What a question asks next depends on what it was told, and on what earlier questions have taught about likely answers.
So samples are answered strictly in order, and their calls are those of one by one. But before, all samples of a window
are tried out at once, each picture's questions in order, on copies of what is known: what they ask in a round goes to
the oracle together, and is kept. What the samples then ask in their turn is there already, but for the few cells that
the trial did not foresee.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from neptune.engine.context import RunContext
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.replies import scores_of
from neptune.engine.evidence.store import Evidence
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.types import Cost, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

Question = tuple[str, str]
"""A program, and the policy for what is not there."""


@dataclass
class _Told:
    """What the oracle said ahead to one request: its cells that nobody has asked for yet, and what all of them cost."""

    scene: Scene
    cells: dict[tuple[int, ...], tuple[float, ...]] = field(default_factory=dict)
    cost: Cost | None = None


class Ahead:
    """An oracle in front of another, which is asked ahead.

    Parameters
    ----------
    inner
        Who answers.

    Attributes
    ----------
    batches
        Calls of `inner` so far.
    unneeded
        Ground atoms that were asked ahead and then not asked for.
    """

    def __init__(self, inner: Oracle) -> None:
        self.inner, self.name = inner, inner.name
        self.batches = self.unneeded = 0
        self._told: dict[tuple[int, str, int], list[_Told]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, in order: from what was asked ahead, the rest by one call."""
        if not self._told:
            self.batches += 1
            return self.inner.score(requests)
        answers = [self._taken(request) for request in requests]
        lacking = [[k for k, cell in enumerate(cells) if cell is None] for cells, _ in answers]
        fresh = [
            ScoreRequest(r.scene, r.question, r.objects[rows])
            for r, rows in zip(requests, lacking, strict=True)
            if rows
        ]
        said = iter(self.asked(fresh) if fresh else ())
        return [
            self._joined(cells, cost, rows, next(said) if rows else None)
            for (cells, cost), rows in zip(answers, lacking, strict=True)
        ]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, in order."""
        self.batches += 1
        return self.inner.query(requests)

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the oracle says of a picture."""
        return domain_of(self.inner, scene)

    def asked(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Return what the oracle says, in one call."""
        self.batches += 1
        return list(scores_of(self.inner, requests))

    def keep(self, requests: Sequence[ScoreRequest], answers: Sequence[Scores]) -> None:
        """Keep what was asked ahead."""
        for request, scores in zip(requests, answers, strict=True):
            told = _Told(request.scene, dict(zip(map(tuple, request.objects.tolist()), scores.cells())), scores.cost)
            self._told[_key(request)].append(told)

    def forget(self) -> None:
        """Drop what was asked ahead and not asked for."""
        self.unneeded += sum(len(told.cells) for those in self._told.values() for told in those)
        self._told.clear()

    def _taken(self, request: ScoreRequest) -> tuple[list[tuple[float, ...] | None], Cost | None]:
        those = self._told.get(_key(request), [])
        found: list[tuple[float, ...] | None] = []
        cost: Cost | None = None
        for cell in map(tuple, request.objects.tolist()):
            told = next((t for t in those if cell in t.cells), None)
            found.append(None if told is None else told.cells.pop(cell))
            if told is not None and told.cost is not None:  # paid by who asks for any of it first
                cost = told.cost if cost is None else cost + told.cost
                told.cost = None
        return found, cost

    @staticmethod
    def _joined(
        cells: list[tuple[float, ...] | None], cost: Cost | None, rows: list[int], fresh: Scores | None
    ) -> Scores:
        if fresh is not None:
            for row, cell in zip(rows, fresh.cells(), strict=True):
                cells[row] = cell
            if fresh.cost is not None:
                cost = fresh.cost if cost is None else cost + fresh.cost
        return Scores.of_cells([cell for cell in cells if cell is not None], cost)


def _key(request: ScoreRequest) -> tuple[int, str, int]:
    return id(request.scene), request.question.text, request.question.arity


class _Lane(threading.Thread):
    """Tries out the questions on one picture, in order; stands still wherever it asks, until it is told.

    It runs only while :meth:`on` waits for it: lanes take turns, and what they learn comes in the same order each time.
    """

    name = "ahead"

    def __init__(self, context: RunContext, evidence: Evidence, questions: Sequence[Question]) -> None:
        super().__init__(name="ahead", daemon=True)
        shadow = evidence.copy()
        self._context = replace(context, oracle=self, kept=EvidenceKept.only(shadow))
        self._scene, self._questions = evidence.scene, questions
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._told: list[Scores] | None = None
        self.wanted: Sequence[ScoreRequest] | None = None
        self.start()

    def on(self, told: list[Scores] | None = None) -> bool:
        """Go on with what was told (``None`` after a request: no further); return whether more is wanted."""
        self._told, self.wanted = told, None
        self._go.release()
        self._back.acquire()
        return self.wanted is not None

    def run(self) -> None:
        """Try out the questions; whatever goes wrong is said when they are answered."""
        from neptune.engine.session.answers import run_program

        self._go.acquire()
        with suppress(Exception):
            for program, policy in self._questions:
                run_program(self._context.under(policy), program, self._scene)
        self.wanted = None
        self._back.release()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Ask, and wait to be told."""
        self.wanted = requests
        self._back.release()
        self._go.acquire()
        if self._told is None:
            raise InterruptedError("no further")
        return self._told

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Open questions are not asked ahead."""
        raise InterruptedError("no further")


def ask_ahead(context: RunContext, ahead: Ahead, pictures: Sequence[tuple[Evidence, Sequence[Question]]]) -> None:
    """Try out questions, those on one picture in order, and keep what the oracle says.

    An oracle that fails ends the trial: what is wrong is said when the samples are answered.

    Parameters
    ----------
    context
        What programs are run with; it learns nothing.
    ahead
        Asks, and keeps.
    pictures
        What is known of each picture, which stays as it is, and its questions.
    """
    shadow = replace(context, estimates=context.estimates.copy())
    lanes = [_Lane(shadow, evidence, questions) for evidence, questions in pictures]
    try:
        waiting = [lane for lane in lanes if lane.on()]
        with suppress(Exception):
            while waiting:
                requests = [list(lane.wanted or ()) for lane in waiting]
                flat = [request for wanted in requests for request in wanted]
                answers = ahead.asked(flat)
                ahead.keep(flat, answers)
                said = iter(answers)
                told = [[next(said) for _ in wanted] for wanted in requests]
                waiting = [lane for lane, answer in zip(waiting, told, strict=True) if lane.on(answer)]
    finally:
        for lane in lanes:
            while lane.wanted is not None and lane.on(None):
                pass
