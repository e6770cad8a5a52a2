"""From a file that anybody may have made to an RGB picture, within bounds of memory.

Formats are taken from a list: a file's name says nothing, and no reader that starts another program is ever asked. Size
and area are read from the header, and checked before a pixel is decoded. Whatever a reader stumbles over, lack of
memory included, is an error of that picture.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from neptune.errors import ConfigError, NeptuneError, PictureError

FORMATS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
    "TIFF": None,
    "PPM": None,
}
"""What is read, by Pillow's names → its media type where browsers show it. MPO is what some cameras make of JPEG."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of the names of such files, by which viewers and browsers go."""

KEPT_PIXELS = 16_000_000
"""Of a larger picture a copy of at most so many pixels is kept, 64 MB in memory."""

LIMIT = "NEPTUNE_MAX_PIXELS"
"""The environment's variable that sets another limit of pixels, for all formats."""

MAX_PIXELS = 178_000_000
"""A larger picture is refused: what Pillow holds to be safe to decode."""

MAX_PIXELS_OF = {"JPEG": MAX_PIXELS, "MPO": MAX_PIXELS, "WEBP": 60_000_000, "AVIF": 60_000_000}
"""By format, else `MAX_WHOLE`. A JPEG is decoded at a fraction; a WebP or AVIF is in memory three times at once."""

MAX_WHOLE = 100_000_000
"""For the formats that are decoded as a whole."""

MAX_SIDE = 100_000
"""Pixels along a side."""

MAX_BYTES = 512_000_000
"""Of a file."""

PIXELS_PER_BYTE = 10_000
"""No photo says more pixels for each byte of its file; looked at beyond `KEPT_PIXELS` alone."""

BACKGROUND = (255, 255, 255)
"""What shows behind transparent pixels, as on the page of a browser."""

_READ = tuple(name for name in FORMATS if name != "MPO")
_BAND = 4_000_000
"""Pixels whose transparency, or 16 bits, are worked on at once."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation → what turns the picture as its camera was held; from 5 on width and height change places."""

# Pillow warns of pictures from half of its limit on, on two lines of stderr; their limit is ours. Filters of the user
# win.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)
# A damaged EXIF block costs the picture nothing but its orientation, a damaged tag nothing or all; Pillow would say so
# on two lines for each picture.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.\w+ImagePlugin", append=True)


def decode(
    source: Path | BinaryIO, name: str, kept_pixels: int = KEPT_PIXELS
) -> tuple[Image.Image, tuple[int, int], str]:
    """Decode a picture.

    Parameters
    ----------
    source
        A file's path, or its content.
    name
        What errors call it.
    kept_pixels
        Of a larger one a copy of at most so many pixels is returned.

    Returns
    -------
    tuple
        The picture, RGB, upright, of at most `kept_pixels` pixels; ``(width, height)`` of the whole one, upright;
        its format, a key of :data:`FORMATS`.

    Raises
    ------
    PictureError
        If it is missing, no regular file, of another format, damaged or too large.
    ConfigError
        If the environment's limit is no number.
    """
    try:
        with _opened(source, name) as image:
            kept, size = as_kept(image, name, kept_pixels, _bytes(source))
            return kept, size, image.format or ""
    except NeptuneError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many(f"too many pixels: {error}", name, most_pixels()) from error
    except MemoryError as error:
        raise PictureError(
            "The picture takes more memory than there is", where=name, hint="Scale it down first"
        ) from error
    except Exception as error:  # of foreign bytes Pillow's readers raise whatever they stumble over
        raise PictureError(
            f"The picture can not be read: {_said(error)}"[:300],
            where=name,
            expected="a picture of the formats " + ", ".join(_READ),
            hint="Open it in a picture viewer to see whether the file is damaged",
        ) from error


def media_type(source: Path) -> str | None:
    """Return the media type of a file that decodes as a picture, from its content; ``None``: browsers show no such.

    Raises
    ------
    PictureError
        As of :func:`decode`.
    """
    return FORMATS.get(decode(source, str(source))[2])


def looks_like_picture(path: Path) -> bool:
    """Tell whether a file has a picture's ending and begins as one; nothing is decoded."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with _opened(path, str(path)):
            return True
    except Exception:  # as for `decode`
        return False


def as_kept(
    image: Image.Image, name: str, kept_pixels: int = KEPT_PIXELS, size_in_bytes: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Return a picture, decoded or not, as it is kept, and the size of the whole one, both upright.

    Parameters are those of :func:`decode` and :func:`check_size`.

    Raises
    ------
    PictureError
        If it has no pixels, too many, or grey values of no known range; whatever Pillow raises of a damaged one.
    """
    check_size(image.size, name, image.format or "", size_in_bytes)
    width, height = image.size
    shrink = min(1.0, (kept_pixels / (width * height)) ** 0.5)
    # Rounded down; of a strip a side may be 1.
    small = max(1, int(width * shrink)), max(1, int(height * shrink))
    if shrink < 1:
        # A JPEG is decoded at a half, a quarter or an eighth: the whole is never in memory.
        image.draft("RGB", (2 * small[0], 2 * small[1]))
    image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except SyntaxError:  # What stands in the place of EXIF is none: no orientation is stated.
        orientation = None
    flat = _flat(image, name)
    if shrink < 1:
        flat = flat.resize(small, Image.Resampling.BICUBIC, reducing_gap=2.0)
    rgb = flat.convert("RGB")
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    whole = (height, width) if turn is not None and orientation in (5, 6, 7, 8) else (width, height)
    return (rgb.transpose(turn) if turn is not None else rgb), whole


