"""A process that fills a cache: run by the tests of the cache, several at once, some of them killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest, Scores

QUESTIONS = 12
LEFT = [
    Question(f"is the object in the red box {k} times as large as the object in the green box?", 2)
    for k in range(QUESTIONS)
]
COLOR = Question("what color is the object in the red box?", 1)


class Sum:
    """An oracle whose answers are known: the logit is a number made of question and objects."""

    name, identity = "sum", '{"adapter":"sum"}'

    def __init__(self) -> None:
        self.cells = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.cells += sum(len(r.objects) for r in requests)
        return [Scores.of(logits(r)) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self.cells += sum(len(r.objects) for r in requests)
        return [[f"{r.question.text} {row}" for row in r.objects.tolist()] for r in requests]


def logits(request: ScoreRequest) -> np.ndarray:
    weights = 100.0 ** np.arange(request.question.arity)
    return (request.objects @ weights + 0.1 * LEFT.index(request.question)).astype(np.float32)


def scene(n: int = 20) -> Scene:
    picture = Picture(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    corners = np.random.default_rng(1).uniform(0, 20, (n, 2))
    return Scene(np.hstack([corners, corners + 15]), (60, 40), picture)


def pairs(n: int = 20) -> np.ndarray:
    return np.array([[i, j] for i in range(n) for j in range(n) if i != j])


if __name__ == "__main__":
    path, seed = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(seed)
    oracle, seen, cells = CachedOracle(Sum(), path), scene(), pairs()
    print("ready", flush=True)
    sys.stdin.readline()
    for k in rng.permutation(QUESTIONS):
        for part in np.array_split(rng.permutation(cells), 20):
            oracle.score([ScoreRequest(seen, LEFT[k], part)])
    oracle.query([QueryRequest(seen, COLOR, np.arange(20)[:, None])])
    print("done", flush=True)
