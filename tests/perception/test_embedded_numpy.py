"""The shipped networks in NumPy: what torch says of the same pictures, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsl.plan import Predicate
from neptune.engine.evidence.questions import Wording
from neptune.errors import DetectorError, OracleError
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.embedded.concepts import CONCEPTS
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.scene import ATTRIBUTES, Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest

IMAGES = sorted((Path(__file__).parents[2] / "examples" / "clevr" / "images").glob("*.png"))
WORDING = Wording.load()


@pytest.fixture(scope="module")
def detectors():
    return EmbeddedDetector(), EmbeddedDetector(runtime="numpy")


@pytest.fixture(scope="module")
def oracles():
    return EmbeddedOracle(), EmbeddedOracle(runtime="numpy")


def requests(scene):
    """Return every question of every concept about a scene."""
    n = len(scene)
    ones, twos = np.arange(n)[:, None], np.argwhere(~np.eye(n, dtype=bool))
    return [
        ScoreRequest(scene, WORDING.question(Predicate(name, arity)), ones if arity == 1 else twos)
        for name, arity in CONCEPTS.items()
    ]


def logits(oracle, scene):
    return np.concatenate([said.logits for said in oracle.score(requests(scene))])


def same(detectors, oracles, picture):
    """Check that torch and NumPy see and say the same of a picture; return the scores of all concepts of both."""
    by_torch, by_numpy = (detector.detect(picture) for detector in detectors)
    assert by_torch.boxes.shape == by_numpy.boxes.shape
    assert by_torch.boxes.dtype == by_numpy.boxes.dtype == np.float32
    np.testing.assert_allclose(by_numpy.boxes, by_torch.boxes, rtol=0, atol=1e-3)
    np.testing.assert_allclose(by_numpy.scores, by_torch.scores, rtol=0, atol=1e-5)
    assert by_numpy.domain.score == pytest.approx(by_torch.domain.score, rel=1e-4)
    assert (by_numpy.domain.by, by_numpy.domain.world) == (by_torch.domain.by, by_torch.domain.world)
    scene = Scene(by_torch.boxes, picture.size, picture=picture)
    first, second = (logits(oracle, scene) for oracle in oracles)
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=5e-4)
    assert ((first > 0) == (second > 0)).all()
    chances = [1 / (1 + np.exp(-x.astype(np.float64))) for x in (first, second)]
    np.testing.assert_allclose(*chances, rtol=0, atol=1e-6)
    for attribute in ATTRIBUTES:
        asked = QueryRequest(scene, Question(f"what {attribute} is it?", arity=1), np.arange(len(scene))[:, None], ())
        assert oracles[0].query([asked]) == oracles[1].query([asked])
    return chances


@pytest.mark.parametrize("path", IMAGES, ids=[path.stem[-6:] for path in IMAGES])
def test_the_same_is_seen_and_said_of_every_shipped_picture(detectors, oracles, path):
    same(detectors, oracles, Picture(path))


@pytest.mark.parametrize("size", [(320, 240), (97, 211), (640, 1)])
def test_the_same_is_seen_in_pictures_of_other_sizes(detectors, oracles, size):
    same(detectors, oracles, Picture(Image.open(IMAGES[0]).convert("RGB").resize(size)))


def test_nothing_is_seen_in_a_picture_of_one_colour(detectors, oracles):
    picture = Picture(Image.new("RGB", (480, 320), (90, 90, 90)))
    found = [detector.detect(picture) for detector in detectors]
    assert [len(f.boxes) for f in found] == [0, 0]
    assert found[0].domain == found[1].domain
    empty = Scene(found[1].boxes, picture.size, picture=picture)
    assert [len(said.logits) for said in oracles[1].score(requests(empty))] == [0] * len(CONCEPTS)


def test_the_oracle_says_by_itself_how_far_a_picture_is_from_its_own(oracles):
    picture = Picture(IMAGES[1])
    scene = Scene(np.array([[10, 10, 60, 60]], dtype=np.float32), picture.size, picture=picture)
    first, second = (oracle.domain(scene) for oracle in oracles)
    assert second.score == pytest.approx(first.score, rel=1e-4)
    grey = Picture(Image.new("RGB", (480, 320)))
    blank = Scene(scene.boxes, grey.size, picture=grey)
    assert oracles[0].domain(blank) == oracles[1].domain(blank)


def test_many_boxes_go_in_batches_and_large_ones_are_read_from_half_the_picture():
    picture, rng = Picture(IMAGES[2]), np.random.default_rng(0)
    corner = rng.uniform(0, 250, (9, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(2, 200, (9, 2))], 1).astype(np.float32)
    scene = Scene(boxes, picture.size, picture=picture)
    made = [EmbeddedOracle(runtime=runtime, batch_size=4, calibrated=False) for runtime in ("torch", "numpy")]
    np.testing.assert_allclose(logits(made[1], scene), logits(made[0], scene), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("kind", "error"), [(EmbeddedDetector, DetectorError), (EmbeddedOracle, OracleError)])
def test_a_runtime_that_is_not_there_is_an_error(kind, error):
    with pytest.raises(error, match=r"runtime is 'jax'.*'torch' or 'numpy'"):
        kind(runtime="jax")
    with pytest.raises(error, match="the runtime 'numpy' has no device 'cuda'"):
        kind(runtime="numpy", device="cuda")
    with pytest.raises(error, match="The weights do not exist"):
        kind(runtime="numpy", weights="nowhere.safetensors")
