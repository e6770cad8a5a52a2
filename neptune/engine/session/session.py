"""One run of one program on one scene, at once: what it needs is asked, evaluated and handed to it on the spot.

Every need goes through the same steps: insert guards, find the ground atoms that the plan needs, ask for those not yet
known in one batch, evaluate, read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

from dsl import plan, work
from dsl.plan import CountTrue, Describe, Description, Exists, ExpectationOver, Node, make
from dsl.work import Work
from neptune.algebra import ProbabilisticTensor
from neptune.algebra.convert import as_float
from neptune.engine.context import RunContext
from neptune.engine.evaluate import bounds
from neptune.engine.evaluate.arrays import KnownScene, settings_of
from neptune.engine.evaluate.bounds import fit_of, fit_of_values, settled_argmax, softmax_bounds
from neptune.engine.evaluate.charges import charge
from neptune.engine.evaluate.ends.boxes import dear
from neptune.engine.evaluate.ends.registers import EndRegisters
from neptune.engine.evaluate.executor import WIDE, Executor
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evaluate.outline import Outline, guarded, outline, text_of
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.values import Need, NeedKind
from neptune.engine.schedule.requests import Asker
from neptune.engine.schedule.stopping import Goal, Kind
from neptune.engine.schedule.stopping import settled as is_settled
from neptune.engine.session import readout
from neptune.engine.session.needs.bounded import BoundedNeeds, is_least
from neptune.engine.session.needs.known import Described, KnownNeeds
from neptune.engine.session.needs.tensors import TensorNeeds
from neptune.engine.session.outside import Abstain, Outside
from neptune.engine.session.readout import Reading, Record

BOUND_BRANCHES = 1 << 11
"""The most branches of a search for bounds between two rounds of the schedule: about a second."""


class Decided(list[tuple[Goal, Node]]):
    """The decisions of a run, each as evaluated and as written; `bounds`: what they were read off, where that is
    arrays."""

    bounds: EndRegisters | None = None


class Session:
    """Evaluates the needs of one program run. See :class:`neptune.engine.interpret.values.Evaluator`.

    Parameters
    ----------
    context
        What the program is run with.
    evidence
        What is already known of the scene, shared by all programs on it.
    arrays
        What is wholly known and small may be computed by NumPy: no gradient is wanted.

    Attributes
    ----------
    record
        What the run leaves behind.
    work
        What it has done so far.
    decided
        Its decisions, each as evaluated and as written; none about what descriptions take for granted.
    """

    def __init__(self, context: RunContext, evidence: Evidence, arrays: bool = False) -> None:
        self.context, self.evidence, self.objects = context, evidence, len(evidence.scene)
        self._settings = settings_of(context)
        self.record = Record(plain=context.semantics == 1, presumption=self._settings.presumption)
        self.work = Work(context.limits, self.objects)
        self._readings: dict[tuple[NeedKind, Node], tuple[Reading, int]] = {}
        self._noted, self.decided = set[Description](), Decided()
        self.asker = Asker(evidence, context, self.record.usage)
        self._outside = Outside(context, evidence, self.record, self.asker, self.work)
        self._foreseen: dict[Node, Outline] = {}
        self._known: KnownNeeds | None = None
        if arrays and self._settings.logic is not None and self.objects:
            known, limit, logic = self.asker.known, context.limits.tensor_cells, self._settings.logic
            self._known = KnownNeeds(KnownScene(known, self.objects, self._settings, logic, limit))

    @cached_property
    def _executor(self) -> Executor:
        """Evaluates by tensors: bounds, gradients, large tables."""
        context, branches = self.context, None if self.context.schedule is None else BOUND_BRANCHES
        limit, known = context.limits.tensor_cells, KnownAtoms(self.evidence, context)
        return Executor(self.objects, context.logic, context.parameters, known, limit, context.planner, branches)

    @cached_property
    def _tensors(self) -> TensorNeeds:
        return TensorNeeds(self._executor, self.context)

    @cached_property
    def _bounded(self) -> BoundedNeeds | None:
        """Reads bounds off arrays, where a schedule keeps them so."""
        if self._known is None or self.context.schedule is None or self._executor.arrays is None:
            return None
        return BoundedNeeds(self._executor.by_node, self._settings, self._known.scene.logic)

    def _bounded_of(self, node: Node) -> BoundedNeeds | None:
        """Return what reads the bounds of a plan off arrays, unless it is wide, and better planned."""
        return None if self._bounded is None or node.width >= WIDE else self._bounded

    def _described(self, description: Description) -> Described | None:
        """Return what fits a closed description, if that is known."""
        bounded = self._bounded_of(description)
        if self._known is None or not (bounded is None or bounded.is_point(description)):
            return None
        return self._known.described(description)

    @property
    def guessed(self) -> bool:
        """Whether the budget ran out: what is open is answered by the best guess so far."""
        return self.asker.spent

    @property
    def goals(self) -> list[Goal]:
        """The decisions that the schedule worked towards, in order."""
        return self.asker.goals

    def need(self, need: Need, line: int) -> Any:
        """Return the plain value that the program needs at a line.

        Raises
        ------
        Abstain
            If missing evidence leaves it open, and no budget is the reason.
        """
        if need.kind in self._outside:
            return self._outside.need(need, line)
        reading = self.evaluate(need, line)
        if not (reading.settled or self.guessed):
            raise Abstain(f"{readout.OPEN[need.kind]} at line {line} depends on missing evidence")
        self.record.decide(need, reading)
        return reading.value

    def foresee(self, formulas: Sequence[Node], every: bool) -> None:
        """Ask at once for formulas that will be decided one by one: where each is, or where everything is asked."""
        if (every or self.context.schedule is None) and len(formulas) > 1:
            self._prepare(make(CountTrue, tuple(formulas)), "each")

    def evaluate(self, need: Need, line: int) -> Reading:
        """Return what a need comes to, settled or not, and add it to the record."""
        usage, key = self.record.usage, (need.kind, need.of)
        known = self._readings.get(key)
        if known is not None:  # a loop may need the same again and again
            usage.cache_hits += known[1]
            self.work.spend(work.STEPS, 16)
            return known[0]  # the record has it
        looked_up = usage.cache_hits + usage.oracle_calls
        prepared = self._prepare(need.of, readout.GOALS[need.kind])
        started = time.perf_counter()
        reading = self._read(need.kind, prepared, need.of)
        if reading.settled and not self.guessed and self.context.semantics > 1:
            self._readings[key] = reading, usage.cache_hits + usage.oracle_calls - looked_up
        usage.execute_ms += 1000 * (time.perf_counter() - started)
        for evaluator in self._evaluators():
            planned, evaluator.plan_ms = evaluator.plan_ms, 0.0
            usage.plan_ms += planned
            usage.execute_ms = max(usage.execute_ms - planned, 0.0)
            usage.peak_cells = max(usage.peak_cells, evaluator.peak_cells)
        self.record.add(reading, need.of, line, text_of(need.of))
        return reading

    def _read(self, kind: NeedKind, prepared: Node, node: Node) -> Reading:
        """Read what a need comes to off arrays, or else off tensors."""
        with self._confined(prepared):
            return self._reading(kind, prepared, node)

    def _confined(self, node: Node) -> AbstractContextManager[None]:
        """Compute dear formulas only where they may matter to a node, as its decision did."""
        if self.context.schedule is None or not dear(node, self.objects):
            return nullcontext()
        return self._in_boxes(node)

    @contextmanager
    def _in_boxes(self, node: Node) -> Iterator[None]:
        self._executor.confine(node)
        try:
            yield
        finally:
            self._executor.confine(None)

    def _reading(self, kind: NeedKind, prepared: Node, node: Node) -> Reading:
        if isinstance(prepared, Description) or (
            isinstance(prepared, Describe) and prepared.presupposes and prepared.about is None
        ):
            self._settle_fit(prepared)
        known, bounded, reading = self._known, self._bounded_of(prepared), None
        if known is not None and (bounded is None or bounded.is_point(prepared)):
            reading = known.read(kind, prepared, node)
        if reading is None and bounded is not None:
            reading = bounded.read(kind, prepared, node)
        return self._tensors.read(kind, prepared, node) if reading is None else reading

    def _evaluators(self) -> Iterator[Executor | KnownScene | BoundedNeeds]:
        yield from () if self._known is None else (self._known.scene,)
        yield from () if self.__dict__.get("_bounded") is None else (self.__dict__["_bounded"],)
        yield from () if "_executor" not in self.__dict__ else (self._executor,)

    def presuppose(self, described: Describe) -> list[Goal]:
        """Add to the record whether any value fits what a formula described in passing; return what that decided."""
        before = len(self.decided)
        if self.context.semantics > 1:
            prepared = self._prepare(described, "some")
            fit = None if self._known is None else self._known.fit_of_values(prepared.children)
            if fit is None and (bounded := self._bounded_of(prepared)) is not None:
                fit = bounded.fit_of_values(prepared.children)
            fit = fit or fit_of_values([self._executor.truth(body) for body in prepared.children])
            self.record.described(readout.of_values(described), *fit)
        return self._taken_back(before)

    def foresee_plan(self, node: Node, guarded: Node, pushed: Node) -> None:
        """Take a plan guarded, and with its quantifiers pushed inward, as it would be made of a need's."""
        self._foreseen[node], self.asker.pushed[guarded] = outline(guarded), pushed

    def table(self, formula: Node) -> ProbabilisticTensor:
        """Return the truth of a formula over its free variables; of missing evidence the lower bound."""
        return self._executor.truth(self._prepare(formula, "exact")).low

    # --- steps -----------------------------------------------------------------------------------

    def _prepare(self, node: Node, kind: Kind) -> Node:
        """Insert guards, settle the objects that are pointed to, and ask for the atoms that the rest needs."""
        started = time.perf_counter()
        made = self._foreseen.get(node) or guarded(node)
        self.record.usage.plan_ms += 1000 * (time.perf_counter() - started)
        if made.picks:
            made = outline(plan.transform(made.node, self._settle))
        self._charge(made)
        prepared = self._fill(made.node, kind)
        self._check_presuppositions(made)  # as written: a schedule may have pushed variables inward
        return prepared

    def _settle_fit(self, described: Description | Describe) -> None:
        """Ask on, where it is not known yet whether any object fits a description, or any value is true."""
        if self.context.schedule is None or self.context.semantics == 1 or not self.objects:
            return
        goal, before = Goal("some", described), len(self.decided)
        if is_settled(goal, self._executor.by_node):
            return
        if isinstance(described, Description):
            self._fill(make(Exists, described.var, described.body), "decide")  # the likeliest first
        if not is_settled(goal, self._executor.by_node):
            self._fill(described, "some")
        self._taken_back(before)

    def _taken_back(self, before: int) -> list[Goal]:
        """Drop what has been decided since, which is no decision of the program's own; return it."""
        taken, self.decided[before:] = [goal for goal, _ in self.decided[before:]], []
        return taken

    def _fill(self, node: Node, kind: Kind) -> Node:
        prepared = node
        if self.context.schedule is not None:
            # The schedule looks at many small parts, a few ground atoms further each time: nothing to compile.
            prepared = self.asker.fill(node, kind, self._executor.by_node)
            self.decided.bounds = self._executor.arrays
        elif not self.asker.all_asked(outline(node).atoms):
            self.asker.ask_all(node, self.__dict__.get("_executor"))
        self.decided.append((Goal(kind, prepared), node))
        return prepared

    def _settle(self, node: Node) -> Node:
        """Replace a closed choice of an object by what it says of that object: what is asked depends on who it is."""
        if not isinstance(node, ExpectationOver) or not node.pick or node.description.free or not self.objects:
            return node
        description = self._fill(node.description, "argmax")
        assert isinstance(description, Description)
        known, bounded = self._described(description), self._bounded_of(description)
        if known is not None and self._known is not None:
            self._settle_fit(description)
            return self._chosen(node, known, self._known.weight(description, known.best))
        if bounded is not None:
            return self._settle_bounded(bounded, node, description)
        interval = self._executor.over(description)
        high = interval.low.internal if interval.known else interval.high.internal
        index, settled = settled_argmax(self.context.logic, interval.low.internal, high)
        text = plan.show(node.description)
        weight = float(interval.low.iota(description.var, self.context.parameters.iota_tau).values[index])
        ends = weight, weight
        if not interval.known:
            tau = as_float(self.context.parameters.iota_tau)
            ends = softmax_bounds(interval.low.logits, interval.high.logits, index, tau)
        self._settle_fit(description)
        self.record.described(text, *fit_of(self._executor.over(description)))
        if not (settled or self.guessed):
            return node
        self.record.doubts["chosen", text] = ends
        self.record.step(0, text, f"object {index}", bounds.floats(interval.low.values))
        return plan.substitute(node.body, {node.var: index})

    def _settle_bounded(self, bounded: BoundedNeeds, node: ExpectationOver, description: Description) -> Node:
        """Do the same off arrays of bounds."""
        best, settled, weights, fits = bounded.described(description)
        text = plan.show(node.description)
        self._settle_fit(description)
        self.record.described(text, *bounded.fit(description)[0])
        if not (settled or self.guessed):
            return node
        self.record.doubts["chosen", text] = weights
        self.record.step(0, text, f"object {best}", fits)
        return plan.substitute(node.body, {node.var: best})

    def _chosen(self, node: ExpectationOver, known: Described, weight: float) -> Node:
        """Return what is said of the object chosen, and add the choice to the record."""
        text = plan.show(node.description)
        self.record.described(text, *known[:3])
        self.record.doubts["chosen", text] = weight, weight
        self.record.step(0, text, f"object {known.best}", known.fits)
        return plan.substitute(node.body, {node.var: known.best})

    def _charge(self, made: Outline) -> None:
        charge(self.work, made, self.objects, self._settings.laws, self.context.logic.cell_bytes, self.context.limits)

    def _check_presuppositions(self, settled: Outline) -> None:
        """Add what the descriptions of a plan take for granted to the record."""
        if self._known is not None and self.context.schedule is None:
            self._known.foresee(settled)
        for description, text in settled.presupposed:
            self._check_presupposition(description, text)
        if self.context.semantics == 1 or not self.objects:
            return
        for text, holds in settled.relative:
            told = self._settle_holds(holds)
            fit = None if self._known is None else self._known.fit(told)
            if fit is None:
                with self._confined(told):
                    truth = self._executor.truth(told)
                fit = not bool(truth.high.decide()), (float(truth.low.values), float(truth.high.values))
            self.record.described(text, fit[0], False, fit[1])

    def _settle_holds(self, holds: Node) -> Node:
        """Ask on, with a schedule, until it is known whether a presupposition holds; return it as it is evaluated."""
        self._charge(outline(holds))
        before = len(self.decided)
        prepared = holds if self.context.schedule is None else self._fill(holds, "some")
        self._taken_back(before)
        return prepared

    def _check_presupposition(self, description: Description, text: str) -> None:
        """Add a closed description to the record: as unmatched, or with the object that it means."""
        if description in self._noted:
            return
        if not self.objects:
            self.record.described(text, True, False, (0.0, 0.0))
            return
        self._settle_fit(description)
        bounded = self._bounded_of(description)
        # What is no more than a least of scores is the same off bounds that have met.
        known = None if bounded is not None and is_least(description.body) else self._described(description)
        if known is None and bounded is not None:
            fit, cells = bounded.fit(description)
            if cells is None:
                self.record.described(text, *fit)
                return
            known = Described(*fit, int(cells.internal.argmax()), tuple(cells.values.tolist()))
        if known is not None:
            self._noted.add(description)
            self.record.described(text, *known[:3])
            if not known.unmatched:
                self.record.step(0, text, f"object {known.best}", known.fits)
            return
        described = self._executor.over(description)
        unmatched, several, ends = fit_of(described)
        self.record.described(text, unmatched, several, ends)
        if described.known:
            self._noted.add(description)
        if described.known and not unmatched:
            best = int(self.context.logic.ranks(described.low.internal).argmax())
            self.record.step(0, text, f"object {best}", bounds.floats(described.low.values))
