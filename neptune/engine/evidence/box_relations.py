"""What is read off the boxes instead of asked: the geometry that a vocabulary declares.

Of two objects the centres (or the areas, or the boxes) are compared; of one, its box with its container or the picture.
Equal ones are neither. What each kind means is said in :class:`dsl.vocabulary.geometry.Geometry`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dsl.vocabulary.geometry import Geometry
from neptune.scene import Scene

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_AXES = {"left": (0, -1.0), "right": (0, 1.0), "above": (1, -1.0), "below": (1, 1.0)}
"""Which coordinate is compared, and with which sign the first one is greater. The origin of a picture is at its top
left."""

NOWHERE = -1


class _Boxes:
    """The boxes of a scene, what contains each, and how long a unit is there.

    Parameters
    ----------
    scene
        Its boxes, their kinds, and the size of its picture.
    geometry
        Its unit, and the sort of containers that counts.
    """

    def __init__(self, scene: Scene, geometry: Geometry) -> None:
        self.boxes = scene.boxes.astype(np.float64)
        self.corners = self.boxes[:, :2], self.boxes[:, 2:]
        self.centres = (self.corners[0] + self.corners[1]) / 2
        self.sides = self.corners[1] - self.corners[0]
        self.kinds = np.array(scene.kinds or ("Object",) * len(scene))
        self.picture = np.array([0.0, 0.0, *scene.size])
        self.holder = self._holders(geometry.within)
        known = np.concatenate([self.boxes, self.picture[None]])  # NOWHERE is the picture
        self.frame = known[self.holder]
        longer = {"pixel": np.ones(len(scene)), "picture": np.full(len(scene), float(max(scene.size)))}
        frames = (self.frame[:, 2:] - self.frame[:, :2]).max(axis=1)
        self.unit: Floats = longer.get(geometry.unit, frames)
        """Pixels that a unit is at each box."""

    def _holders(self, within: str) -> NDArray[np.int64]:
        """Return for each box the smallest container around its centre, shape ``(N,)``; NOWHERE where there is none."""
        containers = (self.kinds == within) if within else (self.kinds != "Object")
        around = self.around() & containers[None, :]
        np.fill_diagonal(around, False)
        if not around.shape[0]:
            return np.zeros(0, dtype=np.int64)
        areas = np.where(around, self.sides.prod(axis=1)[None, :], np.inf)
        return np.where(around.any(axis=1), areas.argmin(axis=1), NOWHERE)

    def around(self) -> Bools:
        """Return which boxes (second axis) contain the centre of which (first), shape ``(N, N)``."""
        low, high = self.corners
        points = self.centres[:, None]
        return np.asarray(((points >= low[None]) & (points <= high[None])).all(axis=-1))

    def units(self) -> Floats:
        """Return the pixels of a unit between two boxes, shape ``(N, N)``."""
        return np.asarray(np.minimum(self.unit[:, None], self.unit[None, :]))

    def together(self) -> Bools:
        """Return which boxes are in one container, shape ``(N, N)``."""
        return np.asarray((self.holder[:, None] == self.holder[None, :]) & (self.holder != NOWHERE)[:, None])

    def apart(self) -> tuple[Floats, Floats]:
        """Return how far apart two boxes are along each axis, < 0 where they overlap: each of shape ``(N, N)``."""
        low, high = self.corners
        gaps = np.maximum(low[:, None], low[None]) - np.minimum(high[:, None], high[None])
        return gaps[..., 0], gaps[..., 1]


def holds(scene: Scene, what: Geometry, arity: int) -> Bools:
    """Return of which objects it is true, shape ``(N,) * arity``.

    Parameters
    ----------
    scene
        Its boxes, their kinds, and the size of its picture.
    what
        What is read off the boxes.
    arity
        One of :data:`dsl.vocabulary.geometry.ARITIES`.
    """
    if what.kind == "sort":
        return np.asarray(np.array(scene.kinds or ("Object",) * len(scene)) == what.within).reshape(len(scene))
    boxes = _Boxes(scene, what)
    if arity == 1:
        if what.kind in _AXES:
            return _half(boxes, what)
        return _at_sides(boxes, what)
    true = _TWO.get(what.kind, _beyond)(boxes, what)
    return true & boxes.together() if what.within and what.kind not in ("inside", "contains") else true


def _half(boxes: _Boxes, what: Geometry) -> Bools:
    axis, sign = _AXES[what.kind]
    middle = (boxes.frame[:, axis] + boxes.frame[:, axis + 2]) / 2
    return np.asarray(sign * (boxes.centres[:, axis] - middle) > what.tolerance * boxes.unit)


def _at_sides(boxes: _Boxes, what: Geometry) -> Bools:
    """Of ``edge`` and ``corner``."""
    near = np.abs(boxes.boxes - boxes.frame) <= what.gap * boxes.unit[:, None]
    at = dict(zip(("left", "top", "right", "bottom"), near.T, strict=True))
    if what.kind == "edge":
        return np.asarray(near.any(axis=1) if what.side == "any" else at[what.side])
    found = {f"{y}_{x}": at[y] & at[x] for y in ("top", "bottom") for x in ("left", "right")}
    return np.asarray(np.any(list(found.values()), axis=0) if what.side == "any" else found[what.side])


def _beyond(boxes: _Boxes, what: Geometry) -> Bools:
    """Of ``left right above below``."""
    axis, sign = _AXES[what.kind]
    slack = what.tolerance * boxes.units()
    if what.by == "centres":
        at = boxes.centres[:, axis]
        return np.asarray(sign * (at[:, None] - at[None, :]) > slack)
    low, high = boxes.corners[0][:, axis], boxes.corners[1][:, axis]
    gap = low[None, :] - high[:, None] if sign < 0 else low[:, None] - high[None, :]
    further = sign * (boxes.centres[:, axis][:, None] - boxes.centres[:, axis][None, :]) > 0
    return np.asarray((gap >= -slack) & further)


def _sized(boxes: _Boxes, what: Geometry) -> Bools:
    sign = 1.0 if what.kind == "larger" else -1.0
    areas = boxes.sides.prod(axis=1)
    if not what.tolerance:
        return np.asarray(sign * (areas[:, None] - areas[None, :]) > 0)
    lengths = np.sqrt(np.maximum(areas, 0.0))
    return np.asarray(sign * (lengths[:, None] - lengths[None, :]) > what.tolerance * boxes.units())


def _inside(boxes: _Boxes, what: Geometry) -> Bools:
    inner = boxes.around()
    if what.by == "boxes":
        slack = what.tolerance * boxes.unit[:, None, None]
        low, high = boxes.corners
        inner = np.asarray(((low[:, None] >= low[None] - slack) & (high[:, None] <= high[None] + slack)).all(axis=-1))
    containers = (boxes.kinds == what.within) if what.within else (boxes.kinds != "Object")
    inner = inner & containers[None, :]
    return np.asarray(inner if what.kind == "inside" else inner.T)


def _touching(boxes: _Boxes, what: Geometry) -> Bools:
    x, y = boxes.apart()
    return np.asarray(np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0)) <= what.gap * boxes.units())


def _aligned(boxes: _Boxes, what: Geometry) -> Bools:
    axis = 0 if what.kind == "column" else 1
    slack = what.tolerance * boxes.units()
    if what.by == "boxes":
        return np.asarray(boxes.apart()[axis] < -slack)
    at = boxes.centres[:, axis]
    return np.asarray(np.abs(at[:, None] - at[None, :]) <= slack)


def _nearest(boxes: _Boxes, what: Geometry) -> Bools:
    distances = np.hypot(*(boxes.centres[:, None] - boxes.centres[None]).transpose(2, 0, 1))
    rivals = boxes.kinds[:, None] == boxes.kinds[None, :]
    if what.within:
        rivals &= boxes.together()
    np.fill_diagonal(rivals, False)
    least = np.where(rivals, distances, np.inf).min(axis=0, initial=np.inf)
    return np.asarray(rivals & (distances <= least[None, :] + what.tolerance * boxes.units()))


_TWO: dict[str, Callable[[_Boxes, Geometry], Bools]] = {
    "larger": _sized,
    "smaller": _sized,
    "inside": _inside,
    "contains": _inside,
    "touching": _touching,
    "column": _aligned,
    "row": _aligned,
    "nearest": _nearest,
    "together": lambda boxes, what: boxes.together(),
}
