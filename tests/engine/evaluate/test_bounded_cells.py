"""Cells whose sign the oracle leaves open, but of which it says something: unknown, with these bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from neptune.engine import Engine
from neptune.perception.oracle.caching.batcher import MicroBatcher
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

CELLS = {0: (math.nan, 0.4, -1.0, 2.0), 1: (math.nan, 0.0, -math.inf, -3.0), 2: (4.0, 1.0), 3: (math.nan, 0.0)}
"""Object → its cell: open around ½, surely no, yes, nothing known."""


class Bounded:
    """Says of each object what CELLS says."""

    name = "bounded"
    identity = "bounded-1"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [Scores.of_cells([CELLS[int(row.sum())] for row in r.objects]) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        return [[None] * len(r.objects) for r in requests]


def bounds_of(engine: Engine, program: str, objects: int) -> tuple[float, float]:
    answer = engine.run(program, Scene.synthetic(objects, seed=0))
    assert answer.bounds is not None
    return answer.bounds


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def layers(tmp_path: Path) -> dict[str, object]:
    return {
        "alone": Bounded(),
        "batched": MicroBatcher(Bounded()),
        "cached": CachedOracle(Bounded(), tmp_path / "cache.sqlite"),
        "recorded": RecordingOracle(Bounded(), tmp_path / "evidence.jsonl"),
    }


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("layer", ["alone", "batched", "cached", "recorded"])
def test_an_open_cell_keeps_its_bounds(layer: str, schedule: str, tmp_path: Path) -> None:
    oracle = layers(tmp_path)[layer]
    engine = Engine(oracle=oracle, vocabulary=None, schedule=schedule)  # type: ignore[arg-type]
    assert not engine.run("exists(Object, lambda x: shiny(x))", Scene.synthetic(1, seed=0)).settled
    low, high = sorted(bounds_of(engine, "exists(Object, lambda x: shiny(x))", 1))
    assert {round(low, 3), round(high, 3)} <= {round(sigmoid(s), 3) for s in (-1, 2, 1, -2)}
    if layer == "recorded":
        again = Engine(oracle=ReplayOracle(tmp_path / "evidence.jsonl"), vocabulary=None, schedule=schedule)
        scene = Scene.synthetic(1, seed=0)
        program = "exists(Object, lambda x: shiny(x))"
        assert again.run(program, scene).bounds == engine.run(program, scene).bounds


def test_bounds_settle_what_nothing_else_would() -> None:
    engine = Engine(oracle=Bounded(), vocabulary=None)
    two = Scene.synthetic(2, seed=0)
    counted = engine.run("count(Object, lambda x: shiny(x)) > 1", two)  # the second is surely not
    assert (counted.value, counted.settled) == (False, True)
    three = engine.run("exists(Object, lambda x: shiny(x))", Scene.synthetic(3, seed=0))
    assert (three.value, three.settled) == (True, True)
    assert engine.run_many([("count(Object, lambda x: shiny(x)) > 1", two)])[0].value is False


def test_scores_of_cells() -> None:
    scores = Scores.of_cells(list(CELLS.values()))
    assert scores.bounds is not None
    assert np.isnan(scores.logits).tolist() == [True, True, False, True]
    assert scores.bounds[0].tolist() == [-1, 2]
    assert np.isinf(scores.bounds[3]).all()
    assert Scores.of_cells([(1.0, 1.0), (math.nan, 0.0)]).bounds is None
    kept = Scores.of_cells(scores.cells())
    assert np.array_equal(kept.bounds, scores.bounds)  # type: ignore[arg-type]
