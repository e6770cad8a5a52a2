"""Bounds on plain data: how much a list may hold, however it is nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl import ast
from dsl.errors import LimitError

if TYPE_CHECKING:
    from neptune.execute.conversions import Conversions

MOST_NESTED = 50


def weigh(run: Conversions, value: Any, node: ast.Node) -> Any:
    """Return the value; what is inside nested lists is counted as turns of a loop would be.

    ``x = [x, x]`` doubles with each turn, and a list appended to itself has no end: both meet the limit here,
    before anything walks over them.

    Raises
    ------
    LimitError
        If the value holds more than ``limits.iterations`` allows, or is nested too deeply.
    """
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(v for v in item.values() if isinstance(v, list | tuple | dict))
            elif isinstance(item, list | tuple):
                inner.extend(v for v in item if isinstance(v, list | tuple | dict))
        run.spend(len(inner), node)
        depth += 1
        if depth > MOST_NESTED:
            raise LimitError("nesting", MOST_NESTED, None, node.span, what="a list inside lists")
        level = inner
    return value
