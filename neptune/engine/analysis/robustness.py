"""The smallest change of the scores that would flip an answer, its size the largest single change (bottleneck).

Let p be the scores that a run used, and δ* the infimum of ``max |p′ − p|`` over all p′ in [0, 1] with which the same
program gives another answer, or abstains, or no longer does: the sup-norm distance of the scores from the nearest other
answer. Two bounds are found:

* **from below**: every decision of the run is evaluated over the box ``[p − δ, p + δ]`` with the sound interval rules
  of the executor. While all are settled, the program takes the same way and gives the same answer; so are, where an
  answer would abstain that speaks of what is not there, whether anything fits each description. The largest such δ is
  found by bisection: the bounds only widen with δ.
* **from above**: a change p′ is looked for that flips the answer, by moving, one after the other, the scores on which
  the decision hangs (its gradient) to the end of the box; the program is then run on p′, and must answer otherwise.

With godel's min and max, ``σ``-monotone in each score, both meet wherever each score is used with one sign: then δ* of
a yes or no is ``|p(yes) − ½|`` (each of min, max and 1 − x moves by at most δ if each input does, and the box's corner
attains it). They need not meet where a score is used with both signs, where a branch does not matter for the answer,
or where scores that were never asked could matter; then both are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dsl.plan import Atom, Count, CountTrue, Describe, Description, walk
from neptune.algebra.late import torch
from neptune.answer import Answer
from neptune.engine.analysis.score_vector import Floats, ScoreVector, logit
from neptune.engine.context import RunContext
from neptune.engine.evaluate.executor import AtomSource, Executor
from neptune.engine.evidence.store import Evidence
from neptune.engine.schedule.stopping import Goal, settled
from neptune.scene.types import IntArray

if TYPE_CHECKING:
    from torch import Tensor

RESOLUTION = 5e-4
"""How closely δ* is bounded from below."""

_STEPS = 24  # moves of one attack
_RIVALS = 2  # other choices that are tried for one decision
_DECISIONS = 3  # the last ones of a run are attacked
_SPARED = 12  # of a change of more scores, none is taken back
_EDGE = 1e-6
_HALF = 0.52  # crosses ½ from anywhere
_TABLE = 200_000  # cells; what needs larger tables as written is not examined
_EASY = 2e-3  # an attack is tried first this little above the lower bound

Wish: TypeAlias = "Callable[[Tensor], Tensor]"
Rerun = Callable[[Evidence], Answer]


@dataclass(frozen=True, slots=True)
class Change:
    """One score that is changed: the question, the objects it is about, the score and the new one, in [0, 1]."""

    question: str
    objects: tuple[int, ...]
    score: float
    to: float


@dataclass(frozen=True, slots=True)
class MinimalChange:
    """How far the scores of a run are from another answer.

    Parameters
    ----------
    at_least
        No change of any scores by at most this, in [0, 1], gives another answer, or makes it abstain, or (where it
        abstains since nothing fits a description) makes it answer; 1: none does at all.
    at_most
        The largest single change of `changes`; ``None`` where no flipping change was found.
    changes
        Scores that flip the answer when changed together; each is needed, if they are few.
    answer
        What the answer becomes: its value, or where it abstains then, ``"abstained: nothing fits …"``.
    """

    at_least: float
    at_most: float | None = None
    changes: tuple[Change, ...] = ()
    answer: Any = None


def minimal_change(
    context: RunContext,
    evidence: Evidence,
    goals: Iterable[Goal],
    before: Answer,
    rerun: Rerun,
    presupposed: Iterable[Goal] = (),
    needed: Sequence[Goal] | None = None,
) -> MinimalChange:
    """Bound the smallest change of scores that flips an answer.

    Parameters
    ----------
    context
        The logic, temperatures and limits of the run.
    evidence
        The scores that the run used.
    goals
        The decisions of the run, in order.
    before
        The answer; one that abstains, only since nothing fits a description.
    rerun
        Runs the same program on other evidence, asking nothing.
    presupposed
        Whether anything fits each description (``some``), where the answer would abstain if nothing did.
    needed
        Those of all these that, while they are settled, leave no other answer; by default all.

    Raises
    ------
    LimitError
        If a decision needs tables beyond 200,000 cells, or the limit, when it is evaluated as written.
    """
    search = _Search(
        context, evidence, tuple(dict.fromkeys(goals)), before, rerun, tuple(dict.fromkeys(presupposed)), needed
    )
    least = search.at_least()
    if least >= 1.0 or not len(search.scores.p):
        return MinimalChange(least)
    found = search.attack(min(least + _EASY, 1.0))
    for delta in (_HALF, 1.0):
        if found is None and delta > least:
            found = search.attack(delta, shrink=True)
    if found is None:
        return MinimalChange(least)
    p, answer = found
    changes = []
    for place in search.moved(p).tolist():
        question, objects = search.scores.ground_atom(place)
        changes.append(Change(question.text, objects, float(search.scores.p[place]), float(p[place])))
    changes.sort(key=lambda c: -abs(c.to - c.score))
    return MinimalChange(least, max(abs(c.to - c.score) for c in changes), tuple(changes), answer)


def _gap(j: int, best: int, values: Tensor) -> Tensor:
    return values[j] - values[best]


def _past(j: int, sign: float, level: float, values: Tensor) -> Tensor:
    return sign * (values[j] - level)


def _none(level: float, values: Tensor) -> Tensor:
    return level - values.max()


def cell_limit(context: RunContext) -> int:
    """Return the most cells of a table that is computed again and again."""
    return min(context.limits.tensor_cells, _TABLE)


class _Search:
    def __init__(
        self,
        context: RunContext,
        evidence: Evidence,
        goals: tuple[Goal, ...],
        before: Answer,
        rerun: Rerun,
        presupposed: tuple[Goal, ...],
        needed: Sequence[Goal] | None,
    ) -> None:
        self.context, self.before, self.rerun = context, before, rerun
        self.attacked = (*presupposed[: -_DECISIONS - 1 : -1], *goals[: -_DECISIONS - 1 : -1])
        every = [*goals, *presupposed]
        self.first = every if needed is None else list(needed)
        atoms = [n for goal in every for n in walk(goal.node) if isinstance(n, Atom)]
        self.scores = ScoreVector(context, evidence, atoms)
        self.whole = not np.isnan(self.scores.p).any()
        self.objects = len(evidence.scene)

    def _evaluator(self, source: AtomSource) -> Executor:
        context = self.context
        return Executor(self.objects, context.logic, context.parameters, source, cell_limit(context))

    def _settled(self, delta: float) -> bool:
        evaluator = self._evaluator(self.scores.within(delta))
        for goal in self.first:
            if not settled(goal, evaluator):
                # The next box is likely to be too large for the same decision.
                self.first = [goal, *(g for g in self.first if g is not goal)]
                return False
        return True

    def at_least(self) -> float:
        if self._settled(1.0):
            return 1.0
        low, high = 0.0, 1.0
        while high - low > RESOLUTION:
            middle = (low + high) / 2
            low, high = (middle, high) if self._settled(middle) else (low, middle)
        return low

    # --- from above ------------------------------------------------------------------------------

    def attack(self, delta: float, shrink: bool = False) -> tuple[Floats, Any] | None:
        """Return scores within `delta` that flip the answer, and what it becomes; ``None`` if none are found.

        With `shrink` the change found is made as small as the decision that it hangs on allows.
        """
        for goal in self.attacked:
            for wish in self._wishes(goal, delta):
                moved = self._push(goal, wish, delta)
                answer = self._flipped(moved) if moved is not None else None
                if moved is not None and answer is not None:
                    closer = self._shrunk(goal, wish, moved) if shrink else moved
                    fewer = self._spare(goal, wish, closer)
                    other = self._flipped(fewer)
                    return (moved, answer) if other is None else (fewer, other)
        return None

    def _flipped(self, p: Floats) -> Any:
        answer = self.rerun(self.scores.moved(p))
        known = answer.settled or self.whole
        if not known or (answer.abstained, answer.value) == (self.before.abstained, self.before.value):
            return None
        if answer.abstained:
            return str(answer) if answer.why == "presupposition" else None
        return answer.value if answer.value is not None else "nothing"

    def moved(self, p: Floats) -> IntArray:
        """Return the places of the scores that are not what they were."""
        return np.flatnonzero(~np.isnan(p) & (p != self.scores.p))

    def _spare(self, goal: Goal, wish: Wish, p: Floats) -> Floats:
        """Take back changes that the wish does not need, the largest first."""
        places = self.moved(p)
        if len(places) <= _SPARED:
            for place in places[np.argsort(-np.abs(p - self.scores.p)[places], kind="stable")]:
                fewer = p.copy()
                fewer[place] = self.scores.p[place]
                if float(wish(self._values(goal, self._inner(fewer)))) > _EDGE:
                    p = fewer
        return p

    def _shrunk(self, goal: Goal, wish: Wish, p: Floats) -> Floats:
        """Move the same scores the same way, as little as the wish allows, by bisection."""
        start, way = self.scores.p, p - self.scores.p
        low, high = 0.0, float(np.nanmax(np.abs(way)))
        while high - low > RESOLUTION:
            middle = (low + high) / 2
            closer = start + np.clip(way, -middle, middle)
            if float(wish(self._values(goal, self._inner(closer)))) > _EDGE:
                p, high = closer, middle
            else:
                low = middle
        return p

    def _values(self, goal: Goal, logits: Tensor) -> Tensor:
        """Return what a goal compares (with the middle, or with one another), shape ``(k,)``."""
        return self._bounds(goal, self.scores.at(logits))[0]

    def _bounds(self, goal: Goal, source: AtomSource) -> tuple[Tensor, Tensor]:
        evaluator, node = self._evaluator(source), goal.node
        if isinstance(node, Describe | CountTrue):
            parts = [evaluator.truth(b) for b in node.bodies]
        else:
            parts = [evaluator.over(node) if isinstance(node, Description | Count) else evaluator.truth(node)]
        low = torch.cat([p.low.internal.reshape(-1) for p in parts])
        return low, torch.cat([p.high.internal.reshape(-1) for p in parts])

    def _wishes(self, goal: Goal, delta: float) -> list[Wish]:
        """Return what could be made greater than 0 to decide a goal otherwise, the easiest first.

        What the bounds within `delta` leave settled is not tried.
        """
        values = self._values(goal, self._inner(self.scores.p))
        low, high = self._bounds(goal, self.scores.within(delta))
        middle = self.context.logic.middle
        if goal.kind in ("argmax", "choose") and len(values):
            best = int(values.argmax())
            order = [j for j in high.argsort(descending=True).tolist() if j != best and high[j] >= low[best]]
            return [partial(_gap, j, best) for j in order[:_RIVALS]]
        if goal.kind == "some" and bool((values > middle).any()):
            return [partial(_none, middle)] if bool((low <= middle).all()) else []
        if goal.kind == "exact":
            order = (high - low).argsort(descending=True).tolist()[:_RIVALS]
            return [partial(_past, j, s, float(values[j])) for j in order for s in (1.0, -1.0)]
        past = torch.where(values > middle, middle - low, high - middle)
        order = [j for j in past.argsort(descending=True).tolist() if past[j] >= 0]
        signs = [-1.0 if bool(values[j] > middle) else 1.0 for j in order]
        return [partial(_past, j, s, middle) for j, s in zip(order[:_RIVALS], signs)]

    @staticmethod
    def _inner(p: Floats) -> Tensor:
        """Return finite logits: not quite those of 0 and 1. What was not asked is taken for even, in guessing where to
        push; the run on the change is the proof."""
        return logit(np.clip(p, 1e-9, 1 - 1e-9)).nan_to_num(nan=0.0)

    def _slope(self, goal: Goal, wish: Wish, p: Floats) -> Floats:
        logits = self._inner(p).requires_grad_()
        with torch.enable_grad():
            value = wish(self._values(goal, logits))
        if not value.requires_grad:
            return np.zeros_like(p)
        slope: Floats = torch.autograd.grad(value, logits)[0].nan_to_num().numpy().astype(np.float64)
        return slope

    def _push(self, goal: Goal, wish: Wish, delta: float) -> Floats | None:
        """Move the scores on which a wish hangs to the end of the box, until it is granted."""
        start = self.scores.p
        low, high = self.scores.reach(delta)
        p = start.copy()
        soft = goal.soft or not self.context.logic.uses_logits
        for _ in range(_STEPS):
            if float(wish(self._values(goal, self._inner(p)))) > _EDGE:
                return p
            # Where a bounded sum is flat, as in ``max(0, a + b − 1)``, the ends of the box say which way it goes.
            for point in (p, high, low):
                slope = self._slope(goal, wish, point)
                target = np.where(slope > 0, high, low)
                pull = np.where((slope != 0) & (np.abs(target - p) > 1e-12) & ~np.isnan(start), np.abs(slope), 0.0)
                if pull.any():
                    break
            else:
                return None
            # A sum hangs on all of its parts a little; a minimum on one.
            chosen = pull >= (1e-9 if soft else 0.5) * pull.max()
            p = np.where(chosen, target, p)
        return None
