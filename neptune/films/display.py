"""How frames are meant to be shown: cameras store them as they were held, and not all films have square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

_TURNS = {
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
"""Signs of a display matrix → what turns a frame so. A point ``(x, y)``, y down, goes to ``(a x + c y, b x + d y)``."""

_SWAPPING = (
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)
_WIDEST = 8.0
"""Of pixels, their width by their height, or the other way round; what says more is damaged."""


@dataclass(frozen=True)
class Display:
    """What is done to each frame of a film before it is shown.

    Parameters
    ----------
    turn
        How it is turned or mirrored; ``None``: not at all.
    pixel
        The width of a pixel by its height, in ``[1 / 8, 8]``, before it is turned.
    """

    turn: Image.Transpose | None = None
    pixel: float = 1.0

    @classmethod
    def of(cls, stream: Any, frame: Any) -> Display:
        """Return that of a stream of PyAV and its first frame, ``None`` where that can not be decoded."""
        ratio = float(stream.sample_aspect_ratio or 1)
        pixel = ratio if 1 / _WIDEST <= ratio <= _WIDEST else 1.0
        return cls(None if frame is None else _turn_of(frame), pixel if abs(pixel - 1) > 0.01 else 1.0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of frames as they are shown."""
        wide, high = self._square(width, height)
        return (high, wide) if self.turn in _SWAPPING else (wide, high)

    def shown(self, image: Image.Image) -> Image.Image:
        """Return a frame as it is shown."""
        if self.pixel != 1:
            image = image.resize(self._square(*image.size), Image.Resampling.BILINEAR)
        return image if self.turn is None else image.transpose(self.turn)

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """Return the size with square pixels: one side longer, none shorter."""
        if self.pixel >= 1:
            return max(1, round(width * self.pixel)), height
        return width, max(1, round(height / self.pixel))


def _turn_of(frame: Any) -> Image.Transpose | None:
    matrix = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), dtype=np.int32).astype(float)
    # Oblique ones are made by hand alone; the nearest right angle is what viewers show.
    straight = abs(a) + abs(d) >= abs(b) + abs(c)
    signs = [int(np.sign(k)) for k in ((a, 0, 0, d) if straight else (0, b, c, 0))]
    return _TURNS.get((signs[0], signs[1], signs[2], signs[3]))
