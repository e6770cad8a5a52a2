"""Whatever the text: an answer or a ProgramError, within the limits, in time, and no other exception."""

from __future__ import annotations

import contextlib
import os

import pytest
from helpers.cpu_time import CpuTime
from helpers.fuzzing import ends_of, programs

import dsl
from neptune.engine import Engine
from neptune.scene import Scene

PART = 10_000
FULL_PARTS = 20


def attack(seed: int, count: int) -> dict[str, int]:
    """Run programs; return how many ended how."""
    engines = [
        Engine(oracle="random", schedule="all"),
        Engine(oracle="random", schedule="lazy", planner="optimised"),
        Engine(oracle="random", vocabulary=None, distinct_variables="true"),
    ]
    return ends_of(programs(seed, count), engines, (1, 3, 4), seed)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_fuzzed_programs_end_well() -> None:
    count = int(os.environ.get("NEPTUNE_FUZZ", "10000"))
    ends = attack(0, count)
    assert sum(ends.values()) == count
    assert ends["answer"] > count // 50, "some of them mean something"


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, FULL_PARTS + 1))
def test_many_fuzzed_programs_end_well(part: int) -> None:
    ends = attack(part, PART)
    assert sum(ends.values()) == PART


def test_very_long_texts_end_well() -> None:
    for piece in ("(", "[", "not ", "-", "lambda: ", "x = 1\n", "a and ", "f(", '"', "if x:\n", "∧", "x.", "1 + "):
        with pytest.raises(dsl.ProgramError):
            Engine(oracle="random").run(piece * 30_000, Scene.synthetic(2))
        with contextlib.suppress(dsl.ProgramError):
            Engine(oracle="random").run(piece * 900 + "1", Scene.synthetic(2))


@pytest.mark.parametrize(
    "work",
    ["max(r)", "mode(r)", "r.count(7)", "r.index(39000)", "r[1:]", "r + [1]", "r == q", "set(r) | set(q)", "sorted(r)",
     "distinct(r)", "t.replace('a', 'b')", "t.split('a')"],
)  # fmt: skip
def test_work_on_long_lists_in_loops_meets_a_limit_in_time(work: str) -> None:
    text = (
        "r = list(range(40000))\nq = r[::-1]\nt = 'a'\nfor i in range(13):\n    t = t + t\n"
        f"for i in range(9000):\n    found = {work}\nreturn 1"
    )
    for program in (text, "mode(range(99999))"):
        with CpuTime() as took, contextlib.suppress(dsl.LimitError):
            Engine(oracle="random").run(program, Scene.synthetic(2))
        assert took < 1, took


def test_half_characters_are_errors() -> None:
    with pytest.raises(dsl.ProgramError, match="half a character"):
        Engine(oracle="random").run("score('\ud800')", Scene.synthetic(2))
