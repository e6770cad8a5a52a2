"""Pictures, boxes, scenes and annotations, and the types that every room shares; loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.scene.annotation import ATTRIBUTES, RELATIONS, Annotation
    from neptune.scene.boxes import iou
    from neptune.scene.scene import Scene

__all__ = ["ATTRIBUTES", "RELATIONS", "Annotation", "Scene", "iou"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        room = {"iou": "boxes", "Scene": "scene"}.get(name, "annotation")
        found = getattr(import_module(f"neptune.scene.{room}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
