"""Rounds of asking: choose what to ask, ask it at once, tighten the bounds, stop when the decision is settled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np

from dsl.plan import Atom, Predicate
from neptune.algebra import Logic
from neptune.engine.context import Schedule
from neptune.engine.evaluate.ends.boxes import Reach, dear
from neptune.engine.evaluate.executor import Executor, WorkError
from neptune.engine.evidence.priors import Estimates
from neptune.engine.evidence.tables import Table
from neptune.engine.schedule.choice.selection import Choice, choose
from neptune.engine.schedule.state import LookedAt, State, UnforeseenError, Weighing
from neptune.engine.schedule.stopping import Goal, settled
from neptune.scene import Scene

MOST_WORK = 1 << 27
"""Cells of all tables that the rounds of one decision make, before everything is asked instead: some seconds."""

REACHES: tuple[Reach, ...] = get_args(Reach)
"""Where dear formulas are looked at, one after the other until something is found to ask."""

Outcome = Literal["settled", "exhausted", "spent", "heavy"]
"""How the rounds ended: the bounds settle the decision; everything has been asked, and it lies within rounding of a
tie, or hangs on missing evidence; the budget ran out before; the search for what to ask took too much work."""


@dataclass(slots=True, eq=False)
class Round:
    """One round of a decision.

    Parameters
    ----------
    choices
        What was chosen.
    looked_at
        What of the evidence was looked at to choose it.
    weighings
        What of it estimates decided, one by one; ``None``: in ways that can not be told one by one.
    reach
        Where dear formulas were looked at.
    asked, learned
        What of it was asked, within the budget; and of each atom how often it was true, of how many answers.
    """

    choices: list[Choice]
    looked_at: LookedAt
    weighings: list[Weighing] | None = None
    reach: Reach = "whole"
    asked: list[Choice] = field(default_factory=list)
    learned: list[tuple[Predicate, int, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Decision:
    """What the schedule worked towards, how, and how it ended."""

    goal: Goal
    rounds: list[Round] = field(default_factory=list)
    outcome: Outcome | None = None


Ask = Callable[[Round, State], bool]
"""Asks for what a round chose, in this state; tells whether any of it was within the budget."""


def ask_until_settled(decision: Decision, state: State, schedule: Schedule, ask: Ask) -> Outcome:
    """Ask until the goal is settled, nothing is left to ask, or the budget is spent.

    Parameters
    ----------
    decision
        What is to be decided; its rounds are added.
    state
        What is known; it follows the answers.
    schedule
        How ground atoms are chosen.
    ask
        See :data:`Ask`.
    """
    decision.outcome = _work_towards(decision, state, schedule, ask)
    return decision.outcome


def _work_towards(decision: Decision, state: State, schedule: Schedule, ask: Ask) -> Outcome:
    goal = decision.goal
    evaluator = state.evaluator
    evaluator.most_work = evaluator.work + MOST_WORK
    best_first = schedule.strategy == "best-first"
    whole = goal.kind == "exact" or not dear(goal.node, state.n)  # else values are wanted that no box holds
    try:
        for turn in itertools.count():
            state.refresh()
            choices: list[Choice] = []
            for reach in REACHES[-1:] if whole else REACHES:
                if not whole:
                    elsewhere = state.confine(goal.node, reach)
                    evaluator.reaches[goal.node] = reach
                    if reach == "settled" and not elsewhere:
                        continue  # few were all of these
                if settled(goal, evaluator):
                    return "settled"
                choices = choose(state, goal, schedule.batch, best_first, turn)
                if choices:
                    break
            else:
                return "exhausted"
            weighings = None if state.hangs_together or state.inside else state.weighings
            decision.rounds.append(Round(choices, state.looked_at, weighings, state.reach))
            if not ask(decision.rounds[-1], state):
                return "spent"
    except WorkError:
        evaluator.reaches.pop(goal.node, None)
    finally:
        evaluator.most_work = math.inf
        if not whole:
            evaluator.confine(None)
    return "heavy"


class _Nobody:
    """Evaluates nothing more."""

    def __init__(self, objects: int, logic: Logic) -> None:
        self.objects, self.logic = objects, logic

    def __getattr__(self, name: str) -> Any:
        raise UnforeseenError(name)


class Remembered(State):
    """The state of a plan in an earlier round: what was looked at then, and other estimates.

    Looking at anything else is an :class:`UnforeseenError`.
    """

    def __init__(self, scene: Scene, logic: Logic, estimates: Estimates) -> None:
        super().__init__(cast(Executor, _Nobody(len(scene), logic)), scene, _unforeseen, estimates)

    def back_to(self, made: Round) -> None:
        """Be as in a round."""
        self._begin(made.looked_at)
        self.reach = made.reach


def _unforeseen(atom: Atom) -> Table:
    raise UnforeseenError(atom)


def still_chosen(decisions: Sequence[Decision], schedule: Schedule, state: Remembered, estimates: Estimates) -> bool:
    """Tell whether decisions would have taken the same rounds with other estimates, those of the state.

    Where they would, the estimates have learned what these rounds taught; else they are as before.
    """
    learned: list[tuple[Predicate, int, int]] = []
    try:
        for decision in decisions:
            for turn, made in enumerate(decision.rounds):
                if not _would_be_chosen(made, decision.goal, schedule, state, turn):
                    raise UnforeseenError
                for taught in made.learned:
                    estimates.learn(*taught)
                    learned.append(taught)
    except UnforeseenError:
        for predicate, true, asked in learned:
            estimates.learn(predicate, -true, -asked)
        return False
    return True


def _would_be_chosen(made: Round, goal: Goal, schedule: Schedule, state: Remembered, turn: int) -> bool:
    """Tell whether a round's choices would be made with the estimates of the state."""
    if made.weighings is None:
        state.back_to(made)
        return _same(choose(state, goal, schedule.batch, schedule.strategy == "best-first", turn), made.choices)
    if made.weighings:
        state.back_to(made)
    return all(np.array_equal(rule(state, *given), said) for rule, given, said in made.weighings)


def _same(these: Sequence[Choice], those: Sequence[Choice]) -> bool:
    """Tell whether two choices are of the same ground atoms, in whatever order."""
    return _ground_atoms(these) == _ground_atoms(those)


def _ground_atoms(choices: Sequence[Choice]) -> dict[Atom, set[tuple[int, ...]]]:
    found: dict[Atom, set[tuple[int, ...]]] = {}
    for atom, tuples in choices:
        found.setdefault(atom, set()).update(map(tuple, tuples.tolist()))
    return found
