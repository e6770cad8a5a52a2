"""One picture of a search: what is known of it so far, as bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from neptune.algebra.convert import as_float
from neptune.algebra.late import torch
from neptune.answer import Answer, Usage
from neptune.engine import Engine
from neptune.engine.evaluate.ends.arithmetic import Ends
from neptune.engine.evaluate.executor import Executor, WorkError
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evidence.store import Evidence, Want
from neptune.engine.schedule.choice.selection import Choice, everything
from neptune.engine.schedule.rounds import MOST_WORK
from neptune.engine.schedule.state import State
from neptune.engine.schedule.stopping import Goal, settled
from neptune.engine.session.readout import presumed
from neptune.errors import ModelFailedError, NeptuneError
from neptune.runs.find.choosing import questions
from neptune.runs.find.query import Aim, Query
from neptune.scene import Scene
from neptune.scene.picture import Picture

NOT_THERE = "nothing fits what the program takes for granted"
MISSING = "missing evidence"
BRANCHES = 1 << 11
"""The most branches of a search for bounds between two rounds."""


class Candidate:
    """One picture. It is opened when it is first looked at.

    Parameters
    ----------
    index
        Its place among the pictures.
    picture
        The picture.

    Attributes
    ----------
    low, high
        Bounds of what it is ranked by: how true the program is of it, in [0, 1]; or the number that it gives.
    match
        Whether the program is true of it, or the number above 0; ``None`` while that is open.
    exact
        Whether all is known that its rank hangs on.
    why
        Why it is left out (it can not be read, it is out of domain, it lacks what the program takes for granted,
        evidence is missing); ``""`` where it is not.
    calls
        Ground atoms asked.
    objects
        How many were found; ``None`` before it was opened.
    """

    def __init__(self, index: int, picture: Picture) -> None:
        self.index, self.picture = index, picture
        self.low, self.high = 0.0, math.inf
        self.match: bool | None = None
        self.exact, self.why = False, ""
        self.usage = Usage()
        self.objects: int | None = None
        self.scene: Scene | None = None
        self.evidence: Evidence | None = None
        self._aim: Aim | None = None
        self._state: State | None = None
        self._turn = 0

    @property
    def calls(self) -> int:
        """Ground atoms asked about it."""
        return self.usage.oracle_calls

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be known of it."""
        return self.exact or bool(self.why)

    def leave_out(self, why: str) -> None:
        """Take it out of the search, with the reason."""
        self.why, self.match, self.exact = why, None, False
        self.low, self.high = 0.0, -math.inf
        self._close()

    def _close(self) -> None:
        """Let go of all that only asking needs."""
        self._state = self._aim = self.evidence = self.scene = None

    def open(self, engine: Engine, query: Query) -> None:
        """Find its objects; what can not be read is left out.

        Raises
        ------
        ModelFailedError
            If a model fails, whatever it is shown.
        """
        try:
            self.scene = engine.scene(self.picture, labels=engine.labels(query.program))
            self.objects = len(self.scene)
            self.evidence = Evidence(self.scene)
            doubt = self.evidence.doubt(engine.oracle)
        except ModelFailedError:
            raise
        except NeptuneError as error:
            self.leave_out(error.one_line())
            return
        if doubt is not None and engine.context.out_of_domain == "abstain":
            self.leave_out(f"out of domain: {doubt}")
            return
        self._aim = query.aim(self.objects)
        self.high = 1.0 if query.kind == "truth" else math.inf
        if self._aim is not None:
            context = engine.context
            known = KnownAtoms(self.evidence, context)
            executor = Executor(
                self.objects, context.logic, context.parameters, known, context.limits.tensor_cells, context.planner,
                BRANCHES,
            )  # fmt: skip
            self._state = State(executor.by_node, self.scene, known.table, context.estimates)
            self._executor, self._parameters = executor, context.parameters
            self.update()
        self.picture.release()

    @property
    def whole(self) -> bool:
        """Whether only running the program tells anything of it."""
        return self.scene is not None and self._aim is None

    def run(self, engine: Engine, query: Query, budget: int | None, top: bool) -> None:
        """Run the program on it, where only that tells.

        Raises
        ------
        dsl.ProgramError, NeptuneError
            As :meth:`neptune.Engine.run`.
        """
        assert self.scene is not None
        answer = engine.run(query.program, self.scene, budget, "abstain" if query.abstains else "answer")
        self.usage.oracle_calls += answer.usage.oracle_calls
        self.picture.release()
        if answer.abstained and not (not self.objects and answer.kind == "nothing" and answer.why != "budget"):
            self.leave_out(answer.why or "no answer")
            return
        if top and answer.probability is None and answer.bounds is not None and answer.settled:
            self.leave_out(MISSING)
            return
        self.low = self.high = _rank(answer)
        self.match, self.exact = _matches(answer), answer.settled
        if not answer.settled:
            self.low, self.high, self.match = 0.0, 1.0 if query.kind == "truth" else math.inf, None
        self._close()

    def choices(self, top: bool) -> list[Choice]:
        """Return what to ask about it next; nothing where it is finished.

        Parameters
        ----------
        top
            Whether its value is to be known, or only whether it matches.
        """
        state, aim = self._state, self._aim
        assert state is not None
        assert aim is not None
        first = aim.exact if top else aim.decide
        kind: Literal["exact", "decide"] = "exact" if top and aim.kind == "truth" else "decide"
        for goal in (first, *(Goal("decide", node) for node in aim.takes), *(Goal(kind, node) for node in aim.takes)):
            if settled(goal, state.evaluator):
                continue
            state.evaluator.most_work = state.evaluator.work + MOST_WORK
            try:
                found = questions(state, goal, self._turn)
            except WorkError:
                found = everything(state, goal)
            finally:
                state.evaluator.most_work = math.inf
            self._turn += 1
            if found:
                return found
        self._conclude()
        return []

    def wants(self, choices: Sequence[Choice], engine: Engine) -> list[Want]:
        """Return the questions of choices."""
        wording = engine.context.wording
        return [(wording.question(a.predicate), a.predicate.symmetric, tuples) for a, tuples in choices]

    def learn(self, choices: Sequence[Choice], engine: Engine) -> None:
        """Take in the answers to choices."""
        assert self._state is not None
        for atom, tuples in choices:
            logits = self._state.table(atom).logits[tuple(tuples.T)]
            true = int((logits > 0).sum())
            engine.context.estimates.learn(atom.predicate, true, int((~np.isnan(logits)).sum()))
        self._state.refresh()
        self.update()

    def update(self) -> None:
        """Read the bounds off what is known."""
        state, aim = self._state, self._aim
        assert state is not None
        assert aim is not None
        evaluator = state.evaluator
        fits = [evaluator.ends(node) for node in aim.takes]
        holds = all(settled(Goal("decide", node), evaluator) for node in aim.takes)
        if holds and any(float(low) <= state.middle for low, _ in fits):
            self.leave_out(NOT_THERE)
            return
        if aim.kind == "number":
            low, high = map(float, evaluator.number(aim.pushed))
            decided, true = low >= 1.0 or high == 0.0, low >= 1.0
        else:
            ends = evaluator.ends(aim.pushed)
            sure = self._sure(fits, state)
            low, high = (_probability(state, end) * s for end, s in zip(ends, sure, strict=True))
            decided, true = settled(aim.decide, evaluator), float(ends[0]) > state.middle
        self._bounds(low, high, decided, true, holds)

    def _sure(self, fits: Sequence[Ends], state: State) -> tuple[float, float]:
        """Return bounds of how sure it is that what is taken for granted is there, as an answer counts it."""
        if not fits:
            return 1.0, 1.0
        presumption = as_float(self._parameters.presumption)
        low, high = ([presumed(_probability(state, f[end]), presumption) for f in fits] for end in (0, 1))
        return math.prod(sorted(low)), math.prod(sorted(high))

    def _bounds(self, low: float, high: float, decided: bool, true: bool, holds: bool) -> None:
        self.low, self.high = low if holds else 0.0, high
        self.match = (true if holds or not true else None) if decided else None
        self.exact = low == high and holds
        if self.exact:
            self._close()

    def _conclude(self) -> None:
        """Say what is known where nothing is left to ask: of a tie within rounding by the plan as written."""
        state, aim = self._state, self._aim
        if state is None or aim is None:
            return
        if aim.kind == "truth":
            interval = self._executor.truth(aim.node)
            fits = [self._executor.truth(node) for node in aim.takes]
            if interval.known and all(fit.known for fit in fits):
                if not all(bool(fit.low.decide()) for fit in fits):
                    self.leave_out(NOT_THERE)
                    return
                sure, _ = self._sure([(f.low.internal.numpy(),) * 2 for f in fits], state)
                value = float(interval.low.values) * sure
                self._bounds(value, value, True, bool(interval.low.decide()), True)
                return
        if not self.exact:
            self.leave_out(MISSING)


def _probability(state: State, end: object) -> float:
    """Return a bound as the probability that an answer would have."""
    carrier = torch.as_tensor(np.asarray(end))
    return float(state.evaluator.logic.to_probability(carrier))


def _rank(answer: Answer) -> float:
    """Return what an answer ranks its picture by."""
    if answer.kind == "number":
        return float(answer.value)
    if answer.kind in ("object", "objects"):
        return float(bool(answer.objects))
    if answer.kind == "nothing":
        return 0.0
    probability = 1.0 if answer.probability is None else answer.probability
    return probability if answer.value else 1.0 - probability


def _matches(answer: Answer) -> bool:
    if answer.kind == "number":
        return bool(answer.value >= 1)
    return bool(answer.objects) if answer.kind in ("object", "objects") else bool(answer.value)
