"""The oracle that knows nothing: seeded random scores for any words, to test and to measure plans with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neptune.perception.oracle.draws import key_of, uniform
from neptune.scene import ATTRIBUTES
from neptune.scene.identity import scene_digest
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

_WORDS = tuple(value for values in ATTRIBUTES.values() for value in values)


class RandomOracle:
    """Answers with uniform probabilities that depend on the seed, the scene, the words and the objects alone.

    Parameters
    ----------
    seed
        Seed of the numbers. Scenes differ by name and boxes.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions of any words and arity; probabilities are uniform in (0, 1)."""
        answers = []
        for request in requests:
            p = self._uniform("score", request)
            answers.append(Scores.of(np.log(p / (1.0 - p))))
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions with one of the choices, else a value of the attribute asked for, or any."""
        answers: list[list[str | None]] = []
        for request in requests:
            words = request.choices or ATTRIBUTES.get(request.question.predicate, _WORDS)
            picks = (self._uniform("query", request) * len(words)).astype(np.int64)
            answers.append([words[k] for k in picks.tolist()])
        return answers

    def _uniform(self, kind: str, request: ScoreRequest | QueryRequest) -> NDArray[np.float64]:
        scene, question = scene_digest(request.scene, pixels=False), request.question
        return uniform(key_of(kind, self.seed, scene, question.text, question.arity), request.objects)
