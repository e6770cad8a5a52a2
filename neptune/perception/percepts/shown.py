"""What is known of a picture besides boxes, as a record keeps it and a report shows it: an overlay of masks, a heat map
of depth, boxes of words. Small pictures, as data addresses (PNG)."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from neptune.perception.percepts.percepts import Percepts
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask

LONGEST = 360
"""Pixels of the longer side of what is shown."""
MOST_MASKS, MOST_LINES = 60, 60
"""A picture with more of them shows the first."""
COLOURS = ((230, 85, 13), (49, 130, 189), (49, 163, 84), (117, 107, 177), (222, 45, 38), (0, 150, 136), (199, 144, 0))
"""Of masks, in turn."""
HEAT = ((13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))
"""From far to near."""


def shown(percepts: Percepts, picture: Picture | None) -> dict[str, Any]:
    """Return what the models have said of a picture so far, as fields of a record; ``{}`` where they were not asked.

    ``seen`` holds ``masks`` and ``depth`` (addresses of PNG pictures that cover the whole picture; ``near``, ``far``
    and ``unit`` beside the second) and ``texts`` (text, box and confidence of each line), as far as there are any.
    """
    if picture is None:
        return {}
    masks, depth, reading = percepts.known(picture)
    found: dict[str, Any] = {}
    if masks:
        found["masks"] = _address(overlay(masks[:MOST_MASKS]))
    if depth is not None:
        low, high = float(depth.map.min()), float(depth.map.max())
        found |= {"depth": _address(heat(depth)), "near": round(low, 4), "far": round(high, 4), "unit": depth.unit}
    if reading:
        found["texts"] = [
            [line.text[:200], [round(v, 1) for v in line.box], round(line.confidence, 3)]
            for line in reading[:MOST_LINES]
        ]
    return {"seen": found} if found else {}


def overlay(masks: Sequence[Mask]) -> Image.Image:
    """Return masks of one picture in colours, transparent where there is none (RGBA)."""
    width, height = masks[0].size
    shrink = min(1.0, LONGEST / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    whole = np.zeros((size[1], size[0], 4), dtype=np.uint8)
    for k, mask in enumerate(masks):
        levels = np.asarray(Image.fromarray(np.rint(mask.full() * 255).astype(np.uint8)).resize(size))
        inside = levels > 127
        whole[inside, :3], whole[inside, 3] = COLOURS[k % len(COLOURS)], 255
    return Image.fromarray(whole)


def heat(depth: Depth) -> Image.Image:
    """Return a depth in colours, the nearest the brightest (RGB)."""
    low, high = float(depth.map.min()), float(depth.map.max())
    near = (high - depth.map) / (high - low) if high > low else np.zeros_like(depth.map)
    steps = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(near, steps, [colour[c] for colour in HEAT]) for c in range(3)]
    return Image.fromarray(np.rint(np.stack(channels, axis=-1)).astype(np.uint8))


def _address(image: Image.Image) -> str:
    content = io.BytesIO()
    (image.quantize(64) if image.mode == "RGB" else image).save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
