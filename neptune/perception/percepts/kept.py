"""Masks, depths and readings as texts, as the file of the oracle's cache keeps them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from neptune.perception.oracle.caching.store import LONGEST
from neptune.scene.domain import Domain
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask
from neptune.scene.seen.texts import Reading, TextLine

Said = TypeVar("Said")


def written(value: Mask | Depth | Reading) -> str | None:
    """Return a value as a text; ``None`` for one too long to be kept."""
    if isinstance(value, Mask):
        data: Any = {
            "corner": value.corner,
            "size": value.size,
            "scale": value.scale,
            "score": value.score,
            "shape": value.levels.shape,
            "levels": _packed(value.levels.tobytes()),
        }
    elif isinstance(value, Depth):
        data = {
            "size": value.size,
            "unit": value.unit,
            "shape": value.map.shape,
            "map": _packed(np.asarray(value.map, dtype="<f4").tobytes()),
            "domain": value.domain and value.domain.as_dict(),
        }
    else:
        data = [[line.text, line.box, line.confidence] for line in value]
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= LONGEST else None


def mask_of(text: str) -> Mask | None:
    """Return the mask of a text; ``None`` where it is none."""

    def read(data: Any) -> Mask:
        shape = (int(data["shape"][0]), int(data["shape"][1]))
        levels = np.frombuffer(_unpacked(data["levels"], shape[0] * shape[1]), dtype=np.uint8).reshape(shape)
        corner, size = (tuple(map(int, data[name])) for name in ("corner", "size"))
        scale = tuple(map(float, data["scale"]))
        if corner[0] < 0 or corner[1] < 0 or corner[0] + shape[1] > size[0] or corner[1] + shape[0] > size[1]:
            raise ValueError("it leads out of the picture")
        return Mask(levels, (corner[0], corner[1]), (size[0], size[1]), (scale[0], scale[1]), float(data["score"]))

    return _read(text, read)


def depth_of(text: str) -> Depth | None:
    """Return the depth of a text; ``None`` where it is none."""

    def read(data: Any) -> Depth:
        shape = (int(data["shape"][0]), int(data["shape"][1]))
        values = np.frombuffer(_unpacked(data["map"], 4 * shape[0] * shape[1]), dtype="<f4").reshape(shape)
        domain = Domain.from_dict(data["domain"]) if data["domain"] is not None else None
        size = tuple(map(int, data["size"]))
        if not np.isfinite(values).all() or not values.size:
            raise ValueError("a depth is no number")
        return Depth(values.astype(np.float32), (size[0], size[1]), str(data["unit"]), domain)

    return _read(text, read)


def reading_of(text: str) -> Reading | None:
    """Return what was read, of a text; ``None`` where it says nothing of the kind."""

    def read(data: Any) -> Reading:
        return tuple(
            TextLine(str(said), (float(a), float(b), float(c), float(d)), float(confidence))
            for said, (a, b, c, d), confidence in data
        )

    return _read(text, read)


def _read(text: str, read: Callable[[Any], Said]) -> Said | None:
    try:
        return read(json.loads(text))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, zlib.error):
        return None


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode()


def _unpacked(text: str, length: int) -> bytes:
    """Return packed bytes that are of a length, and never more of them.

    Raises
    ------
    ValueError, zlib.error
        If they are of another.
    """
    unpacking = zlib.decompressobj()
    found = unpacking.decompress(base64.b64decode(text, validate=True), max(1, length))
    if len(found) != length or unpacking.unconsumed_tail:
        raise ValueError("it is of another length")
    return found
