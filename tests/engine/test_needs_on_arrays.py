"""Every kind of need comes to the same on arrays as on tensors, whatever the schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neptune.engine import Engine
from neptune.engine.session import session
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


DESCRIBED = (
    "describe(Color, iota(Object, lambda x: {}))",
    "count(Object, lambda x: left(x, iota(Object, lambda y: {})))",
    "exists(Object, lambda x: behind(x, iota(Object, lambda y: large(y) and left(y, iota(Object, lambda z: {})))))",
)
LEASTS = ("cube(@)", "small(@) and cube(@) and not red(@)", "not metal(@)", "cube(@) and not cube(@)", "object(@)")


@pytest.mark.parametrize("oracle", ["scene", "random"])
def test_what_fits_a_conjunction_is_the_same_off_bounds_that_have_met(
    oracle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = [p.format(f.replace("@", v)) for p, v in zip(DESCRIBED, "xyz", strict=True) for f in LEASTS]

    def answers() -> list[object]:
        found: list[object] = []
        for n in (1, 2, 5, 8):
            for program in programs:
                answer = Engine(oracle=oracle, detector="scene", schedule="lazy").run(program, Scene.synthetic(n, n))
                times = dict.fromkeys(("plan_ms", "execute_ms", "oracle_ms"), 0.0)
                found.append(replace(answer, usage=replace(answer.usage, **times)))
        return found

    off_bounds = answers()
    monkeypatch.setattr(session, "is_least", lambda _: False)
    assert off_bounds == answers()
