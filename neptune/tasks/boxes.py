"""Boxes as records give them: four numbers within any picture's bounds, with an area; else no boxes at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neptune.errors import DatasetError
from neptune.scene import Annotation
from neptune.tasks.json_files import shown

FARTHEST = 1_000_000.0
"""Pixels: a coordinate beyond is a mistake; up to there single precision tells sixteenths of a pixel apart."""


def corners(box: Any, where: str, *, size: bool = True) -> list[float]:
    """Return a box as ``[x0, y0, x1, y1]``.

    Parameters
    ----------
    box
        ``[x, y, width, height]``, as in COCO's files, or with ``size=False`` the corners already.
    where
        What errors name.
    size
        Whether the last two numbers are width and height.

    Raises
    ------
    DatasetError
        If these are not four numbers within :data:`FARTHEST`, or the box has no area (in single
        precision, which all computing is in).
    """
    good = isinstance(box, list | tuple | np.ndarray) and len(box) == 4
    numbers = [float(v) for v in box] if good and all(map(is_number, box)) else []
    if numbers and size:
        numbers = [numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]]
    single = np.array(numbers, dtype=np.float32) if all(map(is_number, numbers)) else np.zeros(0)
    if not len(single) or single[2] <= single[0] or single[3] <= single[1]:
        kind = "[x, y, width, height]" if size else "[x0, y0, x1, y1]"
        raise DatasetError(f"The box is {shown(box)}", where=where, expected=f"{kind} with an area above 0")
    return numbers


def objects_of(boxes: Mapping[Any, Any] | Sequence[Any], where: str, *, size: bool = True) -> dict[Any, list[float]]:
    """Return the corners of the boxes that are boxes, by key or place: an object without area can not be found either.

    Parameters are those of :func:`corners`.
    """
    found = {}
    for key, box in boxes.items() if isinstance(boxes, Mapping) else enumerate(boxes):
        try:
            found[key] = corners(box, where, size=size)
        except DatasetError:
            continue
    return found


def boxes_only(
    boxes: Sequence[Sequence[float]], size: tuple[float, float] | None, **attributes: Sequence[str]
) -> Annotation:
    """Return an annotation that knows where the objects are, and of `attributes` only those given.

    Boxes are cut to the picture's `size` (width, height) where it is known: COCO's reach a fraction of a pixel
    beyond it.
    """
    array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    if size is not None:
        array = np.clip(array, 0, np.array([*size, *size], dtype=np.float32))
    return Annotation({name: tuple(values) for name, values in attributes.items()}, {}, array)


def picture_size(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return ``(width, height)`` of a record, in pixels; ``None`` where it does not say, or nothing that can be."""
    width, height = record.get("width"), record.get("height")
    if not is_number(width) or not is_number(height) or width <= 0 or height <= 0:  # type: ignore[operator]
        return None
    return float(width), float(height)  # type: ignore[arg-type]


def is_number(value: Any) -> bool:
    """Tell whether a value is a number that can be a coordinate."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return False
    return bool(abs(value) <= FARTHEST)  # type: ignore[operator]  # of NaN false; and no number is too large to be compared
