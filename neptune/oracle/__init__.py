"""Oracles: give soft scores to objects, tuples of objects and pictures. One file each, one protocol.

The protocol is :class:`neptune.types.Oracle`; names are looked up in `neptune.registry`. Nothing here imports
`dsl` or the algebra, and nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.oracle.cache import CachedOracle
    from neptune.oracle.openai import OpenAIOracle
    from neptune.oracle.random import RandomOracle
    from neptune.oracle.replay import RecordingOracle, ReplayOracle
    from neptune.oracle.scene import SceneOracle
    from neptune.oracle.vlm.oracle import TransformersOracle
    from neptune.oracle.wording import Concept, attribute_of, concept_of, concepts_of

_HOME = {
    "CachedOracle": "cache",
    "OpenAIOracle": "openai",
    "SceneOracle": "scene",
    "RandomOracle": "random",
    "RecordingOracle": "replay",
    "ReplayOracle": "replay",
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
