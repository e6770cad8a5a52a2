"""Normal forms of questions about values: describe, mode, how many different, all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.normalise.tree import (
    call,
    called,
    conjunction,
    described,
    free_names,
    fresh,
    iota,
    over,
    sole_attribute,
    substitute,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_DIFFERENT = frozenset({"distinct", "unique", "different", "set", "uniquevalues", "distinctvalues"})
_COUNT_DIFFERENT = frozenset({"countdistinct", "countunique", "countdifferent", "countset"})
_GROUPS = frozenset({"set", "list", "Group", "group"})
_MODES = frozenset({"mode", "mostcommon", "mostfrequent", "majority", "most", "maxcount", "modeproperty"})
_ALL_SAME = frozenset({"allsame", "sameproperty", "allequal", "allequals", "sameall"})


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
    """``count(Distinct(Color), Object)``, ``count_distinct(Object, lambda x: color(x))``: how many colours occur."""
    if not isinstance(node, ast.Call) or not node.args or node.keywords or called(node) in context.bound:
        return None
    name, args = called(node), list(node.args)
    if name in ("count", "len"):
        kind, first = called(args[0]), args[0]
        if (
            _word(kind) in _DIFFERENT | {"group"}
            and isinstance(first, ast.Call)
            and first.args
            and not first.keywords
        ):
            args = [*first.args, *(args[1:] or [ast.Name("Object", span=node.span)])]
        elif isinstance(first, ast.Name) and _word(first.id) in _DIFFERENT and first.id not in context.bound:
            args = args[1:]
            key = sole_attribute(args[0], context.vocabulary) if len(args) == 1 else None
            if key is not None and any(isinstance(n, ast.Lambda) for f in key[2] for n in ast.walk(f)):
                return None
        elif isinstance(first, ast.Name) and _word(first.id).startswith("different") and len(args) == 2:
            sort = context.vocabulary.sort_named(_word(first.id).removeprefix("different").rstrip("s"))
            args = [ast.Name(sort or "", span=first.span), *args[1:]]
        elif len(args) != 2 or _value_sort(first, context) is None or args[1] != ast.Name("Object"):
            return None
    elif _word(name) not in _COUNT_DIFFERENT:
        return None
    if len(args) == 1 and called(args[0]) == "map" and isinstance(args[0], ast.Call):
        args = list(args[0].args)
    found = _attribute_and_group(args, context)
    if found is None:
        return None
    sort, var, fits = found
    value = fresh("v", {var}.union(*(free_names(f) for f in fits)))
    context.note(f"the number of different {sort}s was read as: of how many of them there is an object", node)
    here = node.span
    attribute = call(
        context.vocabulary.attribute(sort), ast.Name(var, span=here), ast.Name(value, span=here), at=node
    )
    occurs = over("exists", "Object", var, conjunction([*fits, attribute], node), node)
    return over("count", sort, value, occurs, node)


def _word(name: str) -> str:
    return name.lower().replace("_", "")


def _attribute_and_group(
    args: list[Expr], context: Context, only: str | None = None
) -> tuple[str, str, list[Expr]] | None:
    """Return (sort, variable, conditions) of arguments that name one sort and, in any order, a group of objects.

    The sort is named itself (``Color``) or by ``lambda x: color(x)``; the group is ``Object``, a lambda, or a
    description; a variable alone says nothing.
    """
    words = context.vocabulary
    sorts: set[str] = set()
    groups: list[ast.Lambda] = []
    others: list[tuple[str, list[Expr]]] = []
    whole = False
    for arg in args:
        sort, inner = _value_sort(arg, context), _group(arg)
        key = sole_attribute(arg, words) if isinstance(arg, ast.Lambda) else None
        if sort is not None:
            sorts.add(sort)
        elif key is not None and key[0] == (only or key[0]):
            sorts.add(key[0])
            others.append((key[1], key[2]))
        elif inner is not None:
            groups.append(inner)
        elif isinstance(arg, ast.Lambda) and len(arg.params) == 1:
            groups.append(arg)
        elif isinstance(arg, ast.Name) and arg.id in ("Object", "objects"):
            whole = True
        else:
            return None
    if len(sorts) != 1 or len(others) > 1 or not (others or groups or whole):
        return None
    var = groups[0].params[0] if groups else others[0][0] if others else "x"
    fits: list[Expr] = []
    for old, part in [(g.params[0], g.body) for g in groups] + [(k, p) for k, rest in others for p in rest]:
        if part not in (ast.Truth(True), ast.Name("Object")):
            fits.append(substitute(part, old, ast.Name(var, span=part.span)))
    return sorts.pop(), var, fits


def _group(arg: Expr) -> ast.Lambda | None:
    """Return the lambda of a description, or of one in ``set(…)``."""
    if called(arg) in _GROUPS and isinstance(arg, ast.Call) and len(arg.args) == 1 and not arg.keywords:
        arg = arg.args[0]
    if called(arg) == "iota_list" and isinstance(arg, ast.Call):
        arg = call("iota", *arg.args, at=arg)
    return described(arg)


def attribute_modes(node: ast.Node, context: Context) -> Expr | None:
    """``mode(describe(Color, Object))``, ``most_common(Object, lambda x: color(x))``: the colour of most objects."""
    name = called(node)
    if _word(name) not in _MODES or not isinstance(node, ast.Call) or node.keywords or name in context.bound:
        return None
    args = list(node.args)
    if len(args) == 1 and called(args[0]) == "describe" and isinstance(args[0], ast.Call):
        args = list(args[0].args)
    if (
        name == "mode"
        and len(args) == 2
        and _value_sort(args[0], context)
        and isinstance(args[1], ast.Lambda)
    ):
        return None  # mode(Color, lambda c: count(…))
    if name in ("majority", "most") and len(args) > 1:
        return None  # of a described group: see majorities
    if len(args) == 1 and _value_sort(args[0], context) and name == "mode":
        return _commonest(str(_value_sort(args[0], context)), [], "x", node, context)
    found = _attribute_and_group(args, context)
    return None if found is None else _commonest(found[0], found[2], found[1], node, context)


def majorities(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Color, majority(Object, lambda x: cube(x)))``: the commonest colour of the cubes."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    sort, group = _value_sort(node.args[0], context), node.args[1]
    if sort is None or not isinstance(group, ast.Call) or group.keywords:
        return None
    if called(group) == "mode" and group.args and _value_sort(group.args[0], context) == sort:
        return group  # the commonest colour is a colour
    if called(group) not in ("majority", "most") or called(group) in context.bound:
        return None
    found = _attribute_and_group([node.args[0], *group.args], context, sort)
    return None if found is None else _commonest(sort, found[2], found[1], node, context)


def all_the_same(node: ast.Node, context: Context) -> Expr | None:
    """``all_same(Material, lambda x: cube(x))``: the plural, ``same_material`` of all that fit."""
    if not isinstance(node, ast.Call) or node.keywords or called(node) in context.bound:
        return None
    name, args, words = _word(called(node)), list(node.args), context.vocabulary
    if name in _ALL_SAME:
        args = [ast.Name(a.value.title(), span=a.span) if isinstance(a, ast.Text) else a for a in args]
    elif name.startswith("same") and len(args) == 1 and args[0] == ast.Name("Object"):
        args = [ast.Name(name[4:].title(), span=node.span), args[0]]
        if _value_sort(args[0], context) is None:
            args[0] = ast.Name(name[4:].rstrip("s").title(), span=node.span)
    else:
        return None
    found = _attribute_and_group(args, context)
    if found is None:
        return None
    sort, var, fits = found
    group = iota(var, conjunction(fits, node) if fits else ast.Truth(True, span=node.span), node)
    context.copied(group)
    context.note(f"'{called(node)}' was read as: all that fit have the same {words.attribute(sort)}", node)
    return call(f"same_{words.attribute(sort)}", group, group, at=node)


def describe_of_three(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Color, c, x)`` with two variables says that c is the colour of x."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 3 or node.keywords:
        return None
    sort = _value_sort(node.args[0], context)
    if sort is None or not all(isinstance(a, ast.Name) and a.id in context.parameters for a in node.args[1:]):
        return None
    context.note(f"'describe({sort}, a, b)' was read as '{context.vocabulary.attribute(sort)}(a, b)'", node)
    return call(context.vocabulary.attribute(sort), *node.args[1:], at=node)


def comparisons_under_lambda(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Color, lambda k: Color(k, o) == "red")``: the comparison is one of the value described."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    function = node.args[1]
    if not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    var, body = function.params[0], function.body
    if not isinstance(body, ast.Comparison) or not isinstance(body.left, ast.Call) or len(body.ops) != 1:
        return None
    if len(body.left.args) != 2 or ast.Name(var) not in body.left.args or var in free_names(body.rights[0]):
        return None
    if isinstance(body.rights[0], ast.Number | ast.Truth | ast.Nothing):
        return None
    context.note("a comparison inside 'describe' was read as one of the value described", node)
    value = call("describe", node.args[0], ast.Lambda((var,), body.left, span=function.span), at=node)
    return ast.Comparison(value, body.ops, body.rights, span=node.span)


def _commonest(sort: str, fits: list[Expr], var: str, node: ast.Node, context: Context) -> Expr:
    value = fresh("v", {var, *(n for f in fits for n in free_names(f))})
    here = node.span
    attribute = call(
        context.vocabulary.attribute(sort), ast.Name(var, span=here), ast.Name(value, span=here), at=node
    )
    total = over("count", "Object", var, conjunction([*fits, attribute], node), node)
    context.note(f"the commonest {sort} was read as the one of which there are most objects", node)
    return over("mode", sort, value, total, node)
