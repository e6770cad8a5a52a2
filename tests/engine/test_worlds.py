"""A new world is a file, and an oracle: what the page says of one, followed for another, playing cards on a table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dsl
from dsl.vocabulary import Vocabulary
from neptune import Engine, Scene
from neptune.engine.evidence.questions import Wording
from neptune.errors import DatasetError
from neptune.scene import Annotation
from neptune.scene.types import Scores
from neptune.writer.prompt import vocabulary_summary

PAGE = Path(__file__).resolve().parents[2] / "docs/worlds.md"

CARDS: dict[str, Any] = {
    "name": "cards",
    "closed": True,
    "sorts": {
        "Suit": {"values": ["hearts", "diamonds", "spades", "clubs"]},
        "Rank": {"values": ["seven", "eight", "nine", "jack", "queen", "king", "ace"], "ordered": True},
        "Hand": {"container": True},
        "Pile": {"container": True},
        "Court": {"of": "Object", "where": "lambda x: jack(x) or queen(x) or king(x)"},
        "Flush": {"of": "Hand", "where": "lambda h: forall(Object, lambda x: forall(Object, lambda y: "
                  "(held(x, h) and held(y, h)) >> same_suit(x, y)))"},
    },
    "geometry": {"unit": "container", "gap": 0.02, "tolerance": 0.01},
    "predicates": {
        "held": {"arity": 2, "derive": {"geometry": "inside", "within": "Hand"}},
        "piled": {"arity": 2, "derive": {"geometry": "inside", "within": "Pile"}},
        "left": {"arity": 2, "converse": "right", "derive": {"geometry": "left", "within": "Hand"}},
        "right": {"arity": 2, "converse": "left"},
        "higher": {"arity": 2, "derive": {"greater": "Rank"}},
        "same_suit": {"arity": 2, "derive": {"same": "Suit"}},
        "same_rank": {"arity": 2, "derive": {"same": "Rank"}},
        "face_up": {"arity": 1, "wording": "is {first} face up?"},
        "winning": {"of": ["Hand"]},
        "covers": {"arity": 2, "wording": "does {first} lie on {second}?"},
    },
    "definitions": {
        "red": "lambda x: hearts(x) or diamonds(x)",
        "beats": "lambda x, y: same_suit(x, y) and higher(x, y)",
        "cards": "lambda h: count(Object, lambda x: held(x, h))",
        "leftmost": "lambda h: iota(Object, lambda x: held(x, h) and not exists(Object, lambda y: left(y, x)))",
    },
    "superlatives": {"highest": {"comparative": "higher"}},
    "synonyms": {"heart": "hearts", "spade": "spades"},
}  # fmt: skip

TABLE: dict[str, Any] = {
    "size": [300, 200],
    "objects": [
        {"sort": "Hand", "box": [0, 0, 140, 90], "is": ["winning"]},
        {"box": [5, 10, 35, 60], "suit": "hearts", "rank": "ace", "is": ["face_up"]},
        {"box": [50, 10, 80, 60], "suit": "heart", "rank": "king", "is": ["face_up"]},
        {"sort": "Hand", "box": [150, 0, 290, 90]},
        {"box": [160, 10, 190, 60], "suit": "spades", "rank": "queen"},
        {"box": [200, 10, 230, 60], "suit": "hearts", "rank": "queen", "is": ["face_up"]},
        {"box": [240, 10, 270, 60], "suit": "clubs", "rank": "seven"},
        {"sort": "Pile", "box": [100, 100, 200, 190]},
        {"box": [110, 110, 140, 160], "suit": "diamonds", "rank": "jack", "is": ["face_up"]},
    ],
    "relations": {"covers": [[8, 7]]},
}

ANSWERS = {
    "count(Object)": 6,
    "count(Hand)": 2,
    "count(Pile)": 1,
    "len(Flush)": 1,
    "count(Court)": 4,
    "count(Courts, lambda x: red(x))": 3,
    "[cards(h) for h in Hand]": [2, 3],
    "cards(iota(Hand, lambda h: winning(h)))": 2,
    "describe(Rank, leftmost(iota(Hand, lambda h: not winning(h))))": "queen",
    "exists(Hand, lambda h: ace(leftmost(h)))": True,
    "forall(Hand, lambda h: red(leftmost(h)))": False,
    "exists(Hand, lambda h: winning(h) and Flush(h))": True,
    "exists(Hand, lambda h: not winning(h) and flush(h))": False,
    "forall(Flush, lambda h: winning(h))": True,
    "exists(Object, lambda x: exists(Object, lambda y: beats(x, y) and held(x, iota(Flush))))": True,
    "count(Object, lambda x: beats(x, iota(Object, lambda y: queen(y) and heart(y))))": 2,
    "count(Object, lambda x: not exists(Hand, lambda h: held(x, h)))": 1,
    "exists(Object, lambda x: exists(Pile, lambda p: piled(x, p)) and red(x) and jack(x))": True,
    "iota(Object, lambda x: highest(x))": 1,
    "describe(Suit, iota(Object, lambda x: exists(Pile, lambda p: piled(x, p))))": "diamonds",
    "sum([1 for x in Court if face_up(x)])": 3,
    "mode(Suit, lambda s: count(Object, lambda x: suit(x, s)))": "hearts",
    "court(iota(Object, lambda x: ace(x)))": False,
    "argmax(Hand, lambda h: count(Object, lambda x: held(x, h)))": 3,
    "describe(Hand, lambda h: winning(h))": 0,
    "no(Court, lambda x: no(Hand, lambda h: held(x, h)) and spades(x))": True,
}


@pytest.fixture(scope="module")
def cards() -> Vocabulary:
    return Vocabulary.from_data(CARDS)


@pytest.fixture(scope="module")
def table(cards: Vocabulary) -> Scene:
    return Scene.from_annotation(Annotation.from_world(TABLE, cards))


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("logic", ["godel", "product"])
def test_questions_about_a_world_that_is_a_file(cards: Vocabulary, table: Scene, schedule: str, logic: str) -> None:
    engine = Engine("scene", "scene", vocabulary=cards, schedule=schedule, logic=logic)
    found = {program: engine.run(program, table).value for program in ANSWERS}
    assert found == ANSWERS


class Dealer:
    """Knows two cards, and keeps what it is asked."""

    name = "dealer"

    def __init__(self) -> None:
        self.asked: dict[str, set[int]] = {}

    def score(self, requests: Any) -> list[Scores]:
        for request in requests:
            self.asked.setdefault(request.question.text, set()).update(request.objects.reshape(-1).tolist())
        return [Scores.of(np.where(np.isin(r.objects[:, 0], [1, 5]), 4.0, -4.0)) for r in requests]

    def query(self, requests: Any) -> list[list[str | None]]:
        return [[None] * len(r.objects) for r in requests]


def test_an_oracle_is_asked_in_the_words_of_the_file_and_of_nothing_of_another_sort(
    cards: Vocabulary, table: Scene
) -> None:
    dealer = Dealer()
    engine = Engine(dealer, None, vocabulary=cards)
    assert engine.run("count(Object, lambda x: face_up(x) and exists(Hand, lambda h: held(x, h)))", table).value == 2
    assert dealer.asked == {"is the object in the red box face up?": {1, 2, 4, 5, 6, 8}}
    engine.run("exists(Hand, lambda h: winning(h))", table)
    assert dealer.asked["is the object in the red box winning?"] == {0, 3}
    engine.run("exists(Object, lambda x: exists(Object, lambda y: covers(x, y)))", table)
    assert dealer.asked["does the object in the red box lie on the object in the green box?"] == {1, 2, 4, 5, 6, 8}
    asked = len(dealer.asked)
    engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", table)
    assert len(dealer.asked) == asked


def test_a_phrase_is_put_into_the_usual_question() -> None:
    words = Vocabulary.from_data(
        {
            "name": "phrases",
            "sorts": {"Suit": {"values": ["hearts"], "wording": {"hearts": "of hearts"}}},
            "predicates": {"beats": {"arity": 2, "wording": "of a higher rank than"}},
        }
    )
    wording = Wording.load(vocabulary=words)
    asked = [wording.question(dsl.plan.Predicate(name, n)).text for name, n in (("hearts", 1), ("beats", 2))]
    assert asked[0] == "is the object in the red box of hearts?"
    assert asked[1] == "is the object in the red box of a higher rank than the object in the green box?"


def test_synthetic_scenes_of_any_world_answer_every_question_of_it(cards: Vocabulary) -> None:
    engine = Engine("scene", "scene", vocabulary=cards)
    for seed in range(4):
        scene = Scene.synthetic(7, seed=seed, vocabulary=cards)
        again = Scene.synthetic(7, seed=seed, vocabulary=cards)
        assert (scene.boxes == again.boxes).all()
        assert scene.annotation is not None
        assert again.annotation is not None
        assert scene.annotation.attributes == again.annotation.attributes
        assert engine.run("count(Object)", scene).value == 7
        assert engine.run("count(Hand) + count(Pile)", scene).value == 2
        for program in ANSWERS:
            engine.run(program, scene)
        held = "count(Object, lambda x: exists(Hand, lambda h: held(x, h)) or exists(Pile, lambda p: piled(x, p)))"
        assert engine.run(held, scene).value == 7
    assert engine.run("count(Object)", Scene.synthetic(0, vocabulary=cards)).value == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["objects"][1].update(suit="heards"), "object 1: 'suit' is 'heards'.*hearts"),
        (lambda r: r["objects"][1].update(siut="hearts"), "unknown field 'siut'"),
        (lambda r: r["objects"][1].update(box=[5, 10, 2, 60]), "object 1: 'box' is"),
        (lambda r: r["objects"][0].update(sort="Hnad"), "'sort' is 'Hnad'"),
        (lambda r: r["objects"][1].update({"is": ["face_upp"]}), "'face_upp' is no predicate"),
        (lambda r: r["relations"].update(covers=[[0, 9]]), "indices below 9"),
        (lambda r: r["relations"].update(covres=[[0, 1]]), "'covres' is no predicate of 2"),
        (lambda r: r["relations"].update(higher=[[1, 2]]), "'higher' follows from other things"),
        (lambda r: r.update(size=[300]), "'size' is"),
        (lambda r: r.update(objects=3), "'objects' is no list"),
    ],
)
def test_a_wrong_record_is_named(cards: Vocabulary, change: Any, message: str) -> None:
    record = json.loads(json.dumps(TABLE))
    change(record)
    with pytest.raises(DatasetError, match=message):
        Annotation.from_world(record, cards)


def test_the_places_of_containers_follow_what_a_detector_finds(cards: Vocabulary) -> None:
    from PIL import Image

    from neptune.scene.boxes import Detections

    class Finder:
        name = "finder"

        def detect(self, picture: Any, labels: Any = ()) -> Detections:
            return Detections(np.array([[5, 5, 20, 20], [170, 5, 190, 20]], np.float32), np.ones(2, np.float32))

    data = json.loads(json.dumps(CARDS))
    data["sorts"]["Hand"]["places"] = [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    words = Vocabulary.from_data(data)
    engine = Engine(Dealer(), Finder(), vocabulary=words)
    scene = engine.scene(Image.new("RGB", (200, 100)))
    assert scene.kinds == ("Object", "Object", "Hand", "Hand")
    assert scene.boxes[2:].tolist() == [[0, 0, 100, 100], [100, 0, 200, 100]]
    assert engine.run("[cards(h) for h in Hand]", scene).value == [1, 1]


def test_what_a_world_presumes_is_its_own(table: Scene) -> None:
    program = "describe(Suit, iota(Object, lambda x: eight(x)))"
    for policy, abstains in (("abstain", True), ("answer", False)):
        words = Vocabulary.from_data({**CARDS, "presuppositions": policy})
        assert Engine("scene", "scene", vocabulary=words).run(program, table).abstained is abstains
        other = "answer" if abstains else "abstain"
        assert (
            Engine("scene", "scene", vocabulary=words, presuppositions=other).run(program, table).abstained
            is not abstains
        )


def test_prompts_tell_of_the_sorts_and_definitions_of_a_world(cards: Vocabulary) -> None:
    told = vocabulary_summary(cards)
    assert "Hand: a container, which holds objects and is none itself" in told
    assert "Court: the members of Object for which lambda x: jack(x)" in told
    assert "held(Object, Hand)" in told
    assert "cards(Hand) is a number: count(Object, lambda x: held(x, h))" in told
    assert "beats(Object, Object): same_suit(x, y) and higher(x, y)" in told
    assert "leftmost(Hand) is an object" in told


def test_many_questions_at_once_are_answered_as_one_by_one(cards: Vocabulary, table: Scene) -> None:
    engine = Engine("scene", "scene", vocabulary=cards)
    scenes = [table, *(Scene.synthetic(5, seed, cards) for seed in range(3))]
    questions = [(program, scene) for program in ANSWERS for scene in scenes]
    together = [a.value for a in engine.run_many(questions)]
    assert together == [engine.run(*question).value for question in questions]


def test_a_recorded_run_replays_with_its_containers(cards: Vocabulary, table: Scene, tmp_path: Path) -> None:
    record = tmp_path / "evidence.jsonl"
    with Engine("scene", "scene", vocabulary=cards, record=record) as engine:
        found = {program: engine.run(program, table).value for program in ANSWERS}
        assert engine.recorder is not None
        digest = engine.recorder.keep(table)
    replayed = Engine("replay", None, vocabulary=cards, oracle_options={"path": str(record)})
    scene = replayed.oracle.scene(digest)  # type: ignore[attr-defined]
    assert scene.kinds == table.kinds
    assert {program: replayed.run(program, scene).value for program in ANSWERS} == found


def test_the_page_of_worlds_works(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"<!-- world: ([^>]+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == ["boxes.json", "try it", "a record", "an oracle"]
    monkeypatch.chdir(PAGE.parents[1])
    assert blocks[0][1] == Path("examples/worlds/boxes.json").read_text(encoding="utf-8")
    seen = 0
    for _, code in blocks[1:]:
        names: dict[str, Any] = {}
        exec(re.sub(r"\s+# .*", "", code), names)  # the project's own documentation, never program text
        for line in code.splitlines():
            shown = re.match(r"(.*\.value.*?)\s+# (\w+)", line)
            if shown:
                assert str(eval(shown[1], names)) == shown[2], line
                seen += 1
    assert seen == 5


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("def dark(b):\n    return black(b)\nreturn exists(Box, lambda b: dark(b))", "'black' is not said of a Box"),
        ("def dark(b):\n    return black(b)\nreturn exists(Box, dark)", "'black' is not said of a Box"),
        ("dark = lambda b: black(b)\nreturn [dark(b) for b in Box]", "'black' is not said of a Box"),
        ("def dark(b):\n    return black(b)\nb = iota(Box, lambda b: height(b) == 2)\nreturn dark(b)", "a Box"),
        ("def f(x, y):\n    return inside(x, y)\nreturn exists(Box, lambda b: exists(Object, lambda x: f(b, x)))",
         "'inside' is not said of a Box"),
        ("def tall(x):\n    return items(x) == 2\nreturn exists(Object, tall)", "of an Object"),
    ],
)  # fmt: skip
def test_what_can_not_be_said_of_a_thing_is_refused_behind_a_function(program: str, said: str) -> None:
    world = Vocabulary.load("nlvr")
    engine = Engine(oracle="scene", detector=None, vocabulary=world)
    with pytest.raises(dsl.ProgramError, match=said):
        engine.run(program, Scene.synthetic(6, seed=1, vocabulary=world))
