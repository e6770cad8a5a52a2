"""An oracle that is asked ahead: what it says of pictures under way is kept until it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.types import Cost, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

Cell = tuple[int, ...]
_Key = tuple[str, int]
"""The words of a question, and of how many objects it is."""


class _Bill:
    """What a request cost, paid by whoever asks for any of its cells first."""

    def __init__(self, cost: Cost | None) -> None:
        self.cost = cost

    def pay(self) -> Cost | None:
        """Return what it cost, once."""
        found, self.cost = self.cost, None
        return found


@dataclass
class _Told:
    """What the oracle said of one question on a picture: cells, the bills of those that no sample asked for yet."""

    cells: dict[Cell, tuple[float, ...]] = field(default_factory=dict)
    bills: dict[Cell, _Bill] = field(default_factory=dict)


@dataclass
class _Said:
    """What the oracle said of a picture that is asked about ahead; it holds the scene, so that its id is its own."""

    scene: Scene
    told: dict[_Key, _Told] = field(default_factory=dict)
    users: int = 0

    def of(self, request: ScoreRequest) -> _Told:
        return self.told.setdefault((request.question.text, request.question.arity), _Told())


class Ahead:
    """An oracle in front of another, which is asked ahead.

    Parameters
    ----------
    inner
        Who answers.
    ask
        Asks it, and checks what it says.

    Attributes
    ----------
    batches
        Calls of `inner` so far.
    unneeded
        Ground atoms that were asked ahead and then not asked for.
    """

    def __init__(self, inner: Oracle, ask: Callable[[Oracle, Sequence[ScoreRequest]], Sequence[Scores]]) -> None:
        self.inner, self.name, self._ask = inner, inner.name, ask
        self.batches = self.unneeded = 0
        self._pictures: dict[int, _Said] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, in order: from what was asked ahead, the rest by one call."""
        if not self._pictures:
            self.batches += 1
            return self.inner.score(requests)
        return self._answered(requests, foreseen=False)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, in order."""
        self.batches += 1
        return self.inner.query(requests)

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the oracle says of a picture."""
        return domain_of(self.inner, scene)

    def foresee(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Ask ahead, in one call, and keep what is said; what was said before of these pictures is not asked again."""
        return self._answered(requests, foreseen=True)

    def begin(self, scene: Scene) -> None:
        """Keep from now on what is said of a picture, until it is forgotten as often as it was begun."""
        self._pictures.setdefault(id(scene), _Said(scene)).users += 1

    def forget(self, scene: Scene) -> None:
        """Drop what was said of a picture, and count what was asked ahead and not asked for."""
        said = self._pictures[id(scene)]
        said.users -= 1
        if not said.users:
            del self._pictures[id(scene)]
            self.unneeded += sum(len(told.bills) for told in said.told.values())

    def _sent(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.batches += 1
        return list(self._ask(self.inner, requests))

    def _answered(self, requests: Sequence[ScoreRequest], foreseen: bool) -> list[Scores]:
        rows = [list(map(tuple, request.objects.tolist())) for request in requests]
        tables = [p.of(r) if (p := self._pictures.get(id(r.scene))) is not None else _Told() for r in requests]
        lacking = [
            [k for k, cell in enumerate(cells) if cell not in told.cells]
            for cells, told in zip(rows, tables, strict=True)
        ]
        fresh = [
            ScoreRequest(r.scene, r.question, r.objects[where])
            for r, where in zip(requests, lacking, strict=True)
            if where
        ]
        said = iter(self._sent(fresh) if fresh else ())
        for cells, told, where in zip(rows, tables, lacking, strict=True):
            if where:
                scores = next(said)
                bill = _Bill(scores.cost)
                for k, values in zip(where, scores.cells(), strict=True):
                    told.cells[cells[k]], told.bills[cells[k]] = values, bill
        return [
            Scores.of_cells([told.cells[cell] for cell in cells], None if foreseen else _paid(told, cells))
            for cells, told in zip(rows, tables, strict=True)
        ]


def _paid(told: _Told, cells: Sequence[Cell]) -> Cost | None:
    """Return what cells cost that no sample has asked for yet; they are asked for now."""
    total: Cost | None = None
    for cell in cells:
        bill = told.bills.pop(cell, None)
        cost = None if bill is None else bill.pay()
        if cost is not None:
            total = cost if total is None else total + cost
    return total
