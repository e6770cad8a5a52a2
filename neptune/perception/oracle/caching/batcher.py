"""One stream of batches out of the requests of many threads.

Programs on many samples run at once and ask little each; an oracle is fast when it is asked much at once. Requests
that arrive within a few milliseconds, or while the oracle is busy, are sent as one batch, and no cell is asked
while it is in flight already.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.errors import OracleError, OracleFailedError
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.identity import scene_digest
from neptune.scene.types import Cost, FloatArray, IntArray, Oracle, QueryRequest, ScoreRequest, Scores, Texts, domain_of


class MicroBatcher:
    """An oracle for many threads in front of one that likes batches.

    Each lane is a thread that takes what waits, up to `max_batch` cells, and calls the oracle with it. A call waits
    until its cells are answered. Where a batch fails, its halves are tried, so that an exception reaches those
    callers alone whose cells fail by themselves. An :class:`~neptune.errors.OracleFailedError` is no matter of cells:
    all of the batch get it at once, and a server that is gone is not asked once more for each half.

    Parameters
    ----------
    oracle
        Who answers. It is called by `lanes` threads.
    max_batch
        Cells that are sent at once; a larger request is sent in parts.
    wait_ms
        How long the first request of a batch waits for others, in milliseconds.
    callers
        The number of threads that ask; when all of them wait, nobody waits for more. ``None``: not known.
    lanes
        Batches in flight: the number of replicas behind `oracle`.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(
        self, oracle: Oracle, max_batch: int = 256, wait_ms: float = 2.0, *, callers: int | None = None, lanes: int = 1
    ) -> None:
        if max_batch < 1 or lanes < 1 or wait_ms < 0:
            raise ValueError(f"max_batch {max_batch}, lanes {lanes}, wait_ms {wait_ms}: out of range")
        self.inner, self.name = oracle, oracle.name
        self.max_batch, self.wait_ms, self.callers = max_batch, wait_ms, callers
        self._changed = threading.Condition()
        self._queue: deque[_Ask] = deque()
        self._in_flight: dict[Any, list[_Ask]] = {}
        self._waiting = 0
        self._closed = False
        for k in range(lanes):
            threading.Thread(target=self._serve, name=f"oracle-{k}", daemon=True).start()

    def __getattr__(self, name: str) -> Any:
        if name == "identity":  # an oracle has one, or none
            return self.inner.identity  # type: ignore[attr-defined]
        raise AttributeError(name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, in order; the cost of a cell is told to the caller who asked it first.

        Raises
        ------
        OracleError
            As the oracle behind, for a request of this call; or if the batcher was closed.
        """
        return [
            Scores(
                _gather(parts, len(r.objects), lambda answer: answer.logits, np.float32),
                _gather(parts, len(r.objects), lambda answer: answer.mass, np.float32),
                cost,
                _bounds(parts, len(r.objects)),
            )
            for r, (parts, cost) in zip(requests, self._ask("score", requests))
        ]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, in order; costs and errors as :meth:`score`."""
        return [
            Texts(
                _gather(parts, len(r.objects), lambda texts: np.array(list(texts), dtype=object), object).tolist(), cost
            )
            for r, (parts, cost) in zip(requests, self._ask("query", requests))
        ]

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the oracle behind says of a picture, in the caller's thread."""
        return domain_of(self.inner, scene)

    def close(self) -> None:
        """Answer nothing more: what waits fails, what is with the oracle is finished. May be called twice."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for ask in left:
            self._finish(ask, None, _stopped())

    # --- the callers' side ---

    def _ask(self, kind: str, requests: Sequence[ScoreRequest | QueryRequest]) -> list[tuple[list[_Part], Cost | None]]:
        """Return for each request its parts, all answered, and the cost of those that it was the first to ask."""
        keys = [_key(kind, r) for r in requests]  # outside the lock: a picture may have to be read
        found: list[tuple[list[_Part], list[_Ask]]] = []
        with self._changed:
            if self._closed:
                raise _stopped()
            for request, key in zip(requests, keys):
                found.append(self._place(kind, request, key))
            self._waiting += 1
            self._changed.notify_all()
        asks = [ask for parts, _ in found for _, ask, _ in parts]
        try:
            for ask in asks:
                ask.done.wait()
        finally:
            with self._changed:
                self._waiting -= 1
        for ask in asks:
            if ask.error is not None:
                raise ask.error
        return [(parts, _sum(getattr(a.answer, "cost", None) for a in mine)) for parts, mine in found]

    def _place(self, kind: str, request: ScoreRequest | QueryRequest, key: Any) -> tuple[list[_Part], list[_Ask]]:
        """Find the cells that are in flight and queue the others; return all parts, and those that are new."""
        codes = _codes(request.objects, len(request.scene))
        rest = np.arange(len(codes))
        parts: list[_Part] = []
        flying = self._in_flight.setdefault(key, [])
        for ask in flying:
            if not len(rest):
                break
            rows, known = ask.find(codes[rest])
            if known.any():
                parts.append((rest[known], ask, rows[known]))
                rest = rest[~known]
        fresh: list[_Ask] = []
        if len(rest):
            _, first = np.unique(codes[rest], return_index=True)
            first = np.sort(first)
            for start in range(0, len(first), self.max_batch):
                chosen = rest[first[start : start + self.max_batch]]
                fresh.append(_Ask(kind, key, request, request.objects[chosen], codes[chosen]))
            for ask in fresh:
                rows, known = ask.find(codes[rest])
                parts.append((rest[known], ask, rows[known]))
            flying.extend(fresh)
            self._queue.extend(fresh)
        if not flying:
            del self._in_flight[key]
        return parts, fresh

    # --- the oracle's side ---

    def _serve(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                return
            for kind in ("score", "query"):
                self._answer(kind, [ask for ask in batch if ask.kind == kind])

    def _take(self) -> list[_Ask] | None:
        """Wait for a batch; ``None`` when the batcher was closed."""
        with self._changed:
            while True:
                while not self._queue:
                    if self._closed:
                        return None
                    self._changed.wait()
                left = self._queue[0].since + self.wait_ms / 1000 - time.monotonic()
                if left <= 0 or self._full():
                    break
                self._changed.wait(left)
            batch = [self._queue.popleft()]
            cells = len(batch[0].codes)
            while self._queue and cells + len(self._queue[0].codes) <= self.max_batch:
                batch.append(self._queue.popleft())
                cells += len(batch[-1].codes)
            return batch

    def _full(self) -> bool:
        """Whether there is nothing to wait for: the batch is full, or every caller waits already."""
        everyone = self.callers is not None and self._waiting >= self.callers
        return self._closed or everyone or sum(len(a.codes) for a in self._queue) >= self.max_batch

    def _answer(self, kind: str, asks: list[_Ask]) -> None:
        if not asks:
            return
        call: Any = self.inner.score if kind == "score" else self.inner.query
        try:
            answers = call([ask.request() for ask in asks])
            _check(self.name, kind, asks, answers)
        except BaseException as error:  # whatever it is, nobody may wait for ever
            # Other cells of the batch may be answered all the same, where it is not the oracle that fails.
            whole = not isinstance(error, Exception) or isinstance(error, OracleFailedError)
            if len(asks) == 1 or self._closed or whole:
                for ask in asks:
                    self._finish(ask, None, error)
                return
            middle = len(asks) // 2
            self._answer(kind, asks[:middle])
            self._answer(kind, asks[middle:])
            return
        for ask, answer in zip(asks, answers):
            self._finish(ask, answer, None)

    def _finish(self, ask: _Ask, answer: Any, error: BaseException | None) -> None:
        ask.answer, ask.error = answer, error
        with self._changed:
            flying = self._in_flight[ask.key]
            flying.remove(ask)
            if not flying:
                del self._in_flight[ask.key]
        ask.done.set()


@dataclass(eq=False, slots=True)
class _Ask:
    """Cells of one question of one scene that are asked together."""

    kind: str
    key: Any
    origin: ScoreRequest | QueryRequest
    objects: IntArray
    codes: NDArray[np.int64]
    since: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: BaseException | None = None

    def request(self) -> ScoreRequest | QueryRequest:
        """Return what is sent to the oracle."""
        origin = self.origin
        if isinstance(origin, QueryRequest):
            return QueryRequest(origin.scene, origin.question, self.objects, origin.choices)
        return ScoreRequest(origin.scene, origin.question, self.objects)

    def find(self, codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return for each code its row here, and whether it is here at all."""
        order = np.argsort(self.codes, kind="stable")
        at = np.minimum(np.searchsorted(self.codes, codes, sorter=order), len(order) - 1)
        rows = order[at]
        return rows, self.codes[rows] == codes


_Part = tuple[NDArray[np.int64], _Ask, NDArray[np.int64]]
"""Places in a request's answer, who answers them, and in which of its rows."""


def _key(kind: str, request: ScoreRequest | QueryRequest) -> Any:
    """What makes two requests ask the same, but for the objects."""
    question, objects = request.question, request.objects
    choices = request.choices if isinstance(request, QueryRequest) else ()
    key = (kind, scene_digest(request.scene), request.scene.name, question.text, question.arity, choices)
    if objects.size and (objects.min() < 0 or objects.max() >= len(request.scene)):
        return key, object()  # shared with nobody: the oracle says what is wrong with it
    return key


def _codes(objects: IntArray, n: int) -> NDArray[np.int64]:
    """Return one number for each row of objects ``(M, arity)``, its place in a table of ``n ** arity`` cells."""
    codes = np.zeros(len(objects), dtype=np.int64)
    for column in objects.T:
        codes = codes * n + column
    return codes


def _gather(parts: Sequence[_Part], n: int, read: Callable[[Any], NDArray[Any]], kind: Any) -> NDArray[Any]:
    out = np.empty(n, dtype=kind)
    for places, ask, rows in parts:
        out[places] = read(ask.answer)[rows]
    return out


def _bounds(parts: Sequence[_Part], n: int) -> FloatArray | None:
    """Return what is known of the logits of missing evidence, ``(n, 2)``; ``None`` where no part knows anything."""
    if all(ask.answer.bounds is None for _, ask, _ in parts):
        return None
    out = np.tile(np.array([-np.inf, np.inf], dtype=np.float32), (n, 1))
    for places, ask, rows in parts:
        if ask.answer.bounds is not None:
            out[places] = ask.answer.bounds[rows]
    return out


def _check(name: str, kind: str, asks: Sequence[_Ask], answers: Sequence[Any]) -> None:
    sizes = [len(a.logits if kind == "score" else a) for a in answers]
    if sizes != [len(ask.codes) for ask in asks]:
        raise OracleError(
            f"The oracle '{name}' returned answers of the sizes {sizes[:8]} to {len(asks)} requests",
            expected=f"{[len(ask.codes) for ask in asks][:8]}",
            hint="This is a mistake in the oracle's adapter",
        )


def _sum(costs: Iterable[Cost | None]) -> Cost | None:
    known = [c for c in costs if c is not None]
    return reduce(add, known) if known else None


def _stopped() -> OracleError:
    return OracleError("The run was stopped before this was answered")
