"""Detectors: find the objects of a picture. One file each, one protocol.

The protocol is :class:`neptune.scene.types.Detector`; names are looked up in `neptune.perception.registry`.
Nothing here imports `dsl` or the algebra, and nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.perception.detect.cache import CachedDetector
    from neptune.perception.detect.scene import SceneDetector
    from neptune.perception.detect.transformers import TransformersDetector

_HOME = {"CachedDetector": "cache", "SceneDetector": "scene", "TransformersDetector": "transformers"}

__all__ = ["CachedDetector", "SceneDetector", "TransformersDetector"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
