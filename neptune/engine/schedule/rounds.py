"""Rounds of asking: choose cells, ask them at once, tighten the bounds, stop when the decision is settled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dsl.plan import Atom
from neptune.answer import Usage
from neptune.engine.context import Schedule
from neptune.engine.evaluate.evaluator import Evaluator, WorkError
from neptune.engine.evidence.priors import Estimates
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.store import Evidence, Table, Want
from neptune.engine.schedule.goals import Goal
from neptune.engine.schedule.selection import Choice, choose
from neptune.engine.schedule.state import View
from neptune.engine.schedule.stopping import settled
from neptune.scene.types import Oracle

MOST_WORK = 1 << 27
"""Cells of all tables that the rounds of one decision make, before everything is asked instead: some seconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the rounds ended: `settled` by the bounds; or `spent`, the budget ran out before; or `heavy`, the search for
    what to ask took too much work."""

    settled: bool
    spent: bool = False
    heavy: bool = False


class Scheduler:
    """Asks about one scene what goals need.

    Parameters
    ----------
    evidence, oracle, wording
        The scene's cells, who fills them, and in which words.
    evaluator
        Evaluates to intervals; cells not asked are unknown.
    estimates, schedule
        How cells are chosen.
    usage
        Where the cost is added.
    left
        Returns how many cells may still be asked, or ``None`` for any number.
    """

    def __init__(
        self,
        evidence: Evidence,
        oracle: Oracle,
        wording: Wording,
        evaluator: Evaluator,
        estimates: Estimates,
        schedule: Schedule,
        usage: Usage,
        left: Callable[[], int | None],
    ) -> None:
        self.evidence, self.oracle, self.wording = evidence, oracle, wording
        self.estimates, self.schedule, self.usage, self.left = estimates, schedule, usage, left
        self.view = View(evaluator, evidence.scene, self._table, estimates)

    def run(self, goal: Goal) -> Outcome:
        """Ask until the goal is settled, nothing is left to ask, or the budget is spent.

        Not settled, spent or heavy: everything has been asked, and the decision lies within rounding of a tie, or
        hangs on missing evidence.
        """
        evaluator = self.view.evaluator
        evaluator.most_work = evaluator.work + MOST_WORK
        try:
            return self._rounds(goal)
        except WorkError:
            return Outcome(False, heavy=True)
        finally:
            evaluator.most_work = math.inf

    def _rounds(self, goal: Goal) -> Outcome:
        turn = 0
        while True:
            self.view.refresh()
            if settled(goal, self.view.evaluator):
                return Outcome(True)
            best_first = self.schedule.strategy == "best-first"
            choices = choose(self.view, goal, self.schedule.batch, best_first, turn)
            turn += 1
            if not choices:
                return Outcome(False)
            left = self.left()
            if left is not None:
                choices = _first(choices, left)
                if not choices:
                    return Outcome(False, spent=True)
            self._ask(choices)

    def _table(self, leaf: Atom) -> Table:
        return self.evidence.table(self.wording.question(leaf.predicate), leaf.predicate.symmetric)

    def _ask(self, choices: list[Choice]) -> None:
        wants: list[Want] = [
            (self.wording.question(c.leaf.predicate), c.leaf.predicate.symmetric, c.cells) for c in choices
        ]
        # Only cells that are new are chosen; the same cell of two atoms of one round is no hit either.
        hits = self.usage.cache_hits
        self.evidence.ask(self.oracle, wants, self.usage)
        self.usage.cache_hits = hits
        for choice in choices:
            logits = self._table(choice.leaf).logits[tuple(choice.cells.T)]
            true = int((logits > 0).sum())
            self.estimates.learn(choice.leaf.predicate, true, int((~np.isnan(logits)).sum()))


def _first(choices: list[Choice], left: int) -> list[Choice]:
    kept = []
    for choice in choices:
        take = min(left, len(choice.cells))
        left -= take
        if take:
            kept.append(Choice(choice.leaf, choice.cells[:take], choice.chances[:take]))
    return kept
