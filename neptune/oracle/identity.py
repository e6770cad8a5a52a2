"""What makes a scene the same scene to an oracle: its picture (or name, if it has none) and its boxes."""

from __future__ import annotations

import hashlib
import threading
from weakref import WeakKeyDictionary

from neptune.scene import Scene

_digests: WeakKeyDictionary[Scene, dict[bool, str]] = WeakKeyDictionary()
_lock = threading.Lock()


def scene_digest(scene: Scene, pixels: bool = True) -> str:
    """Return 32 hex digits that identify the picture, its size and the boxes.

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
        content = f"{shown}\n{scene.size[0]}x{scene.size[1]}\n".encode() + scene.boxes.astype("<f4").tobytes()
        known = hashlib.sha256(content).hexdigest()[:32]
        with _lock:
            _digests.setdefault(scene, {})[pixels] = known
    return known
