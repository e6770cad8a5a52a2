"""Tools that need OpenCV (the extra `vision`): edges, thresholds, the mask of a thing in a box."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from neptune.errors import MissingExtraError, ToolError
from neptune.scene.seen.masks import Mask

SEGMENTED_PIXELS = 1_000_000
"""A larger picture is segmented on a copy of so many pixels."""

_ROUNDS = 5


def opencv(tool: str) -> Any:
    """Return the module `cv2`.

    Raises
    ------
    MissingExtraError
        If OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError(
            "OpenCV is not installed; the picture tool needs it",
            where=tool,
            hint='Install it: pip install "neptune-reasoner[vision]"',
        ) from error
    return cv2


def threshold(image: Image.Image, level: float | None) -> Image.Image:
    """Return white where the brightness is above a level, else black; without a level that of Otsu."""
    cv2 = opencv("threshold")
    how = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if level is None else 0)
    _, found = cv2.threshold(np.asarray(ImageOps.grayscale(image)), 0 if level is None else level, 255, how)
    return Image.fromarray(found)


def edges(image: Image.Image, low: float, high: float) -> Image.Image:
    """Return the edges by Canny's method, white on black; `low` and `high` are its thresholds, in either order."""
    return Image.fromarray(opencv("edges").Canny(np.asarray(ImageOps.grayscale(image)), low, high))


def segment(
    image: Image.Image, box: tuple[float, float, float, float], scale: tuple[float, float] = (1.0, 1.0)
) -> Mask:
    """Return the mask of the thing in a box by GrabCut: what is outside the box is background.

    Where the box leaves no background, all of the picture belongs to the thing. `scale` is that of the picture.

    Raises
    ------
    ToolError
        If nothing of the box lies inside the picture.
    """
    cv2 = opencv("segment")
    shrink = min(1.0, math.sqrt(SEGMENTED_PIXELS / (image.width * image.height)))
    small = image
    if shrink < 1:
        small = image.resize((max(1, int(image.width * shrink)), max(1, int(image.height * shrink))))
    factors = small.width / image.width, small.height / image.height
    x0, y0 = max(0, math.floor(box[0] * factors[0])), max(0, math.floor(box[1] * factors[1]))
    x1, y1 = min(small.width, math.ceil(box[2] * factors[0])), min(small.height, math.ceil(box[3] * factors[1]))
    if x0 >= x1 or y0 >= y1:
        raise ToolError(
            f"The box {[round(v, 2) for v in box]} lies outside the picture",
            where="segment",
            expected=f"a box inside {image.width}×{image.height} pixels",
        )
    labels = np.full((small.height, small.width), cv2.GC_BGD, dtype=np.uint8)
    labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    if (labels == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)  # its mixtures begin at random
        pixels = np.ascontiguousarray(np.asarray(small)[:, :, ::-1])
        models = np.zeros((1, 65)), np.zeros((1, 65))
        labels, *_ = cv2.grabCut(pixels, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    if shrink < 1:
        inside = np.clip(cv2.resize(inside, image.size, interpolation=cv2.INTER_LINEAR), 0, 1)
    return Mask.of(inside, image.size, scale=scale)
