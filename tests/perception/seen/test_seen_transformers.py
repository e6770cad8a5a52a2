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
from helpers.perceived import pattern

from neptune.perception import sam3
from neptune.perception.depth.transformers import TransformersDepth, _metres
from neptune.perception.segment.transformers import TransformersSegmenter

BOXED, DEPTHS = ("sam", "sam2"), ("depth_anything", "zoedepth", "depth_pro")
SEGMENTERS = (*BOXED, "sam3")
RECORDED = json.loads(Path(__file__).with_name("recorded_processors.json").read_text(encoding="utf-8"))
"""What processors that need torchvision made of :func:`helpers.perceived.pattern`: 27 of the numbers, their mean, …"""


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


@pytest.mark.parametrize("name", BOXED)
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
        if estimator(name).unit == "metres":  # a network's output is their inverse: far away a last digit is metres
            np.testing.assert_allclose(1 / one.map, 1 / depth.map, atol=1e-4)
        else:
            np.testing.assert_allclose(one.map, depth.map, atol=1e-4)
        ratio = depth.map.shape[1] / depth.map.shape[0]
        assert ratio == pytest.approx(picture.size[0] / picture.size[1], rel=0.1)
        assert name == "zoedepth" or np.ptp(depth.map) > 0


def test_units_follow_the_model() -> None:
    assert estimator("depth_pro").unit == "metres"
    assert TransformersDepth(tiny_percepts.depth_pro(field_of_view=False)).unit == "relative"
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


@pytest.mark.parametrize("size", [(90, 60), (47, 81), (200, 150)])
@pytest.mark.parametrize(("name", "side"), [("sam2", 128), ("sam3", 112), ("depth_pro", 64)])
def test_what_is_shown_is_what_was_recorded_of_the_real_processors(name: str, side: int, size: tuple[int, int]) -> None:
    """Those resize bytes, or numbers: bytes are the same but for a few that differ by one or two of 255."""
    image, recorded = pattern(*size), RECORDED[f"{name} {size[0]}x{size[1]}"]
    if name == "depth_pro":
        shown, level = estimator(name)._shown(image)[0], 1e-5
    elif name == "sam3":
        shown, level = sam3.pixels(image, {"size": {"height": side, "width": side}}), 2.01 / 255 / 0.5
    else:
        shown, level = segmenter(name)._shown(image)[0], 2.01 / 255 / 0.224
    places = np.ix_(range(3), (0, side // 3, side - 1), (0, side // 2, side - 2))
    assert shown.shape == (3, side, side)
    np.testing.assert_allclose(shown[places].ravel(), recorded["values"], atol=level + 1e-5)
    assert shown.mean() == pytest.approx(recorded["mean"], abs=1e-3)
    assert shown.std() == pytest.approx(recorded["std"], abs=1e-3)


def test_metres_of_depth_pro_are_those_recorded_of_the_real_processor() -> None:
    told = np.linspace(0.2, 3, 16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(_metres(told, 60.0).ravel(), RECORDED["depth_pro metres"], rtol=1e-5)
    assert _metres(told, None) is told


def test_sam3_finds_what_words_name_and_the_box_says_which() -> None:
    model, said, tokenizer = tiny_percepts.sam3()
    forward, told = model.forward, []

    def known(**given: Any) -> Any:
        """The six things stand side by side in columns."""
        found = forward(**given)
        told.append(given["input_ids"])
        left = torch.arange(6) / 6
        columns = torch.stack([left, torch.zeros(6), left + 1 / 6, torch.ones(6)], dim=-1)
        found.pred_boxes = columns.expand_as(found.pred_boxes)
        return found

    picture = pictures()[0]
    size = picture.image.size
    boxes = [(32.0, 5.0, 43.0, 55.0), (61.0, 0.0, 74.0, 60.0), (0.0, 0.0, 14.0, 20.0)]
    asked = [MaskRequest(picture, box, words) for box, words in zip(boxes, ("red ball", "cube", ""), strict=True)]
    with torch.inference_mode():
        pixels = torch.from_numpy(sam3.pixels(picture.image, said))[None]
        words = tokenizer(["red ball", "cube", "object"], padding="max_length", max_length=32, return_tensors="pt")
        whole = [forward(pixel_values=pixels, **{k: v[n : n + 1] for k, v in words.items()}) for n in range(3)]
    model.forward = known
    for batch in (64, 2):
        found = TransformersSegmenter((model, said, tokenizer), batch_size=batch).masks(asked)
        for mask, reference, column in zip(found, whole, (2, 4, 0), strict=True):
            logits = reference.pred_masks[:, column : column + 1]
            expected = torch.nn.functional.interpolate(logits, size[::-1], mode="bilinear")[0, 0].sigmoid().numpy()
            np.testing.assert_allclose(mask.full(), np.where(expected < 0.05, 0, expected), atol=1.5 / 255)
            sure = reference.pred_logits[0, column].sigmoid() * reference.presence_logits[0, 0].sigmoid()
            assert mask.score == pytest.approx(float(sure), abs=1e-4)
    assert [len(ids) for ids in told] == [3, 2, 1], "the words of a picture go together"
    (outside,) = TransformersSegmenter((model, said, tokenizer)).masks([MaskRequest(picture, (200, 200, 300, 300))])
    assert (outside.area, outside.score) == (0, 0)


@pytest.mark.parametrize("name", [*SEGMENTERS, *DEPTHS])
def test_a_checkpoint_in_a_folder_is_a_name(name: str, tmp_path: Path) -> None:
    model, said, *words = getattr(tiny_percepts, name)()
    model.save_pretrained(tmp_path)
    for tokenizer in words:
        tokenizer.save_pretrained(tmp_path)
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
    model, *_ = tiny_percepts.sam3()
    model.save_pretrained(tmp_path / "words")
    with pytest.raises(PerceptionError, match="knows no words"):
        registry.segmenter(str(tmp_path / "words"))
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
