"""The embedded detector and scorer: wording, shipped weights on the sample, cache, training loop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from neptune.errors import DetectorError, OracleError
from neptune.learn.train import calibration, measure
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.measure import Evidence
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.embedded import store
from neptune.perception.embedded.detector_net import DetectorNet, decode, targets
from neptune.perception.embedded.said import Thresholds
from neptune.perception.embedded.scorer_net import none_of
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.perception.oracle.wording import attribute_of, concepts_of
from neptune.scene import ATTRIBUTES, RELATIONS, Annotation, Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Detector, Oracle, QueryRequest, Question, ScoreRequest

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"
A, B = "the object in the red box", "the object in the green box"


# wording -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arity", "name"),
    [
        (f"is {A} a ball?", 1, "sphere"),
        (f"Is {A} a sphere?", 1, "sphere"),
        (f"is {A} a block?", 1, "cube"),
        (f"is {A} a box?", 1, "cube"),
        (f"are {A} cylinders?", 1, "cylinder"),
        (f"is {A} shiny?", 1, "metal"),
        (f"is {A} made of metal?", 1, "metal"),
        (f"is {A} matte?", 1, "rubber"),
        (f"is {A} tiny?", 1, "small"),
        (f"is {A} a big thing?", 1, "large"),
        (f"is {A} grey?", 1, "gray"),
        (f"is {A} red?", 1, "red"),
        (f"is {A} green in colour?", 1, "green"),
        (f"is the color of {A} light blue?", 1, "cyan"),
        (f"is {A} an object?", 1, "object"),
        (f"is {A} left of {B}?", 2, "left"),
        (f"is {A} to the left of {B}?", 2, "left"),
        (f"is {A} left_of {B}?", 2, "left"),
        (f"is {A} on the right side of {B}?", 2, "right"),
        (f"is {A} in front of {B}?", 2, "front"),
        (f"is {A} behind {B}?", 2, "behind"),
        (f"is {B} left of {A}?", 2, "right"),
        (f"is {B} behind {A}?", 2, "front"),
        (f"does {A} have the same color as {B}?", 2, "same_color"),
        (f"does {A} have the same colour as {B}?", 2, "same_color"),
        (f"is the shape of {A} the same as that of {B}?", 2, "same_shape"),
        (f"do {A} and {B} share the same material?", 2, "same_material"),
        (f"are {A} and {B} equal in size?", 2, "same_size"),
        (f"is {A} same_size {B}?", 2, "same_size"),
        ("left_of", 2, "left"),
        ("sphere", 1, "sphere"),
    ],
)
def test_wording_finds_the_concept(text, arity, name):
    (concept,) = concepts_of(Question(text, arity))
    assert (concept.name, concept.arity) == (name, arity)


def test_predicate_hint_comes_before_the_text():
    assert [c.name for c in concepts_of(Question("whatever the prompt says", 2, "left_of"))] == ["left"]


def test_conjunction_is_read_as_several_concepts():
    question = Question(f"is {A} a small red matte block?", 1)
    assert [c.name for c in concepts_of(question)] == ["small", "red", "rubber", "cube"]


@pytest.mark.parametrize(
    ("text", "arity", "message"),
    [
        (f"is {A} a dog?", 1, r"'dog' is not known.*sphere.*vlm_model_name 'openai'.*transformers"),
        (f"is {A} not red?", 1, "'not' is not known"),
        (f"is {A} a spheer?", 1, "did you mean 'sphere'"),
        (f"is {A} larger than {B}?", 2, "'larger'"),
        (f"is {A} red?", 2, "about one object"),
        (f"is {A} left?", 1, "about two objects"),
        (f"is {A} left of it?", 2, "not clear what is left"),
        (f"is the size of {A} red?", 1, "'size' is an attribute"),
        (f"is {A} the same as {B}?", 2, "'same' needs one attribute"),
        (f"is {A} red and left of {B}?", 2, "mixes a relation"),
        ("", 1, "names no concept"),
    ],
)
def test_unreadable_questions_are_errors_that_teach(text, arity, message):
    with pytest.raises(OracleError, match=message):
        concepts_of(Question(text, arity))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"what color is {A}?", "color"),
        (f"What is the shape of {A}?", "shape"),
        (f"what is {A} made of?", "material"),
        (f"how big is {A}?", "size"),
        ("colour", "color"),
    ],
)
def test_open_questions_name_their_attribute(text, name):
    assert attribute_of(Question(text, 1)) == name


def test_open_question_about_something_else_is_an_error():
    with pytest.raises(OracleError, match="weight"):
        attribute_of(Question(f"what weight has {A}?", 1))
    with pytest.raises(OracleError, match="2 objects"):
        attribute_of(Question(f"what color are {A} and {B}?", 2))


# the shipped weights, on the sample --------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> ClevrFolder:
    return ClevrFolder(SAMPLE)


@pytest.fixture(scope="module")
def oracle() -> EmbeddedOracle:
    return EmbeddedOracle(device="cpu")


@pytest.fixture(scope="module")
def detector() -> EmbeddedDetector:
    return EmbeddedDetector(device="cpu")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    records = json.loads((SAMPLE / "scenes.json").read_text(encoding="utf-8"))["scenes"][:4]
    return [
        Scene.from_annotation(Annotation.from_clevr(r), Picture(SAMPLE / "images" / r["image_filename"]))
        for r in records
    ]


def test_they_follow_the_protocols(oracle, detector):
    assert isinstance(oracle, Oracle)
    assert isinstance(detector, Detector)
    assert oracle.name == detector.name == "embedded"


def test_detector_finds_the_sample(detector, sample):
    found = measure.detect_all(detector.module, map(sample.pixels, range(len(sample))))
    assert measure.detector_figures(found, sample.boxes(range(len(sample))), detector.thresholds)["f1"] >= 0.95


def test_scorer_reads_the_sample_and_is_calibrated(oracle, sample):
    evidence, attributes = measure.gather(oracle.module, sample, range(len(sample)))
    assert min(attributes.values()) >= 0.98
    assert min(evidence[name].accuracy for name in RELATIONS) >= 0.98
    assert calibration.calibration_errors(evidence)["all"] <= 0.03


def test_detector_scales_boxes_to_the_picture(detector, scenes):
    image = scenes[0].picture.image
    small = detector.detect(scenes[0].picture)
    large = detector.detect(Picture(image.resize((960, 640), Image.Resampling.BICUBIC)))
    assert len(small.boxes) == len(large.boxes)
    assert np.abs(np.sort(large.boxes, 0) / 2 - np.sort(small.boxes, 0)).max() < 4
    assert (np.diff(small.scores) <= 0).all()


def test_nothing_to_find_is_an_empty_result(detector):
    grey = np.full((320, 480, 3), 110, dtype=np.uint8)
    assert detector.detect(Picture(grey)).boxes.shape == (0, 4)


def questions() -> list[Question]:
    return [
        Question(f"is {A} a ball?", 1),
        Question(f"is {A} red?", 1),
        Question(f"is {A} a shiny cube?", 1),
        Question(f"is {A} an object?", 1),
        Question(f"is {A} left of {B}?", 2),
        Question(f"does {A} have the same shape as {B}?", 2),
    ]


def requests(scenes: list[Scene]) -> list[ScoreRequest]:
    made = []
    for scene in scenes:
        n = len(scene)
        pairs = np.argwhere(~np.eye(n, dtype=bool))
        made += [ScoreRequest(scene, q, pairs if q.arity == 2 else np.arange(n)[:, None]) for q in questions()]
    return made


def test_batched_scores_equal_those_asked_one_by_one_and_from_the_cache(oracle, scenes):
    together = EmbeddedOracle(device="cpu").score(requests(scenes))
    again = oracle.score(requests(scenes))
    cached = oracle.score(requests(scenes))
    for i, request in enumerate(requests(scenes)):
        (alone,) = oracle.score([request])
        for other in (together[i], again[i], cached[i]):
            np.testing.assert_array_equal(alone.logits, other.logits)
        assert alone.logits.shape == (len(request.objects),)
        assert np.isfinite(alone.logits).all()
        assert (alone.mass == 1).all()


def test_small_batches_give_the_same_scores(oracle, scenes):
    pieces = EmbeddedOracle(device="cpu", batch_size=2)
    for a, b in zip(oracle.score(requests(scenes[:1])), pieces.score(requests(scenes[:1]))):
        np.testing.assert_allclose(a.logits, b.logits, atol=1e-3, rtol=1e-3)


def test_each_picture_is_looked_at_once_and_the_cache_is_bounded(scenes, monkeypatch):
    oracle = EmbeddedOracle(device="cpu")
    looks = []
    encode = oracle.module.encode
    monkeypatch.setattr(oracle.module, "encode", lambda *a: looks.append(1) or encode(*a))
    oracle.score(requests(scenes[:2]))
    assert len(looks) == 2
    oracle.score(requests(scenes[:2]))
    assert len(looks) == 2
    monkeypatch.setattr("neptune.perception.oracle.embedded.KEPT_SCENES", 1)
    small = EmbeddedOracle(device="cpu")
    small.score(requests(scenes[2:4]))
    assert len(small._seen) == 1


def test_left_and_right_are_converses_and_conjunction_is_the_lowest(oracle, scenes):
    scene = scenes[0]
    pairs = np.argwhere(~np.eye(len(scene), dtype=bool))
    left, right = Question(f"is {A} left of {B}?", 2), Question(f"is {A} right of {B}?", 2)
    a, b = oracle.score([ScoreRequest(scene, left, pairs), ScoreRequest(scene, right, pairs[:, ::-1].copy())])
    np.testing.assert_allclose(a.logits, b.logits, rtol=1e-5)
    one = np.arange(len(scene))[:, None]
    both, red, ball = (
        oracle.score([ScoreRequest(scene, Question(f"is {A} a {w}?", 1), one)])[0].logits
        for w in ("red ball", "red thing", "ball")
    )
    np.testing.assert_array_equal(both, np.minimum(red, ball))


def test_query_names_the_value_and_respects_choices(oracle, scenes):
    scene = scenes[0]
    one = np.arange(len(scene))[:, None]
    for attribute in ATTRIBUTES:
        question = Question(f"what {attribute} is {A}?", 1, attribute)
        (said,) = oracle.query([QueryRequest(scene, question, one)])
        right = np.mean([s == t for s, t in zip(said, scene.annotation.attributes[attribute])])
        assert right >= 0.75
    question = Question(f"what shape is {A}?", 1)
    (said,) = oracle.query([QueryRequest(scene, question, one, ("ball", "block"))])
    assert set(said) <= {"ball", "block"}
    with pytest.raises(OracleError, match="None of the choices is a shape"):
        oracle.query([QueryRequest(scene, question, one, ("red",))])


def test_bad_requests_are_errors(oracle, scenes):
    question = Question(f"is {A} red?", 1)
    with pytest.raises(OracleError, match="no picture"):
        oracle.score([ScoreRequest(Scene.synthetic(3), question, np.arange(3)[:, None])])
    with pytest.raises(OracleError, match="out of range"):
        oracle.score([ScoreRequest(scenes[0], question, np.array([[99]]))])
    with pytest.raises(OracleError, match="shape"):
        oracle.score([ScoreRequest(scenes[0], question, np.array([[0, 1]]))])
    with pytest.raises(OracleError, match="'zebra'"):
        oracle.score([ScoreRequest(scenes[0], Question(f"is {A} a zebra?", 1), np.array([[0]]))])
    empty = Scene(np.zeros((0, 4), np.float32), (480, 320), scenes[0].picture)
    (none,) = oracle.score([ScoreRequest(empty, question, np.zeros((0, 1), np.int64))])
    assert none.logits.shape == (0,)


def test_heads_are_differentiable(scenes):
    oracle = EmbeddedOracle(device="cpu")
    oracle.score(requests(scenes[:1]))  # what inference put in the cache can be trained on
    oracle.module.requires_grad_(True)
    oracle.logits(scenes[0], Question(f"is {A} left of {B}?", 2), np.array([[0, 1]])).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in oracle.module.place.parameters())


def test_bad_weights_and_settings_are_errors(tmp_path):
    with pytest.raises(OracleError, match="do not exist"):
        EmbeddedOracle(weights=tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(DetectorError, match="can not be read"):
        EmbeddedDetector(weights=tmp_path / "bad.safetensors")
    shipped = Path(store.__file__).parent / "weights" / "scorer.safetensors"
    with pytest.raises(DetectorError, match="holds scorer"):
        EmbeddedDetector(weights=shipped)
    with pytest.raises(DetectorError, match="threshold"):
        EmbeddedDetector(threshold=2.0)
    with pytest.raises(OracleError, match="batch_size"):
        EmbeddedOracle(batch_size=0)


def test_shipped_weights_are_small():
    files = list((Path(store.__file__).parent / "weights").glob("*.safetensors"))
    assert {f.stem for f in files} == {"depth", "detector", "scorer", "drawings"}
    assert sum(f.stat().st_size for f in files) <= 10_000_000


# parts of the machinery --------------------------------------------------------------------


def test_decoding_inverts_the_targets():
    boxes = torch.tensor([[100.0, 50.0, 140.0, 95.0], [300.0, 200.0, 380.0, 290.0]])
    heat, box = targets(boxes)
    from neptune.perception.embedded.detector_net import cell_centres

    x, y = cell_centres()
    sides = torch.stack([x - box[..., 0], y - box[..., 1], box[..., 2] - x, box[..., 3] - y])
    (found,) = decode(torch.logit(heat.clamp(1e-4, 1 - 1e-4))[None], sides[None], Thresholds(0.9))
    np.testing.assert_allclose(np.sort(found.boxes, 0), np.sort(boxes.numpy(), 0), atol=1e-3)


def test_none_of_is_the_complement():
    log_p = torch.log_softmax(torch.randn(5, 4, dtype=torch.float64), 1)
    torch.testing.assert_close(none_of(log_p).exp(), 1 - log_p.exp())


def test_calibration_error_and_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    assert calibration.expected_calibration_error(Evidence(logits, truth)) < 0.01
    assert calibration.expected_calibration_error(Evidence(logits * 4, truth)) > 0.05
    both = np.stack([np.zeros_like(logits), logits * 3], 1)
    assert calibration.fit_temperature(both, truth.astype(np.int64)) == pytest.approx(3, rel=0.06)


def test_networks_are_deterministic_given_the_seed():
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(DetectorNet(8))
    for a, b in zip(nets[0].parameters(), nets[1].parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
