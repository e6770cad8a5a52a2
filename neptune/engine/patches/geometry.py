"""Places of regions. Inside a program y runs up from the picture's lower edge; everywhere else it runs down.

Here, and only here, the one becomes the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from neptune.engine.interpret.values import Box, Region
from neptune.scene.boxes import Place, View, like

MARGIN = 10
"""A crop is so many pixels larger on each side, within the region that it is cut from."""

MOST_HISTORY = 20
"""So many operations of a region are remembered, the first ones."""


@dataclass(frozen=True, slots=True)
class Edges:
    """A region as a program sees it: pixels, y up."""

    left: float
    lower: float
    right: float
    upper: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the lower to the upper edge."""
        return self.upper - self.lower

    @property
    def horizontal_center(self) -> float:
        """Halfway from left to right."""
        return (self.left + self.right) / 2

    @property
    def vertical_center(self) -> float:
        """Halfway up."""
        return (self.lower + self.upper) / 2


def edges(box: Box, height: int) -> Edges:
    """Return a box of the picture as a program sees it; `height` is the picture's."""
    return Edges(box[0], height - box[3], box[2], height - box[1])


def box_of(seen: Edges, height: int) -> Box:
    """Return the box of edges as a program gives them."""
    return (seen.left, height - seen.upper, seen.right, height - seen.lower)


def whole(size: tuple[int, int]) -> Region:
    """Return the whole picture."""
    return Region(None, (0.0, 0.0, float(size[0]), float(size[1])), True, history=("the picture",))


def whole_of(view: View, size: tuple[int, int], history: tuple[str, ...] = ()) -> Region:
    """Return all of another picture: of a frame, or of what picture tools made."""
    return Region(None, Place((0, 0, *size), view, size), True, history=history)


def part(of: Region, seen: Edges, height: int, how: str) -> Region:
    """Return the region of edges in the picture's coordinates, cut to what lies inside another region.

    Raises
    ------
    ValueError
        If no area is left, or an edge is no finite number.
    """
    if not all(map(math.isfinite, (seen.left, seen.lower, seen.right, seen.upper))):
        raise ValueError("an edge is no finite number")
    outer, inner = of.box, box_of(seen, height)
    box = (
        max(inner[0], outer[0]), max(inner[1], outer[1]),
        min(inner[2], outer[2]), min(inner[3], outer[3]),
    )  # fmt: skip
    if box[0] >= box[2] or box[1] >= box[3]:
        shown = f"left {seen.left:g}, lower {seen.lower:g}, right {seen.right:g}, upper {seen.upper:g}"
        inside = edges(outer, height)
        raise ValueError(
            f"the region ({shown}) has no area inside ({inside.left:g}, {inside.lower:g}, {inside.right:g}, "
            f"{inside.upper:g})"
        )
    if box == tuple(outer):
        return of
    return Region(None, like(box, outer), False, of.noun, remembered(of, how))


def crop(of: Region, given: Edges, height: int) -> Region:
    """Return what is cut out of a region: edges in its own coordinates, whole pixels, a little larger.

    Raises
    ------
    ValueError
        As :func:`part`.
    """
    if not all(map(math.isfinite, (given.left, given.lower, given.right, given.upper))):
        raise ValueError("an edge is no finite number")
    origin = edges(of.box, height)
    left, lower, right, upper = map(int, (given.left, given.lower, given.right, given.upper))
    if left >= right or lower >= upper:
        raise ValueError(f"the region ({left}, {lower}, {right}, {upper}) has no area")
    seen = Edges(
        origin.left + left - MARGIN, origin.lower + lower - MARGIN,
        origin.left + right + MARGIN, origin.lower + upper + MARGIN,
    )  # fmt: skip
    return part(of, seen, height, f"crop({left}, {lower}, {right}, {upper})")


def remembered(of: Region, how: str) -> tuple[str, ...]:
    """Return a region's history with one more operation."""
    return (*of.history, how) if len(of.history) < MOST_HISTORY else of.history


def centre_inside(box: Box, outer: Box) -> bool:
    """Tell whether the middle of a box lies in another."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def overlap(a: Edges, b: Edges) -> bool:
    """Tell whether two regions touch or overlap."""
    return a.left <= b.right and a.right >= b.left and a.lower <= b.upper and a.upper >= b.lower


def gap(a: Box, b: Box) -> float:
    """Return the distance of the nearest edges in pixels; where two regions touch or overlap, minus their
    intersection over union."""
    across = max(0.0, a[0] - b[2], b[0] - a[2])
    along = max(0.0, a[1] - b[3], b[1] - a[3])
    if across or along:
        return math.hypot(across, along)
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return -shared / both if both > 0 else 0.0


def shown(region: Region, height: int) -> str:
    """Return a region in words: ``object 3 (left 10, lower 20, right 40, upper 60)``."""
    if isinstance(region.box, Place):
        height = region.box.size[1]
        steps = " → ".join(_step(name, given) for name, given in region.box.view)
        if region.whole:
            return steps
    elif region.whole:
        return "the picture"
    seen = edges(region.box, height)
    place = f"left {seen.left:.0f}, lower {seen.lower:.0f}, right {seen.right:.0f}, upper {seen.upper:.0f}"
    where = f" of {steps}" if isinstance(region.box, Place) else ""
    return f"object {region.index} ({place})" if region.index is not None else f"region ({place}){where}"


def _step(name: str, given: tuple[Any, ...]) -> str:
    """Return a step in words: "frame 12", "rotate(90)"."""
    return f"frame {given[0]}" if name == "frame" else f"{name}({', '.join(f'{v}' for v in given)})"
