"""The embedded networks know pictures of their world: CLEVR renderings, and what becomes of them; and no others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.other_worlds import brighter, chart, compressed, drawing, noise, scaled
from PIL import Image
from safetensors.torch import load_file, save_file

from neptune.engine import Engine
from neptune.errors import DetectorError
from neptune.learn.train.domain import changed_a_little, fit_domain
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.embedded import store
from neptune.perception.embedded.detector_net import DetectorNet
from neptune.perception.embedded.domain import PictureDomain, is_blank
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "examples" / "clevr" / "images").iterdir())
SCENES = ROOT / "examples" / "clevr" / "scenes.json"
PROGRAM = "count(Object, lambda x: cube(x))"
COLOURS = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (115, 114, 113), (255, 0, 0), (0, 40, 200)]


@pytest.fixture(scope="module")
def detector() -> EmbeddedDetector:
    return EmbeddedDetector(device="cpu")


@pytest.fixture(scope="module")
def oracle() -> EmbeddedOracle:
    return EmbeddedOracle(device="cpu")


def scores(detector, oracle, image):
    """Return what each of the two says of a picture, by itself."""
    picture = Picture(image)
    bare = Scene(np.zeros((0, 4), np.float32), picture.size, picture)
    return detector.detect(picture).domain.score, oracle.domain(bare).score


@pytest.mark.parametrize("make", [drawing, chart, noise])
def test_drawings_charts_and_noise_are_out_of_domain(detector, oracle, make):
    if make is chart:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: make setup")
    found = np.array([scores(detector, oracle, make(seed)) for seed in range(10)])
    assert (found > 1).mean(0).min() >= 0.95, found


def test_a_photograph_is_out_of_domain_for_both(detector, oracle):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: make setup")
    from matplotlib import cbook

    photo = Picture(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).image
    for image in (photo, photo.crop((0, 0, 256, 200)), photo.crop((200, 300, 480, 520)), photo.convert("L")):
        assert min(scores(detector, oracle, image)) > 1


def test_no_shipped_picture_is_out_of_domain(detector, oracle):
    assert len(SHIPPED) > 10
    for path in SHIPPED[::4]:
        assert max(scores(detector, oracle, path)) <= 1


@pytest.mark.parametrize(
    "change",
    [
        lambda image: scaled(image, 0.5),
        lambda image: scaled(image, 2),
        lambda image: compressed(image, 40),
        lambda image: brighter(image, 0.9),
        lambda image: brighter(image, 1.1),
        lambda image: image.convert("L"),
    ],
)
def test_changes_that_keep_a_picture_what_it_is(detector, oracle, change):
    for path in SHIPPED[::20]:
        assert max(scores(detector, oracle, change(Picture(path).image))) <= 1


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", [(480, 320), (64, 64), (1, 1)])
def test_one_colour_is_a_scene_without_objects(colour, size, detector, oracle):
    answer = Engine(oracle, detector).ask(Picture(Image.new("RGB", size, colour)), "?", PROGRAM)
    assert (answer.value, answer.abstained, answer.out_of_domain) == (0, False, "")
    assert "no object was found in the picture" in answer.notes
    assert oracle.domain(Scene(np.zeros((0, 4)), size, Picture(Image.new("RGB", size, colour)))).score == 0


def test_an_empty_clevr_scene_is_one_too(detector, oracle):
    shown = np.stack([Picture(path).pixels for path in SHIPPED]).astype(np.float32)
    boxes = {s["image_filename"]: [o["bbox"] for o in s["objects"]] for s in json.loads(SCENES.read_text())["scenes"]}
    for pixels, path in zip(shown, SHIPPED, strict=True):
        for x0, y0, x1, y1 in boxes[path.name]:  # an object's shadow is around it
            pixels[max(0, int(y0) - 8) : int(y1) + 8, max(0, int(x0) - 12) : int(x1) + 12] = np.nan
    empty = np.nanmedian(shown, 0).astype(np.uint8)
    found = detector.detect(Picture(empty))
    assert not len(found.boxes)
    assert max(scores(detector, oracle, Image.fromarray(empty))) <= 1


def test_faint_noise_is_not_one_colour():
    rng = np.random.default_rng(0)
    flat = torch.full((3, 320, 480), 115, dtype=torch.uint8)
    assert is_blank(flat)
    assert not is_blank((flat + torch.from_numpy(rng.integers(0, 8, flat.shape).astype(np.uint8))).to(torch.uint8))


def test_the_answer_says_who_doubts(detector, oracle):
    picture = Picture(drawing(0))
    answer = Engine(oracle, detector).ask(picture, "?", PROGRAM)
    assert answer.why == "out of domain"
    assert "unlike the CLEVR renderings that the detector 'embedded'" in answer.out_of_domain
    by_hand = Scene(np.array([[10, 10, 90, 90]], np.float32), picture.size, picture)
    assert "the oracle 'embedded'" in Engine(oracle).run(PROGRAM, by_hand).out_of_domain
    judged = Scene(by_hand.boxes, picture.size, picture, domain=detector.detect(picture).domain)
    assert oracle.domain(judged) is None  # a network of the same training has said it


def test_weights_of_before_can_not_tell(tmp_path, detector):
    net, about = store.load("detector", None, torch.device("cpu"), DetectorError)
    net.domain = PictureDomain(len(net.domain.mean))
    store.save(net, "detector", tmp_path / "old.safetensors", about)
    tensors = {k: v for k, v in load_file(tmp_path / "old.safetensors").items() if not k.startswith("domain.")}
    meta = {"format": store.FORMAT, "part": "detector", "about": json.dumps(about)}
    save_file(tensors, tmp_path / "old.safetensors", metadata=meta)
    old = EmbeddedDetector(tmp_path / "old.safetensors", device="cpu")
    picture = Picture(SHIPPED[0])
    found = old.detect(picture)
    assert found.domain is None
    assert np.array_equal(found.boxes, detector.detect(picture).boxes)


def test_the_fit_is_kept_and_repeatable(tmp_path):
    torch.manual_seed(0)
    net = DetectorNet(4).eval()
    pictures = [torch.from_numpy(Picture(p).pixels.copy()).permute(2, 0, 1) for p in SHIPPED[:12]]
    figures = fit_domain(net, pictures.__getitem__, range(12), seed=3)
    assert figures["pictures"] == 12
    assert figures["limit"] > 0
    kept = {k: v.clone() for k, v in net.domain.state_dict().items()}
    assert fit_domain(net, pictures.__getitem__, range(12), seed=3) == figures
    store.save(net, "detector", tmp_path / "w.safetensors", {"network": {"width": 4}, "threshold": 0.5})
    again, _ = store.load("detector", tmp_path / "w.safetensors", torch.device("cpu"), DetectorError)
    for name, value in again.domain.state_dict().items():
        torch.testing.assert_close(value, kept[name], rtol=0, atol=0)
    assert not fit_domain(net, pictures.__getitem__, [0])["limit"]
    assert not net.domain.fitted


def test_changes_are_those_of_the_seed():
    picture = torch.from_numpy(Picture(SHIPPED[0]).pixels.copy()).permute(2, 0, 1)
    first, again = (changed_a_little(picture, np.random.default_rng(4)) for _ in range(2))
    assert first.shape == picture.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert any(not torch.equal(changed_a_little(picture, np.random.default_rng(s)), picture) for s in range(8))
