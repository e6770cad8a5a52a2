"""An oracle that remembers on disk: what a model was asked once is not asked again.

>>> oracle = CachedOracle(OpenAIOracle("gpt-5-mini", provider="openai"), "oracle-cache.sqlite")   # doctest: +SKIP
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from neptune.errors import ConfigError
from neptune.perception.oracle.caching.store import Asked, Store, store_of
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.identity import cell_keys, picture_key
from neptune.scene.types import Cost, Oracle, QueryRequest, ScoreRequest, Scores, Texts, domain_of

KEEP_CELLS, KEEP_SECONDS = 2000, 0.1
"""Answers that come one by one are written when there are so many, or after so long."""

Done = Callable[[int, int, tuple[Any, ...]], None]
"""Is told of each cell as it is answered: the request's place, the row in it, ``(logit, mass)`` or ``(text,)``."""


@runtime_checkable
class Gradual(Protocol):
    """An oracle that tells of its answers one by one, so that those before a failure or a kill are not lost."""

    def score_each(self, requests: Sequence[ScoreRequest], done: Done) -> list[Scores]:
        """Answer as ``score`` does, calling `done` in the caller's thread."""
        ...

    def query_each(self, requests: Sequence[QueryRequest], done: Done) -> list[list[str | None]]:
        """Answer as ``query`` does, calling `done` in the caller's thread."""
        ...


class CachedOracle:
    """Answers from a file what it knows, asks the inner oracle the rest, and keeps what that says.

    A cell is known by the pixels of the picture, the boxes of its objects, the question's words and arity, the choices,
    and the inner oracle's identity. Missing evidence (NaN, no text) is not kept: it is asked again another time.

    Parameters
    ----------
    inner
        The oracle; it must have an ``identity``.
    place
        The SQLite file, which several processes may share; or another :class:`Store`.

    Raises
    ------
    ConfigError
        If the oracle has no identity.
    """

    def __init__(self, inner: Oracle, place: str | Path | Store) -> None:
        if not has_identity(inner):
            raise ConfigError(
                f"The oracle '{inner.name}' can not be cached",
                expected="an oracle with an identity",
                hint="Set oracle_cache to null",
            )
        self.inner, self.name = inner, inner.name
        self.store = store_of(place)

    @property
    def identity(self) -> str:
        """The inner oracle's."""
        return str(self.inner.identity)  # type: ignore[attr-defined]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions; a cell that is known is not asked.

        Raises
        ------
        OracleError
            As the inner oracle. What it answered before is kept.
        OracleFailedError
            If the file can not be used.
        """
        return [Scores.of_cells(values, cost) for values, cost in self._ask("score", requests)]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions; a cell that is known is not asked. Errors as :meth:`score`."""
        return [Texts([text for (text,) in values], cost) for values, cost in self._ask("query", requests)]

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the inner oracle says of the picture; it is not kept."""
        return domain_of(self.inner, scene)

    def _ask(self, kind: str, requests: Sequence[Any]) -> Iterable[tuple[list[Any], Cost]]:
        """Return for each request the value of each of its cells, and what they cost."""
        plan = _Plan(self.store, self.identity, kind, requests)
        answers: list[Any] = []
        if plan.rest:
            with _Keeper(self.store, plan) as keep:
                if isinstance(self.inner, Gradual):
                    answers = getattr(self.inner, f"{kind}_each")(plan.rest, keep)
                else:
                    answers = getattr(self.inner, kind)(plan.rest)
                    for k, answer in enumerate(answers):
                        for row, value in enumerate(_cells(answer)):
                            keep(k, row, value)
        for (place, cells), answer in zip(plan.places, answers):
            plan.known |= {(plan.asked[place], cell): value for cell, value in zip(cells, _cells(answer))}
        return zip(plan.values(), plan.costs([getattr(answer, "cost", None) for answer in answers]))


def has_identity(oracle: Oracle) -> bool:
    """Tell whether an oracle can be cached."""
    # A server may have to be asked for the identity's value: not here.
    return hasattr(type(oracle), "identity") or hasattr(oracle, "identity")


def _cells(answer: Scores | list[str | None]) -> list[tuple[Any, ...]]:
    """Return the value of each cell of an answer: ``(logit, mass)`` or ``(text,)``."""
    if isinstance(answer, Scores):
        return list(answer.cells())
    return [(text,) for text in answer]


class _Plan:
    """What is known of a list of requests, and the requests for the rest, each cell once."""

    def __init__(self, store: Store, identity: str, kind: str, requests: Sequence[Any]) -> None:
        self.asked: list[Asked] = []
        self.cells: list[list[bytes]] = []
        self.known: dict[tuple[Asked, bytes], Any] = {}
        self.stored: list[int] = []
        self.rest: list[Any] = []
        self.places: list[tuple[int, list[bytes]]] = []
        """For each request of `rest`: which request it is part of, and its cells."""
        for place, request in enumerate(requests):
            choices = getattr(request, "choices", ())
            asked = Asked(
                identity,
                picture_key(request.scene),
                kind,
                request.question.text,
                request.question.arity,
                json.dumps(choices, ensure_ascii=False) if choices else "",
            )
            cells = cell_keys(request.scene, request.objects)
            found = store.get(asked, list(dict.fromkeys(cells)))
            self.stored.append(sum(cell in found for cell in cells))
            rows = []
            for row, cell in enumerate(cells):
                if (asked, cell) not in self.known:
                    self.known[asked, cell] = found.get(cell)
                    if cell not in found:
                        rows.append(row)
            self.asked.append(asked)
            self.cells.append(cells)
            if rows:
                self.rest.append(replace(request, objects=request.objects[rows]))
                self.places.append((place, [cells[row] for row in rows]))

    def values(self) -> list[list[Any]]:
        """Return the answers to all requests."""
        return [[self.known[asked, cell] for cell in cells] for asked, cells in zip(self.asked, self.cells)]

    def costs(self, inner: Sequence[Cost | None]) -> list[Cost]:
        """Return the costs of all requests, with the cells that were known."""
        by_place = {place: cost for (place, _), cost in zip(self.places, inner)}
        return [replace(by_place.get(k) or Cost(), stored=stored) for k, stored in enumerate(self.stored)]


class _Keeper:
    """Writes answers as they come, a few at a time; those before an exception too."""

    def __init__(self, store: Store, plan: _Plan) -> None:
        self._store, self._plan = store, plan
        self._rows: list[tuple[Asked, bytes, tuple[Any, ...]]] = []
        self._since = time.monotonic()

    def __call__(self, request: int, row: int, value: tuple[Any, ...]) -> None:
        if any(v is None or v != v for v in value):
            return  # missing evidence is not an answer
        place, cells = self._plan.places[request]
        self._rows.append((self._plan.asked[place], cells[row], value[:2]))  # bounds are of missing evidence
        if len(self._rows) > KEEP_CELLS or time.monotonic() - self._since > KEEP_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        rows, self._rows, self._since = self._rows, [], time.monotonic()
        self._store.put(rows)

    def __enter__(self) -> _Keeper:
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()
