"""What belongs to one engine: helpers that keep what they prepared, made on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from neptune.engine import Engine

HelperT = TypeVar("HelperT", covariant=True)


class Helper(Protocol[HelperT]):
    """A class that is made for an engine."""

    def __call__(self, engine: Engine, /) -> HelperT:
        """Make it."""


def own(engine: Engine, kind: Helper[HelperT]) -> HelperT:
    """Return the engine's one instance of a helper. It lives as long as the engine does."""
    helpers = engine.__dict__.setdefault("_helpers", {})
    if kind not in helpers:
        helpers[kind] = kind(engine)
    return cast(HelperT, helpers[kind])
