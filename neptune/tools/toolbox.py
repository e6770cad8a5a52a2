"""The tools applied: arguments checked, results keyed and kept, sizes bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cachetools
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neptune.errors import ConfigError, ToolError
from neptune.scene.picture import Picture
from neptune.scene.seen.masks import Mask, MaskRequest
from neptune.tools import measures, pictures, vision
from neptune.tools.arguments import checked, tool_named
from neptune.tools.results import Made, Step, key_of

KEPT_BYTES = 128_000_000
"""So much of results is kept in memory by a toolbox; what was used longest ago goes first."""

_IN_PIXELS = frozenset({"crop", "mark", "draw_line"})
"""Tools whose boxes and points are given in pixels of the whole picture."""

_DONE: dict[str, Callable[..., Any]] = {
    **{name: getattr(pictures, name) for name in (
        "crop", "zoom", "rotate", "flip", "contrast", "equalize", "gray", "blur", "difference", "mark", "draw_line")},
    **{name: getattr(vision, name) for name in ("threshold", "edges")},
    **{name: getattr(measures, name) for name in ("histogram", "statistics")},
}  # fmt: skip


class Toolbox:
    """Applies picture tools, and keeps what they made: the same operation on the same picture is done once.

    Parameters
    ----------
    reader
        Reads words: ``read(pictures)`` gives a sequence of lines with a ``text`` for each picture; needed by
        ``read_text`` alone.
    depth
        Says how far away things are: ``depth(pictures)`` gives an object with a ``map`` for each picture, shape
        ``(h, w)`` of any resolution, small is near; needed by ``depth_map`` alone.
    kept_bytes
        How much of results is kept in memory.
    segmenter
        Cuts things out: ``masks(requests)`` gives a :class:`~neptune.scene.seen.masks.Mask` for each request; for
        ``segment``, which without one asks OpenCV's GrabCut.
    """

    def __init__(
        self, reader: Any = None, depth: Any = None, kept_bytes: int = KEPT_BYTES, segmenter: Any = None
    ) -> None:
        self._reader, self._depth, self._segmenter = reader, depth, segmenter
        self._kept: cachetools.LRUCache[str, Any] = cachetools.LRUCache(kept_bytes, _bytes)
        self._lock = threading.Lock()
        self.hits = 0

    def apply(self, name: str, picture: Picture | Made, *args: Any, **keywords: Any) -> Made:
        """Apply a tool to a picture, or to a picture that tools made.

        Parameters
        ----------
        name
            The tool, one of :data:`dsl.patches.tools.TOOLS`.
        picture
            What it is applied to.
        args, keywords
            Its arguments, as the table says; numbers of NumPy count.

        Raises
        ------
        ToolError
            If there is no such tool, its arguments do not fit, or what it is applied to is no picture.
        MissingExtraError, ConfigError
            If what it needs is not installed, or not there.
        PictureError
            If the picture can not be read.
        """
        tool = tool_named(name)
        parent = Made.of(picture)
        if not isinstance(parent.value, Picture):
            raise ToolError(
                f"'{name}' is applied to {_kind(parent.value)}", where=tool.signature, expected="a picture",
                hint="take .picture of a mask" if isinstance(parent.value, Mask) else "",
            )  # fmt: skip
        given = checked(tool, args, keywords)
        step = Step(name, tuple((n, v.key if isinstance(v, Made) else v) for n, v in given))
        key = key_of(step, parent.key)
        with self._lock:
            found = self._kept.get(key)
            self.hits += found is not None
        if found is None:
            found = self._made(name, parent.value, dict(given))
            with self._lock:
                if _bytes(found) <= self._kept.maxsize:
                    self._kept[key] = found
        return Made(found, step, parent)

    def _made(self, name: str, picture: Picture, given: dict[str, Any]) -> Any:
        if name == "read_text":
            return self._read(picture)
        if name == "depth_map":
            return self._depth_map(picture)
        if name == "segment":
            return self._segment(picture, given["box"])
        image = picture.image
        if name in _IN_PIXELS:
            given = {n: _scaled(v, picture.scale) if isinstance(v, tuple) else v for n, v in given.items()}
        given = {n: v.value.image if isinstance(v, Made) else v for n, v in given.items()}
        made = _DONE[name](image, **given)
        return Picture(made) if isinstance(made, Image.Image) else made

    def _segment(self, picture: Picture, box: tuple[float, float, float, float]) -> Mask:
        size = picture.size
        if box[0] >= size[0] or box[1] >= size[1] or box[2] <= 0 or box[3] <= 0:
            raise ToolError(
                f"The box {[round(v, 2) for v in box]} lies outside the picture",
                where="segment",
                expected=f"a box inside {size[0]}×{size[1]} pixels",
            )
        if self._segmenter is None:
            return vision.segment(picture.image, _scaled(box, picture.scale), picture.scale)  # type: ignore[arg-type]
        (found,) = self._segmenter.masks([MaskRequest(picture, box)])
        mask: Mask = found
        return mask

    def _read(self, picture: Picture) -> list[str]:
        if self._reader is None:
            raise _nobody("read_text", "reads words", "ocr_model")
        (found,) = self._reader.read([picture])
        return [str(line.text) for line in found]

    def _depth_map(self, picture: Picture) -> Picture:
        if self._depth is None:
            raise _nobody("depth_map", "says how far away things are", "depth_model")
        (found,) = self._depth.depth([picture])
        return near_is_bright(np.asarray(found.map, dtype=np.float64), picture.image.size)


def near_is_bright(depth: NDArray[np.float64], size: tuple[int, int]) -> Picture:
    """Return depths, shape ``(h, w)``, as a grey picture of this size: the nearest white, the farthest black.

    Where all is equally far, or nothing is known, it is black.
    """
    known = np.isfinite(depth)
    grey = np.zeros(depth.shape)
    if known.any() and np.ptp(depth[known]) > 0:
        low, high = depth[known].min(), depth[known].max()
        grey[known] = (high - depth[known]) / (high - low)
    shown = Image.fromarray(np.rint(255 * grey).astype(np.uint8))
    return Picture(shown.resize(size, Image.Resampling.BILINEAR))


def _scaled(place: tuple[float, ...], scale: tuple[float, float]) -> tuple[float, ...]:
    return tuple(v * scale[k % 2] for k, v in enumerate(place))


def _bytes(value: Any) -> int:
    if isinstance(value, Picture):
        return 3 * value.image.width * value.image.height
    return value.levels.nbytes if isinstance(value, Mask) else 1000


def _kind(value: Any) -> str:
    return "a mask" if isinstance(value, Mask) else f"a {type(value).__name__}"


def _nobody(tool: str, what: str, field: str) -> ConfigError:
    return ConfigError(
        f"The picture tool '{tool}' needs a model that {what}, and none is configured", where=tool, expected=field
    )
