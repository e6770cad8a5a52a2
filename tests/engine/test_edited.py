"""Edit and run again: what follows from another score or word, with nothing asked and nothing else changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from helpers.made_programs import LevelOracle, world

from neptune.engine import Engine
from neptune.engine.edited import Changes, Quiet, changes_of, for_sample, run_edited
from neptune.errors import ConfigError, NotRecordedError
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

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


def test_a_changed_box_is_asked_about_anew_where_that_may_be_and_else_stays(engine: Engine) -> None:
    scene, program = world(4), "count(Object, lambda x: red(x))"
    before = engine.run(program, scene)
    changes = Changes(boxes={1: (1.0, 2.0, 30.0, 40.0)})
    quiet = run_edited(engine.context, program, scene, changes)
    assert (quiet.value, quiet.usage.oracle_calls) == (before.value, 0)
    assert run_edited(engine.context, program, scene, changes, engine.context.oracle).usage.oracle_calls == 1


def test_what_was_said_in_words_is_changed() -> None:
    engine, scene = Engine(oracle="scene"), Scene.synthetic(3, seed=1)
    text = "exists(Object, lambda x: red(x))"
    engine.run(text, scene)
    none = run_edited(engine.context, text, scene, Changes(texts={f"color({k})": "blue" for k in range(3)}))
    assert none.value is False
    one = run_edited(
        engine.context, text, scene, Changes(texts={"color(0)": "red", "color(1)": "blue", "color(2)": "blue"})
    )
    assert one.value is True
    with pytest.raises(ConfigError, match="no color"):
        run_edited(engine.context, text, scene, Changes(texts={"color(0)": "loud"}))


def test_changes_are_read_as_a_command_line_has_them() -> None:
    found = changes_of(
        ["red(2)=0.1", "left(0, 1)=yes", "blue(1)=none", "word(cube)=ball", "box(3)=1,2,30,40", "color(2)=red",
         '"what is it, x=1?"(2)=a cup', '"is it open?"(0)=no']
    )  # fmt: skip
    assert found.scores == {"red(2)": 0.1, "left(0, 1)": 1.0, "blue(1)": None, '"is it open?"(0)': 0.0}
    assert found.words == {"cube": "ball"}
    assert found.boxes == {3: (1.0, 2.0, 30.0, 40.0)}
    assert found.texts == {"color(2)": "red", '"what is it, x=1?"(2)': "a cup"}
    assert not changes_of([])
    assert for_sample(["a-1: red(0)=1", "blue(0)=1", '"x: y?"(0)=1'], "a-2") == ["blue(0)=1", '"x: y?"(0)=1']
    assert for_sample(["a-1: red(0)=1", "blue(0)=1"], "a-1") == ["red(0)=1", "blue(0)=1"]


@pytest.mark.parametrize("text", ["", "red(2)", "red=1", "red(2)=", "box(1)=1,2,3", "box(1)=a,b,c,d", "red(x)=1"])
def test_what_changes_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"changes nothing|can be changed|no box"):
        changes_of([text])


@pytest.mark.parametrize("box", [(5.0, 5.0, 5.0, 9.0), (-1.0, 0.0, 5.0, 5.0), (0.0, 0.0, 9999.0, 5.0)])
def test_a_box_that_is_none_of_the_picture_is_refused(engine: Engine, box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigError, match="box of object"):
        run_edited(engine.context, PROGRAM, world(3), Changes(boxes={0: box}))


def test_two_words_may_change_places(engine: Engine) -> None:
    scene = world(4)
    engine.run(PROGRAM, scene)
    other = engine.run(PROGRAM.replace("red", "X").replace("cube", "red").replace("X", "cube"), scene)
    again = run_edited(engine.context, PROGRAM, scene, Changes(words={"red": "cube", "cube": "red"}))
    assert again.value == other.value


def test_a_question_of_its_own_is_answered_in_quotes(engine: Engine) -> None:
    scene = world(2)
    whole, each = 'score("is it raining?", n=0)', 'score("is it open?").exists("x1")'
    for program, cells in ((whole, ['"is it raining?"()']), (each, ['"is it open?"(0)', '"is it open?"(1)'])):
        engine.run(program, scene)
        for value in (0.0, 1.0):
            changes = dict.fromkeys(cells, value)
            assert run_edited(engine.context, program, scene, Changes(changes)).value is bool(value)


def test_what_a_recording_does_not_hold_is_missing_and_the_rest_is_read_off_it(engine: Engine) -> None:
    class Recording:
        name = "recording"

        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            if any(r.question.predicate != "red" for r in requests):
                raise NotRecordedError("never recorded")
            return [Scores.of(np.where(r.objects[:, 0] == 1, 5.0, -5.0)) for r in requests]

        def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
            raise NotRecordedError("never recorded")

    scene, quiet = world(3), Quiet(Recording())
    known = run_edited(engine.context, "count(Object, lambda x: red(x))", scene, Changes({"red(0)": 1.0}), quiet)
    assert known.value == 2
    missing = run_edited(
        engine.context, "count(Object, lambda x: red(x))", scene, Changes(words={"red": "cube"}), quiet
    )
    assert missing.abstained
    assert missing.guarantee == "none"
