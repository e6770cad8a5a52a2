"""How a need is read: by the method of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from dsl.plan import Node
from neptune.engine.interpret.values import NeedKind
from neptune.engine.session.readout import Reading

FoundT = TypeVar("FoundT", Reading, Reading | None)


class Needs(Generic[FoundT]):
    """Reads needs, each by the method that is named for its kind: ``_truth``, ``_probability``, ``_number``,
    ``_object``, ``_objects``, ``_ranking`` and ``_text``."""

    def read(self, kind: NeedKind, prepared: Node, node: Node) -> FoundT:
        """Return what a need comes to, settled or not; ``None``, if at all, where others have to read it.

        Parameters
        ----------
        kind, node
            The need.
        prepared
            Its plan, guarded, the objects settled that it points to, and whether anything fits it.
        """
        reader: Callable[[Node, Node], FoundT] = getattr(self, f"_{kind}")
        return reader(prepared, node)
