"""Masks from the pixels alone: what differs from its surroundings, inside a box. No weights.

Sources: GrabCut (Rother, Kolmogorov, Blake 2004) and the watershed (Meyer 1992), as implemented in OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neptune.errors import PerceptionError
from neptune.perception.checkpoints import need
from neptune.scene.identity import identity
from neptune.scene.seen.masks import Levels, Mask, MaskRequest

EXTRA = "neptune-reasoner[vision]"
AROUND = 0.4
"""So much of the box's longer side is looked at around it: what is there is background."""
LEAST_AROUND = 8
LONGEST = 400
"""A part of the picture that is larger than this is made smaller first, and its mask larger again."""
SOFT = 3
"""Pixels over which the edge of a mask runs from 1 to 0."""


class PixelSegmenter:
    """What both have in common: the part of the picture around a box, and the mask of a box too small to look into.

    Raises
    ------
    MissingExtraError
        If OpenCV is not installed.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        need("cv2", EXTRA)
        self._cv2: Any = import_module("cv2")

    @property
    def identity(self) -> str:
        """All that decides a mask, as canonical JSON: the key of caches."""
        return identity(self.name, version=1, opencv=self._cv2.__version__, **self._options())

    def masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return the mask of what is in each box; words are not heeded. Errors: `PictureError`, `PerceptionError`."""
        return [self._mask(request) for request in requests]

    def _options(self) -> dict[str, Any]:
        return {}

    def _mask(self, request: MaskRequest) -> Mask:
        picture = request.picture
        size, scale = picture.image.size, picture.scale
        x0, y0, x1, y1 = _whole(request.box, size, scale)
        if x0 >= x1 or y0 >= y1:
            return Mask.of(np.zeros((0, 0), dtype=np.float32), size, (0, 0), scale)
        around = max(LEAST_AROUND, round(AROUND * max(x1 - x0, y1 - y0)))
        left, top = max(0, x0 - around), max(0, y0 - around)
        right, bottom = min(size[0], x1 + around), min(size[1], y1 + around)
        # Of a strip of a picture 5,000 pixels long no more than its part is copied.
        part = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
        inner = (x0 - left, y0 - top, x1 - left, y1 - top)
        levels = self._levels(part, inner)
        return Mask.of(levels / np.float32(255), size, (left, top), scale)

    def _levels(self, part: Levels, inner: tuple[int, int, int, int]) -> Levels:
        """Return the levels of a part of the picture, 0 outside the box `inner`."""
        shrink = min(1.0, LONGEST / max(part.shape[:2]))
        height, width = (max(1, round(side * shrink)) for side in part.shape[:2])
        box = _scaled(inner, width / part.shape[1], height / part.shape[0], (width, height))
        found: Levels
        if min(box[2] - box[0], box[3] - box[1]) < 3:  # nothing to tell apart
            found = np.zeros(part.shape[:2], dtype=np.uint8)
            found[inner[1] : inner[3], inner[0] : inner[2]] = 255
            return found
        small = part if shrink == 1 else self._cv2.resize(part, (width, height), interpolation=self._cv2.INTER_AREA)
        try:
            inside = self._inside(small, box).astype(np.uint8) * 255
        except self._cv2.error as error:
            said = " ".join(str(error).split())[:200]
            raise PerceptionError(f"The segmenter '{self.name}' fails on this part of the picture: {said}") from error
        if shrink < 1:
            inside = self._cv2.resize(inside, part.shape[1::-1], interpolation=self._cv2.INTER_LINEAR)
        blurred = self._cv2.GaussianBlur(inside, (SOFT, SOFT), 0)
        found = np.zeros_like(blurred)
        within = np.s_[inner[1] : inner[3], inner[0] : inner[2]]
        found[within] = blurred[within]
        return found

    def _inside(self, part: Levels, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        """Return which pixels are the thing's, of a part with a box of at least 3×3 pixels in it."""
        raise NotImplementedError


class GrabCutSegmenter(PixelSegmenter):
    """Cuts out what is in a box by its colours, against those around the box.

    Parameters
    ----------
    rounds
        How often colours and cut are fitted to one another, ≥ 1.

    Raises
    ------
    PerceptionError
        If `rounds` is below 1.
    MissingExtraError
        If OpenCV is not installed.
    """

    name = "grabcut"

    def __init__(self, rounds: int = 4) -> None:
        super().__init__()
        if rounds < 1:
            raise PerceptionError(f"rounds is {rounds}", where="segmenter 'grabcut'", expected="at least 1")
        self.rounds = rounds

    def _options(self) -> dict[str, Any]:
        return {"rounds": self.rounds}

    def _inside(self, part: Levels, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        cv2 = self._cv2
        marks = np.full(part.shape[:2], cv2.GC_BGD, dtype=np.uint8)
        x0, y0, x1, y1 = box
        marks[y0:y1, x0:x1] = cv2.GC_PR_FGD
        if (marks == cv2.GC_BGD).sum() < 16:  # the box is all there is: its rim is the background, perhaps
            marks[:] = cv2.GC_PR_BGD
            marks[1:-1, 1:-1] = cv2.GC_PR_FGD
        if _plain(part):
            return np.asarray(marks == cv2.GC_PR_FGD)
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(part, marks, None, *models, self.rounds, cv2.GC_INIT_WITH_MASK)
        return np.asarray((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))


class WatershedSegmenter(PixelSegmenter):
    """Floods a box from its middle and from its rim; where the two meet, along the strongest edges, is the outline."""

    name = "watershed"

    def _inside(self, part: Levels, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        cv2 = self._cv2
        x0, y0, x1, y1 = box
        if _plain(part):
            found = np.zeros(part.shape[:2], dtype=np.bool_)
            found[y0:y1, x0:x1] = True
            return found
        marks = np.ones(part.shape[:2], dtype=np.int32)  # 1: around the thing; 2: the thing; 0: to be told
        marks[y0:y1, x0:x1] = 0
        if (marks == 1).sum() < 16:
            marks[:] = 0
            marks[[0, -1]] = marks[:, [0, -1]] = 1
        core = np.zeros(part.shape[:2], dtype=np.uint8)
        middle = ((x0 + x1) // 2, (y0 + y1) // 2)
        cv2.ellipse(core, middle, (max(1, (x1 - x0) // 5), max(1, (y1 - y0) // 5)), 0, 0, 360, 1, -1)
        marks[core > 0] = 2
        cv2.watershed(part, marks)
        inside = (marks == 2).astype(np.uint8)
        # Watersheds are a pixel wide and belong to nobody: half of them are the thing's.
        return np.asarray(cv2.dilate(inside, np.ones((2, 2), np.uint8)) > 0)


def _whole(
    box: tuple[float, float, float, float], size: tuple[int, int], scale: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Return a box of the whole picture in whole pixels of the one that is looked at, cut to it."""
    across, down = scale
    return (
        min(max(int(np.floor(box[0] * across)), 0), size[0]),
        min(max(int(np.floor(box[1] * down)), 0), size[1]),
        min(max(int(np.ceil(box[2] * across)), 0), size[0]),
        min(max(int(np.ceil(box[3] * down)), 0), size[1]),
    )


def _scaled(
    box: tuple[int, int, int, int], across: float, down: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    return (
        int(box[0] * across), int(box[1] * down),
        min(size[0], round(box[2] * across)), min(size[1], round(box[3] * down)),
    )  # fmt: skip


def _plain(part: Levels) -> bool:
    """Tell whether a part of a picture has one colour: there is nothing to be told apart."""
    flat = part.reshape(-1, 3)
    return bool((flat == flat[0]).all())
