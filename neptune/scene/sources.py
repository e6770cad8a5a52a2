"""What a picture may be given as, besides a file: bytes, open files, arrays of numbers."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.errors import PictureError

PictureSource: TypeAlias = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes], Image.Image, NDArray[Any]
]
"""A path or an http(s) address, the bytes of a picture's file, an open file, a PIL image, or an array: see
:class:`~neptune.scene.picture.Picture`."""

EXPECTED = (
    "a path, an http(s) address, the bytes of a picture's file, an open file, a PIL image, or an array of shape "
    "(height, width), (height, width, 3) or (height, width, 4)"
)
_SCALES = {"uint8": 1.0, "uint16": 257.0, "bool": 1 / 255}
"""Type of an array → its values for one of 255 steps."""


def opened(source: object) -> io.BytesIO | None:
    """Return the content of bytes or of an open file; ``None`` for anything else.

    Raises
    ------
    PictureError
        If the file is open as text, or can not be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(bytes(source))
    read = getattr(source, "read", None)
    if not callable(read) or isinstance(source, Image.Image):
        return None
    try:
        content = read()
    except (OSError, ValueError) as error:
        raise PictureError(f"The open file can not be read: {error}", where=_name_of(source)) from error
    if not isinstance(content, bytes):
        raise PictureError("The file is open as text", where=_name_of(source), expected='a file opened with mode "rb"')
    return io.BytesIO(content)


def _name_of(source: object) -> str:
    name = getattr(source, "name", "")
    return Path(name).name if isinstance(name, str) else ""


def from_array(source: Any) -> Image.Image:
    """Return the PIL image of an array, or of what numpy makes one of.

    Parameters
    ----------
    source
        Shape ``(height, width)`` or ``(height, width, 1)``, grey; ``(height, width, 3)``, RGB; or ``(height, width,
        4)``, RGBA. Of type uint8, uint16, bool, or a float type with values in [0, 1].

    Raises
    ------
    PictureError
        If it is of another shape or type, or has other values.
    """
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, rows of different lengths
        raise PictureError(f"The picture is a {type(source).__name__}: {error}", expected=EXPECTED) from error
    if array.dtype == object or array.dtype.kind not in "bufi":
        raise PictureError(f"A {type(source).__name__} is no picture", expected=EXPECTED)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        hint = "Put the channels last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise PictureError(f"An array of shape {np.shape(source)} is no picture", expected=EXPECTED, hint=hint)
    if not array.size:
        raise PictureError("The picture has 0 pixels", expected="at least one")
    if array.dtype.kind == "f":
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= 0 and highest <= 1):
            raise PictureError(
                f"The array's values go from {lowest:g} to {highest:g}",
                expected="values in [0, 1], or the type uint8",
                hint="Divide by 255, or convert with astype('uint8')",
            )
        array = np.rint(array * 255)
    elif array.dtype.name in _SCALES:
        array = array if array.dtype == np.uint8 else np.rint(array / _SCALES[array.dtype.name])
    else:
        raise PictureError(
            f"An array of type {array.dtype} is no picture",
            expected="type uint8, uint16, bool, or a float type with values in [0, 1]",
            hint="Convert it with astype('uint8')",
        )
    return Image.fromarray(np.ascontiguousarray(array.astype(np.uint8)))
