"""What was once answered without a word, or with one that misled: each kind is an error that says what is meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import dsl
from dsl import ProgramError
from dsl.vocabulary import Vocabulary
from neptune import Engine, Scene
from neptune.errors import DetectorError, OracleError
from neptune.scene.boxes import Detections
from neptune.scene.types import Scores

WORDS = Vocabulary.from_data(
    {
        "name": "closed",
        "closed": True,
        "sorts": {"Color": {"values": ["red", "blue"]}, "Place": {"values": ["shelf", "floor"]}},
        "predicates": {"above": {"arity": 2}, "touching": {"arity": 2}, "touching_edge": {"arity": 1}},
    }
)
SCENE = Scene.synthetic(4, seed=1)


@pytest.mark.parametrize(
    "program",
    [
        "[len(c) for c in Color]",
        "len(red)",
        "len(describe(Color, iota(Object, lambda x: cube(x))))",
        "max([len(s) for s in Shape])",
        "[c[0] for c in Color]",
        "red[1:]",
        "[letter for letter in red]",
        "list(red)",
        "set(red)",
        "sorted(red)",
        "tuple(red)",
        "list(enumerate(red))",
        "list(zip(red, blue))",
        "c = mode(Color, lambda c: count(Object, lambda x: color(x, c)))\nlen(c)",
        "n = 0\nfor c in Color:\n    for letter in c:\n        n += 1\nn",
    ],
)
def test_a_value_is_no_list_of_letters(program: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Engine("scene", None).run(program, SCENE)
    assert "letters mean nothing" in caught.value.what or "has no length" in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ('len("red")', 3),
        ('"red"[0]', "r"),
        ("len([c for c in Color])", 8),
        ("len(Color)", 8),
        ('"e" in red', True),
        ("red == 'red'", True),
        ('f"{red} {blue}"', "red blue"),
        ("red.upper()", "RED"),
        ("[c for c in Color if c == 'red']", ["red"]),
        ("{c: 1 for c in Color}['red']", 1),
        ("sorted([c for c in Size])", ["large", "small"]),
    ],
)
def test_texts_stay_texts_and_values_are_texts_where_words_are_meant(program: str, value: Any) -> None:
    assert Engine("scene", None).run(program, SCENE).value == value


class Nobody:
    """An oracle that must not be asked."""

    name = "nobody"

    def score(self, requests: Any) -> list[Scores]:
        raise AssertionError([r.question.text for r in requests])

    def query(self, requests: Any) -> list[list[str | None]]:
        raise AssertionError([r.question.text for r in requests])


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("exists(Place, lambda b: exists(Object, lambda x: above(x, b)))", "place(x"),
        ("exists(Object, lambda x: above(x, shelf))", "place(x"),
        ('exists(Object, lambda x: above("shelf", x))', "place(x"),
        ("any([exists(Object, lambda x: above(x, b)) for b in Place])", "place(x"),
        ("exists(Object, lambda x: red(x, shelf))", ""),
        ('exists(Object, lambda x: touching(x, "edge"))', "touching_edge"),
        ("exists(Object, lambda x: touching(x, edge))", "touching_edge"),
        ('exists(Object, lambda x: touching(x, "nothing at all"))', "name an object"),
        ("b = max(['shelf', 'floor'], key=lambda v: 1)\nexists(Object, lambda x: above(x, b))", "leave the value out"),
    ],
)
def test_no_value_becomes_a_part_of_a_predicates_name_in_a_closed_vocabulary(program: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Engine(Nobody(), None, vocabulary=WORDS).run(program, SCENE)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("program", "what", "hint"),
    [
        ("exists(Object, lambda x: in(x, b))", "'in' is a word of the language", "inside(x, b)"),
        ("exists(Object, lambda x: is(x, red))", "'is' is a word of the language", "equal(a, b)"),
        ("exists(Object, lambda x: exists(Object, lambda y: x in y))", "an object is no list", "inside(x, b)"),
        ("exists(Object, lambda x: x in shelf)", "'shelf' is a value of Place", 'place(x, "shelf")'),
        (
            "exists(Object, lambda t: red(top(t)))",
            "unknown predicate 'top'",
            "let the vocabulary 'closed' define 'top'",
        ),
        ("red(top(iota(Object, lambda t: blue(t))))", "unknown predicate 'top'", "is described: iota(Object"),
        ("count(Block, lambda x: red(x))", "'Block' is no sort", "count(Object, lambda x: block(x)"),
        ("exists(Blocks, lambda y: red(y))", "'Blocks' is no sort", "let the vocabulary 'closed' define it"),
        ("count(Colr, lambda x: red(x))", "'Colr' is no sort", "did you mean 'Color'"),
        ("count(red, lambda x: blue(x))", "'red' is no sort", "count(Object, lambda x: red(x)"),
        ("exists(Object, lambda x: equa(x, x))", "unknown predicate 'equa'", "did you mean 'equal'"),
    ],
)
def test_hints_say_what_is_meant(program: str, what: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Engine("random", None, vocabulary=WORDS).run(program, SCENE)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_a_word_of_objects_is_no_sort_in_an_open_vocabulary_either() -> None:
    with pytest.raises(ProgramError, match=r"'Block' is no sort") as caught:
        dsl.check("count(Block, lambda x: red(x))", vocabulary=Vocabulary.load("clevr"))
    assert "count(Object, lambda x: cube(x) and …)" in caught.value.hint


class Faulty:
    """An oracle that replies as it was told, or raises."""

    name = "faulty"

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def score(self, requests: Any) -> Any:
        return self.say(requests)

    def query(self, requests: Any) -> Any:
        return self.say(requests)

    def say(self, requests: Any) -> Any:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply(requests) if callable(self.reply) else self.reply


FAULTS: list[tuple[Any, str]] = [
    (KeyError("red"), "failed with KeyError: 'red'"),
    (ValueError(), "failed with ValueError"),
    (ZeroDivisionError("x"), "failed with ZeroDivisionError: x"),
    (AttributeError("no 'foo'"), "failed with AttributeError"),
    (StopIteration(), "failed with StopIteration"),
    (None, "wrong form: None"),
    (3, "wrong form: int"),
    ("yes", "wrong form: str"),
    (lambda r: (x for x in r), "wrong form: generator"),
    (lambda r: [], "0 answers to 1 requests"),
    (lambda r: [np.zeros(4)], "wrong form: an array of float64"),
    (lambda r: [[0.0] * 4], "wrong form: list"),
    (lambda r: [None], "wrong form: None"),
    (lambda r: [Scores.of(np.zeros(9))], "wrong form: shape (9,)"),
    (lambda r: [Scores(["a"] * 4, None)], "wrong form: list"),  # type: ignore[arg-type]
    (lambda r: [Scores(np.zeros(4, complex), None)], "wrong form: an array of complex"),  # type: ignore[arg-type]
    (lambda r: [Scores(np.zeros(4), np.ones(4), None, np.zeros(4))], "wrong form: shape (4,)"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("reply", "message"), FAULTS)
@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_what_an_oracle_does_by_mistake_is_said_with_its_name(reply: Any, message: str, schedule: str) -> None:
    engine = Engine(Faulty(reply), None, schedule=schedule)
    with pytest.raises(OracleError) as caught:
        engine.run("exists(Object, lambda x: red(x))", SCENE)
    assert message in str(caught.value)
    assert "'faulty'" in str(caught.value)
    assert "mistake in the oracle's adapter" in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (KeyError("red"), "failed with KeyError"),
        (None, "wrong form: None"),
        (lambda r: [None], "wrong form: ['None']"),
        (lambda r: ["red"], "wrong form: ['str']"),
        (lambda r: [[3]], "wrong form: int"),
        (lambda r: [["red", "blue"]], "wrong form: [2]"),
    ],
)
def test_what_an_oracle_answers_in_words_is_checked_too(reply: Any, message: str) -> None:
    program = 'query("what is it?", iota(Object, lambda x: object(x)))'
    with pytest.raises(OracleError) as caught:
        Engine(Faulty(reply), None, vocabulary="clevr").run(program, SCENE)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (KeyError("box"), "failed with KeyError: 'box'"),
        (None, "wrong form: NoneType"),
        ([[0, 0, 5, 5]], "wrong form: list"),
        (Detections(np.zeros((2, 4), np.float32), np.ones(1, np.float32)), "wrong form: boxes of shape (2, 4)"),
        (Detections(np.zeros((2, 3), np.float32), np.ones(2, np.float32)), "wrong form: boxes of shape (2, 3)"),
    ],
)
def test_what_a_detector_does_by_mistake_is_said_with_its_name(reply: Any, message: str) -> None:
    class Finder:
        name = "finder"

        def detect(self, picture: Any, labels: Any = ()) -> Any:
            if isinstance(reply, Exception):
                raise reply
            return reply

    with pytest.raises(DetectorError) as caught:
        Engine("random", Finder()).scene(Image.new("RGB", (20, 20)))
    assert message in str(caught.value)
    assert "'finder'" in str(caught.value)


def test_scores_as_other_numbers_are_numbers() -> None:
    for logits in (np.array([1, 1, 0, 1]), np.array([True] * 4), np.array([9.0, -np.inf, np.inf, np.nan])):
        engine = Engine(Faulty(lambda r, given=logits: [Scores(given, np.ones(4))]), None)
        engine.run("count(Object, lambda x: red(x))", SCENE)
