"""Masks: which pixels are a thing's, softly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from neptune.scene.picture import Picture

Place: TypeAlias = tuple[float, float, float, float]
"""Pixels ``x0 y0 x1 y1`` of the whole picture, the origin at the top left."""
Levels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class MaskRequest:
    """One thing of one picture whose mask is wanted.

    Parameters
    ----------
    picture
        The picture.
    box
        Where the thing is; of a part outside the picture there is no mask.
    words
        What the thing is, for segmenters that heed words; ``""``: whatever is in the box.
    """

    picture: Picture
    box: Place
    words: str = ""


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels of a thing.

    Parameters
    ----------
    levels
        How much each pixel is the thing's, 0 to 255, uint8, shape ``(h, w)``; beyond them, none is.
    corner
        The pixel ``(x, y)`` of the picture at which `levels` begins.
    size
        ``(width, height)`` of ``picture.image``, whose pixels these are.
    scale
        Pixels of `size` for one of the whole picture, along x and y: 1 but for large pictures.
    score
        How sure the segmenter is of the mask, in [0, 1].
    """

    levels: Levels
    corner: tuple[int, int]
    size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    score: float = 1.0

    @classmethod
    def of(
        cls,
        values: NDArray[np.floating] | NDArray[np.bool_],
        size: tuple[int, int],
        corner: tuple[int, int] = (0, 0),
        scale: tuple[float, float] = (1.0, 1.0),
        score: float = 1.0,
    ) -> Mask:
        """Return the mask of values in [0, 1], ``(h, w)``, kept as 256 levels and cut to where they are not 0."""
        levels = np.rint(np.clip(np.asarray(values, dtype=np.float32), 0, 1) * 255).astype(np.uint8)
        rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
        if not len(rows):
            return cls(np.zeros((0, 0), dtype=np.uint8), corner, size, scale, score)
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        cut = np.ascontiguousarray(levels[y0:y1, x0:x1])
        return cls(cut, (corner[0] + int(x0), corner[1] + int(y0)), size, scale, score)

    @cached_property
    def area(self) -> float:
        """Pixels of the whole picture that are the thing's, parts counted as such; 0 of a mask of nothing."""
        return float(self.levels.sum(dtype=np.int64)) / 255 / (self.scale[0] * self.scale[1])

    @property
    def box(self) -> Place:
        """The smallest box around it, in pixels of the whole picture; without area for a mask of nothing."""
        (x, y), (h, w), (across, down) = self.corner, self.levels.shape, self.scale
        return (x / across, y / down, (x + w) / across, (y + h) / down)

    @property
    def picture(self) -> Picture:
        """The mask as a grey picture of `size`: white is the thing's."""
        from neptune.scene.picture import Picture

        return Picture(np.rint(self.full() * 255).astype(np.uint8))

    def full(self) -> NDArray[np.float32]:
        """Return the values in [0, 1] of all pixels, shape ``(height, width)`` of `size`."""
        found = np.zeros(self.size[::-1], dtype=np.float32)
        (x, y), (h, w) = self.corner, self.levels.shape
        found[y : y + h, x : x + w] = self.levels / np.float32(255)
        return found

    def shared(self, other: Mask) -> float:
        """Return the pixels that are both things' (the smaller level counts), in pixels of the whole picture.

        Both masks are of one picture.
        """
        (x0, y0), (x1, y1) = self.corner, other.corner
        left, top = max(x0, x1), max(y0, y1)
        right = min(x0 + self.levels.shape[1], x1 + other.levels.shape[1])
        bottom = min(y0 + self.levels.shape[0], y1 + other.levels.shape[0])
        if left >= right or top >= bottom:
            return 0.0
        a = self.levels[top - y0 : bottom - y0, left - x0 : right - x0]
        b = other.levels[top - y1 : bottom - y1, left - x1 : right - x1]
        return float(np.minimum(a, b).sum(dtype=np.int64)) / 255 / (self.scale[0] * self.scale[1])

    def filled(self) -> Mask:
        """Return the same with the holes in it filled: what it surrounds on all sides is inside it."""
        from scipy import ndimage

        holes = ndimage.binary_fill_holes(self.levels >= 128) & (self.levels < 128)
        return Mask(np.where(holes, np.uint8(255), self.levels), self.corner, self.size, self.scale, self.score)

    def __repr__(self) -> str:
        return f"Mask({self.area:.0f} pixels in {[round(v) for v in self.box]})"
