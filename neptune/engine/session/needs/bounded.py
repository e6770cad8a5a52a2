"""The needs of a run under a schedule, read off arrays of bounds, as :mod:`.tensors` reads them off intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from dsl.plan import (
    And,
    Atom,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Node,
    Not,
    Number,
    Same,
    make,
)
from neptune.algebra.arrays import Array, ArrayLogic, clamped
from neptune.algebra.iota import SMALL_TAU
from neptune.algebra.late import torch
from neptune.engine.evaluate.arrays import Cells, Settings
from neptune.engine.evaluate.bounds import Fit, largest, seek, softmax_bounds
from neptune.engine.evaluate.ends.arithmetic import weights_between
from neptune.engine.evaluate.executor import Executor
from neptune.engine.session import readout
from neptune.engine.session.needs.base import Needs
from neptune.engine.session.readout import Reading

_TINY = float(np.finfo(np.float64).tiny)
_ROWS, _OF_NOTHING = np.array([[0], [1]]), np.array([[1.0], [0.0]])
SHARP = 0.5
"""Below this temperature the logits of a softmax, within their limits, lie further apart than arrays take them."""


@lru_cache(maxsize=4096)
def is_least(node: Node) -> bool:
    """Tell whether a formula is a conjunction of literals, none of them beside its opposite."""
    parts = node.operands if isinstance(node, And) else (node,)
    literals = [part.body if isinstance(part, Not) else part for part in parts]
    if len(set(literals)) < len(parts):
        return False
    return all(isinstance(x, Atom) or (isinstance(x, Same) and x is not part) for x, part in zip(literals, parts))


class BoundedNeeds(Needs[Reading | None]):
    """Reads needs of which not all is known; ``None`` where tensors have to be used.

    Parameters
    ----------
    evaluator
        Gives bounds node by node.
    settings, logic
        The settings of the run, and their logic on arrays.
    """

    def __init__(self, evaluator: Executor, settings: Settings, logic: ArrayLogic) -> None:
        self._evaluator, self._settings, self._logic = evaluator, settings, logic
        self.peak_cells, self.plan_ms = 0, 0.0

    def ends(self, node: Node) -> tuple[Cells, Cells]:
        """Return the bounds of a formula, over its sorted free variables, or of the body of a description or count; the
        same table twice where the value is known."""
        evaluator, arrays = self._evaluator, self._evaluator.arrays
        assert arrays is not None
        low, high = ends = evaluator.ends(node)
        made = node.body if isinstance(node, Description) else node
        probable = made in arrays.probabilities
        if self._evaluator.objects**made.width > self.peak_cells:  # no table is larger
            self.peak_cells = max(self.peak_cells, arrays.peak(made))
        if probable:
            low, high = evaluator.ends(node, chances=True)
        found = Cells(self._logic, low, probable, ends[0])
        if low is high or b"\0" not in (low == high).tobytes():
            return found, found
        return found, Cells(self._logic, high, probable, ends[1])

    def is_point(self, node: Node) -> bool:
        """Tell whether all that a plan speaks of is known, as far as its bounds tell."""
        parts = node.children if isinstance(node, Describe) else (node,)
        if isinstance(node, CountTrue | Number):
            return True
        for part in parts:
            low, high = self._evaluator.ends(part)
            if low is not high:
                return False
        return True

    def fit(self, description: Description) -> tuple[Fit, Cells | None]:
        """Return whether nothing fits a description, whether several do, as far as is known, and bounds of how true it
        is that something does; and how well each object fits, if that is known."""
        low, high = self.ends(description)
        if low is high:
            sure, least = int(np.count_nonzero(low.decide())), float(np.maximum.reduce(low.values))
            return (not sure, sure > 1, (least, least)), low
        # Of a few objects quicker by lists than by arrays: their chances are asked of the largest alone.
        cells, middle = low.held.tolist(), 0.5 if low.probable else self._logic.middle
        most = max(cells), max(high.held.tolist())
        chances = Cells(self._logic, np.array(most, dtype=low.held.dtype), low.probable).values.tolist()
        return (not most[1] > middle, sum([x > middle for x in cells]) > 1, (chances[0], chances[1])), None

    def fit_of_values(self, bodies: Sequence[Node]) -> Fit:
        """Return the same of the closed truths of a value's alternatives."""
        truths = [self.ends(body) for body in bodies]
        fit = max(float(low.values) for low, _ in truths), max(float(high.values) for _, high in truths)
        several = sum(bool(low.decide()) for low, _ in truths) > 1
        return not any(bool(high.decide()) for _, high in truths), several, fit

    def described(self, description: Description) -> tuple[int, bool, tuple[float, float], tuple[float, ...]]:
        """Return the object that fits a closed description best, whether it is settled, bounds of how likely it is the
        one, and how well each object fits, as far as is known."""
        low, high = self.ends(description)
        best, settled = largest(self._evaluator.logic, low.internal, high.internal)
        tau = self._settings.iota_tau
        weight = float(self._logic.weights(low.logits, tau)[best])
        ends = (weight, weight) if low is high else self._share(low.logits, high.logits, best, tau)
        return best, settled, ends, _floats(low.values)

    def _truth(self, prepared: Node, node: Node) -> Reading | None:
        low, high = self.ends(prepared)
        yes = bool(low.decide()), bool(high.decide())
        chain: list[Exists] = []
        found: dict[str, int] | None = {}
        if all(yes):
            while isinstance(node, Exists):
                chain.append(node)
                node = node.body
            found = self._witness(prepared, [link.var for link in chain]) if chain else {}
            if found is None:
                return None
        witness = tuple([(link, found.get(link.var, 0)) for link in chain]) if found else ()
        tie = low is high and bool(low.is_tie())
        return readout.truth(float(low.values), float(high.values), yes, tie, witness)

    def _witness(self, node: Node, vars: list[str]) -> dict[str, int] | None:
        """Return the lowest objects that make a closed formula as true as it is known to be, as
        :meth:`Executor.witness` does; ``None``: they have to be searched for."""
        found: dict[str, int] = {}
        if len(set(vars)) < len(vars) or seek(node, frozenset(vars), found, self._best, lambda block: None):
            return found
        return None

    def _best(self, body: Node) -> int:
        return int(self.ends(body)[0].internal.argmax())

    def _number(self, prepared: Node, node: Node) -> Reading | None:
        if not isinstance(prepared, Count) or prepared.free:
            return None
        low, high = self.ends(prepared)
        counts = [int(np.count_nonzero(cells.decide())) for cells in (low, high)]
        if low is not high:
            return readout.number(counts[0], counts[1])
        hits = tuple(np.flatnonzero(low.decide()).tolist())
        return readout.number(counts[0], counts[0], low.exactly(counts[0]), _floats(low.values), hits)

    def _by_tensors(self, prepared: Node, node: Node) -> None:
        return None

    _probability = _objects = _ranking = _by_tensors

    def _object(self, prepared: Node, node: Node) -> Reading | None:
        assert isinstance(prepared, Description)
        low, high = self.ends(prepared)
        best, settled = largest(self._evaluator.logic, low.internal, high.internal)
        weights = self._logic.weights(low.logits, self._settings.iota_tau)
        ranks, known = self._logic.ranks(low.internal), low is high
        ends = None if known else self._share(low.logits, high.logits, best, self._settings.iota_tau)
        tie = known and int((ranks == ranks[best]).sum()) > 1
        (unmatched, several, fit), _ = self.fit(prepared)
        values = _floats(low.values)
        return readout.described(best, _floats(weights), values, tie, unmatched, several, fit, settled, ends)

    def _text(self, prepared: Node, node: Node) -> Reading | None:
        assert isinstance(prepared, Describe)
        low, high, known = self._closed(prepared)
        best, settled = largest(self._evaluator.logic, low, high)
        logits = self._logic.to_logits(low)
        if not known:
            logits = (logits.clip(-50, 50) + self._logic.to_logits(high).clip(-50, 50)) / 2
        scores = self._logic.choice(clamped(logits))
        tie, chance, ends = int(np.count_nonzero(scores == scores[best])) > 1, float(scores[best]), None
        if prepared.about is not None:
            chance, ends = self._mixture(prepared, best)
        elif not known:
            ends = self._share(self._logic.to_logits(low), self._logic.to_logits(high), best, 1.0)
        reading = readout.text(prepared.values[best], chance, tie, settled, ends)
        if prepared.presupposes and prepared.about is None:
            unmatched, several, fit = self.fit_of_values(prepared.bodies)
            reading = replace(reading, unmatched=unmatched, several=several, fit=fit)
        return reading

    def _closed(self, node: Describe) -> tuple[Array, Array, bool]:
        """Return bounds of the closed truths of a value's alternatives as carrier values, and whether all are known."""
        evaluator, arrays = self._evaluator, self._evaluator.arrays
        assert arrays is not None
        self.peak_cells = max(self.peak_cells, arrays.peak(node))
        rows, known = [], True
        for body in node.bodies:
            low, high = ends = evaluator.ends(body)
            if low is not high and body in arrays.probabilities:
                low, high = evaluator.ends(body, chances=True)
            met = low is high or bool(low == high)
            rows.append((float(ends[0]), float(ends[0 if met else 1])))
            known &= met
        low, high = np.array(rows, dtype=ends[0].dtype).T
        return low, low if known else high, known

    def _mixture(self, node: Describe, best: int) -> tuple[float, tuple[float, float] | None]:
        """Return the probability of a value of the object meant, the objects weighed; and bounds where it is open."""
        assert node.about is not None
        (var, description), tau = node.about, self._settings.iota_tau
        said: list[Array] = []
        for body in [b.body for b in node.bodies if isinstance(b, ExpectationOver)]:
            said += self._evaluator.ends(body if body.free else make(Description, var, body))
        cells = clamped(np.array(said).astype(np.float64).reshape(-1, 2, self._evaluator.objects))
        lows, highs = cells[:, 0], cells[:, 1]
        fits = self.ends(description)
        if fits[0] is fits[1] and b"\0" not in (lows == highs).tobytes():
            weights = self._logic.weights(fits[0].logits.astype(np.float64), tau)
            chance = (weights[:, None] * self._logic.softmax(lows.T)).sum(-2)[best]
            return float(fits[0].logits.dtype.type(chance)), None
        mixed = np.array((highs, lows))
        mixed[:, best] = lows[best], highs[best]
        shares = self._logic.softmax(mixed.transpose(0, 2, 1))[..., best]
        ends = clamped(np.array([cells.logits for cells in fits]).astype(np.float64))
        if tau == 0.0:
            possible = ends[1] >= ends[0].max()
            low, high = float(shares[0, possible].min()), float(shares[1, possible].max())
        else:
            low, high = _extremes(_weights(ends, tau), shares)
        return (low + high) / 2, (low, high)

    def _share(self, low: Array, high: Array, index: int, tau: float) -> tuple[float, float]:
        """Return bounds of one cell's share of a softmax: :func:`~neptune.engine.evaluate.bounds.softmax_bounds`."""
        if tau == 0.0:
            return 0.0, 1.0
        if tau < SHARP:
            return softmax_bounds(torch.from_numpy(low), torch.from_numpy(high), index, tau)
        low, high = clamped(low), clamped(high)
        own = np.arange(len(low)) == index
        # In float32, as tensors have it: bounds that meet there meet here.
        least, most = (
            self._logic.choice(ends / np.float32(tau))[index]
            for ends in (np.where(own, low, high), np.where(own, high, low))
        )
        return float(least), float(most)


