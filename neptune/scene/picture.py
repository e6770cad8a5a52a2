"""A picture: opened late, hashed by its pixels, with errors that name the file.

A photo is seen upright: the orientation that a camera wrote into the file (EXIF) is applied, as every viewer does. A
large one is kept reduced: no model looks at more than a megapixel or two. Its `size`, and with it all boxes, stay those
of the whole upright picture.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from neptune.errors import ConfigError, PictureError

KEPT_PIXELS = 16_000_000
"""Of a larger picture a copy of at most so many pixels is kept, 64 MB in memory."""

MAX_PIXELS = 178_000_000
"""A larger picture is refused: what Pillow holds to be safe to decode. The environment's ``NEPTUNE_MAX_PIXELS`` sets
another limit."""

# Pillow warns of pictures from half of that on, on two lines of stderr; their limit is ours. Filters of the user win.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)
# A damaged EXIF block costs the picture nothing but its orientation; Pillow would say so on two lines for each picture.
warnings.filterwarnings("ignore", "Corrupt EXIF|Truncated File Read", module=r"PIL\.TiffImagePlugin", append=True)

_LYING = (5, 6, 7, 8)
"""The orientations of EXIF in which width and height change places."""


class Picture:
    """An RGB picture, from a file or from an array.

    Parameters
    ----------
    source
        A path, a PIL image, or an array of shape ``(height, width, 3)``, uint8.

    Raises
    ------
    PictureError
        If an image or an array is no picture or too large (:func:`most_pixels`); for a file when its pixels are first
        needed: if it is missing, unreadable, truncated or too large.
    ConfigError
        If the environment's limit is no number.
    """

    def __init__(self, source: str | Path | Image.Image | NDArray[np.uint8]) -> None:
        self.path: Path | None = Path(source) if isinstance(source, str | Path) else None
        self._image: Image.Image | None = None
        self._size = (0, 0)
        if isinstance(source, Image.Image):
            self._image = self._kept(source)
        elif isinstance(source, np.ndarray):
            if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
                raise PictureError(
                    f"An array of shape {source.shape} and type {source.dtype} is no picture",
                    expected="shape (height, width, 3), type uint8",
                )
            _check_size((source.shape[1], source.shape[0]), self.name)  # Pillow takes no empty array
            self._image = self._kept(Image.fromarray(source))

    @property
    def name(self) -> str:
        """The file's name, or ``"picture"``."""
        return self.path.name if self.path else "picture"

    @property
    def image(self) -> Image.Image:
        """The PIL image, RGB, of at most :data:`KEPT_PIXELS` pixels; smaller than `size` for larger pictures."""
        if self._image is None:
            self._image = self._open()
        return self._image

    def _open(self) -> Image.Image:
        assert self.path is not None
        if not self.path.is_file():
            raise PictureError("The picture does not exist", where=str(self.path), hint="Check the path")
        try:
            _let_pillow_open(most_pixels())
            with Image.open(self.path) as image:
                return self._kept(image)
        except Image.DecompressionBombError as error:
            raise PictureError(
                f"The picture has too many pixels: {error}",
                where=str(self.path),
                expected=f"at most {most_pixels():,}",
                hint="Scale it down first, or set NEPTUNE_MAX_PIXELS in the environment",
            ) from error
        except (OSError, SyntaxError, ValueError) as error:
            raise PictureError(
                f"The picture can not be read: {error}",
                where=str(self.path),
                expected="a PNG, JPEG, WebP or other picture that Pillow reads",
                hint="Open it in a picture viewer to see whether the file is damaged",
            ) from error

    def _kept(self, image: Image.Image) -> Image.Image:
        """Return a picture, decoded or not, as it is kept, and remember its size."""
        _check_size(image.size, str(self.path) if self.path else self.name)
        self._size = width, height = image.size
        shrink = (KEPT_PIXELS / (width * height)) ** 0.5
        if shrink >= 1:
            return self._upright(self._coloured(image))
        # Rounded down; of a strip a side may be 1.
        size = max(1, int(width * shrink)), max(1, int(height * shrink))
        # A JPEG is decoded at a half, a quarter or an eighth: the whole is never in memory.
        image.draft("RGB", (2 * size[0], 2 * size[1]))
        reduced = self._coloured(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        return self._upright(reduced)

    def _coloured(self, image: Image.Image) -> Image.Image:
        """Return a picture in RGB: 16 bits are scaled to 8, where Pillow would clip all above 255 to white."""
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            values = np.asarray(image)
            if image.mode == "F" or values.min() < 0 or values.max() > 65535:
                raise PictureError(
                    "Its grey values are 32 bits wide, and nothing says which of them is white",
                    where=str(self.path) if self.path else self.name,
                    expected="a picture of 8 or 16 bits a channel",
                    hint="Convert it to 8 bits first",
                )
            grey = Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
            grey.info = image.info  # which holds the EXIF block
            image = grey
        return image.convert("RGB")

    def _upright(self, image: Image.Image) -> Image.Image:
        """Return a picture as its camera was held; sides that change places do so in `size` too."""
        try:
            orientation = image.getexif().get(ExifTags.Base.Orientation)
        except SyntaxError:  # What stands in the place of EXIF is none: no orientation is stated.
            return image
        if orientation in _LYING:
            self._size = self._size[::-1]
        return ImageOps.exif_transpose(image)

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels of the upright picture: what boxes are given in."""
        if self._image is None:
            self._image = self._open()
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


def _check_size(size: tuple[int, int], where: str) -> None:
    width, height = size
    most = most_pixels()
    if not 0 < width * height <= most:
        raise PictureError(
            f"The picture has {width * height:,} pixels",
            where=where,
            expected=f"1 to {most:,}",
            hint="Scale it down first, or set NEPTUNE_MAX_PIXELS in the environment" if width * height else "",
        )


def most_pixels() -> int:
    """Return how many pixels a picture may have: ``NEPTUNE_MAX_PIXELS`` of the environment, else `MAX_PIXELS`.

    Raises
    ------
    ConfigError
        If the environment's is no number ≥ 1.
    """
    given = os.environ.get("NEPTUNE_MAX_PIXELS")
    if given is None:
        return MAX_PIXELS
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise ConfigError(f"NEPTUNE_MAX_PIXELS is '{given}'", where="environment", expected="a number ≥ 1")
    return int(given)


def _let_pillow_open(most: int) -> None:
    """Let Pillow open what the user allows: it refuses more than twice its own limit, which is meant to be set."""
    if Image.MAX_IMAGE_PIXELS is not None and most > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most
