"""A run has a budget of work: limits of single things do not multiply."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.cpu_time import CpuTime

import dsl
from dsl import work
from neptune.engine import Engine
from neptune.scene import Scene


def nested(variables: str, body: str, kind: str = "exists") -> str:
    return "".join(f"{kind}(Object, lambda {v}: " for v in variables) + body + ")" * len(variables)


def pairs(variables: str) -> str:
    return " and ".join(f"r{i}{j}({v}, {w})" for i, v in enumerate(variables) for j, w in enumerate(variables) if i < j)


SIX = " and ".join(f"p({v})" for v in ("a,b,c", "b,c,d", "c,d,e", "d,e,f", "e,f,a", "f,a,b", "a,c,e"))
LOOP = "n = 0\nfor i in range(3000):\n    if {}:\n        n += 1\nreturn n"
HEAVY = {
    "decisions": LOOP.format('score(f"is {i}?", 2)("x", "y").exists("y").exists("x")'),
    "tables in a loop": LOOP.format(nested("abcdef", SIX) + ' and score(f"is {i}?")("x").exists("x")'),
    "counts": LOOP.format('count(Object, lambda x: score(f"is {i}?")(x)) > 3'),
    "descriptions": LOOP.format(
        'score("red?")("x").exists("x") and score(f"is {i}?")(iota(Object, lambda y: tall(y)))'
    ),
    "three loops": "def f(x):\n    return exists(Object, lambda y: left(x, y))\nn = 0\nfor o in Object:\n"
    "    for p in Object:\n        for q in Object:\n            if left(o, p) and left(p, q) and f(q):\n"
    "                n += 1\nreturn n",
    "an unknown name": "".join(f"exists(Color, lambda {v}: " for v in "abcdefg") + "Falsea == b" + ")" * 7,
    "growing": 'f = score("is it?")("a")\nn = 0\nfor i in range(400):\n    f = f & score(f"is it {i}?")("a")\n'
    '    if f.exists("a"):\n        n += 1\nreturn n',
    "a list of decisions": '[score(f"is {i}?")("x").exists("x") for i in range(3000)]',
    "questions": 'n = 0\nfor i in range(9000):\n    if query(f"what is {i}?") == query(f"who is {i}?"):\n'
    "        n += 1\nreturn n",
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_run_has_a_budget_of_work(name: str) -> None:
    engine, scene = Engine(oracle="random"), Scene.synthetic(12, seed=0)
    with CpuTime() as took, pytest.raises(dsl.LimitError) as caught:
        engine.run(HEAVY[name], scene)
    assert took < 2, took
    if caught.value.limit == "work_units":
        assert "% of it went into" in caught.value.hint


def test_what_is_too_large_to_be_held_is_refused_before_it_is_made() -> None:
    program = nested("abcdefg", pairs("abcdefg"))
    engine, scene = Engine(oracle="random"), Scene.synthetic(12, seed=0)
    for answer in (lambda: engine.run(program, scene), lambda: engine.run_many([(program, scene)])):
        with pytest.raises(dsl.LimitError, match=r"table bytes") as caught:
            answer()
        assert (caught.value.amount or 0) > 12**7


def test_memory_stays_below_a_gigabyte() -> None:
    code = f"""
import resource, dsl
from pathlib import Path
from neptune.engine import Engine
from neptune.scene import Scene
for program in {[HEAVY["tables in a loop"], nested("abcdefg", pairs("abcdefg")), nested("abcdef", pairs("abcdef"))]!r}:
    try:
        Engine(oracle="random").run(program, Scene.synthetic(12, seed=0))
    except dsl.LimitError:
        pass
status = Path("/proc/self/status")  # getrusage would tell the size of who started it, where that was larger
lines = status.read_text().splitlines() if status.exists() else []
told = [line.split()[1] for line in lines if line.startswith("VmHWM")]
print(*(told or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) * 1024 < 1e9


def loop(turns: int) -> str:
    return LOOP.replace("3000", str(turns)).format('score(f"is {i}?")("x").exists("x")')


def test_near_the_limit_a_program_runs_and_beyond_it_does_not() -> None:
    limits = dsl.Limits(work_units=100_000)
    scene = Scene.synthetic(4, seed=0)

    def runs(turns: int) -> bool:
        try:
            Engine(oracle="random", limits=limits).run(loop(turns), scene)
        except dsl.LimitError as error:
            if error.limit == "work_units":
                return False
            raise
        return True

    most = max(turns for turns in range(1, 60) if runs(turns))
    assert 20 < most < 50
    assert all(runs(turns) for turns in (1, most - 1, most))
    assert not any(runs(turns) for turns in (most + 1, most + 10, 3000))


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("planner", ["optimised", "naive"])
def test_the_same_work_is_counted_whatever_the_schedule_and_the_planner(schedule: str, planner: str) -> None:
    def counted(**choices: str) -> str:
        engine = Engine(oracle="random", limits=dsl.Limits(work_units=60_000), **choices)  # type: ignore[arg-type]
        with pytest.raises(dsl.LimitError) as caught:
            engine.run(loop(3000), Scene.synthetic(4, seed=0))
        return str(caught.value)

    assert counted(schedule=schedule, planner=planner) == counted()


def test_many_objects_and_large_programs_may_do_more() -> None:
    limits = dsl.Limits(work_units=30_000)
    few, many = Scene.synthetic(4, seed=0), Scene.synthetic(40, seed=0)
    engine = Engine(oracle="random", limits=limits)
    with pytest.raises(dsl.LimitError):
        engine.run(loop(20), few)
    assert engine.run(loop(20), many).kind == "number"


def test_the_same_decision_is_made_once() -> None:
    engine, scene = Engine(oracle="random"), Scene.synthetic(6, seed=0)
    answer = engine.run(LOOP.format('score("is it red?")("x").exists("x")'), scene)
    assert answer.value in (0, 3000)
    assert answer.usage.oracle_calls == 6
    assert answer.usage.cache_hits == 2999 * 6


def test_units_are_counted_by_kind() -> None:
    counted = work.Work(dsl.Limits(work_units=1000))
    counted.spend(work.STEPS, 10)
    counted.spend(work.CELLS, 25_000)
    assert counted.units == 10 * work.STEPS.units + 25_000 * work.CELLS.units
    with pytest.raises(dsl.LimitError, match="the run needs more than 1,000 work units"):
        counted.spend(work.DECISIONS, 1)


def test_a_known_hard_program_ends_soon() -> None:
    described = "[iota(Object, lambda o: shape(o) and same_shape(o, k)) for k in Color]"
    program = (
        f"iota(Color, lambda k: all([near(a, b) for a in {described} for b in {described} if a != b]) and k != 'no')"
    )
    engine = Engine(oracle="random", vocabulary="clevr")
    with CpuTime() as took, pytest.raises(dsl.ProgramError, match="the same for every value"):
        engine.run(program, Scene.synthetic(10, seed=0))
    assert took < 0.5, took
