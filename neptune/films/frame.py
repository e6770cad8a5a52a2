"""One frame of a film: a picture whose pixels are decoded when they are looked at, and not held."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.scene.picture import Picture


class Frame(Picture):
    """A frame of a film.

    It holds no pixels: the film has the latest frames, and decodes again what is looked at later.

    Parameters
    ----------
    decode
        Returns its image, RGB.
    name
        What errors and records call it.
    seconds
        When it is shown, from the beginning of the film.
    """

    def __init__(self, decode: Callable[[], Image.Image], name: str, seconds: float) -> None:
        self.path = self.address = None
        self._decode, self._name, self.seconds = decode, name, seconds

    @property
    def name(self) -> str:
        """The film's name and the time."""
        return self._name

    @property
    def image(self) -> Image.Image:
        """The image, RGB, of at most `KEPT_PIXELS` pixels."""
        return self._decode()

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.image.size

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The pixels, shape ``(height, width, 3)``, uint8."""
        return np.asarray(self.image)

    def __repr__(self) -> str:
        return f"Frame({self._name!r})"
