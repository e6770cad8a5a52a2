"""Boxes of objects, and what a detector found: arrays of pixels, with the origin at the top left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.scene.domain import Domain

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes that a detector found.

    Parameters
    ----------
    boxes
        ``(N, 4)`` float32, pixels, ``x0 y0 x1 y1`` with the origin at the top left.
    scores
        ``(N,)`` float32 in [0, 1], sorted from high to low.
    labels
        N names, ``""`` where the detector is class-agnostic.
    domain
        How far the picture is from those that the detector was trained on, where it can tell.
    """

    boxes: FloatArray
    scores: FloatArray
    labels: tuple[str, ...] = ()
    domain: Domain | None = None


def iou(a: Sequence[Any] | FloatArray, b: Sequence[Any] | FloatArray) -> FloatArray:
    """Intersection over union of boxes `a` ``(N, 4)`` and `b` ``(M, 4)``: shape ``(N, M)``, in [0, 1]."""
    first = np.asarray(a, dtype=np.float32).reshape(-1, 1, 4)
    second = np.asarray(b, dtype=np.float32).reshape(1, -1, 4)
    overlap = np.clip(
        np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2]), 0, None
    ).prod(axis=-1)
    union = (
        (first[..., 2:] - first[..., :2]).prod(axis=-1) + (second[..., 2:] - second[..., :2]).prod(axis=-1) - overlap
    )
    ratios: FloatArray = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return ratios


def suppress(boxes: FloatArray, threshold: float) -> NDArray[np.int64]:
    """Return the places of the boxes that no better one overlaps by more than `threshold`.

    Parameters
    ----------
    boxes
        ``(N, 4)``, the best first.
    threshold
        IoU in [0, 1].
    """
    overlaps = iou(boxes, boxes) > threshold
    kept: list[int] = []
    free = np.ones(len(boxes), dtype=np.bool_)
    for place in range(len(boxes)):
        if free[place]:
            kept.append(place)
            free &= ~overlaps[place]
    return np.array(kept, dtype=np.int64)
