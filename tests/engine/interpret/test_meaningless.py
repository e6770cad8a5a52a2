"""Programs without one clear meaning: each is rejected, with an error that names the right thing."""

from __future__ import annotations

import pytest
from helpers.meaningless import MEANINGLESS

import dsl
from neptune.engine import Engine
from neptune.scene import Scene


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="random")


@pytest.mark.parametrize(("program", "what"), MEANINGLESS)
def test_is_rejected_and_told_why(engine: Engine, program: str, what: str) -> None:
    with pytest.raises(dsl.ProgramError) as caught:
        engine.run(program, Scene.synthetic(6, seed=1))
    error = caught.value
    assert what in error.one_line()
    assert error.span is not None, "says where"
    assert error.expected or error.hint, "says what was expected, or how to mend it"
    assert error.source == program


def test_there_are_enough() -> None:
    assert len(MEANINGLESS) >= 50
