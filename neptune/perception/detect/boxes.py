"""From what a detector says to boxes that can be used: inside the picture, one for each object, the best first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neptune.scene.boxes import suppress
from neptune.scene.types import Detections

LEAST_SIDE = 1.0
"""Boxes whose visible part is narrower or lower than this many pixels are dropped."""


def tidy(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    labels: Sequence[str],
    size: tuple[int, int],
    *,
    nms: float = 1.0,
    max_boxes: int | None = None,
) -> Detections:
    """Return detections clipped to the picture, without doubles, sorted by score.

    Parameters
    ----------
    boxes
        ``(N, 4)`` pixels, ``x0 y0 x1 y1``; may reach outside, or not be finite.
    scores
        ``(N,)`` in [0, 1].
    labels
        N names.
    size
        ``(width, height)`` of the picture in pixels.
    nms
        Of boxes that overlap by a larger IoU than this the best one is kept, whatever their labels: an object that
        answers to two nouns is one object. 1: all are kept.
    max_boxes
        The most that are kept; ``None``: all.
    """
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    scores = np.asarray(scores, dtype=np.float32).reshape(-1)
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    # A picture of one pixel has boxes of one pixel.
    edges = np.array([*size, *size], dtype=np.float32)
    clipped = np.clip(np.where(finite[:, None], boxes, 0), 0, edges)
    sides = clipped[:, 2:] - clipped[:, :2]
    good = np.flatnonzero(finite & (sides >= LEAST_SIDE).all(axis=1))
    order = good[np.argsort(-scores[good], kind="stable")]
    kept = order[suppress(clipped[order], nms)][:max_boxes]
    return Detections(clipped[kept], np.clip(scores[kept], 0, 1), tuple(labels[k] for k in kept.tolist()))
