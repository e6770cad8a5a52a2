"""What readers have in common: the picture as they are shown it, and what they say as lines in its own pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from neptune.scene.seen.masks import Place
from neptune.scene.seen.texts import Reading, TextLine, in_order

if TYPE_CHECKING:
    from PIL import Image

    from neptune.scene.picture import Picture

LEAST_SIDE = 32
"""Pictures with a shorter side are padded to it: no reader finds letters in fewer pixels."""
MOST_RATIO = 32
"""Longer strips are padded too: readers that scale by the longer side leave nothing of the shorter."""


def framed(image: Image.Image) -> Image.Image:
    """Return an RGB picture as a reader is shown it: at the top left, padded with the colour of its corner."""
    from PIL import Image

    least = max(LEAST_SIDE, math.ceil(max(image.size) / MOST_RATIO))
    if min(image.size) >= least:
        return image
    frame = Image.new("RGB", (max(image.width, least), max(image.height, least)), image.getpixel((0, 0)))
    frame.paste(image, (0, 0))
    return frame


def lines(picture: Picture, found: Iterable[tuple[str, Sequence[tuple[float, float]], float]]) -> Reading:
    """Return what a reader found, in the picture's own pixels and in reading order; blanks are no text.

    Parameters
    ----------
    found
        Text, corners in pixels of ``picture.image``, and confidence of each line.
    """
    (across, down), (width, height) = picture.scale, picture.size
    kept = []
    for text, corners, confidence in found:
        said = " ".join(text.split())
        if not said:
            continue
        xs, ys = [x / across for x, _ in corners], [y / down for _, y in corners]
        box: Place = (max(0.0, min(xs)), max(0.0, min(ys)), min(float(width), max(xs)), min(float(height), max(ys)))
        if box[0] < box[2] and box[1] < box[3]:
            kept.append(TextLine(said, box, min(1.0, max(0.0, float(confidence)))))
    return in_order(kept)
