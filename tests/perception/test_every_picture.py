"""Whatever looks at pictures takes every kind: single pixels, strips, grey, transparent, 16 bits, one colour."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neptune.perception import registry
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import MaskRequest
from neptune.scene.types import QueryRequest, Question, ScoreRequest


def _sixteen() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def _noise(height: int, width: int, *channels: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (height, width, *channels), dtype=np.uint8)


PICTURES: dict[str, Any] = {
    "1x1": Image.new("RGB", (1, 1), "red"),
    "5000x1": _noise(1, 5000, 3),
    "1x5000": _noise(5000, 1, 3),
    "grey": _noise(30, 40),
    "alpha": _noise(30, 40, 4),
    "16 bits": _sixteen(),
    "one color": Image.new("RGB", (50, 40), "white"),
    "four inks": Image.fromarray(_noise(30, 40, 3)).convert("CMYK"),
    "bits": Image.fromarray(_noise(30, 40)).convert("1"),
}


@pytest.fixture(params=PICTURES)
def picture(request: pytest.FixtureRequest) -> Picture:
    return Picture(PICTURES[request.param])


def scene_of(picture: Picture) -> Scene:
    """Two things: all of the picture, and its left upper half."""
    width, height = picture.size
    boxes = np.array([[0, 0, width, height], [0, 0, max(width / 2, 1), max(height / 2, 1)]], dtype=np.float32)
    return Scene(boxes, picture.size, picture)


@pytest.mark.parametrize("name", ["embedded", "regions", "none"])
def test_detectors(name: str, picture: Picture) -> None:
    found = registry.detector(name).detect(picture, ["cube"])
    assert found.boxes.shape == (len(found.scores), 4)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [*picture.size, *picture.size]).all()


@pytest.mark.parametrize("name", ["embedded", "drawings"])
def test_oracles(name: str, picture: Picture) -> None:
    oracle, scene = registry.oracle(name), scene_of(picture)
    word = "cube" if name == "embedded" else "black"
    (scores,) = oracle.score([ScoreRequest(scene, Question(f"is the object {word}?", 1, word), np.array([[0], [1]]))])
    assert scores.logits.shape == (2,)
    assert np.isfinite(scores.logits).all()


@pytest.mark.parametrize("form", ["mark", "crop", "coordinates"])
def test_the_oracle_of_vision_language_models(form: str, picture: Picture) -> None:
    pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    from helpers.tiny_models import tiny_vlm

    from neptune.perception.oracle.vlm.oracle import TransformersOracle

    oracle, scene = TransformersOracle(tiny_vlm("internvl"), form=form, max_new_tokens=2), scene_of(picture)
    both = np.array([[0], [1]])
    (scores,) = oracle.score([ScoreRequest(scene, Question("is the object in the red box a ball?", 1), both)])
    assert np.isfinite(scores.logits).all()
    (texts,) = oracle.query([QueryRequest(scene, Question("what color is it?", 1), both, ("red", "blue"))])
    assert set(texts) <= {"red", "blue"}


@pytest.mark.parametrize("name", ["grabcut", "watershed"])
def test_segmenters(name: str, picture: Picture) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'vision'")
    width, height = picture.size
    asked = [MaskRequest(picture, box) for box in ((0, 0, width, height), (0, 0, 1, 1), (width + 5, 0, width + 9, 3))]
    whole, pixel, outside = registry.segmenter(name).masks(asked)
    assert 0 <= pixel.area <= 1
    assert 0 <= whole.area <= width * height
    assert outside.area == 0
    assert whole.full().shape == picture.image.size[::-1]


def test_the_embedded_depth(picture: Picture) -> None:
    (depth,) = registry.depth_estimator("embedded").depth([picture])
    values, spreads = depth.at(scene_of(picture).boxes)
    assert np.isfinite(values).all()
    assert (spreads > 0).all()
    assert depth.size == picture.size


def test_rapidocr(picture: Picture) -> None:
    pytest.importorskip("rapidocr", reason="needs the extra 'ocr'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'ocr'")
    (lines,) = registry.text_reader("rapidocr").read([picture])
    for line in lines:
        assert line.text.strip()
        assert line.box[2] <= picture.size[0]
        assert line.box[3] <= picture.size[1]
