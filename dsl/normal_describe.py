"""Normal forms of questions about values: describe, mode, how many different."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ast
from .ast import Expr
from .normal_tree import call, called, conjunction, described, free_names, fresh

if TYPE_CHECKING:
    from .normalise import Context

_DIFFERENT = frozenset({"distinct", "unique", "different", "set", "uniquevalues", "distinctvalues"})
_MODES = frozenset({"mode", "most_common", "most_frequent", "mostcommon"})


def described_sorts(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Finish, lambda k: Finish(k, o))`` is ``describe(Finish, o)`` where Finish has no known values."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    sort, function = node.args
    if not isinstance(sort, ast.Name) or not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    var, body, words = function.params[0], function.body, context.vocabulary
    if described(body) is not None and var not in free_names(body):
        context.note("'describe' of a description under a lambda was read as 'describe' of it", node)
        return call("describe", sort, body, at=node)
    if words.values(words.sort_named(sort.id) or ""):
        return None
    if not isinstance(body, ast.Call) or len(body.args) != 2 or body.keywords:
        return None
    name = called(body)
    if name != sort.id and (
        words.sort_named(name) is None or words.sort_named(name) != words.sort_named(sort.id)
    ):
        return None
    others = [a for a in body.args if not (isinstance(a, ast.Name) and a.id == var)]
    if len(others) != 1 or var in free_names(others[0]):
        return None
    context.note(f"'{sort.id}' has no known values: describe asks openly for it", node)
    target: Expr = sort if words.sort_named(sort.id) else ast.Text(sort.id, span=sort.span)
    return call("describe", target, others[0], at=node)


def _value_sort(node: ast.Node, context: Context) -> str | None:
    if not isinstance(node, ast.Name) or node.id in context.bound:
        return None
    sort = context.vocabulary.sort_named(node.id)
    return sort if sort is not None and context.vocabulary.values(sort) else None


def distinct_values(node: ast.Node, context: Context) -> Expr | None:
    """``count(Distinct(Color), Object)``: how many colours occur among the objects."""
    if (
        called(node) not in ("count", "len")
        or not isinstance(node, ast.Call)
        or not node.args
        or node.keywords
    ):
        return None
    first, *rest = node.args
    kind = called(first).lower().replace("_", "")
    if kind not in _DIFFERENT or not isinstance(first, ast.Call) or len(first.args) != 1 or len(rest) > 1:
        return None
    sort = _value_sort(first.args[0], context)
    if sort is None:
        return None
    var, value = "x", "v"
    fits: list[Expr] = []
    if rest and isinstance(rest[0], ast.Lambda) and len(rest[0].params) == 1:
        var = rest[0].params[0]
        value = fresh("v", free_names(rest[0].body) | {var})
        fits = [rest[0].body]
    elif rest and not (isinstance(rest[0], ast.Name) and rest[0].id == "Object"):
        return None
    context.note(f"the number of different {sort}s was read as: of how many of them there is an object", node)
    here = node.span
    attribute = call(
        context.vocabulary.attribute(sort), ast.Name(var, span=here), ast.Name(value, span=here), at=node
    )
    occurs = _over("exists", "Object", var, conjunction([*fits, attribute], node), node)
    return _over("count", sort, value, occurs, node)


def attribute_modes(node: ast.Node, context: Context) -> Expr | None:
    """``mode(describe(Color, Object))``: the colour of which there are most objects."""
    name = called(node)
    if name.lower() not in _MODES or not isinstance(node, ast.Call) or node.keywords or name in context.bound:
        return None
    args = node.args
    sort, fits, var = None, [], "x"
    if len(args) == 1 and called(args[0]) == "describe" and isinstance(args[0], ast.Call):
        args = args[0].args
    if args and len(args) <= 2 and _value_sort(args[0], context):
        if len(args) == 1 or (isinstance(args[1], ast.Name) and args[1].id == "Object"):
            sort = _value_sort(args[0], context)
        elif (inner := described(args[1])) is not None:
            sort, fits, var = _value_sort(args[0], context), [inner.body], inner.params[0]
    elif len(args) == 2 and isinstance(args[0], ast.Name) and args[0].id == "Object":
        key = args[1]
        if isinstance(key, ast.Lambda) and len(key.params) == 1 and isinstance(key.body, ast.Call):
            own = ast.Name(key.params[0])
            if key.body.args == (own,):
                sort = _value_sort(key.body.func, context)
            elif called(key.body) == "describe" and len(key.body.args) == 2 and key.body.args[1] == own:
                sort = _value_sort(key.body.args[0], context)
    if sort is None:
        return None
    return _commonest(sort, fits, var, node, context)


def majorities(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Color, majority(Object, lambda x: cube(x)))``: the commonest colour of the cubes."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    sort, group = _value_sort(node.args[0], context), node.args[1]
    if called(group) not in ("majority", "most") or not isinstance(group, ast.Call) or sort is None:
        return None
    inner = [a for a in group.args if isinstance(a, ast.Lambda) and len(a.params) == 1]
    if len(inner) != 1 or group.args[:-1] not in ((), (ast.Name("Object"),)):
        return None
    return _commonest(sort, [inner[0].body], inner[0].params[0], node, context)


def _commonest(sort: str, fits: list[Expr], var: str, node: ast.Node, context: Context) -> Expr:
    value = fresh("v", {var, *(n for f in fits for n in free_names(f))})
    here = node.span
    attribute = call(
        context.vocabulary.attribute(sort), ast.Name(var, span=here), ast.Name(value, span=here), at=node
    )
    total = _over("count", "Object", var, conjunction([*fits, attribute], node), node)
    context.note(f"the commonest {sort} was read as the one of which there are most objects", node)
    return _over("mode", sort, value, total, node)


def _over(quantifier: str, sort: str, var: str, body: Expr, at: ast.Node) -> ast.Call:
    return call(quantifier, ast.Name(sort, span=at.span), ast.Lambda((var,), body, span=at.span), at=at)
