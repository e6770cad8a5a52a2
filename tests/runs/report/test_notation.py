"""Formulas in plain words, the same in Python and on the page."""

from __future__ import annotations

import pytest

from neptune.engine import Engine
from neptune.scene import Scene
from neptune.words import in_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ι@1 (red(@1) ∧ blue(@1))", "the y with (red(y) and blue(y))"),
        ("ι@0 cube(@0)", "the x with cube(x)"),
        ("#@0 (red(@0) ∧ ¬left(@0, @1))", "how many x with (red(x) and not left(x, y))"),
        ("E[@1 ~ ι@1 sphere(@1)] left(@0, @1)", "y being the y with sphere(y): left(x, y)"),
        ("∃@0 ∀@1 (@0 ≠ @1 ∨ big(@0))", "some x with every y has (x is not y or big(x))"),
        ("query('what color is it?')", "query('what color is it?')"),
        ("", ""),
    ],
)
def test_signs_are_words(text: str, words: str) -> None:
    assert in_words(text) == words


def test_an_answer_says_in_words_what_nothing_fits() -> None:
    engine, scene = Engine(oracle="scene", vocabulary="clevr"), Scene.synthetic(4, seed=0)
    answer = engine.run("describe(Shape, iota(Object, lambda x: red(x) and blue(x)))", scene)
    assert str(answer) == "abstained: nothing fits the x with (red(x) and blue(x))"
    assert answer.presuppositions == ("ι@0 (red(@0) ∧ blue(@0))",)
