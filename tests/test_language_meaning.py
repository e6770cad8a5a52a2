"""What programs mean where Python's meaning would be another: truths, counts, numbers, sureness, empty pictures."""

from __future__ import annotations

import pytest

import dsl
from neptune.engine import Engine
from neptune.scene import Scene


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene")


@pytest.fixture
def eight() -> Scene:
    return Scene.synthetic(8, seed=1)


def refused(engine: Engine, program: str, scene: Scene) -> dsl.ProgramError:
    with pytest.raises(dsl.ProgramError) as caught:
        engine.run(program, scene)
    return caught.value


# --- plain values where a truth is meant ---------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "mend"),
    [
        ('exists(Object, lambda x: color(x) == "red" or "blue")', 'did you mean color(x) == "blue"?'),
        ("count(Object, lambda x: color(x) != red and blue)", 'did you mean color(x) != "blue"?'),
        ("count(Object, lambda x: cube(x) or sphere)", "did you mean sphere(x)?"),
        ("count(Object, lambda x: sphere or cube(x))", "did you mean sphere(x)?"),
        ("all(Object, lambda block: cube(block) and shiny)", "did you mean shiny(block)?"),
        ("count(Object, lambda x: not cube)", "did you mean cube(x)?"),
        ("count(Object, lambda x: cube(x) and not sphere)", "did you mean sphere(x)?"),
        ("count(Object, lambda x: red(x) and (cube or sphere))", "did you mean cube(x)?"),
        ("[o for o in Object if cube]", "did you mean cube(o)?"),
        ('not "cube"', "did you mean exists(Object, lambda x: cube(x))?"),
        ("red or blue", "did you mean exists(Object, lambda x: red(x))?"),
        ('if red:\n    return "yes"\nreturn "no"', "did you mean exists(Object, lambda x: red(x))?"),
        ("exists(Object, lambda x: red(x) and 3)", "compare it with something"),
        ("exists(Object, lambda x: cube(x) and [1])", "compare it with something"),
        ('exists(Object, lambda x: red(x)) and "heavy" or "light"', "compare it with something"),
        ('def f(x, n):\n  return red(x) and n\nreturn exists(Object, lambda x: f(x, 3))', "compare it with something"),
        ("exists(Object, lambda x: red(x)) or None", "compare it with something"),
        ("exists(Color, lambda c: exists(Object, lambda x: color(x, c)) and c)", "compare it with something"),
    ],
)  # fmt: skip
def test_a_text_or_a_number_is_no_truth_beside_a_formula(
    engine: Engine, eight: Scene, program: str, mend: str
) -> None:
    error = refused(engine, program, eight)
    assert "is no truth value" in error.what
    assert error.mend == mend
    assert error.span is not None


@pytest.mark.parametrize(
    ("program", "value", "note"),
    [
        ("reds = [o for o in Object if red(o)]\nreturn reds and exists(Object, lambda x: cube(x))", True, "a list"),
        ("n = 2\nreturn n and exists(Object, lambda x: cube(x))", True, "a number"),
        ("best = None\nreturn exists(Object, lambda x: cube(x)) and best", False, "None"),
    ],
)  # fmt: skip
def test_what_a_variable_holds_keeps_pythons_meaning_and_is_reported(
    engine: Engine, eight: Scene, program: str, value: bool, note: str
) -> None:
    answer = engine.run(program, eight)
    assert answer.value is value
    assert any(n.startswith(f"{note} beside a formula was read as in Python") for n in answer.notes)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ('name = ""\nreturn name or "unknown"', "unknown"),
        ('name = "a"\nif name and not False:\n    name = name + "b"\nreturn name', "ab"),
        ("items = []\nreturn 1 if not items else 2", 1),
        ('shade = "red"\nreturn count(Object, lambda x: not shade or color(x) == shade)', 1),
        ("exists(Object, lambda x: red(x) and True)", True),
    ],
)
def test_plain_values_among_themselves_are_pythons(
    engine: Engine, eight: Scene, program: str, value: object
) -> None:
    answer = engine.run(program, eight)
    assert answer.value == value
    assert answer.notes == ()
