"""Which boxes the embedded detector keeps: of those inside better ones only the surest."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from neptune.learn.train.measure import best_thresholds, detector_figures
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.embedded.detector_net import decode, targets
from neptune.perception.embedded.said import INSIDE, Thresholds
from neptune.scene.boxes import covered
from neptune.scene.types import Detections

SIDES = st.integers(0, 12)


@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=7))
def test_covered_is_counted_pixel_by_pixel(drawn: list[tuple[int, int, int, int]]) -> None:
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in drawn]
    pixels = [{(x, y) for x in range(x0, x1) for y in range(y0, y1)} for x0, y0, x1, y1 in boxes]
    wanted = [
        max((len(own & p) / len(own) for p in pixels[:i]), default=0.0) if own else 0.0 for i, own in enumerate(pixels)
    ]
    np.testing.assert_allclose(covered(np.array(boxes, dtype=np.float32)), wanted, atol=1e-6)


def found(*rows: tuple[list[float], float]) -> Detections:
    return Detections(
        np.array([box for box, _ in rows], dtype=np.float32), np.array([score for _, score in rows], dtype=np.float32)
    )


def test_a_weak_box_inside_a_better_one_is_left_out_and_beside_it_kept() -> None:
    large = [[0, 0, 100, 100], 0.93]
    inside, half, sure = [[40, 40, 60, 60], 0.45], [[90, 40, 110, 60], 0.45], [[10, 10, 30, 30], 0.7]
    detections = found(large, sure, inside, half)  # type: ignore[arg-type]
    assert Thresholds(0.4, 0.6).kept(detections).tolist() == [True, True, False, True]
    assert Thresholds(0.4).kept(detections).all()
    assert Thresholds(0.8, 0.6).kept(detections).tolist() == [True, False, False, False]
    assert Thresholds(0.4, 0.6).kept(found()).tolist() == []


def test_decoding_leaves_it_out() -> None:
    boxes = torch.tensor([[100.0, 50.0, 220.0, 170.0], [130.0, 60.0, 150.0, 80.0], [300.0, 200.0, 380.0, 290.0]])
    from neptune.perception.embedded.detector_net import cell_centres

    heat, box = targets(boxes)
    x, y = cell_centres()
    sides = torch.stack([x - box[..., 0], y - box[..., 1], box[..., 2] - x, box[..., 3] - y])
    weak = heat.clone()
    at = (int(70 / 4), int(140 / 4))
    weak[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3] *= 0.5
    logits = torch.logit(weak.clamp(1e-4, 1 - 1e-4))
    for thresholds, number in ((Thresholds(0.4), 3), (Thresholds(0.4, 0.6), 2), (Thresholds(0.6), 2)):
        (got,) = decode(logits[None], sides[None], thresholds)
        assert len(got.boxes) == len(got.scores) == len(got.labels) == number


def test_thresholds_are_chosen_by_all_boxes_of_pictures() -> None:
    """Weak boxes beside others are objects, weak boxes inside others are none: two thresholds tell them apart."""
    seen, truths = [], []
    for k in range(12):
        large, beside, inside = [0, 0, 100, 100], [95, 20, 125, 60], [20, 20, 50, 50]
        seen.append(found((large, 0.9), (beside, 0.42 + 0.01 * k), (inside, 0.40 + 0.01 * k)))  # type: ignore[arg-type]
        truths.append(np.array([large, beside], dtype=np.float32))
    chosen = best_thresholds(seen, truths)
    assert chosen.score <= 0.42
    assert chosen.inside > 0.51
    assert detector_figures(seen, truths, chosen)["f1"] == 1.0
    assert detector_figures(seen, truths, Thresholds(chosen.score))["f1"] < 1.0


def test_the_shipped_weights_say_both_thresholds_and_options_change_them() -> None:
    shipped = EmbeddedDetector().thresholds
    assert shipped == Thresholds(0.4, 0.6)
    assert EmbeddedDetector(threshold=0.3, inside=0.0).thresholds == Thresholds(0.3, 0.0)
    assert 0 < INSIDE < 1
