"""Every kind of need comes to the same on arrays as on tensors, whatever the schedule."""

from __future__ import annotations

import pytest

from neptune.engine import Engine
from neptune.scene import Scene

PROGRAMS = (
    "exists(Object, lambda x: object(x))",
    "exists(Object, lambda x: not object(x))",
    "exists(Object, lambda x: exists(Object, lambda y: object(y)))",
    "exists(Object, lambda x: exists(Object, lambda y: left(x, y)))",
    'red("x1") and cube("x1")',
    'red("x1") and score("red?")',
    "count(Object, lambda x: red(x))",
    "count(Object, lambda x: red(x)) > count(Object, lambda x: cube(x))",
    "iota(Object, lambda x: red(x))",
    "point(Object, lambda x: red(x))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    'topk(red("x"), 2)',
    "argmax(Object, lambda x: red(x))",
)


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_arrays_read_every_need_as_tensors_do(program: str, schedule: str) -> None:
    on_arrays = Engine(oracle="scene", detector="scene", schedule=schedule)
    on_tensors = Engine(oracle="scene", detector="scene", schedule=schedule, backend="torch")
    for n in (0, 1, 5):
        scene = Scene.synthetic(n, 3)
        found, expected = (engine.run(program, scene) for engine in (on_arrays, on_tensors))
        assert found.value == expected.value
        assert found.probability == pytest.approx(expected.probability, abs=1e-6)
        assert (found.kind, found.witness, found.settled, found.tie) == (
            (expected.kind, expected.witness, expected.settled, expected.tie)
        )
        assert [step.source for step in found.trace] == [step.source for step in expected.trace]
