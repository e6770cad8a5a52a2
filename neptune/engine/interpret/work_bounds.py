"""Bounds on plain data: how much a list may hold, however it is nested."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsl.errors import LimitError
from dsl.syntax import ast

if TYPE_CHECKING:
    from neptune.engine.interpret.conversions import Conversions

MOST_NESTED = 50
FREE_ITEMS = 32


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


def charge(run: Conversions, values: Iterable[Any], node: ast.Node) -> None:
    """Count the items that one operation on lists walks over, as turns of a loop would be; short lists are free.

    ``max(r)`` inside a loop is a loop inside a loop; without this it would not meet the limit of loops.

    Raises
    ------
    LimitError
        If there were more than ``limits.iterations`` in the run.
    """
    amount, level = 0, [v for v in values if isinstance(v, list | tuple | dict | set | str)]
    while level:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                amount += len(value) // 256
                continue
            amount += len(value)
            inside = value.values() if isinstance(value, dict) else value
            inner.extend(v for v in inside if isinstance(v, list | tuple | dict))
        if amount > run.limits.iterations:
            break
        level = inner
    if amount > FREE_ITEMS:
        run.spend(amount, node)
