"""Made scenes, questions about them, and the oracle on a tiny model: what the tests of vision-language models share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from helpers.tiny_models import tiny_vlm

from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import IntArray, Oracle, Question, ScoreRequest

BALL = Question("is the object in the red box a ball?", 1)
CUBE = Question("is the object in the red box a cube?", 1)
LEFT = Question("is the object in the red box left of the object in the green box?", 2)
DARK = Question("is the picture dark?", 0)
COLOR = Question("what color is the object in the red box?", 1)
PAIRS: IntArray = np.array([(i, j) for i in range(3) for j in range(3) if i != j])
ONES: IntArray = np.arange(3)[:, None]
NONE: IntArray = np.zeros((1, 0), dtype=np.int64)
TOLERANCE = 2e-5
"""Of logits in float32, on the CPU; those of the tiny models spread over about 1."""


def scene(width: int = 120, height: int = 80, seed: int = 0, boxes: Any = None) -> Scene:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    found = [[5, 5, 40, 40], [50, 10, 100, 60], [20, 30, 90, 75]] if boxes is None else boxes
    return Scene(np.array(found, dtype=np.float32), (width, height), Picture(pixels), name=f"seed {seed}")


def requests(of: Scene) -> list[ScoreRequest]:
    return [
        ScoreRequest(of, BALL, ONES),
        ScoreRequest(of, CUBE, ONES),
        ScoreRequest(of, LEFT, PAIRS),
        ScoreRequest(of, DARK, NONE),
    ]


def logits(oracle: Oracle, asked: list[ScoreRequest]) -> np.ndarray[Any, Any]:
    return np.concatenate([scores.logits for scores in oracle.score(asked)])


def make(kind: str = "qwen2_vl", **options: Any) -> TransformersOracle:
    return TransformersOracle(tiny_vlm(kind), **options)


@contextmanager
def watched(oracle: TransformersOracle, most: float = math.inf) -> Iterator[list[int]]:
    """Collect the rows of each call of the model; memory "runs out" for more than `most` of them."""
    rows: list[int] = []

    def before(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        count = inputs["input_ids"].shape[0]
        if count > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        rows.append(count)

    handle = oracle.reader.model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()
