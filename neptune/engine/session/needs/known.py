"""The needs of a run on a scene of which all is known, read off arrays: what :class:`Session` reads off bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dsl.plan import Count, CountTrue, Describe, Description, Exists, Node, Number, walk
from neptune.algebra.arrays import Array
from neptune.engine.evaluate.arrays import Cells, KnownScene
from neptune.engine.evaluate.outline import Outline, outline
from neptune.engine.interpret.values import NeedKind
from neptune.engine.session import readout
from neptune.engine.session.needs.base import Needs
from neptune.engine.session.readout import Reading


class Described(NamedTuple):
    """A description's body over the objects: whether nothing fits it, whether several do, how true it is that one does
    (as bounds), the object that fits best, and how well each does."""

    unmatched: bool
    several: bool
    fit: tuple[float, float]
    best: int
    fits: tuple[float, ...]


def _is_of_anything(node: Node) -> bool:
    """Tell whether a formula is one ∃, which says nothing of its variable."""
    if not isinstance(node, Exists) or node.var in node.body.free:
        return False
    return not any(isinstance(inner, Exists) for inner in walk(node.body))


class KnownNeeds(Needs[Reading | None]):
    """Reads needs of which all is known; ``None`` where it is not, or where tensors have to be used.

    Parameters
    ----------
    scene
        Evaluates plans.
    """

    def __init__(self, scene: KnownScene) -> None:
        self.scene = scene

    def read(self, kind: NeedKind, prepared: Node, node: Node) -> Reading | None:
        """Return what a need comes to, if all is known that its plan reads."""
        return super().read(kind, prepared, node) if self.scene.holds(outline(prepared)) else None

    def foresee(self, outline: Outline) -> None:
        """Evaluate at once what a plan comes to, and what it takes for granted."""
        self.scene.foresee(outline)

    def fit(self, holds: Node) -> tuple[bool, tuple[float, float]] | None:
        """Return whether a closed formula is false, and how true it is, as bounds; ``None`` where not all is known."""
        if not self.scene.holds(outline(holds)):
            return None
        cells = self.scene.truth(holds)
        value = float(cells.values)
        return not bool(cells.decide()), (value, value)

    def fit_of_values(self, bodies: Sequence[Node]) -> tuple[bool, bool, tuple[float, float]] | None:
        """Return whether none of the formulas of some values is true, whether several are, and how true the truest is,
        as bounds; ``None`` where not all is known."""
        return self._fit_of(bodies) if all(self.scene.holds(outline(body)) for body in bodies) else None

    def _fit_of(self, bodies: Sequence[Node]) -> tuple[bool, bool, tuple[float, float]]:
        truths = [self.scene.truth(body) for body in bodies]
        sure = sum(bool(t.decide()) for t in truths)
        most = max(float(t.values) for t in truths)
        return not sure, sure > 1, (most, most)

    def weight(self, description: Description, best: int) -> float:
        """Return how likely it is that an object is the one described."""
        cells = self.scene.over(description)
        return float(self.scene.logic.weights(cells.logits, self.scene.settings.iota_tau)[best])

    def described(self, description: Description) -> Described | None:
        """Return what fits a closed description; ``None`` where not all is known."""
        if not (self.scene.is_foreseen(description.body) or self.scene.holds(outline(description))):
            return None
        cells = self.scene.over(description)
        unmatched, several, fit = _fit(cells)
        return Described(unmatched, several, fit, int(self._ranks(cells).argmax()), _floats(cells.values))

    def _ranks(self, cells: Cells) -> Array:
        return self.scene.logic.ranks(cells.internal)

    def _truth(self, prepared: Node, node: Node) -> Reading | None:
        cells = self.scene.truth(prepared)
        yes, value = bool(cells.decide()), float(cells.values)
        chain: list[Exists] = []
        found: list[int] | None = []
        if yes:
            while isinstance(node, Exists):
                chain.append(node)
                node = node.body
            if len(chain) == 1 and _is_of_anything(prepared):
                chain = []  # whoever is there
            found = self.scene.witness(prepared, [link.var for link in chain]) if chain else []
            if found is None:
                return None
        witness = tuple(zip(chain, found or (), strict=True))
        return readout.truth(value, value, (yes, yes), bool(cells.is_tie()), witness)

    def _probability(self, prepared: Node, node: Node) -> Reading | None:
        reading = self._truth(prepared, node)
        if reading is None:
            return None
        value = float(self.scene.truth(prepared).values)
        return replace(reading, kind="number", value=value, probability=None, bounds=None, settled=True)

    def _number(self, prepared: Node, node: Node) -> Reading | None:
        number = self.scene.number(prepared)
        if isinstance(prepared, Number):
            return readout.number(number, number, 1.0)
        if isinstance(prepared, CountTrue):
            parts = [self.scene.truth(body).internal.reshape(1) for body in prepared.bodies]
            if not parts:
                return None
            return readout.number(number, number, Cells(self.scene.logic, np.concatenate(parts)).exactly(number))
        if isinstance(prepared, Count) and not prepared.free:
            cells = self.scene.over(prepared)
            probability = cells.exactly(number)
            return readout.number(number, number, probability, _floats(cells.values), _true(cells.decide()))
        return None

    def _objects(self, prepared: Node, node: Node) -> Reading | None:
        cells = self.scene.truth(prepared)
        hits, scores = cells.decide(), cells.values
        if not hits.ndim:  # the same for every object, such as left(x, x)
            hits, scores = (np.repeat(x, self.scene.objects) for x in (hits, scores))
        return readout.objects(_true(hits), _floats(scores))

    def _ranking(self, prepared: Node, node: Node) -> Reading | None:
        values = self.scene.truth(prepared).values
        # A formula of no variable is as true of every object.
        scores = _floats(values if values.ndim else np.repeat(values, self.scene.objects))
        return Reading("list", list(scores), shown="ranked", traced=scores)

    def _object(self, prepared: Node, node: Node) -> Reading | None:
        assert isinstance(prepared, Description)
        cells = self.scene.over(prepared)
        ranks = self._ranks(cells)
        best = int(ranks.argmax())
        weights = self.scene.logic.weights(cells.logits, self.scene.settings.iota_tau)
        tie = int((ranks == ranks[best]).sum()) > 1
        return readout.described(best, _floats(weights), _floats(cells.values), tie, *_fit(cells))

    def _text(self, prepared: Node, node: Node) -> Reading | None:
        assert isinstance(prepared, Describe)
        best, scores = self.scene.choose(prepared)
        tie = int((scores == scores[best]).sum()) > 1
        probability = float(scores[best]) if prepared.about is None else self.scene.mixture(prepared, best)
        reading = readout.text(prepared.values[best], probability, tie)
        if prepared.presupposes and prepared.about is None:
            unmatched, several, fit = self._fit_of(prepared.bodies)
            reading = replace(reading, unmatched=unmatched, several=several, fit=fit)
        return reading


def _fit(cells: Cells) -> tuple[bool, bool, tuple[float, float]]:
    """Return whether nothing fits, whether several do, and how true it is that something does."""
    sure, most = int(np.count_nonzero(cells.decide())), float(np.maximum.reduce(cells.values))
    return not sure, sure > 1, (most, most)


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())


def _true(hits: Array) -> tuple[int, ...]:
    return tuple(np.flatnonzero(hits).tolist())
