"""Shifts of pictures that numbers are tuned under: blur, noise, light and crops, drawn from a seed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neptune.learn.tune.shifts import Shift, generator, shifted, shifted_boxes


def picture() -> tuple[Image.Image, np.ndarray]:
    """A red and a blue square on grey, and their boxes."""
    pixels = np.full((320, 480, 3), 110, dtype=np.uint8)
    pixels[100:140, 150:190] = (200, 30, 30)
    pixels[200:260, 300:360] = (30, 30, 200)
    return Image.fromarray(pixels), np.array([[150, 100, 190, 140], [300, 200, 360, 260]], dtype=np.float32)


@pytest.mark.parametrize("kind", ["blur", "noise", "recolour", "crop"])
def test_a_shift_changes_the_picture_and_is_drawn_from_its_seed(kind: str) -> None:
    image, boxes = picture()
    shift = Shift(kind=kind, strength=0.4)
    changed, moved = shifted(image, boxes, shift, generator(0, "a.png"))
    again, _ = shifted(image, boxes, shift, generator(0, "a.png"))
    assert changed.size == image.size
    assert (np.asarray(changed) != np.asarray(image)).any()
    assert (np.asarray(changed) == np.asarray(again)).all()
    assert (moved == boxes).all() == (kind != "crop")
    assert (shifted_boxes(image.size, boxes, shift, generator(0, "a.png")) == moved).all()
    if kind not in ("blur",):
        other, _ = shifted(image, boxes, shift, generator(1, "a.png"))
        assert (np.asarray(changed) != np.asarray(other)).any()
    same, _ = shifted(image, boxes, Shift(), generator(0, "a.png"))
    assert (np.asarray(same) == np.asarray(image)).all()


@pytest.mark.parametrize("strength", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_crop_keeps_every_object_in_its_box(strength: float, seed: int) -> None:
    image, boxes = picture()
    changed, moved = shifted(image, boxes, Shift(kind="crop", strength=strength), generator(seed, "a.png"))
    assert (moved >= 0).all()
    assert (moved <= [480, 320, 480, 320]).all()
    assert ((moved[:, 2:] - moved[:, :2]) > (boxes[:, 2:] - boxes[:, :2]) * 0.5).all()
    for box, color in zip(moved, ((200, 30, 30), (30, 30, 200)), strict=True):
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        assert np.abs(np.asarray(changed)[int(y), int(x)].astype(int) - color).max() < 20


def test_noise_and_light_are_as_strong_as_they_say() -> None:
    grey = Image.fromarray(np.full((320, 480, 3), 128, dtype=np.uint8))
    boxes = np.zeros((0, 4), dtype=np.float32)
    noisy, _ = shifted(grey, boxes, Shift(kind="noise", strength=0.1), generator(0, ""))
    assert np.asarray(noisy).std() == pytest.approx(25.5, rel=0.02)
    lit, _ = shifted(grey, boxes, Shift(kind="recolour", strength=0.5), generator(0, ""))
    gains = np.asarray(lit).reshape(-1, 3).mean(0) / 128
    assert (np.abs(np.log(gains)) <= 0.51).all()
    assert len(set(gains)) == 3


# --- figures ---
