"""Evidence: what the oracle has said about one scene, shared by all questions on it.

For each question a table with one cell for each tuple of objects: the logit, and whether it was asked. A
cell is asked at most once, and a pair of one object with itself never. A symmetric question is asked for
i < j, and its table is mirrored. The same words asked without that promise share what the oracle said, never
what was mirrored, so that no answer depends on what was asked before. What is read off the boxes is known from the
beginning, and never asked.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from neptune.answer import Usage
from neptune.engine.evidence.box_relations import holds
from neptune.engine.evidence.in_flight import Claims
from neptune.engine.evidence.indexing import all_flat, distinct, unflatten, unique
from neptune.errors import NeptuneError, OracleError
from neptune.scene import Scene
from neptune.scene.types import FloatArray, IntArray, Oracle, QueryRequest, Question, ScoreRequest, Scores

MAX_CELLS = 50_000_000
MAX_LOGIT = 50.0
"""Infinite logits are clamped to ± this."""

Want: TypeAlias = tuple[Question, bool, IntArray | None]
"""A question, whether it is symmetric, and the cells wanted, shape ``(M, arity)``; ``None``: all."""

_Key: TypeAlias = tuple[str, int, bool]
"""A table's question, by its words and arity, and whether it is symmetric."""

_Ask: TypeAlias = "tuple[int, Evidence, Question, bool, IntArray]"
"""Whose want, of which scene: the question, whether it is symmetric, and its cells as flat indices."""

_Job: TypeAlias = "tuple[Evidence, Question, IntArray]"
"""The cells of one question of one scene that are asked now, as flat indices."""

_serial = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What is known of one question: a view that fills as cells are asked.

    Parameters
    ----------
    question
        What is asked.
    symmetric
        The order of the two objects does not matter.
    logits
        Shape ``(N,) * arity``, float32 in [-50, 50]. NaN where not asked, and where evidence is missing; ±∞ where
        it is read off the boxes.
    asked
        Same shape, bool. The diagonal stays false.
    """

    question: Question
    symmetric: bool
    logits: FloatArray
    asked: NDArray[np.bool_]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where the oracle was asked and gave no evidence; shape ``(N,) * arity``."""
        return self.asked & np.isnan(self.logits)

    def unasked(self, cells: IntArray | None = None) -> IntArray:
        """Return those of the cells that must still be asked, each once, in order: shape ``(M', arity)``.

        Cells of a symmetric question come back as i < j; cells that name one object twice are dropped.
        ``None`` means all cells.

        Raises
        ------
        IndexError
            If a cell names an object that the scene does not have.
        """
        flat = self.normalised(cells)
        return unflatten(flat[~self.asked.reshape(-1)[flat]], self.logits.shape)

    def normalised(self, cells: IntArray | None) -> IntArray:
        """Return the cells as flat indices, shape ``(M',)``: as :meth:`unasked`, with those already asked."""
        shape = self.logits.shape
        n, arity = (shape[0] if shape else 1), len(shape)
        if cells is None:
            return all_flat(n, arity, self.symmetric)
        cells = np.asarray(cells, dtype=np.int64)
        if arity == 0:
            return np.zeros(min(len(cells), 1), dtype=np.int64)
        if cells.ndim != 2 or cells.shape[1] != arity:
            raise IndexError(
                f"cells of shape {cells.shape}; expected (M, {arity}) for '{self.question.text}'"
            )
        if not len(cells):
            return np.zeros(0, dtype=np.int64)
        if cells.min() < 0 or cells.max() >= n:
            raise IndexError(f"a cell of '{self.question.text}' names an object outside 0 … {n - 1}")
        if arity == 1:
            return unique(cells[:, 0])
        if arity == 2:
            first, second = cells[:, 0], cells[:, 1]
            if self.symmetric:
                first, second = np.minimum(first, second), np.maximum(first, second)
            return unique((first * n + second)[first != second])
        return unique(np.ravel_multi_index(tuple(cells[distinct(cells)].T), shape))


