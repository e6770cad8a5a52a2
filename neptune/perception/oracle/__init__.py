"""Oracles: give soft scores to objects, tuples of objects and pictures. One file each, one protocol.

The protocol is :class:`neptune.scene.types.Oracle`; names are looked up in `neptune.perception.registry`.
Nothing here imports `dsl` or the algebra, and nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.perception.oracle.caching.cache import CachedOracle
    from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
    from neptune.perception.oracle.random import RandomOracle
    from neptune.perception.oracle.scene import SceneOracle
    from neptune.perception.oracle.server.oracle import OpenAIOracle
    from neptune.perception.oracle.vlm.oracle import TransformersOracle
    from neptune.perception.oracle.wording import Concept, attribute_of, concept_of, concepts_of

_HOME = {
    "CachedOracle": "caching.cache",
    "OpenAIOracle": "server.oracle",
    "SceneOracle": "scene",
    "RandomOracle": "random",
    "RecordingOracle": "caching.replay",
    "ReplayOracle": "caching.replay",
    "TransformersOracle": "vlm.oracle",
    "Concept": "wording",
    "concept_of": "wording",
    "concepts_of": "wording",
    "attribute_of": "wording",
}

__all__ = [
    "CachedOracle",
    "Concept",
    "OpenAIOracle",
    "RandomOracle",
    "RecordingOracle",
    "ReplayOracle",
    "SceneOracle",
    "TransformersOracle",
    "attribute_of",
    "concept_of",
    "concepts_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
