"""Drawings of flat shapes, told from other pictures: how many of a picture's pixels lie in patches of one colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neptune.scene.domain import Domain

WORLD = "drawings of flat shapes on plain panels"
FLAT = 0.9
"""In a drawing at least this share of the pixels is flat."""

Pixels = NDArray[np.uint8]
"""``(height, width, 3)``, red green blue."""


def codes_of(pixels: Pixels) -> NDArray[np.int32]:
    """Return one number a colour, ``(height, width)``: ``red · 65536 + green · 256 + blue``."""
    wide = pixels.astype(np.int32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def flat_pixels(codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which pixels lie in a square of two by two of exactly one colour, ``(height, width)``."""
    same = np.zeros(codes.shape, dtype=np.bool_)
    if min(codes.shape) < 2:
        return same
    block = (codes[:-1, :-1] == codes[1:, :-1]) & (codes[:-1, :-1] == codes[:-1, 1:])
    block &= codes[:-1, :-1] == codes[1:, 1:]
    for down in (0, 1):
        for right in (0, 1):
            same[down : down + block.shape[0], right : right + block.shape[1]] |= block
    return same


def drawing_domain(codes: NDArray[np.int32], by: str) -> Domain:
    """Return how far a picture is from a drawing, as `by` says it: photographs and renderings are hardly flat."""
    share = float(flat_pixels(codes).mean()) if codes.size else 0.0
    return Domain(by, WORLD, (1 - share) / (1 - FLAT))
