"""One run of one program on one scene: forces nodes by asking the oracle and evaluating.

Every force goes through the same steps: insert guards, find the cells that the plan needs, ask for those not yet
known in one batch, evaluate, decide.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch

from dsl import plan
from dsl.plan import Count, Describe, Description, Exists, ExpectationOver, Node, make
from dsl.plan.guards import insert_guards
from neptune.algebra.convert import as_float
from neptune.answer import TraceStep, Usage
from neptune.engine.context import RunContext
from neptune.engine.evaluate.bounds import Interval, settled_argmax, softmax_bounds
from neptune.engine.evaluate.executor import Executor
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.values import ByKind
from neptune.engine.schedule.requests import Asker
from neptune.engine.schedule.stopping import Goal, Kind
from neptune.scene.types import Question

TRACE_STEPS = 60
BOUND_BRANCHES = 1 << 11
"""The most branches of a search for bounds between two rounds of the schedule: about a second."""


class Abstain(Exception):
    """The program needs a value that missing evidence leaves open."""


@dataclass
class Decision:
    """A forced truth: the bounds of p(yes), and what was decided."""

    yes: bool
    low: float
    high: float
    settled: bool
    tie: bool
    witness: tuple[tuple[str, int], ...] = ()


@dataclass
class Choice:
    """A forced choice among objects or values: the index, the scores, whether it is settled."""

    index: int
    scores: tuple[float, ...]
    settled: bool
    tie: bool
    matched: bool = True
    bounds: tuple[float, float] | None = None


@dataclass
class Total:
    """A forced number: its bounds; for a count of objects also how true it is of each, and of the number."""

    low: int
    high: int
    probability: float | None = None
    scores: tuple[float, ...] | None = None
    objects: tuple[int, ...] = ()


@dataclass
class Session(ByKind):
    """Forces the nodes of one program run. See :class:`neptune.engine.interpret.values.Evaluator` for what it promises.

    Parameters
    ----------
    evidence
        What is already known of the scene, shared by all programs on it.
    context
        Who is asked, in which words, with which logic and limits.
    variable_names
        The names in the program of the variables that quantifier nodes bind, for witnesses.
    """

    evidence: Evidence
    context: RunContext
    usage: Usage = field(default_factory=Usage)
    variable_names: dict[Node, str] = field(default_factory=dict)
    trace: list[TraceStep] = field(default_factory=list)
    failed_presuppositions: list[str] = field(default_factory=list)
    ties: bool = False

    def __post_init__(self) -> None:
        context, self.objects = self.context, len(self.evidence.scene)
        self.logic, self.parameters = context.logic, context.parameters
        self._asker = Asker(self.evidence, context, self.usage)
        self._evaluator = Executor(
            self.objects,
            self.logic,
            self.parameters,
            KnownAtoms(self.evidence, context),
            context.limits.tensor_cells,
            context.planner,
            None if context.schedule is None else BOUND_BRANCHES,
        )

    @property
    def guessed(self) -> bool:
        """Whether the budget ran out: what is open is answered by the best guess so far."""
        return self._asker.spent

    @property
    def goals(self) -> list[Goal]:
        """The decisions that the schedule worked towards, in order."""
        return self._asker.goals

    # --- what the interpreter asks for -----------------------------------------------------------

    def truth(self, node: Node, line: int) -> bool:
        """Decide a formula (its free variables are bound by ∃): p > ½."""
        decision = self.decide(node, line)
        if not (decision.settled or self.guessed):
            raise Abstain(f"the branch at line {line} depends on missing evidence")
        return decision.yes

    def probability(self, node: Node, line: int) -> float:
        """Return the probability of a formula (its free variables are bound by ∃)."""
        decision = self.decide(node, line, "exact")
        if decision.low != decision.high and not self.guessed:
            raise Abstain(f"the number at line {line} depends on missing evidence")
        return (decision.low + decision.high) / 2

    def number(self, node: Node, line: int) -> int:
        """Count."""
        total = self.count(node, line)
        if total.low != total.high and not self.guessed:
            raise Abstain(f"the count at line {line} depends on missing evidence")
        return (total.low + total.high) // 2

    def object(self, iota: Description, line: int) -> int:
        """Return the most probable object of a description, -1 in an empty scene."""
        choice = self.point(iota, line)
        if not (choice.settled or self.guessed):
            raise Abstain(f"the object meant at line {line} depends on missing evidence")
        return choice.index

    def ranking(self, node: Node, line: int) -> list[float]:
        """Return the probability of a formula of one free variable at each object."""
        interval = self.table(node, line)
        if not (interval.exact or self.guessed):
            raise Abstain(f"the ranking at line {line} depends on missing evidence")
        scores = tuple(float(v) for v in (interval.low.values + interval.high.values) / 2)
        self._step(line, plan.show(node), "ranked", scores)
        return list(scores)

    def value(self, node: Describe, line: int) -> str | None:
        """Return the value whose formula is truest; ``None`` of an object where there is none."""
        choice = self.choose(node, line)
        if not choice.matched:
            return None
        if not (choice.settled or self.guessed):
            raise Abstain(f"the value at line {line} depends on missing evidence")
        return node.values[choice.index]

    def query(self, text: str, attribute: str, objects: tuple[int, ...], line: int) -> str:
        """Ask an open question about given objects.

        Raises
        ------
        Abstain
            If the oracle gave no answer, or no budget was left to ask it.
        """
        question = (
            Question(text, len(objects), attribute)
            if text
            else self.context.wording.query(attribute, len(objects))
        )
        answer = self._asker.query(question, objects)
        if answer is None and self.guessed:
            raise Abstain(f"the budget was spent before the question at line {line}")
        if answer is None:
            raise Abstain(f"the oracle did not answer the question at line {line}")
        self._step(line, f"query({question.text!r})", answer)
        return answer

    # --- forcing ---------------------------------------------------------------------------------

    def decide(self, node: Node, line: int, kind: Kind = "decide") -> Decision:
        """Force a formula, its free variables bound by ∃, and decide it; `kind` ``exact`` asks for its value."""
        for var in sorted(node.free, reverse=True):
            node = make(Exists, var, node)
        prepared = self._prepare(node, kind)
        started = time.perf_counter()
        interval = self._evaluator.truth(prepared)
        low, high = float(interval.low.values), float(interval.high.values)
        yes_low, yes_high = bool(interval.low.decide()), bool(interval.high.decide())
        settled = yes_low == yes_high
        yes = yes_low if settled else (low + high) / 2 > 0.5
        tie = interval.exact and bool(interval.low.is_tie())
        witness = self._witness(node, prepared) if settled and yes else ()
        self._spent(started)
        self.ties |= tie
        shown = "unsettled" if not settled else f"{'yes' if yes else 'no'} ({low if yes else 1 - high:.3f})"
        self._step(line, plan.show(node), shown)
        return Decision(yes, low, high, settled, tie, witness)

    def count(self, node: Node, line: int) -> Total:
        """Force a number."""
        prepared = self._prepare(node, "each")
        started = time.perf_counter()
        low, high = self._evaluator.number(prepared)
        total = Total(low, high)
        if low == high and isinstance(prepared, Count) and not prepared.free:
            cells = self._evaluator.over(prepared)
            if cells.exact:
                total.probability = float(cells.low.exactly(low, prepared.var).values)
                total.scores = tuple(float(v) for v in cells.low.values)
                total.objects = tuple(int(i) for i in cells.low.decide().nonzero().flatten())
        self._spent(started)
        self._step(line, plan.show(node), str(low) if low == high else f"{low} to {high}", total.scores)
        return total

    def table(self, node: Node, line: int, kind: Kind = "exact") -> Interval:
        """Force a formula over its free variables: its values, or with `kind` ``each`` only where it is true."""
        prepared = self._prepare(node, kind)
        started = time.perf_counter()
        interval = self._evaluator.truth(prepared)
        self._spent(started)
        return interval

    def point(self, iota: Description, line: int) -> Choice:
        """Force a closed description: which object is meant, with the weight of each."""
        prepared = self._prepare(iota, "argmax")
        assert isinstance(prepared, Description)
        started = time.perf_counter()
        interval = self._evaluator.over(prepared)
        self._spent(started)
        if not self.objects:
            self._failed(iota)
            return Choice(-1, (), True, False, False)
        low, high = interval.low, interval.high
        best, settled = settled_argmax(
            self.logic, low.internal, low.internal if interval.exact else high.internal
        )
        weights = low.iota(prepared.var, self.parameters.iota_tau).values
        values = low.values
        ranks = self.logic.ranks(low.internal)
        tie = interval.exact and int((ranks == ranks[best]).sum()) > 1
        self.ties |= tie
        matched = bool(high.decide().any())
        if not matched:
            self._failed(iota)
        self._step(line, plan.show(iota), f"object {best}", tuple(float(v) for v in values))
        bounds = None
        if not interval.exact:
            bounds = softmax_bounds(low.logits, high.logits, best, as_float(self.parameters.iota_tau))
        return Choice(best, tuple(float(w) for w in weights), settled, tie, matched, bounds)

    def choose(self, node: Describe, line: int) -> Choice:
        """Force a described value; it is not `matched` where an object is described and there is none."""
        prepared = self._prepare(node, "choose")
        assert isinstance(prepared, Describe)
        started = time.perf_counter()
        best, settled, scores = self._evaluator.choose(prepared)
        self._spent(started)
        tie = int((scores == scores[best]).sum()) > 1
        self.ties |= tie
        self._step(line, plan.show(node)[:200], f"{node.values[best]} ({float(scores[best]):.3f})")
        bounds = None
        by_node = self._evaluator.by_node
        parts = [by_node.truth(b) for b in prepared.bodies] if self.context.schedule or not settled else []
        if not all(p.exact for p in parts):
            low = torch.stack([p.low.logits.reshape(()) for p in parts])
            high = torch.stack([p.high.logits.reshape(()) for p in parts])
            bounds = softmax_bounds(low, high, best, 1.0)
        of_nothing = not self.objects and any(isinstance(inner, ExpectationOver) for inner in plan.walk(node))
        return Choice(best, tuple(float(s) for s in scores), settled, tie, not of_nothing, bounds)

    # --- steps -----------------------------------------------------------------------------------

    def _prepare(self, node: Node, kind: Kind) -> Node:
        """Insert guards, settle the objects that are pointed to, and ask for the cells that the rest needs."""
        started = time.perf_counter()
        guarded = insert_guards(node)
        self.usage.plan_ms += 1000 * (time.perf_counter() - started)
        prepared = self._fill(plan.transform(guarded, self._settle), kind)
        self._check_presuppositions(prepared)
        return prepared

    def _fill(self, node: Node, kind: Kind) -> Node:
        # The schedule looks at many small parts, a few cells further each time: nothing to compile.
        return self._asker.fill(node, kind, self._evaluator.by_node)

    def _settle(self, result: Node) -> Node:
        """Replace a closed ``pick`` by its object: what is asked about it depends on who it is."""
        if not isinstance(result, ExpectationOver) or not result.pick:
            return result
        if not result.description.free and self.objects:
            iota = self._fill(result.description, "argmax")
            assert isinstance(iota, Description)
            interval = self._evaluator.over(iota)
            high = interval.low.internal if interval.exact else interval.high.internal
            index, settled = settled_argmax(self.logic, interval.low.internal, high)
            if not bool(interval.high.decide().any()):
                self._failed(result.description)
            if settled or self.guessed:
                self._step(
                    0,
                    plan.show(result.description),
                    f"object {index}",
                    tuple(float(v) for v in interval.low.values),
                )
                return plan.substitute(result.body, {result.var: index})
        return result

    def _check_presuppositions(self, node: Node) -> None:
        for inner in plan.walk(node):
            if not isinstance(inner, ExpectationOver) or inner.description.free:
                continue
            if not self.objects:
                self._failed(inner.description)
            else:
                described = self._evaluator.over(inner.description)
                if not bool(described.high.decide().any()):
                    self._failed(inner.description)
                elif described.exact:
                    scores = tuple(float(v) for v in described.low.values)
                    self._step(
                        0,
                        plan.show(inner.description),
                        f"object {int(self.logic.ranks(described.low.internal).argmax())}",
                        scores,
                    )

    def _failed(self, iota: Description) -> None:
        text = plan.show(iota)
        if text not in self.failed_presuppositions:
            self.failed_presuppositions.append(text)

    def _witness(self, node: Node, prepared: Node) -> tuple[tuple[str, int], ...]:
        """Return the objects that made a chain of ∃ true: of those that reach the value, the lowest tuple.

        Where the value is only bounded, they are objects that are known to make it true.
        """
        vars, names, body = [], [], node
        while isinstance(body, Exists):
            vars.append(body.var)
            names.append(self.variable_names.get(body, body.var))
            body = body.body
        found = self._evaluator.witness(prepared, vars)
        return (
            tuple((name, found.get(var, 0)) for name, var in zip(names, vars, strict=True)) if found else ()
        )

    def _step(self, line: int, source: str, value: str, scores: tuple[float, ...] | None = None) -> None:
        if len(self.trace) < TRACE_STEPS and not any(
            s.source == source and s.value == value for s in self.trace
        ):
            self.trace.append(TraceStep(line, source, value, scores))

    def _spent(self, started: float) -> None:
        self.usage.execute_ms += 1000 * (time.perf_counter() - started)
        planned = self._evaluator.take_plan_ms()
        self.usage.plan_ms += planned
        self.usage.execute_ms = max(self.usage.execute_ms - planned, 0.0)
        self.usage.peak_cells = max(self.usage.peak_cells, self._evaluator.peak_cells)
