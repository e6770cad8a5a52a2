"""Runs programs on scenes: :class:`Engine`, and the rooms that it is assembled from."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.engine.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    if name == "Engine":
        return import_module("neptune.engine.engine").Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
