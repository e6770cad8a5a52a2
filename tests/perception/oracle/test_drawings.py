"""The oracle of drawings: what is in a box, wherever the box is, and nothing that it does not know."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import drawings

from neptune import tasks
from neptune.engine import Engine
from neptune.errors import NeptuneError, OracleError
from neptune.perception import registry
from neptune.perception.embedded import store
from neptune.perception.embedded.drawing_net import DrawingNet, canonical, cut
from neptune.perception.oracle.drawings import DrawingOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "examples/nlvr"


@pytest.fixture(scope="module")
def oracle() -> DrawingOracle:
    return DrawingOracle(device="cpu")


def truth_of(boxes: list[list[drawings.Thing]]) -> Scene:
    things = [(k, o) for k, box in enumerate(boxes) for o in box]
    places = [
        [o["x_loc"] + 150 * k, o["y_loc"], o["x_loc"] + 150 * k + o["size"], o["y_loc"] + o["size"]] for k, o in things
    ]
    return Scene(np.array(places, dtype=np.float32), (400, 100), Picture(drawings.drawn(boxes)))


def said(oracle: DrawingOracle, scene: Scene, word: str) -> list[bool]:
    every = np.arange(len(scene))[:, None]
    (scores,) = oracle.score([ScoreRequest(scene, Question(f"is the object in the red box {word}?", 1, word), every)])
    return (scores.logits > 0).tolist()


def test_the_shipped_weights_are_small_and_say_what_they_know(oracle: DrawingOracle) -> None:
    assert store.shipped("drawings").stat().st_size < 1_000_000
    assert set(oracle.module.attributes) == {"color", "shape", "size"}
    assert oracle.about["training"]["labels"] == "attributes"


@pytest.mark.parametrize("seed", range(4))
def test_it_reads_colour_shape_and_size_of_drawings_it_has_not_seen(oracle: DrawingOracle, seed: int) -> None:
    rng = random.Random(seed)
    boxes = [drawings.box(rng) for _ in range(3)]
    scene, flat = truth_of(boxes), [o for box in boxes for o in box]
    for word, key, value in (
        [("yellow", "color", "Yellow"), ("black", "color", "Black"), ("blue", "color", "#0099ff")]
        + [(s, "type", s) for s in ("circle", "triangle", "square")]
        + [("small", "size", 10), ("medium", "size", 20), ("big", "size", 30)]
    ):
        assert said(oracle, scene, word) == [o[key] == value for o in flat], word


def test_the_shipped_sample_is_seen_without_a_mistake(oracle: DrawingOracle) -> None:
    detector = registry.detector("regions")
    for sample in tasks.load("nlvr", SAMPLE).samples[::3]:
        assert sample.picture is not None
        found, truth = detector.detect(sample.picture), sample.truth()
        scene = Scene(found.boxes, (400, 100), sample.picture, truth)
        assert len(scene) == truth.kinds.count("Object")
        for attribute, values in oracle.module.attributes.items():
            for value in values:
                shown = [truth.attributes[attribute][k] == value for k in scene.true_object]
                assert said(oracle, scene, value) == shown


def test_the_same_box_has_the_same_scores_wherever_it_is(oracle: DrawingOracle) -> None:
    rng = random.Random(7)
    boxes = [drawings.box(rng) for _ in range(3)]
    first, other = truth_of(boxes), truth_of([boxes[2], boxes[0], boxes[1]])
    n = [len(box) for box in boxes]
    a, b = oracle.features(first), oracle.features(other)
    assert torch.equal(a[: n[0] + n[1]], b[n[2] :]), "to the last bit"
    assert torch.equal(a[n[0] + n[1] :], b[: n[2]])


def test_an_order_of_boxes_by_what_they_show() -> None:
    pixels = np.asarray(drawings.drawn([drawings.box(random.Random(3)) for _ in range(3)]))
    boxes = np.array([[0, 0, 20, 20], [150, 0, 250, 100], [300, 50, 330, 90.5], [-5, -5, 1000, 1000]], dtype=np.float32)
    crops, sides = cut(pixels, boxes)
    assert crops.shape == (4, 3, 20, 20)
    assert sides[2].tolist() == pytest.approx([0.3, 0.41])
    shuffled = torch.tensor([2, 0, 3, 1])
    assert torch.equal(crops[canonical(crops, sides)], crops[shuffled][canonical(crops[shuffled], sides[shuffled])])
    assert cut(pixels, np.zeros((0, 4), dtype=np.float32))[0].shape == (0, 3, 20, 20)


def test_open_questions_are_answered_with_values(oracle: DrawingOracle) -> None:
    one = {"x_loc": 40, "y_loc": 80, "size": 20, "type": "square", "color": "#0099ff"}
    scene = truth_of([[one], [one | {"type": "circle", "color": "Black"}], []])
    rows = np.array([[1], [0]])
    color, shape = Question("what color is the object in the red box?", 1, "color"), Question("which shape is it?", 1)
    assert oracle.query([QueryRequest(scene, color, rows, ())]) == [["black", "blue"]]
    assert oracle.query([QueryRequest(scene, shape, rows, ("square", "circle"))]) == [["circle", "square"]]
    with pytest.raises(OracleError, match="None of the choices"):
        oracle.query([QueryRequest(scene, color, rows, ("red",))])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question("is the object in the red box shiny?", 1, "shiny"), "yellow"),
        (Question("is the object in the red box left of the object in the green box?", 2, "left"), "yellow"),
        (Question("is the object in the red box a black square?", 1), "one of the values"),
        (Question("is it raining?", 0), "yellow"),
    ],
)
def test_what_it_does_not_know_is_said(oracle: DrawingOracle, question: Question, expected: str) -> None:
    scene = truth_of([[{"x_loc": 0, "y_loc": 0, "size": 10, "type": "square", "color": "Black"}], [], []])
    rows = np.zeros((1, question.arity), dtype=np.int64)
    with pytest.raises(OracleError, match="nothing that this oracle knows") as caught:
        oracle.score([ScoreRequest(scene, question, rows)])
    assert expected in caught.value.expected
    assert caught.value.hint


def test_words_without_a_predicate_are_read_too(oracle: DrawingOracle) -> None:
    scene = truth_of([[{"x_loc": 0, "y_loc": 0, "size": 10, "type": "square", "color": "Black"}], [], []])
    for text, yes in (("is the object in the red box black?", True), ("Is it a circle?", False)):
        (scores,) = oracle.score([ScoreRequest(scene, Question(text, 1), np.array([[0]]))])
        assert (scores.logits[0] > 0) == yes


def test_mistakes_end_in_one_line(oracle: DrawingOracle, tmp_path: Path) -> None:
    black = Question("is it black?", 1, "black")
    scene = truth_of([[{"x_loc": 0, "y_loc": 0, "size": 10, "type": "square", "color": "Black"}], [], []])
    with pytest.raises(OracleError, match="out of range"):
        oracle.score([ScoreRequest(scene, black, np.array([[1]]))])
    with pytest.raises(OracleError, match="no picture"):
        oracle.score([ScoreRequest(Scene(np.zeros((1, 4)), (9, 9)), black, np.array([[0]]))])
    with pytest.raises(NeptuneError, match="train-drawings"):
        DrawingOracle(tmp_path / "none.safetensors")
    with pytest.raises(NeptuneError, match="holds scorer"):
        DrawingOracle(store.shipped("scorer"))


def test_weights_are_written_and_read_again(tmp_path: Path) -> None:
    attributes = {"hue": ["warm", "cold"]}
    net = DrawingNet(attributes, width=2, features=4)
    about: dict[str, Any] = {"network": {"attributes": attributes, "width": 2, "features": 4}}
    store.save(net, "drawings", tmp_path / "w.safetensors", about)
    again = DrawingOracle(tmp_path / "w.safetensors", device="cpu")
    assert again.module.attribute_of == {"warm": "hue", "cold": "hue"}


def test_a_rendering_is_out_of_its_domain_and_a_drawing_is_not(oracle: DrawingOracle) -> None:
    clevr = Picture(sorted((ROOT / "examples/clevr/images").iterdir())[0])
    domain = oracle.domain(Scene(np.array([[0, 0, 9, 9]]), clevr.size, clevr))
    assert domain is not None
    assert domain.outside
    with_boxes = Engine(oracle="drawings", detector="regions", vocabulary="nlvr")
    sample = tasks.load("nlvr", SAMPLE).samples[0]
    assert oracle.domain(with_boxes.scene(sample.picture)) is None, "the detector has said it"
    assert with_boxes.run("count(Object) > 0", with_boxes.scene(sample.picture)).value is True
    assert with_boxes.run("count(Object) > 0", with_boxes.scene(clevr)).why == "out of domain"
