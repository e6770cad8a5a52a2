"""The picture as a detector is shown it: tiny ones enlarged, strips padded, so that image processors take them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

LEAST_SIDE = 32
"""Smaller pictures are enlarged to this side: processors can not tell height from channels in a few pixels."""

MAX_RATIO = 16
"""Longer strips are padded with black: processors that scale by the longer side leave nothing of the shorter."""

MOST_SIDE = 5000
"""A longer side is scaled down to this, far more than any model sees: some processors make every picture a square."""


def shown(image: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """Return an RGB picture as a detector is shown it, and the ``(width, height)`` that the picture has in it.

    It lies at the top left; the rest is padding.
    """
    from PIL import Image

    longest = max(image.size)
    shorter = max(min(image.size), longest / MAX_RATIO)  # padding included
    factor = math.ceil(LEAST_SIDE / shorter) if shorter < LEAST_SIDE else min(1.0, MOST_SIDE / longest)
    if factor != 1:
        image = image.resize((max(round(image.width * factor), 1), max(round(image.height * factor), 1)))
    least = math.ceil(max(image.size) / MAX_RATIO)
    frame = image
    if min(image.size) < least:
        frame = Image.new("RGB", (max(image.width, least), max(image.height, least)))
        frame.paste(image, (0, 0))
    return frame, image.size
