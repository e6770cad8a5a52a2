"""No rule of the normaliser takes for granted that a call has arguments: `and_()` is an error in words."""

from __future__ import annotations

import contextlib

import pytest

import dsl
from dsl.builtins import BUILTINS

FRAMES = (
    "{}",
    "not {}",
    "{} is None",
    "{} and red(x)",
    "shiny({})",
    "small({0} and {0})",
    "left(x, {})",
    "left({}, {})",
    "same_color({})",
    "same_color({0}, {0}, {0})",
    "count(Object, lambda x: small({}))",
    "exists(Object, lambda x: left(x, iota(Object, lambda y: {})))",
    "describe(Color, {})",
    "{0} == {0}",
    "len({}) > 1",
)


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_a_call_of_nothing_is_a_program_or_an_error_in_words(name: str) -> None:
    for frame in FRAMES:
        text = frame.replace("{0}", "{}").replace("{}", f"{name}()")
        with contextlib.suppress(dsl.ProgramError):  # anything else is a fault
            dsl.check(text, vocabulary=dsl.Vocabulary.load("clevr"))
