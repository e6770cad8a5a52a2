"""What makes an oracle, a scene and a cell the same: the keys of caches and recordings.

An oracle or a detector whose answers may be kept has ``identity: str``, made by :func:`identity`: everything that
changes an answer (adapter, model, revision, prompt form and its options, wording, dtype) and nothing else (no address,
no batch size).
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from neptune.scene import Scene
from neptune.scene.types import IntArray

_digests: WeakKeyDictionary[Scene, dict[bool, str]] = WeakKeyDictionary()
_lock = threading.Lock()


def identity(adapter: str, **parts: Any) -> str:
    """Return the identity of an oracle or a detector: canonical JSON, the same for the same parts in any order.

    >>> identity("openai", model="m", form="mark")
    '{"adapter":"openai","form":"mark","model":"m"}'
    """
    return json.dumps({"adapter": adapter, **parts}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def picture_key(scene: Scene) -> str:
    """Return what identifies the picture of a scene: its pixels, or the scene's name and size where it has none.

    Raises
    ------
    PictureError
        If the picture can not be read.
    """
    if scene.picture is not None:
        return scene.picture.digest
    return f"name:{scene.name} {scene.size[0]}x{scene.size[1]}"


def cell_keys(scene: Scene, objects: IntArray) -> list[bytes]:
    """Return what identifies each tuple of objects ``(M, arity)`` within its picture: the boxes themselves.

    The M keys have ``16 * arity`` bytes each: little-endian float32 ``x0 y0 x1 y1`` of each box, in order.
    """
    rows = np.asarray(objects, dtype=np.int64)
    if rows.shape[1] == 0:
        return [b""] * len(rows)
    boxes = np.ascontiguousarray(scene.boxes[rows].reshape(len(rows), -1) + np.float32(0.0), dtype="<f4")
    keys: list[bytes] = boxes.view(np.dtype((np.void, boxes.shape[1] * 4)))[:, 0].tolist()
    return keys


def scene_digest(scene: Scene, pixels: bool = True) -> str:
    """Return 32 hex digits that identify the picture, its size, the boxes and what each of them is.

    The picture is its pixels; without `pixels`, or without a picture, it is the scene's name.

    Raises
    ------
    PictureError
        If the picture can not be read.
    """
    with _lock:
        known = _digests.get(scene, {}).get(pixels)
    if known is None:
        picture = scene.picture if pixels else None
        shown = f"pixels:{picture.digest}" if picture is not None else f"name:{scene.name}"
        if scene.whole is not None:  # a replay has the whole scene's digest, and no picture
            shown = f"region of:{scene_digest(scene.whole, pixels)}"
        content = f"{shown}\n{scene.size[0]}x{scene.size[1]}\n".encode() + scene.boxes.astype("<f4").tobytes()
        content += "\n".join(scene.kinds).encode()
        known = hashlib.sha256(content).hexdigest()[:32]
        with _lock:
            _digests.setdefault(scene, {})[pixels] = known
    return known


def remember_digest(scene: Scene, digest: str) -> None:
    """Say what :func:`scene_digest` (with pixels) is of a scene that was recorded elsewhere, without its picture."""
    with _lock:
        _digests.setdefault(scene, {})[True] = digest
