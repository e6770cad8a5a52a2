"""From a question to a program: language models that write it, and the cache of those already written."""

from __future__ import annotations

from importlib import import_module

_PLACES = {
    "Writer": "writer",
    "Written": "writer",
    "Candidate": "vote",
    "ProgramStore": "store",
    "Prompt": "prompt",
    "answer_together": "vote",
}

__all__ = [*_PLACES]


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(f"neptune.writer.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
