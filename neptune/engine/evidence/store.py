"""Evidence: what the oracle has said about one scene, shared by all questions on it.

For each question a table with one cell for each tuple of objects, a ground atom: the logit, and whether it was asked.
It is asked at most once, and a pair of one object with itself never. A symmetric question is asked for i < j, and its
table is mirrored. The same words asked without that promise share what the oracle said, never what was mirrored, so
that no answer depends on what was asked before. What is read off the boxes is known from the beginning, and never
asked.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neptune.answer import Usage
from neptune.engine.evidence.box_relations import holds
from neptune.engine.evidence.in_flight import InFlight
from neptune.engine.evidence.indexing import all_flat
from neptune.engine.evidence.replies import domain_said, scores_of, texts_of
from neptune.engine.evidence.tables import Table
from neptune.errors import OracleError
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.types import FloatArray, IntArray, Oracle, QueryRequest, Question, request_of

MAX_CELLS = 50_000_000

Want: TypeAlias = tuple[Question, bool, IntArray | None]
"""A question, whether it is symmetric, and the tuples of objects to ask it about, shape ``(M, arity)``; ``None``:
all."""

LookedAt: TypeAlias = dict[tuple[str, int, bool], tuple[Question, bytes]]
"""By a table's key its question, and which of its ground atoms had been asked."""


