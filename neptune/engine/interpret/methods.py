"""Methods and subscripts: those of formulas (NePTune's style) and of texts, lists and dicts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dsl import plan
from dsl.errors import LimitError, ProgramError
from dsl.plan import make
from dsl.syntax import ast
from neptune.engine.interpret import builtins, quantifiers
from neptune.engine.interpret.running import Args, Keywords, RunningProgram
from neptune.engine.interpret.truthiness import check_letters
from neptune.engine.interpret.values import (
    DescribedObject,
    Formula,
    ObjectRef,
    Quantity,
    Value,
    Variable,
    bound,
    kind_name,
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def call(run: RunningProgram, target: Any, name: str, arguments: tuple[Args, Keywords], node: ast.Call) -> Any:
    """Call a whitelisted method.

    Raises
    ------
    dsl.ProgramError
        If the value has no such method, or the arguments do not fit.
    """
    args, keywords = arguments
    if isinstance(target, DescribedObject) and name in _OF_DESCRIBED:
        if name in ("argmax", "point"):
            return DescribedObject(target.description, True)
        if name == "iota":
            return target
        target = Formula(target.description.body)
    methods = METHODS.get(type(target), {})
    if name not in methods:
        raise ProgramError(
            f"{kind_name(target).capitalize()} has no method '.{name}'",
            node.span,
            expected=", ".join(f".{m}" for m in sorted(methods)) or "no methods",
        )
    if isinstance(target, Formula):
        return methods[name](run, target, args, keywords, node)
    if name not in ("append", "add", "get"):
        run.charge([target, *args], node)
    try:
        return methods[name](run, target, args, node)
    except (IndexError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise ProgramError(f"'.{name}' can not take these arguments: {error}", node.span) from error


def _vars(run: RunningProgram, target: Formula, args: Args, node: ast.Expr) -> list[str]:
    """Return the variables a method speaks of; by default the only free one."""
    names = [_variable(a, node) for a in (args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args)]
    if not names:
        free = sorted(target.node.free)
        if len(free) != 1:
            raise ProgramError(
                f"The formula has {len(free)} free variables",
                node.span,
                expected="the variable that is meant",
                hint=f"name it: .exists({free[0]!r})" if free else "it needs no quantifier",
            )
        return free
    for name in names:
        if name not in target.node.free:
            known = ", ".join(sorted(target.node.free))
            raise ProgramError(
                f"The formula has no free variable '{name}'",
                node.span,
                expected=f"one of: {known}" if known else 'a formula with a free variable, e.g. red("x")',
                hint="" if known else "leave this method out: nothing is left to bind",
            )
    return names


def _one_var(run: RunningProgram, target: Formula, args: Args, node: ast.Expr) -> str:
    """Return the one variable that a method speaks of."""
    names = _vars(run, target, args, node)
    if len(names) != 1:
        raise ProgramError(
            f"This method speaks of one variable, not {len(names)}", node.span, expected='a text such as "x"'
        )
    return names[0]


def _variable(value: Any, node: ast.Expr) -> str:
    if isinstance(value, Variable):
        return value.name
    if isinstance(value, str) and _NAME.match(value):
        return value
    raise ProgramError(
        f"{repr(value)[:40] if isinstance(value, str) else kind_name(value).capitalize()} names no variable",
        node.span,
        expected='a text such as "x"',
    )


def _quantified(kind: type[plan.Exists] | type[plan.Forall]) -> Callable[..., Formula]:
    def apply(run: RunningProgram, target: Formula, args: Args, keywords: Keywords, node: ast.Expr) -> Formula:
        body = target.node
        for var in reversed(_vars(run, target, args, node)):
            others = tuple(sorted(body.free - {var}))
            if run.distinct_variables in ("auto", "true") and others:
                equal = [plan.same(var, other) for other in others]
                if kind is plan.Exists:
                    body = plan.conjunction([*(plan.negation(s) for s in equal), body])
                else:
                    body = plan.disjunction([*equal, body])
                run.note(f"'{var}' stands for another object than {', '.join(others)} (distinct_variables)")
            body = make(kind, var, quantifiers.among(kind, plan.conjunction(quantifiers.kind_of(run, body, var)), body))
            run.variable_names[body] = var
        return run.made(body, node)

    return apply


def _described(argmax: bool) -> Callable[..., DescribedObject]:
    def apply(run: RunningProgram, target: Formula, args: Args, keywords: Keywords, node: ast.Expr) -> DescribedObject:
        return quantifiers.description(run, target, argmax, node, _one_var(run, target, args[:1], node))

    return apply


def _counted(run: RunningProgram, target: Formula, args: Args, keywords: Keywords, node: ast.Expr) -> Quantity:
    var = _one_var(run, target, args, node)
    body = plan.conjunction([*quantifiers.kind_of(run, target.node, var), target.node])
    return Quantity(make(plan.Count, var, body))


def _as_builtin(name: str) -> Callable[..., Any]:
    """Return the method that is a built-in with the formula as its first argument."""
    return lambda run, target, args, keywords, node: builtins.call(run, name, [target, *args], keywords, node)


def rename(run: RunningProgram, target: Formula, args: Args, node: ast.Expr) -> Formula:
    """``formula("x", "y")``: rename the variables, in the order x1, x2, … (or as they first occur); a variable of a
    quantifier, a given object or a description may stand there too."""
    order = _variable_order(target.node)
    if len(args) != len(order):
        raise ProgramError(
            f"The formula has {len(order)} variables, got {len(args)}", node.span, expected=f"{len(order)} names"
        )
    if any(isinstance(a, DescribedObject) for a in args):
        if not isinstance(target.node, plan.Atom):
            raise ProgramError("Only an atom can be applied to a description", node.span)
        predicate = target.node.predicate
        places = [a if isinstance(a, DescribedObject) else _place(a, node) for a in args]
        made = run.atoms.about(places, lambda terms: run.atoms.atom(predicate, terms), run.argmax)
        return run.made(made, node)
    mapping = {var: _place(arg, node) for var, arg in zip(order, args, strict=True)}
    # Two steps, through names that nobody else has: ("y", "x") swaps.
    aside = {var: f"#{i}" for i, var in enumerate(order)}
    moved = plan.substitute(target.node, aside)
    return run.made(plan.substitute(moved, {aside[v]: t for v, t in mapping.items()}), node)


def _place(value: Any, node: ast.Expr) -> plan.Term:
    return value.index if isinstance(value, ObjectRef) else _variable(value, node)


def _variable_order(node: plan.Node) -> list[str]:
    seen: dict[str, None] = {}
    for inner in plan.walk(node):
        if isinstance(inner, plan.Atom | plan.Same):
            for term in inner.terms:
                if isinstance(term, str) and term in node.free:
                    seen.setdefault(term)
    return list(seen)


def _renamed(run: RunningProgram, target: Formula, args: Args, keywords: Keywords, node: ast.Expr) -> Formula:
    mapping = dict(keywords)
    if len(args) == 1 and isinstance(args[0], dict):
        mapping.update(args[0])
    elif len(args) == 2:
        mapping[_variable(args[0], node)] = args[1]
    return run.made(plan.substitute(target.node, {k: _place(v, node) for k, v in mapping.items()}), node)


def _probability(run: RunningProgram, target: Formula, args: Args, keywords: Keywords, node: ast.Expr) -> Any:
    return run.need("probability", bound(target.node), node)


_FORMULA: dict[str, Callable[..., Any]] = {
    "exists": _quantified(plan.Exists),
    "any": _quantified(plan.Exists),
    "forall": _quantified(plan.Forall),
    "all": _quantified(plan.Forall),
    "iota": _described(False),
    "argmax": _described(True),
    "point": _described(True),
    "count": _counted,
    "and_op": _as_builtin("and_"),
    "or_op": _as_builtin("or_"),
    "implies": _as_builtin("implies"),
    "not_op": _as_builtin("not_"),
    "rename": _renamed,
    "topk": _as_builtin("topk"),
    "prob": _probability,
    "max": _probability,
    "item": _probability,
}
_OF_DESCRIBED = ("exists", "forall", "count", "iota", "argmax", "point")


# --- plain data ----------------------------------------------------------------------------------


def _replace(run: RunningProgram, text: str, args: Args, node: ast.Expr) -> str:
    old, new = (run.text(a, node) for a in args)
    if len(text) + text.count(old) * len(new) > run.limits.text_chars:
        raise LimitError("text_chars", run.limits.text_chars, None, node.span)
    return text.replace(old, new)


def _changed(items: Any, node: ast.Expr) -> list[Any]:
    """Return a list that is to be changed; a tuple never is."""
    if not isinstance(items, list):
        raise ProgramError("A tuple can not be changed", node.span, hint="use a list")
    return items


def _append(run: RunningProgram, items: Any, args: Args, node: ast.Expr) -> None:
    _changed(items, node)
    if len(items) >= run.limits.iterations:
        raise LimitError("iterations", run.limits.iterations, None, node.span)
    items.append(args[0])
    if isinstance(args[0], list | tuple | dict):
        run.weigh(items, node)


def _extend(run: RunningProgram, items: Any, args: Args, node: ast.Expr) -> None:
    for value in run.iterate(args[0], node):
        _append(run, items, [value], node)


_TEXT: dict[str, Callable[..., Any]] = {
    "lower": lambda run, t, a, node: t.lower(),
    "upper": lambda run, t, a, node: t.upper(),
    "title": lambda run, t, a, node: t.title(),
    "capitalize": lambda run, t, a, node: t.capitalize(),
    "strip": lambda run, t, a, node: t.strip(*a),
    "split": lambda run, t, a, node: t.split(*a),
    "join": lambda run, t, a, node: run.bounded(t.join(run.text(i, node) for i in run.iterate(a[0], node)), node),
    "startswith": lambda run, t, a, node: t.startswith(run.text(a[0], node)),
    "endswith": lambda run, t, a, node: t.endswith(run.text(a[0], node)),
    "replace": _replace,
    "count": lambda run, t, a, node: t.count(run.text(a[0], node)),
    "index": lambda run, t, a, node: t.index(run.text(a[0], node)),
}
_LIST: dict[str, Callable[..., Any]] = {
    "append": _append,
    "add": _append,
    "extend": _extend,
    "index": lambda run, items, a, node: items.index(a[0]),
    "count": lambda run, items, a, node: items.count(a[0]),
    "pop": lambda run, items, a, node: _changed(items, node).pop(*a),
}
_DICT: dict[str, Callable[..., Any]] = {
    "get": lambda run, d, a, node: d.get(run.key(a[0], node), a[1] if len(a) > 1 else None),
    "keys": lambda run, d, a, node: list(d.keys()),
    "values": lambda run, d, a, node: list(d.values()),
    "items": lambda run, d, a, node: list(d.items()),
}
_SET: dict[str, Callable[..., Any]] = {"add": lambda run, s, a, node: s.add(run.key(a[0], node))}
METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    Formula: _FORMULA,
    str: _TEXT,
    Value: _TEXT,
    list: _LIST,
    tuple: _LIST,
    dict: _DICT,
    set: _SET,
}


def get_item(run: RunningProgram, target: Any, index: ast.Expr | ast.Slice, node: ast.Subscript) -> Any:
    """Return ``target[index]`` of a list, a tuple, a text or a dict."""
    check_letters(run.vocabulary, target, node)
    if not isinstance(target, list | tuple | str | dict):
        raise ProgramError(f"{kind_name(target).capitalize()} has no elements", node.span, expected="a list or a dict")
    try:
        if isinstance(index, ast.Slice):
            run.charge([target], node)
            ends = [run.eval(e) if e is not None else None for e in (index.lower, index.upper, index.step)]
            return target[slice(*(None if e is None else int(run.number(e, node)) for e in ends))]
        key = run.eval(index)
        return target[run.key(key, node)] if isinstance(target, dict) else target[int(run.number(key, node))]
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_element(error, node) from error


def set_item(run: RunningProgram, target: Any, index: Any, value: Any, node: ast.Expr) -> None:
    """Do ``target[index] = value`` on a list or a dict."""
    try:
        if isinstance(target, dict):
            target[run.key(index, node)] = value
        elif isinstance(target, list):
            target[int(run.number(index, node))] = value
        else:
            raise ProgramError(f"{kind_name(target).capitalize()} can not be changed", node.span)
        run.weigh(value, node)
    except (IndexError, TypeError, OverflowError) as error:
        raise _no_element(error, node) from error


def _no_element(error: Exception, node: ast.Expr) -> ProgramError:
    return ProgramError(f"There is no such element: {error}", node.span, expected="an index, or a key, that is there")
