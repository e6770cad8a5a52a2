"""Where the labels of boxes go, so that none hides another: in annotated pictures as on the page (``picture.js``)."""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""``x y width height``."""

RINGS = 40
"""So many label heights around a box are searched for a free place."""


def place_labels(
    boxes: Sequence[Sequence[float]],
    sizes: Sequence[tuple[float, float]],
    size: tuple[float, float],
    order: Sequence[int],
) -> list[Box | None]:
    """Return a place for each label: at a corner of its box if one is free, else at the nearest free place.

    Parameters
    ----------
    boxes
        N boxes ``x0 y0 x1 y1``.
    sizes
        N sizes of labels, width and height.
    size
        Of the picture, which labels do not leave.
    order
        The labels in the order in which they are placed: the first ones get the best places.

    Returns
    -------
    list
        N places; no two overlap. ``None`` where there is no room.
    """
    taken: list[Box] = []
    found: list[Box | None] = [None] * len(boxes)
    for i in order:
        x0, y0, x1, y1 = (float(v) for v in boxes[i])
        w, h = sizes[i]
        places = [(x0, y0 - h), (x1 - w, y0 - h), (x0, y1), (x1 - w, y1)]
        places += [(x1, y0), (x0 - w, y0), (x0, y0), (x0, y1 - h)]
        place = _first_free(places, (w, h), size, taken)
        for ring in range(1, RINGS + 1):
            if place is not None:
                break
            steps = [s for k in range(-ring, ring + 1) for s in ((k, -ring), (k, ring), (-ring, k), (ring, k))]
            place = _first_free([(x0 + a * h, y0 - h + b * h) for a, b in steps], (w, h), size, taken)
        found[i] = place
        if place is not None:
            taken.append(place)
    return found


def _first_free(
    places: Sequence[tuple[float, float]], label: tuple[float, float], size: tuple[float, float], taken: Sequence[Box]
) -> Box | None:
    w, h = label
    for left, top in places:
        x = min(max(left, 0.0), max(size[0] - w, 0.0))
        y = min(max(top, 0.0), max(size[1] - h, 0.0))
        if all(x >= a + c or a >= x + w or y >= b + d or b >= y + h for a, b, c, d in taken):
            return x, y, w, h
    return None
