"""Which cells a force asks: all that its plan mentions, or, with a schedule, those that its decision needs."""

from __future__ import annotations

import numpy as np
import torch

from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.plan import Atom, Node
from neptune.algebra import Logic, LogicParameters, ProbabilisticTensor
from neptune.algebra.convert import as_float
from neptune.answer import Usage
from neptune.engine.evaluate.bounds import Interval
from neptune.engine.evaluate.evaluator import Evaluator, leaves
from neptune.engine.evidence.indexing import unflatten
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.store import Evidence, Want
from neptune.engine.schedule import Estimates, Goal, Schedule, Scheduler
from neptune.engine.schedule.goals import Kind
from neptune.engine.schedule.pushdown import nest
from neptune.engine.schedule.state import diagonal
from neptune.errors import OracleError
from neptune.scene.types import IntArray, Oracle, Question


class Asker:
    """Asks about one scene what the plans of one run need, and hands out what is known.

    Parameters
    ----------
    evidence, oracle, wording
        What is already known of the scene, who is asked, and in which words.
    logic, parameters
        The t-norm and the temperatures.
    limits
        Cells and calls that may be used; reaching one is a :class:`dsl.LimitError`.
    usage
        Where the cost is added.
    schedule, estimates
        How cells are chosen; with no schedule every cell that a plan mentions is asked, in one batch a force.
    budget
        The most cells to ask; when it is spent, `spent` is set and the rest stays unknown.
    """

    def __init__(
        self,
        evidence: Evidence,
        oracle: Oracle,
        wording: Wording,
        logic: Logic,
        parameters: LogicParameters,
        limits: Limits,
        usage: Usage,
        schedule: Schedule | None = None,
        estimates: Estimates | None = None,
        budget: int | None = None,
    ) -> None:
        self.evidence, self.oracle, self.wording = evidence, oracle, wording
        self.logic, self.parameters, self.limits, self.usage = logic, parameters, limits, usage
        self.schedule, self.estimates, self.budget = schedule, estimates or Estimates(), budget
        self.objects = len(evidence.scene)
        self.spent = False
        self.goals: list[Goal] = []
        """The decisions that the schedule worked towards, in order."""

    def fill(self, node: Node, kind: Kind, evaluator: Evaluator) -> Node:
        """Ask for what a decision about a guarded plan needs; return the plan to evaluate it by.

        Parameters
        ----------
        node
            The plan, guarded.
        kind
            What is to be known of it.
        evaluator
            Evaluates by :meth:`leaf`; what it knew of this plan is dropped where answers came in.

        Raises
        ------
        LimitError
            If the limit on oracle calls is reached.
        """
        if self.schedule is None or not self.objects:
            self._all(node)
            evaluator.forget()
            return node
        for leaf in leaves(node):
            if leaf.predicate.boxes:
                continue
            table = self.evidence.table(self.wording.question(leaf.predicate), leaf.predicate.symmetric)
            self.usage.cache_hits += int(table.asked.reshape(-1)[table.normalised(self._cells(leaf))].sum())
        scheduler = Scheduler(
            self.evidence,
            self.oracle,
            self.wording,
            evaluator,
            self.estimates,
            self.schedule,
            self.usage,
            self._left,
        )
        # Soft quantifiers obey no law by which they could be pushed inward.
        nested = nest(node) if as_float(self.parameters.quantifier_tau) == 0.0 else node
        goal = Goal(kind, nested)
        self.goals.append(goal)
        outcome = scheduler.run(goal)
        self.spent |= outcome.spent
        if outcome.heavy:
            hits = self.usage.cache_hits
            self._all(node)
            self.usage.cache_hits = hits  # what was known before was counted above
            evaluator.forget()
        # What the bounds did not settle is decided by the plan as written, as if everything had been asked.
        return nested if outcome.settled or outcome.spent else node

    def query(self, question: Question, objects: tuple[int, ...]) -> str | None:
        """Return the answer to an open question, ``None`` where there is none, or no budget is left to ask it.

        Raises
        ------
        LimitError
            If the limit on oracle calls is reached.
        """
        if not self.evidence.has_text(question, objects) and self._left() == 0:
            self.spent = True
            return None
        cells = np.array([objects], dtype=np.int64).reshape(1, len(objects))
        return self.evidence.query(self.oracle, question, cells, self.usage)[0]

    def leaf(self, leaf: Atom) -> Interval:
        """Return an atom's scores; cells not asked, or of missing evidence, are unknown, in [0, 1]."""
        table = self.evidence.table(self.wording.question(leaf.predicate), leaf.predicate.symmetric)
        index = tuple(t if isinstance(t, int) else slice(None) for t in leaf.terms)
        vars = tuple(t for t in leaf.terms if isinstance(t, str))
        # A pair of one object with itself is never asked and never used: guards decide it. Any number does.
        unknown = torch.from_numpy(
            np.asarray((np.isnan(table.logits) & ~diagonal(self.objects, len(leaf.terms)))[index])
        )
        logits = torch.from_numpy(table.logits)[index].nan_to_num(nan=0.0).to(self.logic.dtype)
        logits = self.parameters.calibrate(logits, leaf.predicate.name or "default")

        def tensor(cells: torch.Tensor) -> ProbabilisticTensor:
            return ProbabilisticTensor.from_logits(cells, vars, logic=self.logic)

        if not bool(unknown.any()):
            return Interval.point(tensor(logits))
        infinite = float("inf")
        return Interval(
            tensor(logits.masked_fill(unknown, -infinite)), tensor(logits.masked_fill(unknown, infinite))
        )

    def _left(self) -> int | None:
        """Return how many cells may still be asked within the budget."""
        left = self.limits.oracle_calls - self.usage.oracle_calls
        if left <= 0:
            raise LimitError("oracle_calls", self.limits.oracle_calls, self.usage.oracle_calls + 1)
        return left if self.budget is None else min(left, max(self.budget - self.usage.oracle_calls, 0))

    def _all(self, node: Node) -> None:
        wants: list[Want] = []
        for leaf in leaves(node):
            question = self.wording.question(leaf.predicate)
            wants.append((question, leaf.predicate.symmetric, self._cells(leaf)))
        fresh = self._fresh(wants)
        after = self.usage.oracle_calls + sum(len(cells) for _, _, cells in fresh)
        if self.budget is not None and after > self.budget:
            wants, self.spent = _first(fresh, max(self.budget - self.usage.oracle_calls, 0)), True
        elif after > self.limits.oracle_calls:
            raise LimitError("oracle_calls", self.limits.oracle_calls, after)
        self.evidence.ask(self.oracle, wants, self.usage)

    def _fresh(self, wants: list[Want]) -> list[tuple[Question, bool, IntArray]]:
        """Return the wants' cells that are not asked yet, each once: ``near(x, y)`` and ``near(y, x)`` share theirs."""
        found: list[tuple[Question, bool, IntArray]] = []
        seen: dict[tuple[str, int, bool], IntArray] = {}
        for question, symmetric, cells in wants:
            table = self.evidence.table(question, symmetric)
            flat = table.normalised(cells)
            flat = flat[~table.asked.reshape(-1)[flat]]
            key = question.text, question.arity, symmetric
            if key in seen:
                flat = flat[~np.isin(flat, seen[key])]
                seen[key] = np.concatenate([seen[key], flat])
            else:
                seen[key] = flat
            found.append((question, symmetric, unflatten(flat, table.logits.shape)))
        return found

    def _cells(self, leaf: Atom) -> IntArray | None:
        """Return the cells that the leaf speaks of; ``None``: all."""
        if all(isinstance(t, str) for t in leaf.terms):
            return None
        n = self.objects
        axes = [torch.tensor([t]) if isinstance(t, int) else torch.arange(n) for t in leaf.terms]
        for term in leaf.terms:
            if isinstance(term, int) and not 0 <= term < n:
                raise OracleError(f"There is no object {term}", expected=f"0 to {n - 1}")
        cells: IntArray = torch.cartesian_prod(*axes).reshape(-1, len(axes)).numpy()
        return cells


def _first(wants: list[tuple[Question, bool, IntArray]], count: int) -> list[Want]:
    """Return the wants with the first cells alone, as many as there are to be."""
    kept: list[Want] = []
    for question, symmetric, cells in wants:
        mine = cells[:count]
        count -= len(mine)
        kept.append((question, symmetric, mine))
    return kept
