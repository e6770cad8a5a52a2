"""The oracles that need no network: scene, random, replay; the scene detector; the wording of questions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsl.plan import Predicate
from neptune.answer import Usage
from neptune.engine.evidence.indexing import off_diagonal
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.store import Evidence
from neptune.errors import ConfigError, DetectorError, OracleError
from neptune.perception.detect.scene import SceneDetector
from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
from neptune.perception.oracle.draws import key_of, normal, uniform
from neptune.perception.oracle.random import RandomOracle
from neptune.perception.oracle.scene import SceneOracle
from neptune.perception.oracle.wording import CONCEPTS, concepts_of
from neptune.scene import ATTRIBUTES, RELATIONS, Annotation, Scene
from neptune.scene.picture import Picture
from neptune.scene.types import FloatArray, IntArray, Oracle, QueryRequest, Question, ScoreRequest

FIRST, SECOND = "the object in the red box", "the object in the green box"
WORDING = Wording.load()


def annotation(scene: Scene) -> Annotation:
    assert scene.annotation is not None
    return scene.annotation


def ask(oracle: Oracle, scene: Scene, question: Question, objects: IntArray | None = None) -> FloatArray:
    cells = off_diagonal(len(scene), question.arity) if objects is None else np.asarray(objects)
    return oracle.score([ScoreRequest(scene, question, cells)])[0].logits


def named(name: str, arity: int) -> Question:
    return WORDING.question(Predicate(name, arity))


# --- wording ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arity", "text"),
    [
        ("red", 1, f"is {FIRST} red?"),
        ("sphere", 1, f"is {FIRST} a sphere?"),
        ("umbrella", 1, f"is {FIRST} an umbrella?"),
        ("wine_glass", 1, f"is {FIRST} a wine glass?"),
        ("people", 1, f"is {FIRST} people?"),
        ("left", 1, f"is {FIRST} on the left of the picture?"),
        ("left", 2, f"is {FIRST} to the left of {SECOND}?"),
        ("left_of", 2, f"is {FIRST} to the left of {SECOND}?"),
        ("front", 2, f"is {FIRST} in front of {SECOND}?"),
        ("sitting_on", 2, f"is {FIRST} sitting on {SECOND}?"),
        ("holds", 2, f"does {FIRST} hold {SECOND}?"),
        ("same_color", 2, f"does {FIRST} have the same color as {SECOND}?"),
        ("between", 3, f"is {FIRST} between {SECOND} and the object in the blue box?"),
        ("dark", 0, "is the picture dark?"),
        ("zebra", 0, "is there a zebra in the picture?"),
    ],
)
def test_wording_of_names(name: str, arity: int, text: str) -> None:
    assert named(name, arity) == Question(text, arity)
    assert named(name, arity) is named(name, arity)


def test_free_text_is_asked_as_it_stands() -> None:
    question = WORDING.question(Predicate("", 1, "is  the object in the red box a sphere?"))
    assert question == named("sphere", 1)
    assert question.predicate == ""
    assert WORDING.query("color").text == f"what color is {FIRST}?"


@pytest.mark.parametrize("name", CONCEPTS)
def test_the_wording_of_a_concept_is_read_as_that_concept(name: str) -> None:
    concept = CONCEPTS[name]
    question = named(name, concept.arity)
    assert concepts_of(Question(question.text, concept.arity)) == (concept,)


def test_a_wording_that_is_wrong() -> None:
    with pytest.raises(ConfigError, match="did you mean 'default'"):
        Wording.load("defaul")
    with pytest.raises(ConfigError, match="no template"):
        Wording({"objects": ["x"], "templates": {}})
    templates = dict(WORDING._templates) | {"noun": "is it {phrase}?"}
    with pytest.raises(ConfigError, match="'noun' has the fields"):
        Wording({"objects": ["x"], "templates": templates})


# --- scene -----------------------------------------------------------------------------------------


def test_scene_oracle_says_what_the_annotation_says() -> None:
    scene, oracle = Scene.synthetic(12, seed=1), SceneOracle()
    truth = annotation(scene)
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            expected = np.array(truth.attributes[attribute]) == value
            assert np.array_equal(ask(oracle, scene, named(value, 1)) > 0, expected)
        same = np.array(truth.attributes[attribute])
        cells = off_diagonal(12, 2)
        found = ask(oracle, scene, named(f"same_{attribute}", 2)) > 0
        assert np.array_equal(found, same[cells[:, 0]] == same[cells[:, 1]])
    everything = np.indices((12, 12)).reshape(2, -1).T
    for relation in RELATIONS:
        found = ask(oracle, scene, named(relation, 2), everything) > 0
        assert np.array_equal(found.reshape(12, 12), truth.relations[relation])
    logits = ask(oracle, scene, named("red", 1))
    assert np.allclose(np.abs(logits), np.log((1 - 1e-6) / 1e-6))
    assert logits.dtype == np.float32


def test_scene_oracle_reads_words() -> None:
    scene, oracle = Scene.synthetic(30), SceneOracle()
    ball = Question(f"is {FIRST} a red metal ball?", 1)
    attributes = annotation(scene).attributes
    expected = [
        (c, m, s) == ("red", "metal", "sphere")
        for c, m, s in zip(attributes["color"], attributes["material"], attributes["shape"])
    ]
    assert (ask(oracle, scene, ball) > 0).tolist() == expected
    turned = Question(f"is {SECOND} left of {FIRST}?", 2)
    assert np.array_equal(ask(oracle, scene, turned), ask(oracle, scene, named("right", 2)))
    for question in (named("left", 1), Question(f"is {FIRST} in the left half of the image?", 1)):
        centre = (scene.boxes[:, 0] + scene.boxes[:, 2]) / 2
        assert np.array_equal(ask(oracle, scene, question) > 0, centre < 240)


def test_an_object_is_not_the_same_as_itself() -> None:
    logits = ask(SceneOracle(), Scene.synthetic(3), named("same_size", 2), np.array([[1, 1]]))
    assert logits[0] < 0


def test_a_box_that_shows_nothing() -> None:
    scene = Scene.synthetic(3)
    wrong = scene.boxes.copy()
    wrong[1] = [0, 0, 2, 2]
    scene = replace(scene, boxes=wrong)
    oracle = SceneOracle()
    shape = annotation(scene).attributes["shape"][1]
    assert ask(oracle, scene, named(shape, 1))[1] < 0
    cells = np.array([[0, 1], [1, 2], [2, 1]])
    for name in (*RELATIONS, "same_color", "same_size"):
        assert (ask(oracle, scene, named(name, 2), cells) < 0).all()
    answers = oracle.query([QueryRequest(scene, WORDING.query("shape"), off_diagonal(3, 1))])
    assert answers[0][1] is None
    assert answers[0][0] == annotation(scene).attributes["shape"][0]


def test_an_empty_scene() -> None:
    scene = Scene.synthetic(0)
    for oracle in (SceneOracle(noise=0.1), RandomOracle()):
        assert ask(oracle, scene, named("red", 1)).shape == (0,)
        assert ask(oracle, scene, named("left", 2)).shape == (0,)


def test_query_chooses() -> None:
    scene = Scene.synthetic(5)
    shapes = annotation(scene).attributes["shape"]
    request = QueryRequest(scene, WORDING.query("shape"), off_diagonal(5, 1), ("ball", "block"))
    words = {"sphere": "ball", "cube": "block"}
    assert SceneOracle().query([request])[0] == [words.get(s) for s in shapes]


def test_scene_oracle_teaches() -> None:
    scene = Scene.synthetic(2)
    with pytest.raises(OracleError, match="'zebra' is not known"):
        ask(SceneOracle(), scene, named("zebra", 1))
    with pytest.raises(OracleError, match="has none"):
        ask(SceneOracle(), replace(scene, annotation=None), named("red", 1))
    with pytest.raises(ConfigError, match="noise is -1"):
        SceneOracle(noise=-1)
    with pytest.raises(ConfigError, match=r"confidence is 0\.2"):
        SceneOracle(confidence=0.2)


# --- noise and chance --------------------------------------------------------------------------------


@pytest.mark.parametrize("oracle", [SceneOracle(noise=0.3, seed=5), RandomOracle(5)])
def test_order_and_grouping_do_not_matter(oracle: Oracle) -> None:
    scene = Scene.synthetic(9)
    cells = off_diagonal(9, 2)
    shuffled = np.random.default_rng(0).permutation(len(cells))
    for question in (named("left", 2), named("same_color", 2)):
        whole = ask(oracle, scene, question)
        assert np.array_equal(ask(oracle, scene, question, cells[shuffled]), whole[shuffled])
        assert np.array_equal(ask(oracle, scene, question, cells[7:8]), whole[7:8])
        assert np.array_equal(ask(oracle, Scene.synthetic(9), question), whole)
    assert not np.array_equal(ask(oracle, scene, named("red", 1)), ask(oracle, scene, named("blue", 1)))


def test_noise_is_gaussian_on_the_truth() -> None:
    scene = Scene.synthetic(160)
    logits = ask(SceneOracle(noise=0.05, seed=1), scene, named("left", 2)).astype(float)
    cells = off_diagonal(160, 2)
    truth = annotation(scene).relations["left"][cells[:, 0], cells[:, 1]]
    error = np.abs(1 / (1 + np.exp(-logits)) - truth)
    assert np.array_equal(logits > 0, truth)
    assert abs((error > 2e-6).mean() - 0.5) < 0.02  # the other half is clipped
    assert abs(np.sqrt((error[error > 2e-6] ** 2).mean()) - 0.05) < 0.002
    other = ask(SceneOracle(noise=0.05, seed=2), scene, named("left", 2))
    assert not np.array_equal(logits, other)


def test_noise_of_a_symmetric_question_is_symmetric() -> None:
    scene, oracle = Scene.synthetic(8), SceneOracle(noise=0.5)
    cells = off_diagonal(8, 2)
    same, left = named("same_color", 2), named("left", 2)
    assert np.array_equal(ask(oracle, scene, same), ask(oracle, scene, same, cells[:, ::-1]))
    assert not np.array_equal(np.abs(ask(oracle, scene, left)), np.abs(ask(oracle, scene, left, cells[:, ::-1])))


def test_noise_belongs_to_what_a_box_shows() -> None:
    scene, oracle = Scene.synthetic(7), SceneOracle(noise=0.5)
    # One object is missed, the others come in another order, a little off.
    order = np.array([4, 2, 6, 0, 5, 1])
    boxes = np.concatenate([scene.boxes[order] + 0.5, np.array([[460, 300, 470, 310]], dtype=np.float32)])
    found = Scene(boxes, scene.size, None, scene.annotation, name=scene.name)
    assert found.true_object.tolist() == [*order, -1]
    red, left = named("red", 1), named("left", 2)
    assert np.array_equal(ask(oracle, found, red)[:6], ask(oracle, scene, red)[order])
    pairs = np.array([[0, 1], [3, 2]])
    assert np.array_equal(ask(oracle, found, left, pairs), ask(oracle, scene, left, order[pairs]))


def test_draws() -> None:
    cells = np.indices((300, 300)).reshape(2, -1).T
    u, z = uniform(key_of("a", 1), cells), normal(key_of("a", 1), cells)
    assert 0 < u.min() <= u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert abs(np.corrcoef(u.reshape(300, 300)[:, :-1].ravel(), u.reshape(300, 300)[:, 1:].ravel())[0, 1]) < 0.02
    assert len(np.unique(u)) == len(u)
    assert key_of("ab", "c") != key_of("a", "bc")
    assert uniform(key_of("a", 1), np.zeros((1, 0), dtype=np.int64)).shape == (1,)


def test_random_oracle_answers_anything() -> None:
    scene, oracle = Scene.synthetic(4), RandomOracle(1)
    assert ask(oracle, scene, Question("is it raining?", 0)).shape == (1,)
    assert ask(oracle, scene, named("between", 3)).shape == (24,)
    assert np.isfinite(ask(oracle, scene, named("zebra", 1))).all()
    assert not np.array_equal(ask(oracle, scene, named("zebra", 1)), ask(RandomOracle(2), scene, named("zebra", 1)))
    moved = replace(scene, boxes=scene.boxes + 1)
    assert not np.array_equal(ask(oracle, scene, named("red", 1)), ask(oracle, moved, named("red", 1)))
    cells = off_diagonal(4, 1)
    texts = oracle.query([QueryRequest(scene, WORDING.query("mood"), cells, ("good", "bad"))])[0]
    assert set(texts) <= {"good", "bad"}
    assert set(oracle.query([QueryRequest(scene, WORDING.query("shape"), cells)])[0]) <= set(ATTRIBUTES["shape"])


# --- replay ------------------------------------------------------------------------------------------


def test_replay_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    scene = Scene.synthetic(7)
    pictured = replace(scene, picture=Picture(np.zeros((320, 480, 3), dtype=np.uint8)))
    questions = [named("left", 2), named("red", 1), Question("is it dark?", 0)]
    recorder, usage = RecordingOracle(RandomOracle(3), path), Usage()
    for shown in (scene, pictured):
        Evidence(shown).ask(recorder, [(q, False, None) for q in questions], usage)
    query = QueryRequest(scene, WORDING.query("color"), off_diagonal(7, 1), ("red", "blue"))
    texts = recorder.query([query])
    replay = ReplayOracle(path)
    for shown in (scene, pictured):
        for q in questions:
            cells = off_diagonal(7, q.arity)[::-1]
            assert ask(replay, shown, q, cells).tobytes() == ask(RandomOracle(3), shown, q, cells).tobytes()
    assert replay.query([query]) == texts
    with pytest.raises(OracleError, match="never recorded"):
        ask(replay, scene, named("blue", 1))
    with pytest.raises(OracleError, match="never recorded"):
        ask(replay, Scene.synthetic(7, seed=1), named("red", 1))
    with pytest.raises(OracleError, match="never recorded"):
        replay.query([replace(query, choices=())])


def test_a_torn_record_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    scene = Scene.synthetic(3)
    ask(RecordingOracle(RandomOracle(), path), scene, named("red", 1))
    with path.open("a") as file:
        file.write('{"kind": "sco')
    ask(ReplayOracle(path), scene, named("red", 1))
    ask(RecordingOracle(RandomOracle(), path), scene, named("blue", 1))
    replay = ReplayOracle(path)
    ask(replay, scene, named("red", 1))
    ask(replay, scene, named("blue", 1))


def test_a_record_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="can not be read"):
        ReplayOracle(tmp_path / "none.jsonl")
    for line in ("[1]", "nonsense", '{"kind": "score", "objects": [[1]]}', '{"kind": "query", "objects": 3}'):
        path = tmp_path / "bad.jsonl"
        path.write_text(f"\n{line}\n")
        with pytest.raises(OracleError, match="line 2"):
            ReplayOracle(path)


def test_missing_evidence_is_replayed(tmp_path: Path) -> None:
    class Silent(RandomOracle):
        def score(self, requests):  # type: ignore[no-untyped-def]
            answers = super().score(requests)
            answers[0].logits[0] = np.nan
            return answers

    path, scene = tmp_path / "answers.jsonl", Scene.synthetic(2)
    ask(RecordingOracle(Silent(), path), scene, named("red", 1))
    assert np.isnan(ask(ReplayOracle(path), scene, named("red", 1))).tolist() == [True, False]


# --- detector ------------------------------------------------------------------------------------------


def test_scene_detector() -> None:
    truth = annotation(Scene.synthetic(3))
    picture = Picture(np.zeros((320, 480, 3), dtype=np.uint8))
    for found in (SceneDetector(truth).detect(picture), SceneDetector().detect(picture, (), truth)):
        assert np.array_equal(found.boxes, truth.boxes)
        assert found.scores.tolist() == [1, 1, 1]
        assert len(found.labels) == 3
    with pytest.raises(DetectorError, match="needs an annotated picture"):
        SceneDetector().detect(picture)
