"""A picture: opened late, hashed by its pixels, with errors that name the file."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from neptune.errors import PictureError

MAX_PIXELS = 64_000_000


class Picture:
    """An RGB picture, from a file or from an array.

    Parameters
    ----------
    source
        A path, a PIL image, or an array of shape ``(height, width, 3)``, uint8.

    Raises
    ------
    PictureError
        If an image or an array is no picture or too large; for a file when its pixels are first needed: if it is
        missing, unreadable, truncated or too large.
    """

    def __init__(self, source: str | Path | Image.Image | NDArray[np.uint8]) -> None:
        self.path: Path | None = Path(source) if isinstance(source, str | Path) else None
        self._image: Image.Image | None = None
        if isinstance(source, Image.Image):
            _check_size(source.size, self.name)
            self._image = source.convert("RGB")
        elif isinstance(source, np.ndarray):
            if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
                raise PictureError(
                    f"An array of shape {source.shape} and type {source.dtype} is no picture",
                    expected="shape (height, width, 3), type uint8",
                )
            _check_size((source.shape[1], source.shape[0]), self.name)
            self._image = Image.fromarray(source)

    @property
    def name(self) -> str:
        """The file's name, or ``"picture"``."""
        return self.path.name if self.path else "picture"

    @property
    def image(self) -> Image.Image:
        """The decoded PIL image, RGB."""
        if self._image is None:
            self._image = self._open()
        return self._image

    def _open(self) -> Image.Image:
        assert self.path is not None
        if not self.path.is_file():
            raise PictureError("The picture does not exist", where=str(self.path), mend="Check the path")
        try:
            with Image.open(self.path) as image:
                _check_size(image.size, str(self.path))
                return image.convert("RGB")
        except (
            UnidentifiedImageError,
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:
            raise PictureError(
                f"The picture can not be read: {error}",
                where=str(self.path),
                expected="a PNG, JPEG, WebP or other picture that Pillow reads",
                mend="Open it in a picture viewer to see whether the file is damaged",
            ) from error

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.image.size

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The pixels, shape ``(height, width, 3)``, uint8."""
        return np.asarray(self.image)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of size and pixels: the picture's identity in every cache."""
        width, height = self.size
        return hashlib.sha256(f"{width}x{height}".encode() + self.image.tobytes()).hexdigest()

    def __repr__(self) -> str:
        return f"Picture({str(self.path) if self.path else 'in memory'!r})"


def _check_size(size: tuple[int, int], where: str) -> None:
    width, height = size
    if not 0 < width * height <= MAX_PIXELS:
        raise PictureError(
            f"The picture has {width * height:,} pixels",
            where=where,
            expected=f"1 to {MAX_PIXELS:,}",
            mend="Scale it down first" if width * height else "",
        )
