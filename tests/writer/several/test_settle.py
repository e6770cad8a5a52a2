"""Different programs for one question: they vote by meaning, are tested, and settled by a scene."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from neptune.config import Config
from neptune.engine.assemble import several_of
from neptune.writer.chat import Spent
from neptune.writer.several.settle import Several, read_tests
from neptune.writer.vote import Candidate

QUESTION = "Is there more than one red thing?"
RIGHT, ALIKE = "count(Object, lambda x: red(x)) > 1", "count(Object, lambda x: red(x)) >= 2"
WRONG = "count(Object, lambda x: red(x)) >= 1"


class Scripted:
    """A model that answers what it is shown: it reads the scene, and picks the program that is right there."""

    def __init__(self, program: str | None = None, tests: str = "") -> None:
        self.program, self.tests, self.asked = program, tests, list[str]()

    def __call__(self, text: str, program: bool) -> tuple[str | None, Spent]:
        self.asked.append(text)
        if not program:
            return self.tests, Spent(calls=1)
        return self.program, Spent(calls=1)


def several(*checks: str) -> Several:
    return several_of(Config(dataset="clevr", code_gen_checks=list(checks)))


def test_programs_of_one_meaning_vote_as_one() -> None:
    given = [Candidate(WRONG, 0.4), Candidate(RIGHT, 0.3), Candidate(ALIKE, 0.3)]
    ask = Scripted()
    found, notes, spent, _ = several().settled(given, QUESTION, ask)
    assert [(c.program, pytest.approx(c.weight)) for c in found] == [(RIGHT, 0.6), (WRONG, 0.4)]
    assert "3 programs are 2" in notes[0]
    assert notes[1].startswith("they differ where there is object 0: ")
    assert notes[1].endswith("program 1: no; program 2: yes")
    assert ask.asked == []
    assert spent.calls == 0
    plain, *_ = Several().settled(given, QUESTION, ask)
    assert plain == given  # nobody tells them apart


def test_the_model_is_shown_the_scene_the_answers_and_the_question() -> None:
    ask = Scripted(program=ALIKE)
    found, notes, spent, _ = several("scene").settled([Candidate(WRONG, 0.7), Candidate(RIGHT, 0.3)], QUESTION, ask)
    assert [c.program for c in found] == [ALIKE]
    assert found[0].weight == 1.0
    assert "settled on that of weight 0.30" in notes[-1]
    assert spent.calls == 1
    (shown,) = ask.asked
    assert QUESTION in shown
    assert "object 0" in shown
    assert "object 1" not in shown  # one red thing parts them
    assert f"{WRONG}\nsays: yes" in shown
    assert f"{RIGHT}\nsays: no" in shown


def test_a_person_is_shown_the_scene_drawn_beside_what_each_program_says() -> None:
    given = [Candidate(WRONG, 0.4), Candidate(RIGHT, 0.3), Candidate(ALIKE, 0.3)]
    dispute = several().settled(given, QUESTION, Scripted()).dispute
    assert dispute is not None
    assert dispute["programs"] == [{"program": RIGHT, "says": "no"}, {"program": WRONG, "says": "yes"}]
    drawn = ElementTree.fromstring(dispute["drawing"])
    name = {"s": "http://www.w3.org/2000/svg"}
    title = drawn.find("s:title", name)
    assert title is not None
    assert title.text == dispute["scene"]
    assert [t.text for t in drawn.findall("s:text", name)] == ["0"]  # one red thing parts them
    assert several().settled([Candidate(RIGHT, 0.5), Candidate(ALIKE, 0.5)], QUESTION, Scripted()).dispute is None


def test_where_the_model_writes_nothing_of_use_the_vote_stands() -> None:
    given = [Candidate(WRONG, 0.7), Candidate(RIGHT, 0.3)]
    found, notes, *_ = several("scene").settled(given, QUESTION, Scripted(program=None))
    assert found == given
    assert "no program" in notes[-1]


def test_a_program_that_is_neither_is_taken_and_said_so() -> None:
    found, notes, *_ = several("scene").settled(
        [Candidate(WRONG, 0.5), Candidate(RIGHT, 0.5)], QUESTION, Scripted(program="exists(Object, lambda x: blue(x))")
    )
    assert found[0].program == "exists(Object, lambda x: blue(x))"
    assert "another one" in notes[-1]


def test_tests_that_the_model_writes_weed_out_programs() -> None:
    red = {"color": "red"}
    lines = [
        {"objects": [red], "answer": False},
        {"objects": [red, red], "answer": True},
        {"objects": "x", "answer": 1},
    ]
    ask = Scripted(tests="Tests:\n" + "\n".join(map(json.dumps, lines)))
    given = [Candidate(WRONG, 0.7), Candidate(RIGHT, 0.3)]
    found, notes, *_ = several("tests").settled(given, QUESTION, ask)
    assert [(c.program, c.weight) for c in found] == [(RIGHT, 1.0)]
    assert notes[-1] == "2 tests by the model: 1, 2 passed"
    nothing, notes, *_ = several("tests").settled(given, QUESTION, Scripted(tests="I can not."))
    assert [c.program for c in nothing] == [WRONG, RIGHT]
    assert notes[-1] == "no test of use"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("[[[", 0),
        ("{}", 0),
        ("[1, 2]", 0),
        ('{"answer": 1}', 1),
        ('[{"answer": 1}, {"answer": 2}] {"answer"', 2),
    ],
)
def test_what_is_no_test_is_left_out(text: str, count: int) -> None:
    assert len(read_tests(text)) == count


def test_plain_repair_keeps_the_majority_where_a_scene_turns_it() -> None:
    """A model that can count what it is shown, and does not mend its program unshown: shown, 6 of 6 are right."""
    pairs = [
        (f"count(Object, lambda x: {word}(x)) {sign} {n}", f"count(Object, lambda x: {word}(x)) {other} {n}")
        for word, sign, other, n in (
            ("red", ">", ">=", 1), ("cube", "<", "<=", 2), ("metal", "==", ">=", 1),
            ("large", ">", ">=", 2), ("blue", "==", "<=", 1), ("sphere", "<", "<=", 1),
        )
    ]  # fmt: skip

    def right_of(given: list[Candidate], checks: tuple[str, ...], right: str) -> bool:
        ask = Scripted(program=right if checks else None)
        found, *_ = several(*checks).settled(given, "…", ask)
        return found[0].program == right

    results: dict[tuple[str, ...], Any] = {
        checks: sum(right_of([Candidate(wrong, 0.6), Candidate(right, 0.4)], checks, right) for right, wrong in pairs)
        for checks in ((), ("scene",))
    }
    assert results == {(): 0, ("scene",): 6}
