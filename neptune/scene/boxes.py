"""Boxes of objects, and what a detector found: arrays of pixels, with the origin at the top left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neptune.scene.domain import Domain

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
View: TypeAlias = tuple[tuple[str, tuple[Any, ...]], ...]
"""How a picture comes about: steps, each the name of an operation and its arguments, all hashable."""


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


def covered(boxes: FloatArray) -> FloatArray:
    """Return the share of each box that a better one covers, the most that any one does.

    Parameters
    ----------
    boxes
        ``(N, 4)``, the best first.

    Returns
    -------
    array
        ``(N,)`` in [0, 1]; 0 of the first, and of boxes without area.
    """
    given = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    first, second = given[:, None], given[None, :]
    shared = np.clip(
        np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2]), 0, None
    ).prod(axis=-1)
    area = (given[:, 2:] - given[:, :2]).clip(min=0).prod(axis=1)[:, None]
    shares: FloatArray = np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)
    better = np.tri(len(given), k=-1, dtype=np.bool_)
    return np.asarray(np.where(better, shares, 0).max(axis=1, initial=0.0), dtype=np.float32)


def is_view(value: Any) -> bool:
    """Tell whether an argument of a step is another picture: ``("view", its steps)``."""
    return isinstance(value, tuple) and len(value) == 2 and value[0] == "view"


class Place(tuple[float, float, float, float]):
    """A box of another picture than the scene's: of a frame of a film, or of what picture tools made of the picture.

    It is the box ``x0 y0 x1 y1`` in the pixels of that picture, and stands wherever a box does; two are equal if box
    and picture are.

    Attributes
    ----------
    view : tuple
        How the picture comes about, see :data:`View`.
    size : tuple of int
        ``(width, height)`` of that picture.
    whole : bool
        Whether it is all of it.
    """

    view: View
    size: tuple[int, int]

    def __new__(cls, box: Sequence[float], view: View, size: tuple[int, int]) -> Place:
        """Return the place of a box."""
        made = super().__new__(cls, tuple(map(float, box)))
        made.view, made.size = view, size
        return made

    @property
    def whole(self) -> bool:
        """Whether it is all of the picture."""
        return tuple(self) == (0.0, 0.0, float(self.size[0]), float(self.size[1]))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self), self.view, self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.view == other.view and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((tuple(self), self.view))

    def __repr__(self) -> str:
        steps = ", ".join(f"{name}({', '.join(map(repr, given))})" for name, given in self.view)
        return f"{tuple(self)} of {steps}"


def like(box: Sequence[float], of: Sequence[float]) -> tuple[float, float, float, float]:
    """Return a box as one of the same picture as another box."""
    a, b, c, d = box
    return Place((a, b, c, d), of.view, of.size) if isinstance(of, Place) else (a, b, c, d)
