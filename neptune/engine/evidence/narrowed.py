"""Evidence that a cheap proxy narrows: what the oracle was not asked lies near what the proxy says.

An unasked ground atom is the interval [s − λ·w(s), s + λ·w(s)], cut off at 0 and 1, where s is the proxy's probability
and w(s) = s·(1 − s): nothing where the proxy is sure, most where it is not. λ = ∞ is [0, 1], no narrowing at all. The
intervals are no truth: what comes of them is certified on whole decisions (:mod:`neptune.learn.certify`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dsl.plan import Predicate
from neptune.answer import Usage
from neptune.engine.evidence.indexing import all_flat, unflatten
from neptune.engine.evidence.priors import Estimates, Floats, all_tuples
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.replies import scores_of
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table
from neptune.errors import ConfigError, ModelFailedError, OracleError
from neptune.scene import Scene
from neptune.scene.types import (
    Cost,
    FloatArray,
    IntArray,
    Oracle,
    QueryRequest,
    Question,
    ScoreRequest,
    Scores,
    request_of,
)


def narrowed(logits: FloatArray, width: float) -> FloatArray:
    """Return the intervals of a proxy's logits: lower and upper logits, shape ``(M, 2)``, float32.

    Computed from the smaller of s and 1 − s, so that nothing is lost where the proxy is all but sure.

    Parameters
    ----------
    logits
        Shape ``(M,)``; NaN where the proxy says nothing: (−∞, ∞).
    width
        λ ≥ 0; ``inf`` gives (−∞, ∞) everywhere.
    """
    x = np.abs(logits.astype(np.float64))
    doubt = 1.0 / (1.0 + np.exp(x))  # 1 − s for s ≥ ½
    sure = 1.0 - doubt
    with np.errstate(divide="ignore", invalid="ignore"):
        inner, outer = (_logit_of_doubt(doubt * (1.0 + sign * width * sure)) for sign in (1.0, -1.0))
    low = np.where(logits >= 0, inner, -outer)
    high = np.where(logits >= 0, outer, -inner)
    unknown = np.isnan(logits) | np.isinf(width)
    ends = np.stack([np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)], 1)
    return np.asarray(ends, dtype=np.float32)


def _logit_of_doubt(doubt: Floats) -> Floats:
    """Return log((1 − d)/d); ∞ for d ≤ 0 and −∞ for d ≥ 1."""
    kept = np.clip(doubt, 0.0, 1.0)
    return np.asarray(np.log1p(-kept) - np.log(kept))


@dataclass(frozen=True, eq=False)
class Narrowing:
    """How unasked ground atoms are narrowed.

    Parameters
    ----------
    proxy
        Who is asked instead.
    width
        λ, a finite number ≥ 0.
    audit
        The share of the ground atoms that were not asked which is asked all the same, in [0, 1]: a part of them, on
        some pictures (:func:`neptune.guarantees.alarm.sampling`).
    seed
        Of the choice of those.
    families
        (dataset, family) of the questions that are answered so; ``None``: all.
    """

    proxy: Oracle
    width: float
    audit: float = 0.0
    seed: int = 0
    families: frozenset[tuple[str, str]] | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not 0.0 <= self.width < np.inf:
            raise ConfigError(f"the width of narrowing is {self.width}", expected="a finite number ≥ 0")
        if not 0.0 <= self.audit <= 1.0:
            raise ConfigError(f"audit is {self.audit}", expected="a share in [0, 1]")

    def covers(self, dataset: str, family: str) -> bool:
        """Whether questions of a family are answered so; others are answered exactly."""
        return self.families is None or (dataset, family) in self.families

    def guesses(self, request: ScoreRequest) -> FloatArray:
        """Ask the proxy, one thread at a time; return its logits, NaN where it says nothing.

        Raises
        ------
        OracleError
            If it does not know what is asked.
        """
        with self._asking:
            (scores,) = scores_of(self.proxy, [request])
        return scores.logits


class Remembering:
    """An oracle that asks another, and only what evidence does not hold yet: the rest is read off it.

    Parameters
    ----------
    oracle
        Who is asked.
    evidence
        What is known of the one scene that requests are about, and where answers are kept.
    """

    def __init__(self, oracle: Oracle, evidence: Evidence) -> None:
        self.inner, self.name, self._evidence = oracle, oracle.name, evidence

    def known(self, question: Question, flat: IntArray) -> FloatArray:
        """Return what is known of ground atoms, given as flat indices ``(M,)``; NaN where nothing is."""
        return np.array(self._evidence.table(question).logits.reshape(-1)[flat])

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions about the scene; what was known counts as stored."""
        found = []
        for request in requests:
            question, usage = request.question, Usage()
            if request.scene is not self._evidence.scene:  # a region, which is a scene of its own
                found += self.inner.score([request])
                continue
            self._evidence.ask(self.inner, [(question, False, request.objects)], usage)
            table = self._evidence.table(question)
            flat = np.ravel_multi_index(tuple(request.objects.T), table.logits.shape) if question.arity else [0]
            logits = table.logits.reshape(-1)[flat]
            bounds = np.array([table.bounds.get(int(i), (-np.inf, np.inf)) for i in flat], dtype=np.float32)
            cost = Cost(
                len(logits) - usage.oracle_calls + usage.oracle_stored, usage.oracle_prompt_tokens,
                usage.oracle_completion_tokens, usage.oracle_cost, dict(usage.failures), tuple(usage.remarks),
            )  # fmt: skip
            known = len(bounds) and bool(np.isfinite(bounds).any())
            found.append(Scores(logits, np.ones_like(logits), cost, bounds if known else None))
        return found

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions."""
        return self.inner.query(requests)


class NarrowedEvidence(Evidence):
    """What is known of a scene for one question alone: what the oracle was asked for it, and the proxy's intervals.

    Parameters
    ----------
    known
        What the oracle has said of the scene for others; it is read by :class:`Remembering` only.
    narrowing
        How what is not asked is narrowed.

    Attributes
    ----------
    silent
        Words of which the proxy can say nothing: they are asked.
    """

    def __init__(self, known: Evidence, narrowing: Narrowing) -> None:
        super().__init__(known.scene)
        self.narrowing = narrowing
        self.silent: list[str] = []
        self._guesses: dict[tuple[str, int], FloatArray] = {}
        self._domain = (None,)  # the picture was judged before

    def guesses(self, question: Question) -> FloatArray:
        """Return the proxy's logits at all tuples of objects, shape ``(N,) * arity``; NaN where it says nothing."""
        key = (question.key, question.arity)
        found = self._guesses.get(key)
        if found is None:
            found = self._guesses[key] = self._guessed(question)
        return found

    def _guessed(self, question: Question) -> FloatArray:
        n, arity = len(self.scene), question.arity
        logits = np.full((n,) * arity, np.nan, dtype=np.float32)
        flat = all_flat(n, arity, False)
        if not len(flat) or question.percept is not None:  # no proxy stands in for models of masks, depths and words
            return logits
        request = request_of(self.scene, question, np.array(unflatten(flat, logits.shape)))
        try:
            logits.reshape(-1)[flat] = self.narrowing.guesses(request)
        except ModelFailedError:
            raise
        except OracleError:  # a word that it does not know: nothing is narrowed
            self.silent.append(question.text)
        return logits

    def _new(self, question: Question, symmetric: bool) -> Table:
        table = super()._new(question, symmetric)
        if question.boxes is None:
            guessed = self.guesses(question).reshape(-1)
            flat = np.flatnonzero(~np.isnan(guessed) & ~table.asked.reshape(-1))
            if symmetric and len(flat):  # the order of two objects does not matter: i < j speaks for both
                n = len(self.scene)
                first, second = np.minimum(flat // n, flat % n), np.maximum(flat // n, flat % n)
                ends = narrowed(guessed[first * n + second], self.narrowing.width)
            else:
                ends = narrowed(guessed[flat], self.narrowing.width)
            table.bounds.update(zip(flat.tolist(), map(tuple, ends.tolist()), strict=True))
        return table

    def _record(self, question: Question, flat: IntArray, logits: FloatArray, bounds: FloatArray | None = None) -> None:
        """Store what the oracle said: of evidence that is missing nothing is known but what it says itself."""
        n, tables = len(self.scene), [self.table(question)]
        mirrored = self._tables.get((question.text, question.arity, True))
        tables += [] if mirrored is None else [mirrored]
        for table in tables:
            turned = (flat % n * n + flat // n).tolist() if table.symmetric else []
            for at in (*flat.tolist(), *turned):
                table.bounds.pop(at, None)
        super()._record(question, flat, logits, bounds)


class ProxyEstimates(Estimates):
    """Guesses at ground atoms for the order of asking: the proxy's. They learn nothing from one question to the next,
    so that what is asked about a picture hangs on that picture alone.

    Parameters
    ----------
    evidence
        Has the proxy's scores.
    wording
        The words of questions.
    base
        Guesses where the proxy says nothing.
    """

    def __init__(self, evidence: NarrowedEvidence, wording: Wording, base: Estimates) -> None:
        super().__init__(base.vocabulary, base.prior)
        self._evidence, self._wording = evidence, wording

    def siblings(self, predicate: Predicate) -> tuple[Predicate, ...]:
        """Return none: the proxy has looked at each value."""
        return ()

    def everywhere(self, scene: Scene, predicate: Predicate) -> Floats:
        """Return the proxy's probabilities at all tuples of objects, ``(N, …)``, in (0, 1)."""
        shape = (len(scene),) * predicate.arity
        return self.probabilities(scene, predicate, all_tuples(shape)).reshape(shape)

    def probabilities(self, scene: Scene, predicate: Predicate, tuples: IntArray) -> Floats:
        """Return the proxy's probabilities at tuples ``(M, arity)``: shape ``(M,)``, in (0, 1)."""
        guessed = super().probabilities(scene, predicate, tuples)
        question = self._wording.question(predicate)
        if question.boxes is not None:
            return guessed
        logits = self._evidence.guesses(question)[tuple(tuples.T)].astype(np.float64)
        with np.errstate(over="ignore"):
            chances = np.clip(1.0 / (1.0 + np.exp(-logits)), 1e-3, 1 - 1e-3)
        return np.asarray(np.where(np.isnan(logits), guessed, chances))
