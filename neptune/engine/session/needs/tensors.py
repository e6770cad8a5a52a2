"""The needs of a run read off intervals of tensors: for every logic, with bounds and with gradients."""

from __future__ import annotations

from dataclasses import replace

from dsl import plan
from dsl.plan import Count, CountTrue, Describe, Description, Exists, ExpectationOver, Node, Number, make
from neptune.algebra import iota
from neptune.algebra.convert import as_float
from neptune.algebra.late import torch
from neptune.engine.compile.descriptions import mixture_bounds
from neptune.engine.context import RunContext
from neptune.engine.evaluate import bounds
from neptune.engine.evaluate.bounds import Interval, fit_of, fit_of_values, settled_argmax, softmax_bounds
from neptune.engine.evaluate.executor import Executor
from neptune.engine.session import readout
from neptune.engine.session.needs.base import Needs
from neptune.engine.session.readout import Reading


class TensorNeeds(Needs[Reading]):
    """Reads needs.

    Parameters
    ----------
    executor
        Evaluates plans.
    context
        What the program is run with.
    """

    def __init__(self, executor: Executor, context: RunContext) -> None:
        self._executor, self.context, self.objects = executor, context, executor.objects

    def _truth(self, prepared: Node, node: Node) -> Reading:
        interval = self._executor.truth(prepared)
        low, high = interval.low, interval.high
        yes = bool(low.decide()), bool(high.decide())
        tie = interval.known and bool(low.is_tie())
        witness = self._witness(node, prepared) if all(yes) else ()
        return readout.truth(float(low.values), float(high.values), yes, tie, witness)

    def _probability(self, prepared: Node, node: Node) -> Reading:
        reading, interval = self._truth(prepared, node), self._values(prepared)
        low, high = float(interval.low.values), float(interval.high.values)
        settled = low == high
        return replace(reading, kind="number", value=(low + high) / 2, probability=None, bounds=None, settled=settled)

    def _values(self, prepared: Node) -> Interval:
        """Return the values of a formula: node by node, as the schedule saw its bounds meet, where another order of
        the same operations keeps them apart by rounding."""
        interval = self._executor.truth(prepared)
        return interval if interval.known else self._executor.by_node.truth(prepared)

    def _number(self, prepared: Node, node: Node) -> Reading:
        low, high = self._executor.number(prepared)
        if isinstance(prepared, Number):
            return readout.number(low, high, 1.0)
        if low == high and isinstance(prepared, CountTrue) and self.context.semantics > 1:
            parts = [self._executor.truth(body) for body in prepared.bodies]
            if all(part.known for part in parts):
                return readout.number(low, high, bounds.exactly(self.context.logic, [part.low for part in parts], low))
        if low == high and isinstance(prepared, Count) and not prepared.free:
            cells = self._executor.over(prepared)
            if cells.known:
                values, hits = bounds.floats(cells.low.values), bounds.places(cells.low.decide())
                return readout.number(low, high, float(cells.low.exactly(low, prepared.var).values), values, hits)
        return readout.number(low, high)

    def _objects(self, prepared: Node, node: Node) -> Reading:
        interval = self._executor.truth(prepared)
        low, high = interval.low.decide(), interval.high.decide()
        scores = interval.low.values
        if not low.dim():  # the same for every object, such as left(x, x)
            low, high, scores = (x.expand([self.objects]) for x in (low, high, scores))
            settled, likely = bool(torch.equal(low, high)), low
        else:
            settled = bool(torch.equal(low, high))
            likely = low if settled else scores + interval.high.values > 1.0
        return readout.objects(bounds.places(likely), bounds.floats(scores) if interval.known else None, settled)

    def _ranking(self, prepared: Node, node: Node) -> Reading:
        interval = self._values(prepared)
        # One number an object, also where all have the same, such as of left(x, x).
        scores = bounds.floats(((interval.low.values + interval.high.values) / 2).expand(self.objects))
        return Reading("list", list(scores), settled=interval.known, shown="ranked", traced=scores)

    def _object(self, prepared: Node, node: Node) -> Reading:
        assert isinstance(prepared, Description)
        if not self.objects:
            return Reading("nothing", -1, unmatched=True, fit=(0.0, 0.0))
        interval = self._executor.over(prepared)
        logic, tau = self.context.logic, self.context.parameters.iota_tau
        low, high = interval.low, interval.high
        best, settled = settled_argmax(logic, low.internal, low.internal if interval.known else high.internal)
        ranks = logic.ranks(low.internal)
        return readout.described(
            best,
            bounds.floats(low.iota(prepared.var, tau).values),
            bounds.floats(low.values),
            interval.known and int((ranks == ranks[best]).sum()) > 1,
            *fit_of(interval),
            settled,
            None if interval.known else softmax_bounds(low.logits, high.logits, best, as_float(tau)),
        )

    def _text(self, prepared: Node, node: Node) -> Reading:
        assert isinstance(prepared, Describe)
        presupposes = prepared.presupposes and prepared.about is None and self.context.semantics > 1
        best, settled, scores = self._executor.choose(prepared)
        tie = int((scores == scores[best]).sum()) > 1
        if prepared.about is not None and self.objects:
            probability, ends = self._mixture(prepared, best)
        else:
            probability, ends = float(scores[best]), None
            open_ = self.context.schedule is not None or not settled
            parts = [self._executor.by_node.truth(b) for b in prepared.bodies] if open_ else []
            if not all(p.known for p in parts):
                low = torch.stack([p.low.logits.reshape(()) for p in parts])
                high = torch.stack([p.high.logits.reshape(()) for p in parts])
                ends = softmax_bounds(low, high, best, 1.0)
        reading = readout.text(prepared.values[best], probability, tie, settled, ends)
        if presupposes:
            unmatched, several, fit = fit_of_values([self._executor.truth(b) for b in prepared.bodies])
            reading = replace(reading, unmatched=unmatched, several=several, fit=fit)
        if not self.objects and any(isinstance(inner, ExpectationOver) for inner in plan.walk(node)):
            return Reading("nothing", None, tie=tie, shown=reading.shown)
        return reading

    def _mixture(self, node: Describe, best: int) -> tuple[float, tuple[float, float] | None]:
        """Return the probability of a value of the object meant, the objects weighed; and bounds where it is open."""
        assert node.about is not None
        var, description = node.about
        fits = self._executor.over(description)
        said = [
            self._executor.over(make(Description, var, b.body)) for b in node.bodies if isinstance(b, ExpectationOver)
        ]
        tau = self.context.parameters.iota_tau
        each = torch.stack([s.low.logits for s in said], -1)
        if fits.known and all(s.known for s in said):
            return float(iota.mixture(fits.low.logits, None, tau, each)[best].to(fits.low.dtype)), None
        low, high = mixture_bounds(
            torch.stack([fits.low.logits, fits.high.logits]),
            torch.stack([each, torch.stack([s.high.logits for s in said], -1)]),
            best,
            as_float(tau),
        )
        return (low + high) / 2, (low, high)

    def _witness(self, node: Node, prepared: Node) -> tuple[tuple[Exists, int], ...]:
        """Return the objects that made a chain of ∃ true: of those that reach the value, the lowest tuple.

        Where the value is only bounded, they are objects that are known to make it true.
        """
        chain: list[Exists] = []
        while isinstance(node, Exists):
            chain.append(node)
            node = node.body
        found = self._executor.witness(prepared, [link.var for link in chain])
        return tuple((link, found.get(link.var, 0)) for link in chain) if found else ()
