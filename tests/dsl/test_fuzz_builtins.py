"""Every built-in, method and operator on every kind of value: an answer or a ProgramError, in time, nothing else."""

from __future__ import annotations

import itertools
import random

import pytest
from helpers.fuzzing import ends_of

from dsl.builtins import BUILTINS, METHODS
from neptune.engine import Engine

VALUES = (
    "0", "1", "-3", "2.5", "1e300", "-0.0", "10**30", "10**39", "True", "False", "None", "''", "'red'", "'x'",
    "'a b'", "'é\\u0301'", "f'{1}'", "[]", "[1, 2]", "[1, 'a', None]", "[[1], [2, [3]]]", "()", "(1,)", "(1, 'a')",
    "(2, 1, 3)", "{}", "{'a': 1}", "{(1, 2): [3]}", "{1, 2}", "{'a', (1, 2)}", "range(4)", "range(0)",
    "list(range(200))", "'ab' * 900", "Object", "Color", "red", "left", "lambda x: x", "lambda x: red(x)",
    "lambda x, y: left(x, y)", "lambda c: c", "count", "exists", "score('is it red?')", "score('is it left?', 2)",
    "score('red?')('x')", "score('l?', 2)('x', 'y')", "exists(Object, lambda x: red(x))",
    "iota(Object, lambda x: red(x))", "point(Object, lambda x: red(x))", "count(Object, lambda x: red(x))",
    "describe(Color, iota(Object, lambda x: red(x)))", "color(iota(Object, red))", "[o for o in Object]",
    "[red(o) for o in Object]", "[o for o in Object][0]", "query('what is it?')", "{o: red(o) for o in Object}",
    "[iota(Object, lambda x: red(x)), 1]", "(Object, Color)", "score('raining?', 0)()",
)  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", ">>", "==", "!=", "<", "<=", ">", ">=", "in", "not in",
             "is", "is not", "and", "or")  # fmt: skip
KEYWORDS = ("key", "reverse", "k", "n", "default", "start", "choices", "sep")
PART, FULL_PARTS = 5_000, 12


def programs(seed: int, count: int) -> list[str]:
    """Return programs of one call or operation each, on random values; each built-in comes up equally often."""
    draw = random.Random(seed)
    forms = [
        *BUILTINS,
        *(f".{name}" for name in METHODS),
        *(f" {op} " for op in OPERATORS),
        "[]",
        "[:]",
        "~",
        "not ",
        "-",
    ]
    made = []
    for form in itertools.islice(itertools.cycle(forms), count):
        a, b, c = (draw.choice(VALUES) for _ in range(3))
        if form.startswith(" "):
            text = f"({a}){form}({b})"
        elif form == "[]":
            text = f"({a})[{b}]"
        elif form == "[:]":
            text = f"({a})[{draw.choice(['', b])}:{draw.choice(['', c])}]"
        elif form in ("~", "not ", "-"):
            text = f"{form}({a})"
        else:
            given = [draw.choice(VALUES) for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 2, 3, 4)))]
            if draw.random() < 0.15:
                given.append(f"{draw.choice(KEYWORDS)}={draw.choice(VALUES)}")
            called = form if not form.startswith(".") else f"({a}){form}"
            text = f"{called}({', '.join(given)})"
        made.append(
            draw.choice((text, f"v = {text}\nreturn v", f"v = {text}\nreturn [v, v]", f"return 1 if {text} else 2"))
        )
    return made


def attack(seed: int, count: int) -> dict[str, int]:
    """Run programs; return how many ended how."""
    engines = [Engine(oracle="random", schedule=schedule, vocabulary=words)
               for schedule in ("all", "lazy") for words in ("clevr", None)]  # fmt: skip
    return ends_of(programs(seed, count), engines, (0, 1, 3), seed)


def test_built_ins_on_any_values_end_well() -> None:
    ends = attack(0, 2_000)
    assert sum(ends.values()) == 2_000
    assert ends["answer"] > 200, "some of them mean something"


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, FULL_PARTS + 1))
def test_many_combinations_of_built_ins_and_values_end_well(part: int) -> None:
    assert sum(attack(part, PART).values()) == PART
