"""Pictures as arrays of one size, and square crops around boxes: see :mod:`neptune.perception.embedded.canvas`."""

from __future__ import annotations

import numpy as np

from neptune.perception.embedded.light.layers import Array, halved
from neptune.perception.embedded.sizes import CONTEXT, CROP, HEIGHT, SMALLEST, WIDTH, geometry_of


def centred(pixels: Array) -> Array:
    """Return uint8 pixels as float32 ``(p / 255 - 0.45) / 0.2``."""
    out: Array = pixels.astype(np.float32) / np.float32(255.0 * 0.2) - np.float32(0.45 / 0.2)
    return out


def crops(picture: Array, boxes: Array) -> Array:
    """Cut a square around each box ``(N, 4)``: ``(N, CROP, CROP, 4)``, colour, and 1 inside the box, 0 outside."""
    half = halved(picture)
    steps = ((np.arange(CROP, dtype=np.float32) + np.float32(0.5)) / np.float32(CROP) - np.float32(0.5))[None]
    centre = (boxes[:, :2] + boxes[:, 2:]) / np.float32(2.0)
    side = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(1) * np.float32(CONTEXT), np.float32(SMALLEST))
    xs, ys = (centre[:, k : k + 1] + side[:, None] * steps for k in (0, 1))
    inside_x = (xs >= boxes[:, 0:1]) & (xs <= boxes[:, 2:3])
    inside_y = (ys >= boxes[:, 1:2]) & (ys <= boxes[:, 3:4])
    out = np.empty((len(boxes), CROP, CROP, 4), dtype=np.float32)
    out[..., 3] = inside_y[:, :, None] & inside_x[:, None, :]
    for i in range(len(boxes)):
        source = half[0] if side[i] > 1.5 * CROP else picture[0]
        out[i, ..., :3] = _sample(source, xs[i] * np.float32(2 / WIDTH), ys[i] * np.float32(2 / HEIGHT))
    return out


def _sample(picture: Array, xs: Array, ys: Array) -> Array:
    """Read a picture ``(H, W, 3)`` at every pair of places in (0, 2) of its width and height, between its pixels
    linearly; beyond its border as at the border."""
    below, beyond, weights = [], [], []
    for places, size in ((ys, picture.shape[0]), (xs, picture.shape[1])):
        at = np.clip(places * np.float32(size / 2) - np.float32(0.5), 0, size - 1).astype(np.float32)
        low = np.floor(at)
        below.append(low.astype(np.int64))
        beyond.append(np.minimum(low.astype(np.int64) + 1, size - 1))
        weights.append(at - low)
    wy, wx = weights[0][:, None, None], weights[1][None, :, None]
    one = np.float32(1.0)
    top, bottom = picture[below[0]], picture[beyond[0]]
    out: Array = top[:, below[1]] * ((one - wy) * (one - wx))
    out += top[:, beyond[1]] * ((one - wy) * wx)
    out += bottom[:, below[1]] * (wy * (one - wx))
    out += bottom[:, beyond[1]] * (wy * wx)
    return out


def geometry(boxes: Array) -> Array:
    """Return ten numbers of order one for each box ``(N, 4)``: where it is and how large, ``(N, 10)``."""
    parts = geometry_of(*boxes.T, log=lambda side: np.log(np.maximum(side, 1) / 60))
    return np.stack(parts, 1).astype(np.float32)
