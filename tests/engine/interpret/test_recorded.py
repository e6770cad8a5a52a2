"""A text that is run again is not interpreted again, and nothing that can be seen of a run changes."""

from dataclasses import replace

import pytest

import dsl
from neptune import Engine, Scene
from neptune.engine.interpret.interpreter import Interpreter

BRANCHES = """
n = count(Object, lambda x: red(x))
m = count(Object, lambda x: cube(x))
if n > m:
    return f"{n} red, {m} cubes"
for k in range(n):
    if exists(Object, lambda x: cube(x) and sphere(x)):
        return "both"
return describe(Color, iota(Object, lambda x: cube(x)))
"""
PROGRAMS = (
    "exists(Object, lambda x: red(x) and cube(x))",
    "count(Object, lambda x: red(x))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    "point(Object, lambda x: cube(x))",
    'score("is it red?")("x") & score("is it a cube?")("x")',
    BRANCHES,
    "[count(Object, lambda x: red(x)), count(Object, lambda x: cube(x))]",
    "n = 0\nfor x in Object:\n    if red(x):\n        n += 1\nreturn n",
    "point(Object, lambda x: cube(x))\nreturn describe(Shape, point(Object, lambda x: red(x)))",
)


def seen(answer):
    """Return all of an answer but the times, and what was known before."""
    of = answer.usage
    looked_up = of.cache_hits + of.oracle_calls
    usage = replace(of, plan_ms=0, execute_ms=0, oracle_ms=0, oracle_calls=0, oracle_rounds=0, cache_hits=looked_up)
    return replace(answer, usage=usage)


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_text_did_before_changes_nothing(program):
    scenes = [Scene.synthetic(n, seed=n) for n in (3, 5, 4, 5, 1)] + [Scene.synthetic(5, seed=9)]
    engine = Engine(oracle="random", seed=3)
    first = [seen(engine.run(program, scene)) for scene in scenes]
    again = [seen(engine.run(program, scene)) for scene in scenes]
    parsed = dsl.parse(program)  # a tree is interpreted each time
    assert again == first
    assert [replace(seen(engine.run(parsed, scene)), notes=()) for scene in scenes] == [
        replace(a, notes=()) for a in first
    ]


def test_a_known_way_is_not_interpreted(monkeypatch):
    engine, scene = Engine(oracle="random", seed=3), Scene.synthetic(5, seed=0)
    program = "n = count(Object, lambda x: red(x))\nif n > 1:\n    return 'many'\nreturn n"
    first = engine.run(program, scene)
    monkeypatch.setattr(Interpreter, "run", lambda *_: pytest.fail("interpreted"))
    assert seen(engine.run(program, scene)) == seen(first)


def test_the_work_of_a_run_is_that_of_interpreting_it():
    """A limit is met at the same place whether or not the way to it was followed before."""
    program = (
        "n = 0\nfor k in range(60):\n    if exists(Object, lambda x: red(x)):\n        n += 1\n"
        "for i in range(500):\n    n += 1\nreturn n"
    )
    scene, limits = Scene.synthetic(3, seed=0), dsl.Limits(work_units=9000)
    roomy = Engine(oracle="random", limits=limits)
    outcomes = []
    for _ in range(2):
        with pytest.raises(dsl.LimitError) as error:
            roomy.run(program, scene)
        outcomes.append(str(error.value))
    assert outcomes[0] == outcomes[1]
    assert "work_units" in outcomes[0]


def test_a_budget_is_met_on_a_way_that_was_followed_before():
    program = "n = count(Object, lambda x: red(x))\nif n > 1:\n    return 'many'\nreturn n"
    engine = Engine(oracle="random", seed=3, schedule="lazy")
    engine.run(program, Scene.synthetic(6, seed=0))
    known = seen(engine.run(program, Scene.synthetic(6, seed=1), budget=2))
    fresh = Engine(oracle="random", seed=3, schedule="lazy", vocabulary=engine.vocabulary)
    fresh.run(dsl.parse(program), Scene.synthetic(6, seed=0))
    assert seen(fresh.run(dsl.parse(program), Scene.synthetic(6, seed=1), budget=2)) == known
