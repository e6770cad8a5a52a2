"""What an error points at and what it teaches: the caret under what is wrong, a mend that leads to a program."""

from __future__ import annotations

import pytest

import dsl
from neptune.engine import Engine
from neptune.scene import Scene

SCENE = Scene.synthetic(8, seed=1)

# The program, the part that is underlined, and the mend (or a part of it).
TAUGHT = [
    ('exists(Object, lambda x: x.color == "red")', "x.color", "predicate or describe: color(x)"),
    ("iota(Object, lambda x: cube(x)).color", "iota(Object, lambda x: cube(x)).color", "describe: color(x)"),
    ("Object.color", "Object.color", "predicate or describe: color(x)"),
    ("[o.shape for o in Object]", "o.shape", "predicate or describe: shape(o)"),
    ("exists(Object, lambda x: x.is_left_of(x))", "x.is_left_of", "is_left_of(x)"),
    ("exists(Object, lambda x: x.cube())", "x.cube", "cube(x)"),
    ('"a {}".format(3)', '"a {}".format', 'f"…{value}…"'),
    ("objects.filter(lambda x: red(x))", "objects.filter", "[o for o in Object if red(o)]"),
    ('"a".stripp()', '"a".stripp', "did you mean 'strip'?"),
    ("exists(Object, lambda x: red(x) && cube(x))", "&&", "write 'and'"),
    ("exists(Object, lambda x: red(x) || cube(x))", "||", "write 'or'"),
    ("exists(Object, lambda (x): red(x))", "(", "write lambda x: …"),
    ("exists(Object, lambda (x, y) left(x, y))", "(", "write lambda x: …, or lambda x, y: …"),
    ("exists(Object, x: red(x))", "x:", "write lambda x: …"),
    ("exists(x: red(x))", "x:", "write lambda x: …"),
    ("exists(Object, lambda: red(x))", "lambda: red(x)", "name the variable: lambda x: …"),
    ("exists x: red(x)", "exists x", "write exists(Object, lambda x: …)"),
    ("forall obj: red(obj)", "forall obj", "write forall(Object, lambda obj: …)"),
    ("here\n```\nred(x)\n```", "```", "leave out ``` and everything that is not the program"),
    (
        "describe(Color, Object, lambda x: cube(x))",
        "describe(Color, Object, lambda x: cube(x))",
        "write describe(Color, iota(Object, lambda x: …))",
    ),
    (
        'exists(Object, lambda x: red(x)).exists("x")',
        'exists(Object, lambda x: red(x)).exists("x")',
        "leave this method out: nothing is left to bind",
    ),
    ("exists(Object, lambda x: red(y))", "y", "did you mean 'x'?"),
    (
        "exists(Object, lambda x: exists(Object, lambda z: left(x, y)))",
        "y",
        "did you mean 'z' or 'x'?",
    ),
    ("red(y)", "y", "bind it: exists(Object, lambda y: …)"),
    ('exists(Object, lambda x: red("x"))', 'red("x")', "write x without quotes"),
    (
        'exists(Object, lambda x: exists(Object, lambda z: left("x", z)))',
        'left("x", z)',
        "write x without quotes",
    ),
    ("exists(Object, lambda x: cube)", "cube", ""),
    ("exists(Object, lambda x: 3)", "3", "compare it with something"),
    ("count(Color, lambda c: 3)", "3", "compare it with something"),
    ('count(Object, lambda x: cube(x)) > "two"', '"two"', ""),
    ('"two" < count(Object, lambda x: cube(x))', '"two"', ""),
    ('equal(count(Object, lambda x: cube(x)), "two")', '"two"', ""),
    ("2 * (count(Object, lambda x: cube(x)) - [1])", "[1]", ""),
    ("n = 1\nn += [1]\nn", "[1]", ""),
    ("exists(Object, lambda x: red(x) | [1])", "[1]", "compare it with something"),
    ("and_(exists(Object, lambda x: red(x)), [1])", "[1]", "compare it with something"),
    ("exists(Object, lambda x: [1] if red(x) else cube(x))", "[1]", "compare it with something"),
    ("for x in []:\n    y = 1\nreturn y", "y", "give 'y' a value before"),
    ("if 1 > 2:\n    red = 1\nreturn red", "red", "give 'red' a value before"),
    ("if 1 > 2:\n    def hit(o):\n        return red(o)\nexists(Object, lambda o: hit(o))", "hit", "give 'hit'"),
    ("def f():\n    return z\nif 1 > 2:\n    z = 3\nf()", "z", "give 'z' a value before"),
    ("def f(n):\n    if n > 1:\n        found = n\n    return found\nf(0)", "found", "give 'found'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "under", "hint"), TAUGHT)
def test_errors_point_and_teach(text: str, under: str, hint: str) -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        Engine(oracle="scene").run(text, SCENE)
    error = caught.value
    assert underlined(error, text) == under
    assert hint in error.hint
    assert error.expected or error.hint


def underlined(error: dsl.ProgramError, text: str) -> str:
    """Return the part of the text that an error speaks of; it lies in one line."""
    assert error.span is not None
    assert error.span.line == error.span.end_line
    return text.split("\n")[error.span.line - 1][error.span.column - 1 : error.span.end_column - 1]


def test_a_text_that_no_lambda_binds_is_reported() -> None:
    engine = Engine(oracle="scene")
    answer = engine.run('exists(Object, lambda x: left(x, "y"))', SCENE)
    assert any('"y" inside a lambda is a variable that no lambda binds' in note for note in answer.notes)
    assert not engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", SCENE).notes
    bound = engine.run('exists(Object, lambda x: left(x, "y").exists("y"))', SCENE)
    assert bound.value is True
    assert not any("no lambda binds" in note for note in bound.notes)


def test_functions_without_variables_are_still_functions() -> None:
    assert Engine(oracle="scene").run("f = lambda: 3\nf()", SCENE).value == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ball = count(Object, lambda x: ball(x))\nball", 2),
        ("for x in [1, 2]:\n    y = x\ny", 2),
        ("def f():\n    return z\nz = 3\nf()", 3),
        ("def f():\n    red = 2\n    return red\nf() + count(Object, red)", 3),
        ("n = count(Object, lambda x: cube(x))\nif n > 100:\n    cube = 1\nelse:\n    cube = 2\ncube", 2),
    ],
)
def test_a_name_is_a_predicate_until_it_is_bound(text: str, value: int) -> None:
    assert Engine(oracle="scene").run(text, SCENE).value == value


def test_one_line_ends_with_one_mark() -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        dsl.check("exists(Object, lambda x: red(y))")
    assert caught.value.one_line().endswith("Did you mean 'x'?")
