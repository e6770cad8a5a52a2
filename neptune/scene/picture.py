"""A picture: opened late, hashed by its pixels, with errors that name the file.

A photo is seen upright: the orientation that a camera wrote into the file (EXIF) is applied, as every viewer does. A
large one is kept reduced: no model looks at more than a megapixel or two. Its `size`, and with it all boxes, stay those
of the whole upright picture. Transparent pixels show white.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.errors import PictureError
from neptune.scene.decoding import KEPT_PIXELS, MAX_PIXELS, as_kept, check_size, decode

__all__ = ["KEPT_PIXELS", "MAX_PIXELS", "Picture"]


class Picture:
    """An RGB picture, from a file or from an array.

    Parameters
    ----------
    source
        A path, a PIL image, or an array of shape ``(height, width, 3)``, uint8.

    Raises
    ------
    PictureError
        If an image or an array is no picture or too large (:mod:`neptune.scene.decoding`); for a file when its pixels
        are first needed: if it is missing, of another format, damaged or too large.
    ConfigError
        If the environment's limit is no number.
    """

    def __init__(self, source: str | Path | Image.Image | NDArray[np.uint8]) -> None:
        self.path: Path | None = Path(source) if isinstance(source, str | Path) else None
        self._image: Image.Image | None = None
        self._size = (0, 0)
        if isinstance(source, np.ndarray):
            if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
                raise PictureError(
                    f"An array of shape {source.shape} and type {source.dtype} is no picture",
                    expected="shape (height, width, 3), type uint8",
                )
            check_size((source.shape[1], source.shape[0]), self.name)  # Pillow takes no empty array
            source = Image.fromarray(source)
        if isinstance(source, Image.Image):
            self._image, self._size = as_kept(source, self.name, KEPT_PIXELS)

    @property
    def name(self) -> str:
        """The file's name, or ``"picture"``."""
        return self.path.name if self.path else "picture"

    @property
    def image(self) -> Image.Image:
        """The PIL image, RGB, of at most `KEPT_PIXELS` pixels; smaller than `size` for larger pictures."""
        if self._image is None:
            assert self.path is not None
            self._image, self._size, _ = decode(self.path, str(self.path), KEPT_PIXELS)
        return self._image

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels of the upright picture: what boxes are given in."""
        _ = self.image  # which knows it once it is read
        return self._size

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of `image` for one of the whole picture, along x and y: 1 but for large pictures."""
        width, height = self.size
        return self.image.width / width, self.image.height / height

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The pixels of `image`, shape ``(height, width, 3)``, uint8."""
        return np.asarray(self.image)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of size and pixels: the picture's identity in every cache."""
        width, height = self.size
        return hashlib.sha256(f"{width}x{height}".encode() + self.image.tobytes()).hexdigest()

    def __repr__(self) -> str:
        return f"Picture({str(self.path) if self.path else 'in memory'!r})"
