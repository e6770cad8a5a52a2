"""The sizes that all networks of rendered scenes share, in pixels, and the numbers that say where a box is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WIDTH, HEIGHT = 480, 320
"""The canvas: every picture is scaled to it, and boxes with it. CLEVR's pictures have this size already."""

CROP = 64
"""Side of a crop in pixels of the network's input."""

CONTEXT = 1.6
"""Side of the region a crop shows, in units of the box's longer side: neighbours and ground are seen."""

SMALLEST = 40.0
"""A crop never shows less than this many canvas pixels: tiny visible parts keep their surroundings."""

STRIDE = 4
"""Side of a cell of the detector's grid."""


def geometry_of(x0: Any, y0: Any, x1: Any, y1: Any, *, log: Callable[[Any], Any]) -> list[Any]:
    """Return ten numbers of order one for each of some boxes: where it is and how large, ``(N,)`` each.

    Parameters
    ----------
    x0, y0, x1, y1
        Corners of the boxes, ``(N,)`` each, in pixels: arrays of NumPy, or tensors.
    log
        Gives of a side the natural logarithm in units of 60 pixels; a side below 1 pixel counts as 1.
    """
    cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    return [
        cx / 120 - 2,
        cy / 80 - 2,
        y1 / 80 - 2,
        y0 / 80 - 2,
        w / 40 - 1.5,
        h / 40 - 1.5,
        log(w),
        log(h),
        (cx / 120 - 2) * (cy / 80 - 2),
        (cy / 80 - 2) ** 2,
    ]
