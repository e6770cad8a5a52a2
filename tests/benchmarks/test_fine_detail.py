"""The pictures with fine details: each family's programs answer them; a drawn picture is as its question says."""

from __future__ import annotations

import pytest
from fine_detail import FAMILIES, Reader, in_one, in_turns

from neptune import Engine

pytest.importorskip("cv2", reason="the extra 'vision' is not installed")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(out_of_domain="answer")


@pytest.mark.parametrize("make", FAMILIES, ids=lambda f: f.__name__)
def test_programs_in_turns_answer(make: object, engine: Engine) -> None:
    if make is FAMILIES[0]:
        pytest.importorskip("rapidocr", reason="the extra 'ocr' is not installed")
    case = make(4)  # type: ignore[operator]
    assert in_turns(engine, case, Reader())


def test_one_query_of_the_whole_picture_does_not_read_the_word(engine: Engine) -> None:
    assert not in_one(engine, FAMILIES[0](0))


def test_answers_are_of_every_kind() -> None:
    assert {FAMILIES[3](k).expected for k in range(6)} == {0, 1, 2}
    assert {FAMILIES[2](k).expected for k in range(4)} == {True, False}
    assert {FAMILIES[1](k).expected for k in range(2)} == {True, False}
    assert len({FAMILIES[0](k).expected for k in range(10)}) == 10
