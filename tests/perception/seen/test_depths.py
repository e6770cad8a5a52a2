"""Depths: of boxes from a map, and those of the shipped head."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from helpers.perceived import clevr
from PIL import Image

from neptune.errors import PerceptionError
from neptune.perception import registry
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import LONGEST, Depth
from neptune.scene.types import DepthEstimator


def test_of_a_box_it_is_the_median_of_its_middle() -> None:
    values = np.full((40, 60), 9.0)
    values[10:30, 20:40] = 2.0
    depth = Depth.of(values, (120, 80), "metres")
    near, spread = depth.at(np.array([[40, 20, 80, 60], [0, 0, 20, 20], [30, 10, 90, 70]]))
    assert near.tolist() == [2, 9, 2]
    assert (spread > 0).all()


@pytest.mark.parametrize("box", [(-50, -50, -40, -40), (500, 0, 600, 10), (3, 3, 3, 3), (0, 0, 120, 80)])
def test_any_box_has_a_depth(box: tuple[float, ...]) -> None:
    depth = Depth.of(np.random.default_rng(0).random((8, 12)), (120, 80), "relative")
    value, spread = depth.at(np.array([box]))
    assert np.isfinite(value).all()
    assert (spread > 0).all()


def test_maps_are_small_finite_and_not_negative() -> None:
    values = np.random.default_rng(0).normal(size=(700, 1400))
    values[0, 0], values[1, 1] = np.nan, np.inf
    depth = Depth.of(values, (1400, 700), "relative")
    assert depth.map.shape == (LONGEST // 2, LONGEST)
    assert np.isfinite(depth.map).all()
    assert depth.map.min() >= 0
    assert Depth.of(np.zeros((1, 5000)), (5000, 1), "relative").map.shape == (1, LONGEST)


def test_the_shipped_head_tells_which_object_is_nearer() -> None:
    estimator = registry.depth_estimator("embedded")
    assert isinstance(estimator, DepthEstimator)
    far, near, edges = [], [], []
    pictures = clevr(8)
    for depth, (_, things) in zip(estimator.depth([p for p, _ in pictures]), pictures, strict=True):
        assert depth.unit == "CLEVR units"
        assert depth.domain is not None
        assert not depth.domain.outside
        values, spreads = depth.at(np.array([t["bbox"] for t in things], dtype=np.float32))
        assert (spreads > 0).all()
        true = [t["pixel_coords"][2] for t in things]
        assert np.abs(values - true).max() < 1.5
        for a, b in combinations(range(len(true)), 2):
            gap = true[a] - true[b]
            right = (values[a] - values[b]) * gap > 0
            (far if abs(gap) > 0.1 * min(true[a], true[b]) else near).append(right)
            if abs(gap) <= 0.1 * min(true[a], true[b]):
                edges.append((things[b]["bbox"][3] - things[a]["bbox"][3]) * gap > 0)
    assert np.mean(far) == 1
    assert np.mean(near) >= np.mean(edges)


def test_its_map_is_near_below_and_far_above() -> None:
    ((picture, things), *_) = clevr(1)
    (depth,) = registry.depth_estimator("embedded").depth([picture])
    assert depth.map[-1].mean() < depth.map[len(depth.map) // 2].mean() < depth.map[0].mean()
    by_map, _ = Depth.at(depth, np.array([t["bbox"] for t in things], dtype=np.float32))
    true = np.array([t["pixel_coords"][2] for t in things])
    assert np.corrcoef(by_map, true)[0, 1] > 0.9


def test_a_picture_of_another_kind_is_said_to_be_one() -> None:
    rng = np.random.default_rng(0)
    blobs = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize((480, 320))
    (depth,) = registry.depth_estimator("embedded").depth([Picture(blobs)])
    assert depth.domain is not None
    assert depth.domain.outside


def test_one_by_one_is_as_in_a_batch_and_no_box_has_no_depth() -> None:
    estimator = registry.depth_estimator("embedded")
    pictures = [p for p, _ in clevr(2)]
    for alone, together in zip([estimator.depth([p])[0] for p in pictures], estimator.depth(pictures), strict=True):
        np.testing.assert_array_equal(alone.map, together.map)
        assert alone.at(np.zeros((0, 4), dtype=np.float32))[0].shape == (0,)


def test_weights_that_are_none(tmp_path: object) -> None:
    with pytest.raises(PerceptionError, match="train-depth"):
        registry.depth_estimator("embedded", weights="nowhere.safetensors")
