"""The scores of atoms as tensors that carry gradients: from a scorer that is being trained, or from evidence.

All logits of a run lie in one flat tensor; a table of a question on a scene is an array of places in it. So a batch
of tables is one gather, and one scatter on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np

from dsl.plan import Predicate
from neptune.algebra.late import torch
from neptune.answer import Usage
from neptune.engine.context import RunContext
from neptune.engine.evidence.indexing import off_diagonal
from neptune.engine.evidence.store import Evidence, ask_many
from neptune.errors import OracleError
from neptune.scene import Scene
from neptune.scene.types import IntArray, Question, ScoreRequest, request_of

if TYPE_CHECKING:
    from torch import Tensor

Scorer: TypeAlias = "Callable[[Sequence[ScoreRequest]], Sequence[Tensor]]"
"""Gives for each request the logits of its M tuples of objects, shape ``(M,)``, with gradient; NaN: no evidence."""

_Key = tuple[int, str, int, bool]


class Row(Protocol):
    """One row of a batch: a scene, and the objects that the places of its plan stand for."""

    @property
    def scene(self) -> Scene:
        """The scene."""

    @property
    def objects(self) -> Sequence[int]:
        """The object of each place."""


class AskedRow(Row, Protocol):
    """A row whose evidence has been asked."""

    @property
    def evidence(self) -> Evidence:
        """What is known of the scene."""


RowT = TypeVar("RowT", bound=Row)
AskedRowT = TypeVar("AskedRowT", bound=AskedRow)
Source: TypeAlias = "Callable[[Sequence[Sequence[Predicate]], Sequence[RowT], int], Tensor]"
"""Gives the scores of P × B predicates of one arity on B rows of at most N objects: uncalibrated logits,
``(P, B, N, …)`` float32. NaN where there is no evidence; any number at padding and for an object paired with itself."""


class AtomTensors:
    """The logits of questions on scenes, each asked once.

    Parameters
    ----------
    run
        Its wording, temperatures and limits; without a scorer also its oracle, which is asked for what its evidence
        lacks, and gives no gradient.
    scorer
        Who gives the logits. It gets all requests of a round at once: a symmetric question is asked for i < j, and a
        pair of one object with itself never.
    """

    def __init__(self, run: RunContext, scorer: Scorer | None) -> None:
        self._run, self._scorer = run, scorer
        self._at: dict[_Key, IntArray] = {}
        self._scenes: list[Scene] = []  # keeps them alive, so that their ids stay theirs
        # Place 0 is for cells that are never used: padding, and pairs of one object with itself.
        self._parts: list[Tensor] = [torch.zeros(1)]
        self._size = 1

    def ask(self, wanted: Iterable[tuple[Scene, Predicate]]) -> None:
        """Get the tables of these atoms, in one call for those not known yet.

        Raises
        ------
        OracleError
            If the scorer returns anything but one vector of the right length for each request.
        """
        fresh: dict[_Key, tuple[Scene, Question, bool]] = {}
        for scene, predicate in wanted:
            question = self._run.wording.question(predicate)
            symmetric = predicate.symmetric and predicate.arity == 2
            key = id(scene), question.key, question.arity, symmetric
            if key not in self._at and key not in fresh:
                fresh[key] = scene, question, symmetric
        if not fresh:
            return
        cells = [off_diagonal(len(s), q.arity, symmetric) for s, q, symmetric in fresh.values()]
        if self._scorer is None:
            vectors = self._from_evidence(list(fresh.values()), cells)
        else:
            vectors = self._from_scorer(self._scorer, list(fresh.values()), cells)
        for (key, (scene, question, symmetric)), of, vector in zip(fresh.items(), cells, vectors, strict=True):
            self._at[key] = self._places(len(scene), question.arity, symmetric, of)
            self._size += len(vector)
            self._parts.append(vector)
            self._scenes.append(scene)

    def _places(self, n: int, arity: int, symmetric: bool, cells: IntArray) -> IntArray:
        numbers = self._size + np.arange(len(cells))
        if not arity:
            return numbers.reshape(())
        places = np.zeros((n,) * arity, dtype=np.int64)
        places[tuple(cells.T)] = numbers
        if symmetric:
            places[tuple(cells.T[::-1])] = numbers
        return places

    def _from_evidence(self, fresh: Sequence[tuple[Scene, Question, bool]], cells: Sequence[IntArray]) -> list[Tensor]:
        evidence = [self._run.evidence(scene) for scene, _, _ in fresh]
        wanted = [(e, [(q, symmetric, None)]) for e, (_, q, symmetric) in zip(evidence, fresh, strict=True)]
        ask_many(self._run.oracle, wanted, Usage())
        return [
            torch.from_numpy(np.reshape(e.table(q, symmetric).logits[tuple(of.T)], len(of)))
            for e, (_, q, symmetric), of in zip(evidence, fresh, cells, strict=True)
        ]

    def _from_scorer(
        self, scorer: Scorer, fresh: Sequence[tuple[Scene, Question, bool]], cells: Sequence[IntArray]
    ) -> list[Tensor]:
        requests = [request_of(s, q, of.copy()) for (s, q, _), of in zip(fresh, cells, strict=True) if q.boxes is None]
        scored = iter(_checked(scorer(requests), requests) if requests else ())
        return [
            torch.from_numpy(Evidence(s).table(q).logits[tuple(of.T)]) if q.boxes is not None else next(scored)
            for (s, q, _), of in zip(fresh, cells, strict=True)
        ]

    def _flat(self) -> Tensor:
        if len(self._parts) > 1:
            self._parts = [torch.cat(self._parts)]
        return self._parts[0]

    def _of(self, scene: Scene, predicate: Predicate) -> IntArray:
        question = self._run.wording.question(predicate)
        symmetric = predicate.symmetric and predicate.arity == 2
        return self._at[id(scene), question.key, question.arity, symmetric]

    def raw(self, predicates: Sequence[Sequence[Predicate]], rows: Sequence[Row], size: int) -> Tensor:
        """Return uncalibrated logits, ``(P, B, N, …)``: see :data:`Source`."""
        arity = predicates[0][0].arity
        places = np.zeros((len(predicates), len(rows), *([size] * arity)), dtype=np.int64)
        for b, row in enumerate(rows):
            inside: tuple[Any, ...] = (slice(len(row.scene)),) * arity
            for k, of in enumerate(predicates):
                places[(k, b, *inside)] = self._of(row.scene, of[b])
        found = self._flat().index_select(0, torch.from_numpy(places.reshape(-1)))
        return found.reshape(places.shape)


def _checked(vectors: Sequence[Tensor], requests: Sequence[ScoreRequest]) -> list[Tensor]:
    if len(vectors) != len(requests):
        raise OracleError(
            f"The scorer returned {len(vectors)} tensors for {len(requests)} requests",
            expected="one tensor of logits for each request, in order",
        )
    out = []
    for vector, request in zip(vectors, requests, strict=True):
        if tuple(vector.shape) != (len(request.objects),):
            raise OracleError(
                f"The scorer returned a tensor of shape {tuple(vector.shape)}",
                where=f"question '{request.question.text}'",
                expected=f"logits of shape ({len(request.objects)},), one for each tuple of objects",
            )
        out.append(vector.to("cpu", torch.float32))
    return out
