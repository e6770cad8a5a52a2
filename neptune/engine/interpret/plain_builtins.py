"""Built-ins on plain data: numbers, texts, lists. Each is bounded by the limits of the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dsl.errors import LimitError, ProgramError
from dsl.plan import CountTrue, make
from dsl.syntax import ast
from neptune.engine.interpret.running import Args, Function, Keywords, RunningProgram
from neptune.engine.interpret.truthiness import check_letters
from neptune.engine.interpret.values import Closure, Formula, Quantity, SortRef, kind_name


def _values(run: RunningProgram, args: list[Any], node: ast.Expr) -> list[Any]:
    source = args[0] if len(args) == 1 and isinstance(args[0], list | tuple | set | dict | SortRef) else args
    return [run.plain(v, node) for v in (run.iterate(source, node) if isinstance(source, SortRef | set) else source)]


def _measured(run: RunningProgram, args: list[Any], node: ast.Expr) -> list[Any] | None:
    """Return the numbers of ``max(Shape, lambda s: count(…))``, or ``None`` if that is not what is asked."""
    if not args or len(args) > 2 or not isinstance(args[-1], Closure) or not isinstance(args[0], SortRef | Closure):
        return None
    domain = args[0] if isinstance(args[0], SortRef) else SortRef("Object")
    found = [run.call_value(args[-1], [member], node) for member in run.iterate(domain, node)]
    for value in found:
        if not isinstance(value, Quantity | int | float) or isinstance(value, bool):
            raise ProgramError(
                f"The largest or smallest is asked of {kind_name(value)}",
                node.span,
                expected="numbers: max(Shape, lambda s: count(…))",
                hint="for the largest object write iota(Object, lambda x: largest(x))",
            )
    return found


def _extreme(extreme: Callable[..., Any], name: str) -> Function:
    def apply(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> Any:
        measured = _measured(run, args, node)
        values = _values(run, args, node) if measured is None else measured
        if not values:
            if "default" in keywords:
                return keywords["default"]
            raise ProgramError(f"'{name}' of nothing", node.span, expected="at least one number")
        key = keywords.get("key")
        if key is None:
            return extreme([run.number(v, node) for v in values])
        sizes = [run.number(run.call_value(key, [v], node), node) for v in values]
        return values[sizes.index(extreme(sizes))]

    return apply


def _len(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> int:
    (value,) = args
    if isinstance(value, SortRef):
        return len(run.members(value, node))
    check_letters(run.vocabulary, value, node)
    if isinstance(value, str | list | tuple | dict | set):
        return len(value)
    raise ProgramError(f"{kind_name(value).capitalize()} has no length", node.span, hint="use count(…)")


def _range(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> list[int]:
    numbers = [int(run.number(a, node)) for a in args]
    length = len(range(*numbers)) if max(map(abs, numbers), default=0) < 2**60 else run.limits.iterations + 1
    if length > run.limits.iterations:
        raise LimitError("iterations", run.limits.iterations, length, node.span)
    return list(range(*numbers))


def _sum(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> float:
    """``sum(items, start=0)``, or ``sum(Object, lambda x: …)``: a formula among the items counts as 1 if it is true, as
    in ``count``."""
    start = args[1] if len(args) > 1 else keywords.get("start", 0)
    if isinstance(args[0], SortRef) and isinstance(start, Closure):
        args, start = [[run.call_value(start, [m], node) for m in run.iterate(args[0], node)]], 0
    values = _values(run, args[:1], node)
    truths = [v for v in values if isinstance(v, Formula)]
    total = run.number(start, node) + sum(run.number(v, node) for v in values if not isinstance(v, Formula))
    if truths:
        run.note("a formula in a sum was counted: 1 where it is true, as count([…]) does")
        total += run.number(Quantity(make(CountTrue, tuple(run.formula(t, node) for t in truths))), node)
    return total


def _sorted(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> list[Any]:
    items = list(run.iterate(args[0], node))
    key = args[1] if len(args) > 1 else keywords.get("key")
    reverse = args[2] if len(args) > 2 else keywords.get("reverse", False)
    plain = [run.plain(run.call_value(key, [i], node) if key is not None else i, node) for i in items]
    if not (all(isinstance(p, int | float) for p in plain) or all(isinstance(p, str) for p in plain)):
        kinds = " and ".join(dict.fromkeys(kind_name(p) for p in plain))
        raise ProgramError(
            f"'sorted' got {kinds}, which have no order",
            node.span,
            expected="numbers, or texts",
            hint="give a key: sorted(items, key=lambda x: count(…))",
        )
    order = sorted(range(len(items)), key=plain.__getitem__, reverse=run.truth(reverse, node))
    return [items[i] for i in order]


def _int(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> int:
    if isinstance(args[0], Formula):
        return int(run.truth(args[0], node))
    value = _float(run, args, keywords, node)
    if isinstance(value, float) and not math.isfinite(value):
        raise LimitError("number_digits", run.limits.number_digits, None, node.span)
    return int(value)


def _float(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> float:
    value = run.plain(args[0], node)
    if not isinstance(value, str):
        return float(run.number(value, node))
    if len(value) > run.limits.number_digits:
        raise LimitError("number_digits", run.limits.number_digits, len(value), node.span)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isnan(number):  # infinity is a number: searches for the least begin with it
        raise ProgramError(f"'{value}' is no number", node.span, expected='a text such as "3"')
    return number


def _round(run: RunningProgram, args: Args, keywords: Keywords, node: ast.Expr) -> float:
    number = run.number(args[0], node)
    digits = args[1] if len(args) > 1 else keywords.get("digits")
    if digits is None:
        return round(number)
    places = run.number(digits, node)
    if abs(places) > run.limits.number_digits:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span)
    return round(number, int(places))


FUNCTIONS: dict[str, Function] = {
    "max": _extreme(max, "max"),
    "min": _extreme(min, "min"),
    "len": _len,
    "range": _range,
    "sum": _sum,
    "sorted": _sorted,
    "abs": lambda run, args, keywords, node: abs(run.number(args[0], node)),
    "round": _round,
    "int": _int,
    "float": _float,
    "str": lambda run, args, keywords, node: run.text(args[0], node),
    "bool": lambda run, args, keywords, node: run.truth(args[0], node),
    "list": lambda run, args, keywords, node: list(run.iterate(args[0], node)) if args else [],
    "tuple": lambda run, args, keywords, node: tuple(run.iterate(args[0], node)) if args else (),
    "set": lambda run, args, keywords, node: {run.key(v, node) for v in run.iterate(args[0], node)} if args else set(),
    "dict": lambda run, args, keywords, node: {**(dict(args[0]) if args else {}), **keywords},
    "enumerate": lambda run, args, keywords, node: list(enumerate(run.iterate(args[0], node))),
    "zip": lambda run, args, keywords, node: list(zip(*(list(run.iterate(a, node)) for a in args), strict=False)),
}
