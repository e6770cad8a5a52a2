"""Rounds of asking: choose what to ask, ask it at once, tighten the bounds, stop when the decision is settled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

from neptune.engine.context import Schedule
from neptune.engine.evaluate.executor import WorkError
from neptune.engine.schedule.selection import Choice, choose
from neptune.engine.schedule.state import State
from neptune.engine.schedule.stopping import Goal, settled

MOST_WORK = 1 << 27
"""Cells of all tables that the rounds of one decision make, before everything is asked instead: some seconds."""

Outcome = Literal["settled", "exhausted", "spent", "heavy"]
"""How the rounds ended: the bounds settle the decision; everything has been asked, and it lies within rounding of a
tie, or hangs on missing evidence; the budget ran out before; the search for what to ask took too much work."""


def ask_until_settled(goal: Goal, state: State, schedule: Schedule, ask: Callable[[Sequence[Choice]], bool]) -> Outcome:
    """Ask until the goal is settled, nothing is left to ask, or the budget is spent.

    Parameters
    ----------
    goal
        What is to be decided.
    state
        What is known; it follows the answers.
    schedule
        How ground atoms are chosen.
    ask
        Asks for ground atoms; tells whether any of them was within the budget.
    """
    evaluator = state.evaluator
    evaluator.most_work = evaluator.work + MOST_WORK
    try:
        for turn in itertools.count():
            state.refresh()
            if settled(goal, evaluator):
                return "settled"
            choices = choose(state, goal, schedule.batch, schedule.strategy == "best-first", turn)
            if not choices:
                return "exhausted"
            if not ask(choices):
                return "spent"
    except WorkError:
        pass
    finally:
        evaluator.most_work = math.inf
    return "heavy"
