"""Malformed programs that have one clear meaning: each is read as it says, and reported."""

from __future__ import annotations

import pytest
from helpers.malformed import MALFORMED, NO_LONGER_READ

import dsl
from dsl import Vocabulary
from neptune.engine import Engine
from neptune.scene import Scene

CLEVR = Vocabulary.load("clevr")


#: Beside each of them, what stays as it is: it has another meaning, or none.
WELL_FORMED = [
    "exists(Object, lambda _: red(_))",
    "mode(Color, lambda c: count(Object, lambda x: color(x, c)))",
    "iota(Color, lambda c: red(c))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    "exists(Object, lambda x: between(x, iota(Object, lambda y: red(y)), iota(Object, lambda z: blue(z))))",
    "exists(Object, lambda x: closest(x, iota(Object, lambda y: red(y))))",
    "exists(Object, lambda x: exists(Object, lambda y: distinct(x, y) and same_color(x, y)))",
    "count(Object, lambda x: color(x) == red)",
    "found = {c: 1 for c in Color}\nreturn found[red]",
    'query("what is it?", iota(Object, lambda x: red(x)))',
]


@pytest.mark.parametrize(("written", "meant"), MALFORMED)
def test_malformed_input_is_read_as_what_it_means(written: str, meant: str) -> None:
    checked = dsl.check(written, vocabulary=CLEVR)
    assert dsl.print_program(checked.program).strip() == meant
    assert checked.notes, "a change is reported"


@pytest.mark.parametrize(("written", "meant"), MALFORMED)
def test_what_it_means_runs_and_is_not_changed_again(written: str, meant: str) -> None:
    answers = [Engine(oracle="random").run(text, Scene.synthetic(5, seed=2)) for text in (written, meant)]
    assert answers[0].value == answers[1].value
    once = dsl.check(written, vocabulary=CLEVR).program
    assert dsl.check(once, vocabulary=CLEVR).program == once


@pytest.mark.parametrize("text", WELL_FORMED)
def test_what_is_well_formed_is_left_alone(text: str) -> None:
    checked = dsl.check(text, vocabulary=CLEVR)
    assert checked.program == dsl.parse(text)
    assert not checked.notes


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("f(x) = 3", "can not be assigned"),
        ("exists(Object, lambda x: same_color(x, 3))", "applied to a number"),
        ("exists(Object, lambda x: same_color(x, y))", "unknown name 'y'"),
        ("majority(Object, lambda x: rubber(x))", "no built-in 'majority'"),
        ("exists(Object, lambda x: right(x) == farthest(lambda y: right(y)))", "no built-in 'farthest'"),
        ("describe(Shape, middle())", "applied to nothing"),
        ("exists(y, lambda x: red(x))", "unknown name 'y'"),
        ("count(Pair, lambda p: same_color(p[0], p[1]))", "values of Pair are not known"),
        *NO_LONGER_READ,
    ],
)
def test_what_has_no_clear_meaning_is_an_error(text: str, what: str) -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        Engine(oracle="random").run(text, Scene.synthetic(5, seed=2))
    assert what in caught.value.one_line()
