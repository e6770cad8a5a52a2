"""Methods of texts, lists, sets and dicts, and the built-ins, as the dialect has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from dsl import plan
from dsl.errors import LimitError, ProgramError
from dsl.patches.declared import DICT, LIST, SET, TEXT
from dsl.patches.formats import Field, pieces
from neptune.engine.interpret import builtins
from neptune.engine.interpret.methods import METHODS as SHARED
from neptune.engine.interpret.values import DescribedValue, Formula, Members, Quantity, kind_name
from neptune.engine.patches.members import NeedsAnswer, both, either, is_open, settled, size, some

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

Method: TypeAlias = "Callable[[Deciding, Any, list[Any], Any], Any]"
Builtin: TypeAlias = "Callable[[Deciding, list[Any], dict[str, Any], Any], Any]"


def method(
    run: Deciding, sort: str, value: Any, name: str, args: list[Any], keywords: dict[str, Any], node: Any
) -> Any:
    """Call a declared method of a text, a list, a set or a dict.

    Raises
    ------
    ProgramError
        If the arguments do not fit.
    """
    if run.is_foreseeing and sort != TEXT and name in _CHANGING:
        raise NeedsAnswer
    if sort == TEXT:
        value = run.text(value, node)
        if name == "format":
            return _format(run, value, args, keywords, node)
    if not (sort == LIST and name in _LAZY):
        value = settled(run, value, node)
        args = [settled(run, a, node) for a in args]
    if sort == LIST and isinstance(value, tuple) and name not in ("index", "count", "copy"):
        raise ProgramError("A tuple can not be changed", node.span, hint="use a list")
    if name not in ("append", "add", "get"):
        run.charge([value, *args], node)
    try:
        return _METHODS[sort][name](run, value, args, node)
    except (IndexError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise ProgramError(f"'.{name}' can not take these arguments: {error}", node.span) from error


# --- texts ---------------------------------------------------------------------------------------


def _format(run: Deciding, text: str, args: list[Any], keywords: dict[str, Any], node: Any) -> str:
    """``"a {} b".format(value)``: plain fields alone, each with a plain format."""
    made = []
    for piece in pieces(text, node.span):
        if not isinstance(piece, Field):
            made.append(piece)
            continue
        place = piece.name
        try:
            value = args[place] if isinstance(place, int) else keywords[place]
        except (IndexError, KeyError):
            raise ProgramError(f"There is no value for '{{{place}}}'", node.span, expected="a value a field") from None
        made.append(run.formatted(value, piece.format, node))
    return run.bounded("".join(made), node)


_TEXTS: dict[str, Method] = {**SHARED[str], "isdigit": lambda run, t, a, node: t.isdigit()}

# --- lists ---------------------------------------------------------------------------------------


def ordered(run: Deciding, value: Any) -> Any:
    """Return a value as it is put in order: a number, a text, or a tuple of them; a truth as 0 or 1."""
    if isinstance(value, tuple | list):
        return tuple(ordered(run, v) for v in value)
    if isinstance(value, Formula):
        return int(run.truth(value, run.here))
    value = run.plain(value, run.here)
    if isinstance(value, bool | int | float | str):
        return value
    raise ProgramError(
        f"{kind_name(value).capitalize()} has no order",
        run.here.span,
        expected="numbers, or texts",
        hint="give a key: key=lambda p: p.horizontal_center",
    )


def keys_of(run: Deciding, items: list[Any], key: Any, node: Any) -> list[Any]:
    """Return what a list is put in order by, an item each."""
    run.spend(len(items), node)
    return [ordered(run, run.call_value(key, [i], node) if key is not None else i) for i in items]


def arranged(run: Deciding, items: Any, key: Any, reverse: Any, node: Any) -> tuple[list[Any], bool]:
    """Return in order what a list holds, or of an open list its candidates, if nothing has to be asked for that; and
    whether the list is still open."""
    down = run.truth(reverse, node)
    if is_open(items):
        candidates = list(items.open)
        try:
            with run.foreseeing():
                keys = keys_of(run, [item for item, _ in candidates], key, node)
            return [candidates[k] for k in _order(keys, down)], True
        except (NeedsAnswer, ProgramError, TypeError):
            settled(run, items, node)
    listed = list(run.iterate(items, node))
    run.charge([listed], node)
    return [listed[k] for k in _order(keys_of(run, listed, key, node), down)], False


def _order(keys: list[Any], down: bool) -> list[int]:
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=down)


def _sort(run: Deciding, items: Any, args: list[Any], node: Any) -> None:
    found, still_open = arranged(run, items, args[0], args[1], node)
    if still_open:
        items.open = tuple(found)
    else:
        items[:] = found


def _copy(run: Deciding, items: Any, args: list[Any], node: Any) -> list[Any]:
    return Members(items.open, items.source) if is_open(items) else list(items)


def _append(run: Deciding, items: list[Any], args: list[Any], node: Any, at: int | None = None) -> None:
    if len(items) >= run.limits.iterations:
        raise LimitError("iterations", run.limits.iterations, None, node.span)
    items.insert(len(items) if at is None else at, args[0])
    if isinstance(args[0], list | tuple | dict):
        run.weigh(items, node)


def _extend(run: Deciding, items: list[Any], args: list[Any], node: Any) -> None:
    for value in list(run.iterate(args[0], node)):
        _append(run, items, [value], node)


def _pop(run: Deciding, items: list[Any], args: list[Any], node: Any) -> Any:
    at = int(run.number(args[0], node))
    if not -len(items) <= at < len(items):
        return run.looking.missing(f"element {at} of a list of {len(items)}", node)
    return items.pop(at)


_LAZY = ("sort", "copy")
_CHANGING = frozenset(["sort", "append", "extend", "insert", "remove", "pop", "reverse", "add", "update", "discard"])
_LISTS: dict[str, Method] = {
    "sort": _sort,
    "copy": _copy,
    "append": _append,
    "extend": _extend,
    "insert": lambda run, items, a, node: _append(run, items, [a[1]], node, int(run.number(a[0], node))),
    "remove": lambda run, items, a, node: items.remove(a[0]),
    "pop": _pop,
    "reverse": lambda run, items, a, node: items.reverse(),
    "index": lambda run, items, a, node: items.index(a[0]),
    "count": lambda run, items, a, node: items.count(a[0]),
}


# --- sets and dicts ------------------------------------------------------------------------------


def _keys(run: Deciding, values: Any, node: Any) -> set[Any]:
    return {run.key(v, node) for v in run.iterate(values, node)}


_SETS: dict[str, Method] = {
    "add": lambda run, s, a, node: s.add(run.key(a[0], node)),
    "update": lambda run, s, a, node: s.update(_keys(run, a[0], node)),
    "remove": lambda run, s, a, node: s.remove(run.key(a[0], node)),
    "discard": lambda run, s, a, node: s.discard(run.key(a[0], node)),
    "union": lambda run, s, a, node: s | _keys(run, a[0], node),
    "intersection": lambda run, s, a, node: s & _keys(run, a[0], node),
    "difference": lambda run, s, a, node: s - _keys(run, a[0], node),
    "copy": lambda run, s, a, node: set(s),
}
_DICTS: dict[str, Method] = {
    "get": lambda run, d, a, node: d.get(run.key(a[0], node), a[1]),
    "keys": lambda run, d, a, node: list(d.keys()),
    "values": lambda run, d, a, node: list(d.values()),
    "items": lambda run, d, a, node: list(d.items()),
    "update": lambda run, d, a, node: d.update(a[0]),
    "pop": lambda run, d, a, node: d.pop(run.key(a[0], node), a[1]),
}
_METHODS: dict[str, dict[str, Method]] = {TEXT: _TEXTS, LIST: _LISTS, SET: _SETS, DICT: _DICTS}


# --- built-ins -----------------------------------------------------------------------------------


def builtin(run: Deciding, name: str, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    """Call a built-in of plain values.

    Raises
    ------
    ProgramError
        If the arguments do not fit.
    """
    here = _BUILTINS.get(name)
    if here is None:
        args = [settled(run, a, node) for a in args]
        return builtins.call(run, name, args, keywords, node)
    try:
        return here(run, args, keywords, node)
    except (IndexError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise ProgramError(f"'{name}' can not take these arguments: {error}", node.span) from error


def _len(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> int | Quantity:
    (value,) = args
    if is_open(value):
        found = size(value)
        return found if run.looking.sight.by_parts or isinstance(found, int) else int(run.number(found, node))
    if isinstance(value, DescribedValue | Formula):
        value = run.text(value, node)
    if isinstance(value, str | list | tuple | dict | set):
        return len(value)
    raise ProgramError(f"{kind_name(value).capitalize()} has no length", node.span, expected="a list or a text")


def _joined(every: bool) -> Builtin:
    def apply(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        (items,) = args
        pairs = list(items.open) if is_open(items) else [(i, plan.const(1.0)) for i in run.iterate(items, node)]
        if not any(run.is_soft(i) or not isinstance(m, plan.Const) for i, m in pairs):
            truths = (run.truth(i, node) for i, _ in pairs)
            return all(truths) if every else any(truths)
        parts = [(run.truth_node(i, node), m) for i, m in pairs]
        if every:
            return run.made(plan.conjunction([either(plan.negation(m), f) for f, m in parts]), node)
        return run.made(plan.disjunction([both(m, f) for f, m in parts]), node)

    return apply


def _extreme(largest: bool) -> Builtin:
    name = "max" if largest else "min"

    def apply(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        items = args[0] if len(args) == 1 else args
        key = keywords.get("key")
        found, still_open = arranged(run, items, key, largest, node)
        if still_open:
            found = [next(iter_open(run, found, node), None)]
            found = [] if found[0] is None else found
        if found:
            return run.plain(found[0], node)
        if "default" in keywords:
            return keywords["default"]
        if key is None and not isinstance(items, Members):
            raise ProgramError(f"'{name}' of nothing", node.span, expected="at least one number")
        return run.looking.missing(f"{name} of no regions", node)

    return apply


def iter_open(run: Deciding, candidates: list[Any], node: Any) -> Any:
    """Yield the members among candidates, in order."""
    return run.iterate(Members(candidates), node)


def _sorted(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> list[Any]:
    key = args[1] if len(args) > 1 else keywords.get("key")
    reverse = args[2] if len(args) > 2 else keywords.get("reverse", False)
    found, still_open = arranged(run, args[0], key, reverse, node)
    return Members(found, getattr(args[0], "source", "")) if still_open else found


def _sum(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    if len(args) == 1 and is_open(args[0]) and all(v == 1 and isinstance(v, int) for v, _ in args[0].open):
        return _len(run, args, keywords, node)
    return builtins.call(run, "sum", [settled(run, a, node) for a in args], keywords, node)


def _list(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> list[Any]:
    if args and is_open(args[0]):
        return _copy(run, args[0], [], node)
    return list(run.iterate(args[0], node)) if args else []


def _bool(run: Deciding, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    return Formula(some(args[0])) if is_open(args[0]) else run.truth(args[0], node)


_BUILTINS: dict[str, Builtin] = {
    "len": _len,
    "any": _joined(False),
    "all": _joined(True),
    "max": _extreme(True),
    "min": _extreme(False),
    "sorted": _sorted,
    "sum": _sum,
    "list": _list,
    "bool": _bool,
}
