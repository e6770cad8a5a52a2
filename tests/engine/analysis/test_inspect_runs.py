"""Looking inside a run reads the run's own session where that tells all, and arrays where there are any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neptune.engine import Engine
from neptune.engine.analysis import inspection
from neptune.engine.analysis.score_vector import ScoreVector
from neptune.engine.session.session import Session
from neptune.scene import Scene

PROGRAMS = (
    "exists(Object, lambda x: small(x) and red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
    "count(Object, lambda x: metal(x) and left(x, iota(Object, lambda y: large(y) and sphere(y))))",
    "count(Object, lambda x: red(x)) > count(Object, lambda x: blue(x))",
    "describe(Color, iota(Object, lambda x: small(x) and cylinder(x) and behind(x, iota(Object, lambda y: cube(y)))))",
    "point(Object, lambda x: large(x) and not red(x))",
    "exists(Object, lambda x: blue(x) and left(x, argmax(Object, lambda y: small(y))))",
    "x = iota(Object, lambda y: cube(y))\nreturn exists(Object, lambda z: left(z, x))",
    "return forall(Object, lambda x: metal(x) or exists(Object, lambda y: same_shape(x, y) and x != y))",
)


def looked(engine: Engine, program: str, scene: Scene, own: bool) -> dict[str, Any]:
    runs: list[Session] = []
    engine.context = replace(engine.context, watch=runs.append)
    engine.run(program, scene)
    (run,) = runs
    seen = inspection.inspect(engine, program, scene, False, None, run.decided if own else None)
    assert seen is not None
    return seen.as_dict()


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("logic", ["godel", "product"])
def test_what_the_runs_own_session_tells_is_what_another_run_tells(schedule: Any, logic: str) -> None:
    for seed in range(4):
        scene = Scene.synthetic(4 + seed, seed)
        for program in PROGRAMS:
            engines = [
                Engine(oracle="scene", detector=None, schedule=schedule, logic=logic, vocabulary="clevr")
                for _ in range(2)
            ]
            own, again = (looked(engine, program, scene, k == 0) for k, engine in enumerate(engines))
            assert own == again, program


def test_a_program_of_one_expression_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("run again")

    monkeypatch.setattr(inspection, "_rerun", refuse)
    engine = Engine(oracle="scene", detector=None, schedule="lazy")
    assert looked(engine, PROGRAMS[0], Scene.synthetic(5, 0), own=True)["plan"]
    with pytest.raises(AssertionError, match="run again"):
        looked(engine, PROGRAMS[6], Scene.synthetic(5, 0), own=True)


def test_values_shown_are_the_same_from_arrays_and_from_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [Scene.synthetic(4 + seed, seed) for seed in range(3)]

    def all_looked() -> list[dict[str, Any]]:
        engine = Engine(oracle="scene", detector=None, schedule="lazy")
        return [looked(engine, program, scene, True) for scene in scenes for program in PROGRAMS]

    arrays = all_looked()
    monkeypatch.setattr(ScoreVector, "known", lambda scores: scores.within(0.0))
    assert arrays == all_looked()


@pytest.mark.parametrize("oracle", ["scene", "random"])
def test_what_the_rounds_computed_is_shown_as_if_computed_again(oracle: str) -> None:
    block = "exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: x != y and y != z and x != z)))"
    taken = 0
    for program in (*PROGRAMS, block):
        for seed in range(4):
            engine, scene = Engine(oracle=oracle, detector=None, schedule="lazy"), Scene.synthetic(4 + seed, seed)
            runs: list[Session] = []
            engine.context = replace(engine.context, watch=runs.append)
            engine.run(program, scene)
            decided = runs[0].decided
            taken += decided.bounds is not None
            with_bounds, alone = (
                inspection.inspect(engine, program, scene, False, None, d) for d in (decided, list(decided))
            )
            assert with_bounds == alone, (program, seed)
    assert taken


def test_what_the_rounds_computed_is_not_shown_of_other_scores() -> None:
    engine, scene = Engine(oracle="random", detector=None, schedule="lazy"), Scene.synthetic(6, 1)
    runs: list[Session] = []
    engine.context = replace(engine.context, watch=runs.append)
    engine.run(PROGRAMS[0], scene)
    before = inspection.inspect(engine, PROGRAMS[0], scene, False, None, runs[0].decided)
    for table in engine.evidence(scene).tables():
        flat = np.flatnonzero(table.asked)
        table.write(flat, -table.logits.reshape(-1)[flat])
    after, alone = (
        inspection.inspect(engine, PROGRAMS[0], scene, False, None, d) for d in (runs[0].decided, list(runs[0].decided))
    )
    assert after == alone != before