def check_size(size: tuple[int, int], name: str, kind: str = "", size_in_bytes: int | None = None) -> None:
    """Check what a header says, before anything is decoded.

    Parameters
    ----------
    size
        ``(width, height)`` in pixels.
    name
        What errors call the picture.
    kind
        Its format; ``""``: in memory already.
    size_in_bytes
        Of its file, where there is one.

    Raises
    ------
    PictureError
        If it has no pixels, too many of them, a side that is too long, or more than so small a file can hold.
    """
    width, height = size
    pixels, most = width * height, most_pixels(kind)
    if not 0 < pixels <= most:
        raise _too_many(f"{pixels:,} pixels", name, most)
    if max(size) > MAX_SIDE:
        raise PictureError(f"The picture is {width}×{height} pixels", where=name, expected=f"sides up to {MAX_SIDE:,}")
    told = LIMIT in os.environ  # who set a limit means it
    if size_in_bytes is not None and not told and pixels > max(KEPT_PIXELS, PIXELS_PER_BYTE * size_in_bytes):
        raise PictureError(
            f"The picture's file has {size_in_bytes:,} bytes and claims {pixels:,} pixels",
            where=name,
            expected=f"at most {PIXELS_PER_BYTE:,} pixels a byte",
            hint=f"It may be made to use up memory; if it is yours save it anew, or set {LIMIT} in the environment",
        )


def most_pixels(kind: str = "") -> int:
    """Return how many pixels a picture may have: ``NEPTUNE_MAX_PIXELS`` of the environment, else its format's limit.

    Raises
    ------
    ConfigError
        If the environment's is no number ≥ 1.
    """
    given = os.environ.get(LIMIT)
    if given is None:
        return MAX_PIXELS_OF.get(kind, MAX_WHOLE) if kind else MAX_PIXELS
    if not given.isascii() or not given.isdigit() or len(given) > 18 or int(given) < 1:
        raise ConfigError(f"{LIMIT} is '{given}'", where="environment", expected="a number ≥ 1")
    return int(given)


def _opened(source: Path | BinaryIO, name: str) -> Image.Image:
    if isinstance(source, Path):
        if not source.is_file():
            what = "is no regular file" if source.exists() else "does not exist"
            raise PictureError(f"The picture {what}", where=name, hint="Check the path")
        if source.stat().st_size > MAX_BYTES:
            raise PictureError(
                f"The picture's file has {source.stat().st_size:,} bytes", where=name, expected=f"at most {MAX_BYTES:,}"
            )
    # Pillow refuses more than twice its own limit, which is meant to be set, for what the user allows.
    if Image.MAX_IMAGE_PIXELS is not None and most_pixels() > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most_pixels()
    return Image.open(source, formats=_READ)


def _said(error: Exception) -> str:
    """Return what a reader says, without the address in memory of what it read."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"<_io\.BytesIO object at \w+>", "in these bytes", text)


def _bytes(source: Path | BinaryIO) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    at = source.tell()
    end = source.seek(0, os.SEEK_END)
    source.seek(at)
    return end


def _flat(image: Image.Image, name: str) -> Image.Image:
    """Return a picture of 8 bits a channel without transparency; large ones are worked on in bands."""
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    if deep:
        lowest, highest = image.getextrema() if image.mode in ("I", "F") else (0, 65535)
        if image.mode == "F" or lowest < 0 or highest > 65535:  # type: ignore[operator]
            raise PictureError(
                "Its grey values are 32 bits wide, and nothing says which of them is white",
                where=name,
                expected="a picture of 8 or 16 bits a channel",
                hint="Convert it to 8 bits first",
            )
    elif not image.has_transparency_data:
        # Of a palette or of bits no picture can be made smaller by averaging.
        return image.convert("RGB") if image.mode in ("P", "1") else image
    clear = image.info.get("transparency") if deep else None
    flat = Image.new("L" if deep and not isinstance(clear, int) else "RGB", image.size)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band.info = dict(image.info)  # which says which colour of a palette is transparent
        flat.paste(_eight_bits(np.asarray(band), clear) if deep else _composited(band), (0, top))
    return flat


def _eight_bits(values: NDArray[np.generic], clear: object) -> Image.Image:
    """Scale 16 bits of grey to 8, where Pillow would clip all above 255 to white; `clear` is transparent."""
    wide = values.astype(np.uint32)
    grey = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if not isinstance(clear, int):
        return grey
    shown = Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8))
    return Image.composite(grey.convert("RGB"), Image.new("RGB", grey.size, BACKGROUND), shown)


def _composited(band: Image.Image) -> Image.Image:
    """Lay a picture with transparent pixels on the background: what is under them was never meant to be seen."""
    over = (band.convert("LA") if band.mode == "La" else band).convert("RGBA")  # from "La" there is no other way
    return Image.alpha_composite(Image.new("RGBA", over.size, (*BACKGROUND, 255)), over).convert("RGB")


def _too_many(what: str, name: str, most: int) -> PictureError:
    none = what.startswith("0 ")
    return PictureError(
        f"The picture has {what}",
        where=name,
        expected=f"1 to {most:,}",
        hint="" if none else f"Scale it down first, or set {LIMIT} in the environment",
    )