class Evidence:
    """All tables of one scene, as one oracle answered them. Threads may share it.

    Parameters
    ----------
    scene
        The scene. Its N objects are the places of every table.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._tables: dict[_Key, Table] = {}
        self._whole: set[_Key] = set()  # tables of which every cell has been asked at once
        self._texts: dict[tuple[str, tuple[str, ...]], dict[tuple[int, ...], str | None]] = {}
        self._lock = threading.RLock()
        self._claims = Claims(self._lock)
        self._querying: dict[tuple[str, tuple[str, ...]], threading.Lock] = {}
        self._order = next(_serial)  # Locks of several scenes are taken in this order.

    def table(self, question: Question, symmetric: bool = False) -> Table:
        """Return the table of a question; nothing is asked. `symmetric` counts for two objects only.

        Raises
        ------
        OracleError
            If the table would have more than 50 million cells.
        """
        symmetric = symmetric and question.arity == 2
        key = (question.text, question.arity, symmetric)
        found = self._tables.get(key)
        if found is not None:
            return found
        with self._lock:
            if key in self._tables:
                return self._tables[key]
            shape = (len(self.scene),) * question.arity
            if len(self.scene) ** question.arity > MAX_CELLS:
                raise OracleError(
                    f"More than {MAX_CELLS:,} tuples of {question.arity} out of {len(self.scene)} objects",
                    where=f"question '{question.text}'",
                    hint="Ask about fewer objects at once",
                )
            table = Table(
                question, symmetric, np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.bool_)
            )
            if question.boxes:
                cells = all_flat(len(self.scene), question.arity, False)
                true = holds(self.scene, question.boxes, question.arity).reshape(-1)[cells]
                _write(table, cells, np.where(true, np.inf, -np.inf).astype(np.float32))
            if symmetric:  # What was asked of the same words as a plain question is known already.
                plain = self._tables.get((question.text, question.arity, False))
                if plain is not None:
                    at = np.flatnonzero(np.triu(plain.asked, 1))
                    _write(table, at, plain.logits.reshape(-1)[at])
            self._tables[key] = table
            return table

    def ask(self, oracle: Oracle, wants: Iterable[Want], usage: Usage) -> None:
        """Ask what is not known yet of the cells wanted, in one batch: see :func:`ask_many`."""
        ask_many(oracle, [(self, wants)], usage)

    def full(self, oracle: Oracle, question: Question, usage: Usage, symmetric: bool = False) -> Table:
        """Ask every cell of a question that is not known yet, and return its table."""
        self.ask(oracle, [(question, symmetric, None)], usage)
        return self.table(question, symmetric)

    def query(
        self,
        oracle: Oracle,
        question: Question,
        objects: IntArray,
        usage: Usage,
        choices: tuple[str, ...] = (),
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
        key = (question.text, choices)
        with self._lock:
            known = self._texts.setdefault(key, {})
            mine = self._querying.setdefault(key, threading.Lock())
        with mine:  # one thread at a time for each question; other questions go on
            fresh = [t for t in dict.fromkeys(tuples) if t not in known]
            usage.cache_hits += len(tuples) - len(fresh)
            if fresh:
                asked = np.array(fresh, dtype=np.int64).reshape(len(fresh), question.arity)
                started = time.perf_counter()
                answers = oracle.query([QueryRequest(self.scene, question, asked, choices)])
                usage.oracle_ms += 1000 * (time.perf_counter() - started)
                usage.oracle_rounds += 1
                usage.oracle_calls += len(fresh)
                if len(answers) != 1 or len(answers[0]) != len(fresh):
                    raise _wrong_shape(
                        oracle, question, f"{len(fresh)} texts", f"{[len(a) for a in answers]}"
                    )
                usage.add(getattr(answers[0], "cost", None))
                known.update(zip(fresh, answers[0]))
            return [known[t] for t in tuples]

    def has_text(self, question: Question, objects: tuple[int, ...]) -> bool:
        """Tell whether an open question has been asked about these objects."""
        with self._lock:
            return objects in self._texts.get((question.text, ()), {})

    def _record(self, question: Question, flat: IntArray, logits: FloatArray) -> None:
        """Store the answers as said, and in the symmetric table of the same words if there is one."""
        _write(self.table(question), flat, logits)
        mirrored = self._tables.get((question.text, question.arity, True))
        if mirrored is not None:
            n = len(self.scene)
            upper = flat // n < flat % n
            _write(mirrored, flat[upper], logits[upper])


def ask_many(
    oracle: Oracle, wanted: Sequence[tuple[Evidence, Iterable[Want]]], usage: Usage | Sequence[Usage]
) -> None:
    """Ask what is not known yet of the cells wanted of many scenes, in one batch.

    Parameters
    ----------
    oracle
        Receives one list of requests, one for each scene and question with unknown cells; or is not called.
    wanted
        (evidence, wants) pairs; a scene may come several times. See :data:`Want`.
    usage
        Where the cost is added: `oracle_calls` cells asked, `cache_hits` cells wanted and known (or asked by
        an earlier want of this batch), `oracle_rounds` 1 if anything was asked, `oracle_ms`. One for all, or
        one for each pair (the time is then shared out by cells).

    Raises
    ------
    OracleError
        If the oracle can not answer, or its answer has the wrong shape. No table is changed then.
    IndexError
        If a cell names an object that the scene does not have.
    """
    usages = [usage] * len(wanted) if isinstance(usage, Usage) else list(usage)
    if len(usages) != len(wanted):
        raise ValueError(f"{len(usages)} usages for {len(wanted)} scenes")
    asks: list[_Ask] = []
    whole: dict[tuple[Evidence, _Key], None] = {}
    for k, (evidence, wants) in enumerate(wanted):
        for question, symmetric, cells in wants:
            if question.boxes:
                continue
            flat = evidence.table(question, symmetric).normalised(cells)
            usages[k].cache_hits += len(flat)
            key = (question.text, question.arity, symmetric)
            # All of a table is often wanted again: then there is nothing to look for.
            if cells is not None or not (key in evidence._whole or (evidence, key) in whole):
                asks.append((k, evidence, question, symmetric, flat))
            if cells is None:
                whole[evidence, key] = None
    while asks:
        jobs, asked, elsewhere = _claim(asks, len(wanted))
        if jobs:
            _send(oracle, jobs, asked, usages)
        # What other threads were asking is known now, unless they failed: then it is asked here.
        for _, evidence, question, _, flat in elsewhere:
            evidence._claims.wait((question.text, question.arity), flat)
        asks = elsewhere
    for evidence, key in whole:
        evidence._whole.add(key)


def _claim(asks: list[_Ask], owners: int) -> tuple[list[_Job], list[int], list[_Ask]]:
    """Claim what nobody knows or asks; return it by scene and question, its cells by owner, and what others ask."""
    pending: dict[tuple[Evidence, str, int], tuple[Question, list[IntArray]]] = {}
    asked, elsewhere = [0] * owners, []
    with ExitStack() as stack:
        for evidence in sorted({e for _, e, _, _, _ in asks}, key=lambda e: e._order):
            stack.enter_context(evidence._lock)
        for k, evidence, question, symmetric, flat in asks:
            fresh = flat[~evidence.table(question, symmetric).asked.reshape(-1)[flat]]
            taken = evidence._claims.taken((question.text, question.arity), fresh)
            if taken.any():
                elsewhere.append((k, evidence, question, symmetric, fresh[taken]))
            fresh = fresh[~taken]
            if len(fresh):
                _, parts = pending.setdefault((evidence, question.text, question.arity), (question, []))
                if parts:
                    fresh = fresh[~np.isin(fresh, np.concatenate(parts))]
                parts.append(fresh)
            asked[k] += len(fresh)
        jobs = [(e, question, np.concatenate(parts)) for (e, _, _), (question, parts) in pending.items()]
        for evidence, question, flat in jobs:
            evidence._claims.claim(
                (question.text, question.arity), flat, len(evidence.scene) ** question.arity
            )
    return jobs, asked, elsewhere


def _send(oracle: Oracle, jobs: list[_Job], asked: list[int], usages: list[Usage]) -> None:
    """Ask the oracle in one batch, record its answers, share out the cost; the claims end in any case."""
    try:
        requests = [
            ScoreRequest(e.scene, question, unflatten(flat, (len(e.scene),) * question.arity))
            for e, question, flat in jobs
        ]
        started = time.perf_counter()
        answers = oracle.score(requests)
        elapsed = 1000 * (time.perf_counter() - started)
        if len(answers) != len(jobs):
            raise OracleError(
                f"The oracle '{oracle.name}' returned {len(answers)} answers to {len(jobs)} requests",
                hint="This is a mistake in the oracle's adapter",
            )
        logits = [_checked(oracle, q, flat, s) for (_, q, flat), s in zip(jobs, answers)]
        for (evidence, question, flat), values in zip(jobs, logits):
            with evidence._lock:
                evidence._record(question, flat, values)
    finally:
        for evidence, question, flat in jobs:
            with evidence._lock:
                evidence._claims.release((question.text, question.arity), flat)
    first = next(k for k, count in enumerate(asked) if count)
    for answer in answers:
        usages[first].add(answer.cost)  # of a batch for several, the first one pays
    total = sum(asked)
    for k in {id(u): k for k, u in enumerate(usages) if asked[k]}.values():
        usages[k].oracle_rounds += 1
    for k, count in enumerate(asked):
        usages[k].oracle_calls += count
        usages[k].cache_hits -= count
        usages[k].oracle_ms += elapsed * count / total


def _write(table: Table, flat: IntArray, logits: FloatArray) -> None:
    """Fill cells (of a symmetric table: both mirrored ones); `asked` last, for readers without the lock."""
    places = [flat]
    if table.symmetric:
        n = table.logits.shape[0]
        places.append(flat % n * n + flat // n)
    for at in places:
        table.logits.reshape(-1)[at] = logits
        table.asked.reshape(-1)[at] = True


def _checked(oracle: Oracle, question: Question, flat: IntArray, scores: Scores) -> FloatArray:
    logits = np.asarray(scores.logits, dtype=np.float32)
    if logits.shape != flat.shape:
        raise _wrong_shape(oracle, question, f"logits of shape {flat.shape}", f"shape {logits.shape}")
    return np.clip(logits, -MAX_LOGIT, MAX_LOGIT)


def _wrong_shape(oracle: Oracle, question: Question, expected: str, found: str) -> NeptuneError:
    return OracleError(
        f"The oracle '{oracle.name}' returned an answer of the wrong shape: {found}",
        where=f"question '{question.text}'",
        expected=expected,
        hint="This is a mistake in the oracle's adapter",
    )
