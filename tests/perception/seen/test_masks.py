"""Masks: their numbers, and those that need no network, against exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.perceived import clevr, shapes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neptune.errors import MissingExtraError, PerceptionError
from neptune.perception import registry
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import Mask, MaskRequest
from neptune.scene.types import Segmenter

NAMES = ("grabcut", "watershed")
PLACES = st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(0, 8), st.integers(0, 8))


def filled(x: int, y: int, w: int, h: int) -> np.ndarray:
    found = np.zeros((18, 22), dtype=np.float32)
    found[y : y + h, x : x + w] = 1
    return found


@given(PLACES, PLACES)
def test_areas_and_shared_pixels_are_those_of_the_whole_arrays(one: tuple, other: tuple) -> None:
    first, second = filled(*one), filled(*other)
    masks = [Mask.of(values, (22, 18)) for values in (first, second)]
    assert masks[0].area == first.sum()
    assert masks[0].shared(masks[1]) == np.minimum(first, second).sum() == masks[1].shared(masks[0])
    np.testing.assert_array_equal(masks[0].full(), first)


def test_soft_pixels_count_in_part_and_large_pictures_by_their_scale() -> None:
    soft = Mask.of(np.full((4, 4), 0.5), (8, 8), (2, 2))
    assert soft.area == pytest.approx(8, abs=0.05)
    halved = Mask.of(np.ones((4, 4)), (8, 8), (2, 2), (0.5, 0.5))
    assert halved.area == 64
    assert halved.box == (4, 4, 12, 12)


def test_a_mask_of_nothing_has_no_area() -> None:
    nothing = Mask.of(np.zeros((5, 5)), (9, 9), (1, 1))
    assert nothing.area == 0
    assert nothing.shared(Mask.of(np.ones((9, 9)), (9, 9))) == 0
    assert not nothing.full().any()
    assert nothing.filled().area == 0


def test_what_a_mask_encloses_is_inside_it_when_its_holes_are_filled() -> None:
    ring = np.ones((9, 9), dtype=np.float32)
    ring[3:6, 3:6] = 0
    assert Mask.of(ring, (9, 9)).area == 72
    assert Mask.of(ring, (9, 9)).filled().area == 81


@pytest.mark.parametrize("name", NAMES)
def test_drawn_shapes_are_cut_out_as_they_were_drawn(name: str) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'vision'")
    picture, drawn = shapes()
    masks = registry.segmenter(name).masks([MaskRequest(picture, box) for box, _ in drawn])
    for mask, (_, exact) in zip(masks, drawn, strict=True):
        found = mask.full() >= 0.5
        assert (found & exact).sum() / (found | exact).sum() > 0.93


@pytest.mark.parametrize("name", NAMES)
def test_areas_of_rendered_objects_are_their_visible_pixels(name: str) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'vision'")
    errors = []
    segmenter = registry.segmenter(name)
    for picture, things in clevr(3):
        masks = segmenter.masks([MaskRequest(picture, tuple(t["bbox"])) for t in things])
        errors += [abs(m.area / t["visible_pixels"] - 1) for m, t in zip(masks, things, strict=True)]
    assert np.median(errors) < 0.025
    assert np.mean(errors) < 0.08


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "mode"), [((1, 1), "RGB"), ((5000, 1), "RGB"), ((1, 5000), "RGB"), ((40, 30), "L"), ((40, 30), "RGBA")]
)
def test_any_picture_and_any_box_has_a_mask(name: str, size: tuple[int, int], mode: str) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'vision'")
    rng = np.random.default_rng(1)
    picture = Picture(Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).convert(mode))
    boxes = [(0, 0, *size), (-9, -9, 3, 3), (0.2, 0.2, 0.9, 0.9), (size[0] + 5, 0, size[0] + 9, 9), (5, 5, 2, 2)]
    segmenter = registry.segmenter(name)
    for box in boxes:
        (mask,) = segmenter.masks([MaskRequest(picture, box)])
        x0, y0, x1, y1 = mask.box
        assert mask.area >= 0
        if mask.area:
            assert x0 >= np.floor(max(box[0], 0))
            assert y0 >= np.floor(max(box[1], 0))
            assert x1 <= np.ceil(min(box[2], size[0]))
            assert y1 <= np.ceil(min(box[3], size[1]))


@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_is_as_in_a_batch(name: str) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'vision'")
    picture, drawn = shapes()
    requests = [MaskRequest(picture, box) for box, _ in drawn]
    segmenter = registry.segmenter(name)
    for alone, together in zip([segmenter.masks([r])[0] for r in requests], segmenter.masks(requests), strict=True):
        np.testing.assert_array_equal(alone.levels, together.levels)


def test_names_options_and_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="did you mean 'grabcut'"):
        registry.segmenter("grapcut")
    if pytest.importorskip("cv2", reason="needs the extra 'vision'"):
        assert isinstance(registry.segmenter("grabcut"), Segmenter)
        with pytest.raises(PerceptionError, match="rounds is 0"):
            registry.segmenter("grabcut", rounds=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"neptune-reasoner\[vision\]"):
        registry.segmenter("watershed")