class Evidence:
    """All tables of one scene, as one oracle answered them. Threads may share it.

    Parameters
    ----------
    scene
        The scene. Its N objects are the places of every table.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._tables: dict[tuple[str, int, bool], Table] = {}
        self._texts: dict[tuple[str, tuple[str, ...]], dict[tuple[int, ...], str | None]] = {}
        self.looked_at: LookedAt | None = None
        """Where it is kept, what was asked of each table when it was looked at first."""
        self._lock = threading.RLock()
        self._in_flight = InFlight(self._lock)
        self._querying: dict[tuple[str, tuple[str, ...]], threading.Lock] = {}
        self._domain: tuple[Domain | None] | None = None
        self._judging = threading.Lock()

    def doubt(self, oracle: Oracle) -> Domain | None:
        """Return why the picture is out of domain, for the detector or else for the oracle, which is asked once.

        ``None`` where it is not, or nobody can tell.

        Raises
        ------
        PictureError, OracleFailedError
            As :func:`~neptune.scene.types.domain_of`.
        """
        if self.scene.domain is not None and self.scene.domain.outside:
            return self.scene.domain
        with self._judging:  # the first thread asks, the others wait for it
            if self._domain is None:
                self._domain = (domain_said(oracle, self.scene),)
            (found,) = self._domain
        return found if found is not None and found.outside else None

    def unscored(self) -> Evidence:
        """Return evidence of the same scene with the texts that are known of it, and no scores."""
        found = Evidence(self.scene)
        found._texts = {question: dict(known) for question, known in self._texts.items()}
        return found

    def copy(self) -> Evidence:
        """Return the same evidence, which then goes its own way."""
        found = self.unscored()
        with self._lock:
            found._domain = self._domain
            found._tables = {
                key: replace(t, logits=t.logits.copy(), asked=t.asked.copy(), bounds=dict(t.bounds), ready={})
                for key, t in self._tables.items()
            }
        return found

    def table(self, question: Question, symmetric: bool = False) -> Table:
        """Return the table of a question; nothing is asked. `symmetric` counts for two objects only.

        Raises
        ------
        OracleError
            If the table would have more than 50 million cells.
        """
        symmetric = symmetric and question.arity == 2
        key = (question.key, question.arity, symmetric)
        found = self._tables.get(key)
        if found is None:
            with self._lock:
                if key not in self._tables:
                    self._tables[key] = self._new(question, symmetric)
                found = self._tables[key]
        if self.looked_at is not None and key not in self.looked_at:
            self.looked_at[key] = question, found.asked.tobytes()
        return found

    def agrees(self, looked_at: LookedAt) -> bool:
        """Tell whether of all that was looked at elsewhere the same has been asked here."""
        for key, (question, asked) in looked_at.items():
            table = self._tables.get(key) or self.table(question, key[2])
            if table.asked.tobytes() != asked:
                return False
        return True

    def tables(self) -> list[Table]:
        """Return the tables of all questions that were asked, or could be: what is known so far."""
        with self._lock:
            return list(self._tables.values())

    def _new(self, question: Question, symmetric: bool) -> Table:
        n, arity = len(self.scene), question.arity
        if n**arity > MAX_CELLS:
            raise OracleError(
                f"More than {MAX_CELLS:,} tuples of {arity} out of {n} objects",
                where=f"question '{question.text}'",
                hint="Ask about fewer objects at once",
            )
        shape = (n,) * arity
        table = Table(question, symmetric, np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.bool_))
        if question.of and self.scene.kinds:
            flat = all_flat(n, arity, symmetric)
            wrong = flat[~self._fitting(question.of).reshape(-1)[flat]]
            table.write(wrong, np.full(len(wrong), -np.inf, dtype=np.float32))
        if question.boxes is not None:
            flat = all_flat(n, arity, False)
            true = holds(self.scene, question.boxes, arity).reshape(-1)[flat]
            table.write(flat, np.where(true, np.inf, -np.inf).astype(np.float32))
        if symmetric:  # What was asked of the same words as a plain question is known already.
            plain = self._tables.get((question.text, arity, False))
            if plain is not None:
                flat = np.flatnonzero(np.triu(plain.asked, 1))
                table.write(flat, plain.logits.reshape(-1)[flat])
                table.bounds.update({i: plain.bounds[i] for i in flat.tolist() if i in plain.bounds})
        return table

    def _fitting(self, sorts: tuple[str, ...]) -> NDArray[np.bool_]:
        """Return of which tuples each object is of the sort at its place, shape ``(N,) * len(sorts)``."""
        kinds = np.array(self.scene.kinds)
        found = np.ones((1,) * len(sorts), dtype=np.bool_)
        for place, sort in enumerate(sorts):
            if sort != "Any":
                shape = [len(kinds) if k == place else 1 for k in range(len(sorts))]
                found = found & (kinds == sort).reshape(shape)
        return np.broadcast_to(found, (len(kinds),) * len(sorts))

    def ask(self, oracle: Oracle, wants: Iterable[Want], usage: Usage) -> None:
        """Ask what is wanted and not known yet, in one batch: see :func:`ask_many`."""
        ask_many(oracle, [(self, wants)], usage)

    def query(
        self, oracle: Oracle, question: Question, objects: IntArray, usage: Usage, choices: tuple[str, ...] = ()
    ) -> list[str | None]:
        """Ask an open question about M tuples of objects, each once: M texts, ``None`` where no answer.

        Parameters
        ----------
        objects
            Shape ``(M, arity)``; ``(1, 0)`` for the whole picture.
        choices
            The admissible answers, or empty.

        Raises
        ------
        OracleError
            If the oracle can not answer, or returns another number of texts.
        """
        tuples = [tuple(row) for row in np.asarray(objects, dtype=np.int64).tolist()]
        key = (question.key, choices)
        with self._lock:
            known = self._texts.setdefault(key, {})
            mine = self._querying.setdefault(key, threading.Lock())
        with mine:  # one thread at a time for each question; other questions go on
            fresh = [t for t in dict.fromkeys(tuples) if t not in known]
            usage.cache_hits += len(tuples) - len(fresh)
            if fresh:
                asked = np.array(fresh, dtype=np.int64).reshape(len(fresh), question.arity)
                started = time.perf_counter()
                about = request_of(self.scene, question, asked)
                request = QueryRequest(about.scene, about.question, about.objects, choices)
                answer = texts_of(oracle, request)
                usage.oracle_ms += 1000 * (time.perf_counter() - started)
                usage.oracle_rounds += 1
                usage.oracle_calls += len(fresh)
                usage.add(getattr(answer, "cost", None))
                known.update(zip(fresh, answer))
            return [known[t] for t in tuples]

    def has_text(self, question: Question, objects: tuple[int, ...]) -> bool:
        """Tell whether an open question has been asked about these objects."""
        with self._lock:
            return objects in self._texts.get((question.key, ()), {})

    def _record(self, question: Question, flat: IntArray, logits: FloatArray, bounds: FloatArray | None = None) -> None:
        """Store the answers as said, and in the symmetric table of the same words if there is one."""
        self.table(question).write(flat, logits, bounds)
        mirrored = self._tables.get((question.text, question.arity, True))
        if mirrored is not None:
            n = len(self.scene)
            upper = flat // n < flat % n
            mirrored.write(flat[upper], logits[upper], None if bounds is None else bounds[upper])


class _Wanted(NamedTuple):
    """What one scene's pair of :func:`ask_many` (the `owner` th) wants of a table, as flat indices."""

    owner: int
    evidence: Evidence
    table: Table
    flat: IntArray


