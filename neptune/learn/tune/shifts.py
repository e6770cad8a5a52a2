"""Pictures unlike those that a model was trained on: blurred, noisy, in another light, or cropped."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from neptune.scene.types import FloatArray

USUAL = {"blur": 2.0, "noise": 0.1, "recolour": 0.5, "crop": 0.3}
"""Kinds of shift, each with a strength that can be seen."""


class Shift(BaseModel):
    """A change of pictures, and how strong it is.

    - ``blur``: Gaussian, with a standard deviation of `strength` pixels;
    - ``noise``: Gaussian, on each channel of each pixel, with a standard deviation of `strength` (1: from black to
      white);
    - ``recolour``: the light changes colour: each channel is multiplied by ``exp(u)``, u uniform in ± `strength`;
    - ``crop``: the share `strength` of width and height is cut away, and the rest fills the picture again. No object is
      lost: the window moves, and grows if it must, until the centre of each box is inside.

    A kind needs a strength above 0, and a strength a kind: else pictures would be called changed that are not.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["none", "blur", "noise", "recolour", "crop"] = "none"
    strength: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _both_or_neither(self) -> Shift:
        if self.kind != "none" and not self.strength:
            raise ValueError(f"strength 0 changes nothing; expected one for {self.kind}, e.g. {USUAL[self.kind]}")
        if self.kind == "none" and self.strength:
            raise ValueError(f"strength {self.strength:g} has no kind; expected {' or '.join(USUAL)}")
        return self


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one picture, the same whichever pictures come before it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def shifted(
    image: Image.Image, boxes: FloatArray, shift: Shift, random: np.random.Generator
) -> tuple[Image.Image, FloatArray]:
    """Return a changed picture of the same size, and where its boxes are now.

    Parameters
    ----------
    image
        RGB.
    boxes
        ``(N, 4)`` pixels ``x0 y0 x1 y1``; only ``crop`` moves them, and cuts what leaves the picture.
    shift
        What is done.
    random
        See :func:`generator`.
    """
    if shift.kind == "none":
        return image, boxes
    if shift.kind == "blur":
        return image.filter(ImageFilter.GaussianBlur(shift.strength)), boxes
    if shift.kind == "crop":
        return _cropped(image, boxes, shift.strength, random)
    pixels = np.asarray(image, dtype=np.float32)
    if shift.kind == "noise":
        pixels = pixels + random.normal(0.0, 255 * shift.strength, pixels.shape).astype(np.float32)
    else:
        pixels = pixels * np.exp(random.uniform(-shift.strength, shift.strength, 3)).astype(np.float32)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), boxes


def shifted_boxes(size: tuple[int, int], boxes: FloatArray, shift: Shift, random: np.random.Generator) -> FloatArray:
    """Return what :func:`shifted` returns of the boxes, without the picture; `size` is its width and height."""
    if shift.kind != "crop":
        return boxes
    return _in_window(_window(size, boxes, shift.strength, random), size, boxes)


def _cropped(
    image: Image.Image, boxes: FloatArray, strength: float, random: np.random.Generator
) -> tuple[Image.Image, FloatArray]:
    window = _window(image.size, boxes, strength, random)
    x0, y0, x1, y1 = (float(v) for v in window)
    grown = image.resize(image.size, Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
    return grown, _in_window(window, image.size, boxes)


def _window(
    size: tuple[int, int], boxes: FloatArray, strength: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the part of the picture that is kept, in its proportions: ``x0 y0 x1 y1``."""
    whole = np.array(size, dtype=np.float64)
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2)
    centres = corners.mean(axis=1) if len(corners) else np.tile(whole / 2, (1, 1))
    low, high = centres.min(axis=0), centres.max(axis=0)
    # A pixel beyond the outermost centres keeps a part of each box.
    share = max(1.0 - strength, float(((high - low + 2.0) / whole).max()))
    side = whole * min(1.0, share)
    first, last = np.maximum(0.0, high + 1.0 - side), np.minimum(low - 1.0, whole - side)
    last = np.maximum(first, last)
    start = np.clip(first + random.uniform(0.0, 1.0, 2) * (last - first), 0.0, whole - side)
    return np.concatenate([start, start + side])


def _in_window(window: NDArray[np.float64], size: tuple[int, int], boxes: FloatArray) -> FloatArray:
    whole = np.array(size, dtype=np.float64)
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2)
    moved = (corners - window[:2]) / (window[2:] - window[:2]) * whole
    return np.clip(moved, 0.0, whole).reshape(-1, 4).astype(np.float32)
