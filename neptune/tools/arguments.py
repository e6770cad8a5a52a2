"""The arguments of a tool, checked against its declaration, in one form for equal calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dsl.patches.functions import BOX, NOTHING, NUMBER, PICTURE, POINT, TEXT, Function, Parameter
from dsl.patches.tools import TOOLS
from neptune.errors import ToolError, one_of
from neptune.scene.picture import Picture
from neptune.tools.results import Made

MOST_TEXT = 200
"""Characters of a label."""

_SHAPES = {BOX: ("[x0, y0, x1, y1] in pixels", 4), POINT: ("[x, y] in pixels", 2)}


def tool_named(name: str) -> Function:
    """Return the declaration of a tool.

    Raises
    ------
    ToolError
        If there is none of this name.
    """
    if name not in TOOLS:
        raise ToolError(f"There is no picture tool '{name}'", **one_of(str(name), TOOLS))
    return TOOLS[name]


def checked(tool: Function, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return all arguments of a call as pairs of name and value, numbers as floats, in the order of the parameters.

    Raises
    ------
    ToolError
        If they are too few or too many, of another kind, or out of their range.
    """
    try:
        given = tool.arrange(args, keywords)
    except ValueError as error:
        raise ToolError(f"{error}", where=tool.name, expected=tool.signature) from error
    return tuple((p.name, _checked(tool, p, v)) for p, v in zip(tool.parameters, given, strict=True))


def _checked(tool: Function, parameter: Parameter, value: Any) -> Any:
    if value is None and NOTHING in parameter.sorts:
        return None
    if NUMBER in parameter.sorts:
        return _number(tool, parameter, value)
    if TEXT in parameter.sorts:
        return _text(tool, parameter, value)
    if PICTURE in parameter.sorts:
        return _picture(tool, parameter, value)
    return _coordinates(tool, parameter, value)


def _number(tool: Function, parameter: Parameter, value: Any) -> float:
    number = _finite(value)
    if number is None:
        raise _unfit(tool, parameter, value, parameter.range)
    if parameter.low is not None and parameter.high is not None and not parameter.low <= number <= parameter.high:
        raise _unfit(tool, parameter, value, parameter.range)
    return number


def _finite(value: Any) -> float | None:
    """Return a finite number as a float; ``None`` for anything else, truths included."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number + 0.0 if math.isfinite(number) else None


def _text(tool: Function, parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise _unfit(tool, parameter, value, parameter.range or f"a text of at most {MOST_TEXT} characters")
    if parameter.choices and value not in parameter.choices:
        raise _unfit(tool, parameter, value, parameter.range)
    return value


def _picture(tool: Function, parameter: Parameter, value: Any) -> Made:
    if isinstance(value, Picture):
        return Made(value)
    if isinstance(value, Made) and isinstance(value.value, Picture):
        return value
    raise _unfit(tool, parameter, value, "a picture")


def _coordinates(tool: Function, parameter: Parameter, value: Any) -> tuple[float, ...]:
    (sort,) = parameter.sorts
    shape, count = _SHAPES[sort]
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    numbers = [_finite(v) for v in listed] if isinstance(listed, list | tuple) else []
    found = tuple(v for v in numbers if v is not None)
    if len(numbers) != count or len(found) != count:
        raise _unfit(tool, parameter, value, shape)
    if sort == BOX and (found[0] >= found[2] or found[1] >= found[3]):
        raise _unfit(tool, parameter, value, f"{shape} with x0 < x1 and y0 < y1")
    return found


def _unfit(tool: Function, parameter: Parameter, value: Any, expected: str) -> ToolError:
    said = repr(value)
    said = said if len(said) <= 60 else f"{said[:57]}…"
    return ToolError(
        f"'{parameter.name}' of '{tool.name}' is {said}", where=tool.signature, expected=expected or "a number"
    )


def describe() -> str:
    """Return the tools as text for a prompt: a line each, with what its arguments may be."""
    lines = []
    for tool in TOOLS.values():
        ranges = [f"{p.name}: {p.range or ' or '.join(p.sorts)}" for p in tool.parameters]
        lines.append(f"- {tool.signature} -> {tool.gives}: {tool.doc}" + (f" [{'; '.join(ranges)}]" if ranges else ""))
    return "\n".join(lines)
