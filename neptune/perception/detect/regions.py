"""Finds flat coloured shapes on plain panels, by their pixels alone: no network, no labels, nothing to train.

A drawing is a few *panels*, each of one colour, with shapes of other colours on it. A panel is a region of exactly one
colour that reaches from (almost) the top to the bottom of the picture; each is then read alone, so that what is found
in it depends on its own pixels and on nothing beside it: panels in another order give the same boxes at other places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neptune.errors import DetectorError
from neptune.perception.detect.boxes import tidy
from neptune.perception.embedded.drawings import Pixels, codes_of, drawing_domain, flat_pixels
from neptune.scene.picture import Picture
from neptune.scene.types import Detections

TALL = 0.9
"""A panel reaches over at least this share of the picture's height."""
LEAST_AREA = 16
"""Pixels of the smallest shape: less is the blurred edge of another."""
MOST_COLOURS = 32
"""Colours of one panel, at most."""


class RegionDetector:
    """Boxes around the connected regions of one colour that lie on plain panels; it does not tell classes apart.

    Of every picture it also says how far it is from a drawing (`Detections.domain`): photographs and renderings have
    few pixels of exactly one colour side by side.

    Parameters
    ----------
    least_area
        Regions of fewer pixels are left out.

    Raises
    ------
    DetectorError
        If `least_area` is below 1.
    """

    name = "regions"
    open_vocabulary = False

    def __init__(self, least_area: int = LEAST_AREA) -> None:
        if least_area < 1:
            raise DetectorError(
                f"least_area is {least_area}", where="detector 'regions'", expected="a number of pixels from 1"
            )
        self.least_area = least_area
        self.identity = f"regions-1-{least_area}"

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the shapes of a drawing; `labels` are ignored.

        Returns
        -------
        Detections
            Boxes in the picture's pixels, panel by panel from the left, in each from the top; scores are 1.

        Raises
        ------
        PictureError
            If the picture can not be read.
        """
        pixels = np.asarray(picture.image.convert("RGB"))
        found = np.array(regions(pixels, self.least_area), dtype=np.float32).reshape(-1, 4)
        kept = tidy(found, np.ones(len(found), dtype=np.float32), [""] * len(found), picture.size)
        return Detections(kept.boxes, kept.scores, (), drawing_domain(codes_of(pixels), "the detector 'regions'"))


def regions(pixels: Pixels, least_area: int = LEAST_AREA) -> list[list[int]]:
    """Return the boxes of the shapes in a picture.

    Parameters
    ----------
    pixels
        ``(height, width, 3)``, uint8.
    least_area
        As of :class:`RegionDetector`.

    Returns
    -------
    list
        ``[x0, y0, x1, y1]`` in pixels, panel by panel from the left.
    """
    codes = codes_of(pixels)
    boxes: list[list[int]] = []
    for panel in panels(codes):
        x0, x1 = panel.box[0], panel.box[2]
        for box in _shapes(codes[:, x0:x1], pixels[:, x0:x1], panel.code, least_area):
            boxes.append([box[0] + x0, box[1], box[2] + x0, box[3]])
    return boxes


@dataclass(frozen=True, slots=True)
class Region:
    """Connected pixels of one class."""

    code: int
    box: tuple[int, int, int, int]
    """``x0 y0 x1 y1``; the last two are beyond it."""
    area: int


def panels(codes: NDArray[np.int32]) -> list[Region]:
    """Return the panels of a picture from the left: regions of one colour from its top to its bottom, side by side."""
    height = len(codes)
    found = [r for r in connected(codes, max(1, height)) if r.box[3] - r.box[1] >= TALL * height]
    found.sort(key=lambda r: (r.box[0], -r.area))
    kept: list[Region] = []
    for region in found:
        if not kept or region.box[0] >= kept[-1].box[2]:  # a tall shape on a panel is no panel
            kept.append(region)
    return kept


def _shapes(codes: NDArray[np.int32], pixels: Pixels, ground: int, least_area: int) -> list[tuple[int, ...]]:
    """Return the boxes of the shapes on one panel, from its pixels alone."""
    flat = codes[flat_pixels(codes)]
    colours, counts = np.unique(flat, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_COLOURS]
    palette = np.append(colours[order][colours[order] != ground], ground)
    if len(palette) == 1:
        return []
    rgb = np.stack([palette >> 16, palette >> 8 & 255, palette & 255], axis=1).astype(np.float32)
    gaps = ((pixels.astype(np.float32)[:, :, None, :] - rgb) ** 2).sum(axis=3)
    # A pixel of a blurred edge belongs to the shape where at least half of it does.
    classes = gaps.argmin(axis=2).astype(np.int32)
    last = len(palette) - 1
    boxes = [r.box for r in connected(classes, least_area) if r.code != last]
    return sorted(boxes, key=lambda b: (b[1], b[0], b[3], b[2]))


def connected(classes: NDArray[np.int32], least: int) -> Iterator[Region]:
    """Give the connected regions of equal values that have at least `least` pixels; sides connect, corners do not."""
    values, counts = np.unique(classes, return_counts=True)
    for value in values[counts >= least].tolist():
        labels, _ = ndimage.label(classes == value)
        areas = np.bincount(labels.ravel())
        for at, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            if areas[at] >= least:
                yield Region(value, (columns.start, rows.start, columns.stop, rows.stop), int(areas[at]))
