"""Depth: how far away what a pixel shows is. Small is near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neptune.scene.boxes import FloatArray
from neptune.scene.domain import Domain

LONGEST = 256
"""Pixels of the longer side of a map, at most: depths change little from pixel to pixel."""
_SPREAD = 1.4826
"""Of normally distributed numbers the standard deviation, in units of the median distance from the median."""
_CORE = 0.25
"""This share of a box on each side is not looked at: at its edges another thing is seen."""


@dataclass(frozen=True, eq=False)
class Depth:
    """How far away all that a picture shows is.

    Parameters
    ----------
    map
        Of each pixel of the picture made smaller, shape ``(h, w)``, float32, finite, ≥ 0, small is near; neither side
        is longer than :data:`LONGEST`.
    size
        ``(width, height)`` of the whole picture, in whose pixels boxes are given.
    unit
        What 1 is: ``"metres"``, ``"CLEVR units"``, or ``"relative"`` (from 0, the nearest, to 1, the farthest).
    domain
        Whether the picture is one of those that the estimator was made for, where it can tell.
    """

    map: FloatArray
    size: tuple[int, int]
    unit: str = "relative"
    domain: Domain | None = None

    @classmethod
    def of(cls, values: NDArray[np.floating], size: tuple[int, int], unit: str, domain: Domain | None = None) -> Depth:
        """Return the depth of values ``(h, w)`` of any size, made smaller; no number, and below 0, count as 0."""
        found = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
        shrink = max(found.shape) / LONGEST
        if shrink > 1:
            from PIL import Image

            wanted = (max(1, round(found.shape[1] / shrink)), max(1, round(found.shape[0] / shrink)))
            found = np.asarray(Image.fromarray(found).resize(wanted, Image.Resampling.BOX))
        return cls(np.ascontiguousarray(found), size, unit, domain)

    def at(self, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how far away what boxes show is, and how unsure that is.

        Parameters
        ----------
        boxes
            ``(N, 4)`` pixels of the whole picture.

        Returns
        -------
        tuple
            The median of each box's middle ``(N,)``, in `unit`, and a spread > 0, ``(N,)``: how far the pixels there
            lie from it. A box outside the picture has the depth of the nearest pixels.
        """
        height, width = self.map.shape
        fx, fy = width / self.size[0], height / self.size[1]
        floor = max(1e-6, 0.005 * float(self.map.max() - self.map.min()))
        values, spreads = [], []
        for x0, y0, x1, y1 in np.asarray(boxes, dtype=np.float64).reshape(-1, 4).tolist():
            left, right = _inner(x0 * fx, x1 * fx, width)
            top, bottom = _inner(y0 * fy, y1 * fy, height)
            part = self.map[top:bottom, left:right]
            middle = float(np.median(part))
            values.append(middle)
            spreads.append(max(floor, _SPREAD * float(np.median(np.abs(part - middle)))))
        return np.array(values, dtype=np.float32), np.array(spreads, dtype=np.float32)


def _inner(low: float, high: float, most: int) -> tuple[int, int]:
    """Return the pixels of a side's middle half, at least one."""
    trimmed = _CORE * (high - low)
    first = min(max(int(np.floor(low + trimmed)), 0), most - 1)
    return first, max(first + 1, min(int(np.ceil(high - trimmed)), most))
