"""Edit and run again: what follows from another score or word, with nothing asked and nothing else changed."""

from __future__ import annotations

import pytest
from helpers.made_programs import LevelOracle, world

from neptune.engine import Engine
from neptune.engine.edited import Changes, run_edited
from neptune.errors import ConfigError

PROGRAM = "count(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))"


@pytest.fixture
def engine() -> Engine:
    return Engine(LevelOracle(3, (0.02, 0.98)))


def test_a_changed_score_changes_what_follows_and_nothing_is_asked(engine: Engine) -> None:
    scene = world(4)
    before = engine.run("count(Object, lambda x: red(x))", scene)
    for k in range(4):
        is_red = k in before.objects
        again = run_edited(
            engine.context, "count(Object, lambda x: red(x))", scene, Changes({f"red({k})": 0.0 if is_red else 1.0})
        )
        assert again.value == before.value + (-1 if is_red else 1)
        assert again.usage.oracle_calls == 0
    assert engine.run("count(Object, lambda x: red(x))", scene).value == before.value  # the evidence stays as it was


def test_without_a_change_the_answer_is_the_same(engine: Engine) -> None:
    scene = world(4)
    before = engine.run(PROGRAM, scene)
    again = run_edited(engine.context, PROGRAM, scene, Changes())
    assert (again.value, again.probability, again.trace) == (before.value, before.probability, before.trace)


@pytest.mark.parametrize(
    ("cell", "pair"), [("left(0, 1)", (0, 1)), ("right(1, 0)", (0, 1)), ("same_color(1, 0)", None)]
)
def test_a_pair_is_changed_in_the_words_that_are_asked(engine: Engine, cell: str, pair: tuple[int, int] | None) -> None:
    scene = world(3)
    name = cell.partition("(")[0]
    text = f"exists(Object, lambda x: exists(Object, lambda y: {name}(x, y)))"
    engine.run(text, scene)
    changes = {f"{name}({i}, {j})": 0.0 for i in range(3) for j in range(3) if i != j}
    assert run_edited(engine.context, text, scene, Changes(changes)).value is False
    assert run_edited(engine.context, text, scene, Changes(changes | {cell: 1.0})).value is True


def test_missing_evidence_may_be_put_in(engine: Engine) -> None:
    scene = world(1)
    engine.run("exists(Object, lambda x: red(x))", scene)
    gone = run_edited(engine.context, "exists(Object, lambda x: red(x))", scene, Changes({"red(0)": None}))
    assert gone.abstained
    assert gone.guarantee == "none"


def test_a_word_of_the_program_is_changed(engine: Engine) -> None:
    scene = world(4)
    engine.run("count(Object, lambda x: red(x))", scene)
    other = engine.run("count(Object, lambda x: cube(x))", scene)
    again = run_edited(engine.context, "count(Object, lambda x: red(x))", scene, Changes(words={"red": "cube"}))
    assert again.value == other.value
    assert again.usage.oracle_calls == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes({"red": 0.5}), "names no score"),
        (Changes({"red(9)": 0.5}), "no objects of the scene"),
        (Changes({"left(1, 1)": 0.5}), "no objects of the scene"),
        (Changes({"red(0)": 1.5}), "probability"),
        (Changes({"red(0)": float("nan")}), "probability"),
        (Changes({"largest(0)": 1.0}), "no single question"),
        (Changes(words={"blue": "red"}), "no word of the program"),
    ],
)
def test_a_change_that_is_none_says_why(engine: Engine, changes: Changes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_edited(engine.context, PROGRAM, world(3), changes)
