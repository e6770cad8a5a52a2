"""A picture: opened late, hashed by its pixels, with errors that name the file.

A photo is seen upright: the orientation that a camera wrote into the file (EXIF) is applied, as every viewer does. A
large one is kept reduced: no model looks at more than a megapixel or two. Its `size`, and with it all boxes, stay those
of the whole upright picture. Transparent pixels show white.
"""

from __future__ import annotations

import hashlib
import io
import os
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.scene.addresses import is_address, shown
from neptune.scene.decoding import KEPT_PIXELS, MAX_PIXELS, as_kept, decode
from neptune.scene.sources import PictureSource, from_array, opened

__all__ = ["KEPT_PIXELS", "MAX_PIXELS", "Picture", "PictureLike"]


class Picture:
    """An RGB picture.

    Parameters
    ----------
    source
        A path or an http(s) address, opened when the pixels are first needed; the bytes of a picture's file, or one
        open in mode ``"rb"``; a PIL image; or an array of shape ``(height, width)``, ``(height, width, 3)`` or
        ``(height, width, 4)`` (RGBA), of type uint8, uint16, bool, or a float type with values in [0, 1].

    Raises
    ------
    PictureError
        If it is no picture, or too large (:mod:`neptune.scene.decoding`); for a path or an address when its pixels are
        first needed: if it is missing, can not be fetched (:mod:`neptune.scene.fetch`), is of another format, damaged
        or too large.
    ConfigError
        If the environment's limit is no number.

    Attributes
    ----------
    path : pathlib.Path or None
        Its file.
    address : str or None
        Its address.
    """

    def __init__(self, source: PictureSource) -> None:
        self.path: Path | None = None
        self.address: str | None = None
        self._image: Image.Image | None = None
        self._size = (0, 0)
        if isinstance(source, str) and is_address(source):
            self.address = source
        elif isinstance(source, str | os.PathLike):
            self.path = Path(source)
        elif (content := opened(source)) is not None:
            self._image, self._size, _ = decode(content, self.name, KEPT_PIXELS)
        else:
            image = source if isinstance(source, Image.Image) else from_array(source)
            self._image, self._size = as_kept(image, self.name, KEPT_PIXELS)

    @classmethod
    def of(cls, source: PictureLike) -> Picture:
        """Return a picture as it is, and what one can be made of as one; raises as the constructor."""
        return source if isinstance(source, cls) else cls(source)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """The name of the file, or of the address without what may be secret; else ``"picture"``."""
        if self.address is not None:
            return shown(self.address).rpartition("/")[2] or shown(self.address)
        return self.path.name if self.path else "picture"

    @property
    def image(self) -> Image.Image:
        """The PIL image, RGB, of at most `KEPT_PIXELS` pixels; smaller than `size` for larger pictures."""
        if self._image is None:
            if self.address is not None:
                where = shown(self.address)
                from neptune.scene.fetch import fetch  # what talks to servers is loaded where one is asked

                source: Path | io.BytesIO = io.BytesIO(fetch(self.address))
            else:
                assert self.path is not None
                where, source = str(self.path), self.path
            self._image, self._size, _ = decode(source, where, KEPT_PIXELS)
        return self._image

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels of the upright picture: what boxes are given in."""
        if not self._size[0]:
            _ = self.image  # which knows it once it is read
        return self._size

    def release(self) -> None:
        """Let go of the pixels of a file or an address, which is read again when they are next needed."""
        if self.path is not None or self.address is not None:
            self._image = None
            self.__dict__.pop("pixels", None)

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

    def __reduce__(self) -> tuple[Any, ...]:
        """A picture travels without its pixels where it has a file; else with them, as they are kept."""
        image = None if self.path is not None else self.image
        size = self._size if self.path is not None else self.size
        return _arrived, (self.path, self.address, image, size, self.__dict__.get("digest"))

    def __repr__(self) -> str:
        if self.address is not None:
            return f"Picture({shown(self.address)!r})"
        return f"Picture({str(self.path) if self.path else 'in memory'!r})"


def _arrived(
    path: Path | None, address: str | None, image: Image.Image | None, size: tuple[int, int], digest: str | None
) -> Picture:
    """Return a picture that comes from another process."""
    picture = Picture.__new__(Picture)
    picture.path, picture.address, picture._image, picture._size = path, address, image, size
    if digest is not None:
        picture.__dict__["digest"] = digest
    return picture


PictureLike: TypeAlias = Picture | PictureSource
"""A picture, or what one is made of."""
