"""Where the language looks like Python, Python's own rules hold: what Python computes is what comes out."""

from __future__ import annotations

import pytest

from dsl.errors import ProgramError
from neptune.engine import Engine
from neptune.scene import Scene

SCENE = Scene.synthetic(4, seed=1)

ALIKE = [
    # A default is evaluated where the function is defined, once.
    "k = 1\ndef f(a, b=k):\n    return a + b\nk = 10\nf(1)",
    "def f(a, items=[]):\n    items.append(a)\n    return len(items)\nf(1)\nf(2)",
    "def f(x=1):\n    return x\ng = f\ndef f(x=2):\n    return x\ng() * 10 + f()",
    "n = 3\ndef f(a=n):\n    n = 7\n    def g(b=n):\n        return b\n    return g() * 10 + a\nn = 4\nf()",
    "items = [1]\ndef f(a=items):\n    return len(a)\nitems = [1, 2, 3]\nf()",
    "items = [1]\ndef f(a=items):\n    return len(a)\nitems.append(5)\nf()",
    # An augmented assignment changes a list, or a set, for all of its names; numbers, texts and tuples are replaced.
    "x = [1]\ny = x\nx += [2]\nlen(y)",
    "y = [1]\nx = y\nx += [2]\nx.append(3)\nlen(y) * 10 + len(x)",
    "x = [1]\ny = x\nx = x + [2]\nlen(y)",
    "x = [1]\nx += x\nx += x\nlen(x)",
    "x = [[1], [2]]\ny = x[0]\nx[0] += [5]\nlen(y)",
    "d = {'a': [1]}\ny = d['a']\nd['a'] += [2]\nlen(y)",
    "x = {1, 2}\ny = x\nx |= {3}\nlen(y)",
    "x = {1, 2}\ny = x\nx -= {1}\nlen(y)",
    "x = {1, 2}\ny = x\nx &= x\nlen(y)",
    "x = (1, 2)\ny = x\nx += (3,)\nlen(y)",
    "x = 'a'\ny = x\nx += 'b'\nlen(y)",
    "x = 3\ny = x\nx += 1\ny",
    "def f(a):\n    a += [9]\n    return len(a)\nx = [1]\nf(x)\nlen(x)",
    "x = [1, 2]\nfor i in [1, 2, 3]:\n    x += [i]\nlen(x)",
]


@pytest.mark.parametrize("program", ALIKE)
def test_as_in_python(program: str) -> None:
    *first, last = program.split("\n")
    names: dict[str, object] = {}
    exec("\n".join(first), names)
    assert Engine(oracle="random").run(program, SCENE).value == eval(last, names)


def test_a_list_in_itself_has_an_end() -> None:
    with pytest.raises(ProgramError):
        Engine(oracle="random").run("x = [1]\nx += [x]\nx += [x]\nx += [x]\nlen(str(x))", SCENE)
    with pytest.raises(ProgramError):
        Engine(oracle="random").run("x = [1]\nfor i in range(60):\n    x += x\nlen(x)", SCENE)


@pytest.mark.parametrize(
    ("program", "value", "said"),
    [
        ("mode([1, 2, 2])", 2, ""),
        ("mode(['a', 'b', 'a', 'b'])", "a", "a tie: a, b occur 2 times each, and a is the first"),
        ("mode([3, 3, 1, 1, 2])", 3, "a tie: 3, 1 occur 2 times"),
        ("mode(Color, lambda c: 1)", None, "a tie: "),
        ("mode(Shape, lambda s: 0)", None, "found nothing to count: of 3 values none occurs"),
        ("mode(Shape, lambda s: count(Object, lambda x: shape(x, s)))", None, None),
    ],
)
def test_a_tie_and_nothing_are_said(program: str, value: object, said: str | None) -> None:
    answer = Engine(oracle="scene", vocabulary="clevr").run(program, SCENE)
    notes = " ".join(note for note in answer.notes if "'mode'" in note)
    assert value is None or answer.value == value
    assert said is None or (said in notes if said else not notes)


@pytest.mark.parametrize("program", ["mode([])", "mode(set())", "mode([], lambda c: 1)"])
def test_the_mode_of_nothing_is_an_error(program: str) -> None:
    with pytest.raises(ProgramError, match="'mode' of nothing"):
        Engine(oracle="random").run(program, SCENE)


def test_an_empty_scene_has_no_commonest_colour_and_says_so() -> None:
    empty = Scene.synthetic(0)
    program = "mode(Color, lambda c: count(Object, lambda x: color(x, c)))"
    answer = Engine(oracle="scene", vocabulary="clevr").run(program, empty)
    assert any("found nothing" in note for note in answer.notes)
