"""What is read off the networks' outputs, whether torch or NumPy computed them: boxes, and how far to believe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.perception.embedded.sizes import HEIGHT, STRIDE, WIDTH
from neptune.scene.boxes import covered, suppress
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.types import Detections

INSIDE = 0.9
"""A box lies inside a better one that covers this share of it."""

BLANK = 6
"""Levels of 255 by which the pixels of a picture of one colour differ at most, in each channel."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on a box is taken for an object.

    Parameters
    ----------
    score
        Of any box, in [0, 1].
    inside
        Of one that lies inside a better one: seldom is an object seen through another's box, often does a part of a
        large object (a reflection, an edge) look like a small one. In [0, 1]; counts where it is more than `score`.
    """

    score: float
    inside: float = 0.0

    def kept(self, found: Detections) -> NDArray[np.bool_]:
        """Tell which detections (best first) are taken, ``(N,)``."""
        within = covered(found.boxes) >= INSIDE
        return np.asarray(found.scores >= np.where(within, max(self.score, self.inside), self.score))


def on_canvas(picture: Picture) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Return a picture on the canvas: pixels ``(HEIGHT, WIDTH, 3)``, and the factors ``(x, y)`` that take the picture's
    pixel coordinates there.

    Raises
    ------
    PictureError
        If the picture can not be read.
    """
    image = picture.image
    width, height = picture.size
    if image.size != (WIDTH, HEIGHT):
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8), (WIDTH / width, HEIGHT / height)


def boxes_at(
    peaks: NDArray[np.bool_], heat: NDArray[Any], sides: NDArray[Any], thresholds: Thresholds, limit: int = 100
) -> Detections:
    """Read the boxes of one picture, best first, without near-duplicates, in canvas pixels.

    Parameters
    ----------
    peaks, heat
        Where an object may be, and how likely it is, ``(ROWS, COLUMNS)``.
    sides
        The distances to a box's four sides, ``(4, ROWS, COLUMNS)``.
    thresholds
        Boxes of a lower score are left out.
    limit
        At most so many boxes.
    """
    rows, columns = np.nonzero(peaks)
    scores = heat[rows, columns]
    order = np.argsort(-scores, kind="stable")[:limit]
    rows, columns, scores = rows[order], columns[order], scores[order]
    left, top, right, bottom = sides[:, rows, columns]
    x, y = (columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE
    boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, WIDTH)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, HEIGHT)
    alone = suppress(boxes, 0.75)
    boxes, scores = boxes[alone], scores[alone].astype(np.float32)
    sure = thresholds.kept(Detections(boxes, scores))
    return Detections(boxes[sure], scores[sure], ("",) * int(sure.sum()))


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Return whether a picture ``(H, W, 3)`` has one colour: there is nothing in it to be mistaken for."""
    flat = pixels.reshape(-1, pixels.shape[-1])
    return int((flat.max(0).astype(np.int64) - flat.min(0)).max()) <= BLANK


def judged(score: Any, by: str, about: Mapping[str, Any]) -> Domain:
    """Return what a network says of one picture, from its score (one number) and what is stored with its weights."""
    return Domain(by, world_of(about), float(score))


def world_of(about: Mapping[str, Any]) -> str:
    """Return in words which pictures a network was trained on, from what is stored with its weights."""
    training = about.get("training", {})
    return str(training.get("world") or f"pictures of the folder '{training.get('folder', 'of its training')}'")
