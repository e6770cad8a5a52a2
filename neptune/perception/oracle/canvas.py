"""The picture as a model is shown it: decoded and scaled once, whatever is asked about it.

Pictures of many pixels are scaled down, tiny ones up, and extreme strips padded, so that every image processor takes
them; the boxes follow.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from cachetools import LRUCache, cachedmethod
from PIL import Image

from neptune.errors import OracleError
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import IntArray, Question

MAX_PIXELS = 1280 * 28 * 28
"""Pixels of the picture shown, at most: about a million."""

MIN_SIDE = 32
"""A shorter side is scaled up to this: the smallest that vision encoders take."""

MAX_RATIO = 50
"""Longer strips are padded with black: image processors refuse them."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture ready to be shown, with the boxes of its scene.

    Parameters
    ----------
    image
        RGB.
    scene
        Where the boxes come from.
    factor
        Pixels of the image for one of the original picture.
    content
        ``(width, height)`` of the picture within the image, in pixels; the rest, at the right or the bottom, is
        padding.
    """

    image: Image.Image
    scene: Scene
    factor: float
    content: tuple[float, float]
    _boxes: dict[int, tuple[float, float, float, float]] = field(default_factory=dict, init=False)

    def box(self, index: int) -> tuple[float, float, float, float]:
        """Return the corners ``x0 y0 x1 y1`` of a box in pixels of the image, clipped to the picture.

        Raises
        ------
        OracleError
            If the box lies outside the picture, or has no area, or there is no such box.
        """
        known = self._boxes.get(index)
        if known is not None:  # asked for by every question about the object
            return known
        if not 0 <= index < len(self.scene):
            raise OracleError(
                f"The scene has no object {index}", where=self.scene.name, expected=f"0 to {len(self.scene) - 1}"
            )
        box = np.asarray(self.scene.boxes[index], dtype=np.float64)
        width, height = self.content
        scaled = box * self.factor
        clipped = np.clip(scaled, 0, [width, height, width, height])
        # A comparison with NaN is false: such a box has no area either.
        if not (clipped[2] > clipped[0] and clipped[3] > clipped[1]):
            sized = box[2] > box[0] and box[3] > box[1]
            raise OracleError(
                f"Box {index} [{', '.join(f'{v:g}' for v in box)}] "
                f"{'lies outside the picture' if sized else 'has no area'}",
                where=self.scene.name,
                expected=f"x0 < x1 and y0 < y1 within {self.scene.size[0]}×{self.scene.size[1]} pixels",
                hint="Leave it out of the scene, or look at the detector's options",
            )
        x0, y0, x1, y1 = (float(v) for v in clipped)
        self._boxes[index] = x0, y0, x1, y1
        return x0, y0, x1, y1


def picture_of(scene: Scene) -> Picture:
    """Return the picture of a scene.

    Raises
    ------
    OracleError
        If it has none.
    """
    if scene.picture is None:
        raise OracleError(
            "The scene has no picture to look at",
            where=scene.name,
            expected="a scene with a picture",
            hint="Use vlm_model_name 'scene' for synthetic scenes",
        )
    return scene.picture


def object_rows(objects: IntArray, question: Question) -> IntArray:
    """Return the indices of the boxes that a question is asked of, int64, shape ``(M, question.arity)``.

    Raises
    ------
    OracleError
        If they have another shape.
    """
    rows = np.asarray(objects, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != question.arity:
        raise OracleError(
            f"The object indices have shape {rows.shape}",
            where=f"question '{question.text}'",
            expected=f"shape (M, {question.arity})",
        )
    return rows


def box_rows(objects: IntArray, scene: Scene, question: Question) -> IntArray:
    """Return what :func:`object_rows` does, each index that of a box of the scene; OracleError for another."""
    rows = object_rows(objects, question)
    if rows.size and (rows.min() < 0 or rows.max() >= len(scene)):
        raise OracleError(
            f"An object index is out of range: {int(rows.min())} to {int(rows.max())}",
            where=scene.name,
            expected=f"0 to {len(scene) - 1}",
        )
    return rows


def boxes_seen(scene: Scene) -> tuple[str, bytes]:
    """Return the key of what a network sees in a scene: its picture and its boxes.

    Raises
    ------
    OracleError
        If the scene has no picture.
    """
    return picture_of(scene).digest, scene.boxes.tobytes()


def canvas_of(scene: Scene, max_pixels: int = MAX_PIXELS) -> Canvas:
    """Return the picture of a scene as it is shown.

    Raises
    ------
    OracleError
        If the scene has no picture.
    PictureError
        If the picture can not be read.
    """
    picture = picture_of(scene)
    image = picture.image  # of a large photo, smaller than the size that its boxes refer to
    width, height = picture.size
    padded = max(width, -(-height // MAX_RATIO)), max(height, -(-width // MAX_RATIO))
    pixels = padded[0] * padded[1]
    factor = min(1.0, (max_pixels / pixels) ** 0.5)
    factor = max(factor, MIN_SIDE / min(padded))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    content = (width * factor, height * factor)
    if padded != (width, height):
        whole = Image.new("RGB", (max(size[0], round(padded[0] * factor)), max(size[1], round(padded[1] * factor))))
        whole.paste(image, (0, 0))
        image = whole
    return Canvas(image, scene, factor, content)


class Canvases:
    """The canvases of the last `kept` scenes asked about, of `max_pixels` pixels at most. Threads may share it."""

    def __init__(self, max_pixels: int = MAX_PIXELS, kept: int = 32) -> None:
        self.max_pixels, self.kept = max_pixels, kept
        self._known: LRUCache[int, Canvas] = LRUCache(kept)
        self._lock = threading.Lock()

    # A canvas holds its scene, so that no other scene has this id as long as it is kept.
    @cachedmethod(attrgetter("_known"), lambda self, scene: id(scene), attrgetter("_lock"))
    def of(self, scene: Scene) -> Canvas:
        """Return the canvas of a scene: see :func:`canvas_of`."""
        return canvas_of(scene, self.max_pixels)
