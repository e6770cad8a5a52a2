"""Segmenters and depth estimators through transformers: tiny models of the real classes, through the adapters' code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neptune.errors import MissingExtraError, PerceptionError
from neptune.perception import registry
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import LONGEST
from neptune.scene.seen.masks import MaskRequest

pytest.importorskip("transformers", reason="needs the extra 'transformers'")

from helpers import tiny_percepts

from neptune.perception.depth.transformers import TransformersDepth
from neptune.perception.segment.transformers import TransformersSegmenter

SEGMENTERS, DEPTHS = ("sam", "sam2"), ("depth_anything", "zoedepth")


def pictures() -> list[Picture]:
    rng = np.random.default_rng(0)
    return [Picture(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((60, 90), (90, 60), (60, 90))]


def segmenter(name: str, **options: Any) -> TransformersSegmenter:
    return TransformersSegmenter(getattr(tiny_percepts, name)(), **options)


def estimator(name: str, **options: Any) -> TransformersDepth:
    return TransformersDepth(getattr(tiny_percepts, name)(), **options)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_masks_in_a_batch_are_as_one_by_one(name: str) -> None:
    boxes = [(5.0, 5.0, 40.0, 40.0), (0.0, 0.0, 90.0, 60.0), (30.0, 20.0, 59.0, 50.0)]
    requests = [MaskRequest(p, box) for p in pictures() for box in boxes]
    together = segmenter(name).masks(requests)
    alone = segmenter(name, batch_size=1)
    for request, mask in zip(requests, together, strict=True):
        (one,) = alone.masks([request])
        assert mask.size == request.picture.image.size
        np.testing.assert_allclose(one.full(), mask.full(), atol=2 / 255)
        assert one.score == pytest.approx(mask.score, abs=1e-4)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_box_says_what_is_meant(name: str) -> None:
    picture = pictures()[0]
    one, other = segmenter(name).masks([MaskRequest(picture, (2, 2, 20, 20)), MaskRequest(picture, (60, 30, 88, 58))])
    assert (one.full() != other.full()).any()
    (outside,) = segmenter(name).masks([MaskRequest(picture, (200, 200, 300, 300))])
    assert outside.area == 0


@pytest.mark.parametrize("name", DEPTHS)
def test_depths_in_a_batch_are_as_one_by_one(name: str) -> None:
    together = estimator(name, batch_size=3).depth(pictures())
    alone = estimator(name, batch_size=1)
    for picture, depth in zip(pictures(), together, strict=True):
        (one,) = alone.depth([picture])
        np.testing.assert_allclose(one.map, depth.map, atol=1e-4)
        ratio = depth.map.shape[1] / depth.map.shape[0]
        assert ratio == pytest.approx(picture.size[0] / picture.size[1], rel=0.1)


def test_units_follow_the_model() -> None:
    assert estimator("depth_anything").unit == "relative"
    assert TransformersDepth(tiny_percepts.depth_anything(kind="metric")).unit == "metres"
    assert estimator("zoedepth").unit == "metres"


def test_small_is_near_where_the_model_says_how_near() -> None:
    model, said = tiny_percepts.depth_anything()

    class Known(type(model)):  # type: ignore[misc]
        def forward(self, pixel_values: Any) -> Any:
            found = super().forward(pixel_values=pixel_values)
            rows = pixel_values.shape[2]  # nearness grows towards the lower edge
            found.predicted_depth = found.predicted_depth * 0 + torch.linspace(1, 5, rows)[None, :, None]
            return found

    model.__class__ = Known
    (depth,) = TransformersDepth((model, said)).depth(pictures()[:1])
    assert depth.map[0].mean() == 1
    assert depth.map[-1].mean() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (33, 40)])
def test_pictures_of_any_shape(size: tuple[int, int]) -> None:
    picture = Picture(Image.new("RGB", size, "red"))
    for name in DEPTHS:
        (depth,) = estimator(name).depth([picture])
        assert np.isfinite(depth.map).all()
        assert max(depth.map.shape) <= LONGEST
        assert depth.size == size
    for name in SEGMENTERS:
        (mask,) = segmenter(name).masks([MaskRequest(picture, (0, 0, *size))])
        assert mask.size == picture.image.size
        assert 0 <= mask.area <= size[0] * size[1]


@pytest.mark.parametrize("size", [(90, 60), (47, 81)])
def test_what_is_shown_is_what_the_real_processors_show(size: tuple[int, int]) -> None:
    from transformers import DPTImageProcessorPil, SamImageProcessorPil, ZoeDepthImageProcessorPil

    image = Image.fromarray(np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    (_, said), ours = tiny_percepts.depth_anything(), estimator("depth_anything")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    real = DPTImageProcessorPil(**{**said, "image_mean": mean, "image_std": std})(image, return_tensors="np")
    np.testing.assert_allclose(ours._shown(image)[0], real["pixel_values"][0], atol=1e-4)
    sam = segmenter("sam")
    real = SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})(
        image, return_tensors="np"
    )
    shown, (height, width) = sam._shown(image)
    assert (height, width) == tuple(real["reshaped_input_sizes"][0])
    np.testing.assert_allclose(shown[:, :height, :width], real["pixel_values"][0][:, :height, :width], atol=1e-4)
    (_, said), zoe = tiny_percepts.zoedepth(), estimator("zoedepth")
    real = ZoeDepthImageProcessorPil(**said)(image, return_tensors="np")
    np.testing.assert_allclose(zoe._shown(image)[0], real["pixel_values"][0], atol=1e-4)


@pytest.mark.parametrize("name", [*SEGMENTERS, *DEPTHS])
def test_a_checkpoint_in_a_folder_is_a_name(name: str, tmp_path: Path) -> None:
    model, said = getattr(tiny_percepts, name)()
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    picture = pictures()[0]
    if name in SEGMENTERS:
        loaded = registry.segmenter(str(tmp_path), device="cpu")
        (ours,) = loaded.masks([MaskRequest(picture, (5, 5, 40, 40))])
        (direct,) = segmenter(name).masks([MaskRequest(picture, (5, 5, 40, 40))])
        np.testing.assert_array_equal(ours.levels, direct.levels)
    else:
        depths = registry.depth_estimator(str(tmp_path), device="cpu")
        np.testing.assert_allclose(depths.depth([picture])[0].map, estimator(name).depth([picture])[0].map, atol=1e-5)
        loaded = depths  # type: ignore[assignment]
    again = type(loaded)(str(tmp_path), device="cpu")  # type: ignore[call-arg]
    assert again.identity == loaded.identity  # type: ignore[attr-defined]


def test_what_can_not_be_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PerceptionError, match="can not be loaded"):
        registry.depth_estimator(str(tmp_path / "no" / "where"), local_files_only=True)
    model, _ = tiny_percepts.depth_anything()
    model.save_pretrained(tmp_path)
    with pytest.raises(PerceptionError, match="no segmenter known here"):
        registry.segmenter(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text("{torn")
    with pytest.raises(PerceptionError, match="preprocessing can not be read"):
        registry.depth_estimator(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 0, "width": "x"}}')
    with pytest.raises(PerceptionError, match="makes pictures of"):
        registry.depth_estimator(str(tmp_path))
    with pytest.raises(PerceptionError, match="dtype is 'int8'"):
        registry.segmenter("sam", dtype="int8")
    with pytest.raises(PerceptionError, match="batch_size is 0"):
        registry.segmenter("sam2", batch_size=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[transformers\]"):
        registry.segmenter("sam2")