class _Request(NamedTuple):
    """What is asked now of one question about one scene, for the `owner` th: parts, as flat indices into its table."""

    owner: int
    evidence: Evidence
    table: Table
    parts: list[IntArray]


def ask_many(oracle: Oracle, wanted: Sequence[tuple[Evidence, Iterable[Want]]], usage: Usage | Sequence[Usage]) -> None:
    """Ask what is wanted of many scenes and not known yet, in one batch.

    Parameters
    ----------
    oracle
        Receives one list of requests, one for each scene and question with anything unknown; or is not called.
    wanted
        (evidence, wants) pairs; a scene may come several times. See :data:`Want`.
    usage
        Where the cost is added: `oracle_calls` ground atoms asked, `cache_hits` those wanted and known (or asked by
        an earlier want of this batch), `oracle_rounds` 1 if anything was asked, `oracle_ms`. One for all, or
        one for each pair (the time is then shared out by ground atoms).

    Raises
    ------
    OracleError
        If the oracle can not answer, or its answer has the wrong shape. No table is changed then.
    IndexError
        If a tuple names an object that the scene does not have.
    """
    usages = [usage] * len(wanted) if isinstance(usage, Usage) else list(usage)
    if len(usages) != len(wanted):
        raise ValueError(f"{len(usages)} usages for {len(wanted)} scenes")
    open_wants: list[_Wanted] = []
    whole: dict[Table, None] = {}
    for owner, (evidence, wants) in enumerate(wanted):
        for question, symmetric, tuples in wants:
            if question.boxes is not None:
                continue
            table = evidence.table(question, symmetric)
            flat = table.normalised(tuples)
            usages[owner].cache_hits += len(flat)
            if tuples is not None or not (table.complete or table in whole):
                open_wants.append(_Wanted(owner, evidence, table, flat))
            if tuples is None:
                whole[table] = None
    while open_wants:
        requests: list[_Request] = []
        try:
            elsewhere = _claim(open_wants, requests)
            if requests:
                _send(oracle, requests, usages)
        finally:
            for _, evidence, table, parts in requests:
                with evidence._lock:
                    for part in parts:
                        evidence._in_flight.end(table.question, part)
        # What was in flight already is known now, unless another thread failed: then it is asked here.
        for want in elsewhere:
            want.evidence._in_flight.wait(want.table.question, want.flat)
        open_wants = elsewhere
    for table in whole:
        table.complete = True


def _claim(wants: list[_Wanted], requests: list[_Request]) -> list[_Wanted]:
    """Put in flight what is neither known nor in flight, and add it to the requests; return what is in flight."""
    elsewhere = []
    begun: dict[tuple[Evidence, str, int, int], _Request] = {}
    for owner, evidence, table, flat in wants:
        question = table.question
        with evidence._lock:
            fresh = flat[~table.known(flat)]
            if not len(fresh):
                continue
            part, taken = evidence._in_flight.begin(question, fresh)
            if len(part):
                key = (evidence, question.key, question.arity, owner)
                request = begun.get(key)
                if request is None:
                    request = begun[key] = _Request(owner, evidence, table, [])
                    requests.append(request)
                request.parts.append(part)
        if len(taken):
            elsewhere.append(_Wanted(owner, evidence, table, taken))
    return elsewhere


def _send(oracle: Oracle, requests: list[_Request], usages: list[Usage]) -> None:
    """Ask the oracle in one batch, record its answers, share out the cost."""
    places = [np.concatenate(request.parts) for request in requests]
    scored = [
        request_of(evidence.scene, table.question, table.tuples(flat))
        for (_, evidence, table, _), flat in zip(requests, places)
    ]
    started = time.perf_counter()
    answers = scores_of(oracle, scored)
    elapsed = 1000 * (time.perf_counter() - started)
    asked: dict[int, int] = defaultdict(int)
    for (owner, evidence, table, _), flat, answer in zip(requests, places, answers):
        with evidence._lock:
            evidence._record(table.question, flat, answer.logits, answer.bounds)
        asked[owner] += len(flat)
        usages[owner].add(answer.cost)
    for usage in {id(usages[owner]): usages[owner] for owner in asked}.values():
        usage.oracle_rounds += 1
    total = sum(asked.values())
    for owner, count in asked.items():
        usages[owner].oracle_calls += count
        usages[owner].cache_hits -= count
        usages[owner].oracle_ms += elapsed * count / total
