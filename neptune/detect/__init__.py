"""Detectors: find the objects of a picture. One file each, one protocol.

The protocol is :class:`neptune.types.Detector`; names are looked up in `neptune.registry`. Nothing here
imports `dsl` or the algebra, and nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.detect.cache import CachedDetector
    from neptune.detect.scene import SceneDetector
    from neptune.detect.transformers import TransformersDetector

_HOME = {"CachedDetector": "cache", "SceneDetector": "scene", "TransformersDetector": "transformers"}

__all__ = ["CachedDetector", "SceneDetector", "TransformersDetector"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
