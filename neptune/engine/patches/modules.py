"""Functions of ``math`` and ``np`` on numbers and lists of numbers, as the dialect has them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsl.errors import LimitError, ProgramError
from dsl.patches.declared import MODULES, Function

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding


def call(run: Deciding, name: str, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    """Call ``module.function``.

    Raises
    ------
    ProgramError
        If the arguments do not fit, or there is no such result: the root of a negative number, the mean of nothing.
    """
    module, _, function = name.partition(".")
    declared = MODULES[module].get(function)
    if not isinstance(declared, Function):
        raise ProgramError(f"'{name}' is no function", node.span, expected=f"a number, as in {name}")
    try:
        given = declared.arrange(args, keywords)
        numbers = [run.number(v, node) for v in given[1:] if v is not None]
        first: Any
        if function in _OF_LISTS:
            items = list(run.iterate(given[0], node))
            run.charge([items], node)
            first = [run.number(v, node) for v in items]
            if not first and function != "sum":
                raise ValueError("of nothing")
        else:
            first = run.number(given[0], node)
        made = (_OF_LISTS if function in _OF_LISTS else _OF_NUMBERS)[function](first, *numbers)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ProgramError(f"'{name}' can not take these arguments: {error}", node.span) from error
    if isinstance(made, float) and math.isnan(made):
        raise ProgramError(f"'{name}' has no result here", node.span)
    if isinstance(made, int) and abs(made) >= 10**run.limits.number_digits:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span)
    return made


def _percentile(items: list[float], q: float) -> float:
    if not 0 <= q <= 100:
        raise ValueError("a percentile is between 0 and 100")
    ordered = sorted(items)
    place = (len(ordered) - 1) * q / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def _round(x: float, digits: float = 0) -> float:
    if abs(digits) > 40:
        raise ValueError("so many digits")
    return float(round(x, int(digits)))


def _pow(x: float, y: float) -> float:
    return math.pow(x, y)


_OF_LISTS: dict[str, Callable[..., float]] = {
    "mean": lambda items: math.fsum(items) / len(items),
    "median": statistics.median,
    "percentile": _percentile,
    "sum": sum,
    "max": max,
    "min": min,
    "argmax": lambda items: items.index(max(items)),
    "argmin": lambda items: items.index(min(items)),
}
_OF_NUMBERS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "fabs": math.fabs,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "atan": math.atan,
    "atan2": math.atan2,
    "degrees": math.degrees,
    "radians": math.radians,
    "pow": _pow,
    "hypot": math.hypot,
    "round": _round,
}