def _weights(logits: Array, tau: float) -> Array:
    """Return bounds of weights, ``(2, N)``, as tensors have them (:mod:`neptune.engine.compile.descriptions`), so that
    bounds that meet there meet here."""
    return np.exp(logits / tau) if tau >= SMALL_TAU else weights_between(logits, tau)


def _extremes(w: Array, r: Array) -> tuple[float, float]:
    """Return :func:`neptune.engine.compile.descriptions.fractional_bounds` of one row, operation by operation: the
    least of ``Σ w·r / Σ w`` for weights between the two rows of `w` and r the first of `r`, the most for the other."""
    order = np.array((r[0], -r[1])).argsort(axis=-1, kind="stable")
    running = np.zeros((4, *order.shape[:-1], order.shape[-1] + 1))
    (w_low, w_high), r = w[:, order], r[_ROWS, order]
    np.cumsum((w_high, w_high * r, w_low, w_low * r), axis=-1, out=running[..., 1:])
    total, weighted = running[:2] + running[2:, :, -1:] - running[2:]
    ratios = np.where(total > 0, weighted / np.maximum(total, _TINY), _OF_NOTHING).tolist()
    return min(max(min(ratios[0]), 0.0), 1.0), min(max(*ratios[1], 0.0), 1.0)


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())
