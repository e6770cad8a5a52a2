"""Normal forms of what stands in an object's or a sort's place: values, predicates, variables, pairs, numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from dsl.builtins import BUILTINS
from dsl.normalise.tree import (
    all_names,
    call,
    called,
    calls_predicate,
    conjunction,
    described,
    free_names,
    fresh,
    iota,
    over,
    rebuild,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_VARIABLE = re.compile(r"[a-z]\d*\Z")
_SOME = frozenset({"exists", "some", "any"})
_NONE = frozenset({"no", "none"})
_ALL = frozenset({"forall", "all", "every"})
_PAIRS = frozenset({"Pair", "Pairs", "Tuple", "pair", "tuple"})
_OVER_PAIRS = frozenset({"exists_pair", "exists2", "exists_2", "exists_two"})


def objects_of_value_sorts(node: ast.Node, context: Context) -> Expr | None:
    """``iota(Material, lambda x: cube(x))`` speaks of an object: ``describe(Material, iota(Object, …))``.

    Only if the variable can not be a value of the sort anywhere, and can be an object everywhere.
    """
    name = called(node)
    if name not in ("iota", "the", "describe") or not isinstance(node, ast.Call) or len(node.args) != 2:
        return None
    sort_name, function = node.args
    words = context.vocabulary
    if not isinstance(sort_name, ast.Name) or not isinstance(function, ast.Lambda) or node.keywords:
        return None
    sort = words.sort_named(sort_name.id)
    if sort is None or not words.values(sort) or len(function.params) != 1:
        return None
    var = ast.Name(function.params[0])
    places = [n for n in ast.walk(function.body) if isinstance(n, ast.Call) and var in n.args]
    if sum(n.args.count(var) for n in places) != sum(n == var for n in ast.walk(function.body)):
        return None  # it stands somewhere else too, as in x == "red"
    readings = {_reading(n, sort, context) for n in places}
    if "value" in readings or "object" not in readings:
        return None
    context.note(f"'{name}({sort_name.id}, …)' of an object was read as the {sort} of the object", node)
    return call("describe", sort_name, iota(function.params[0], function.body, node), at=node)


def _reading(node: ast.Call, sort: str, context: Context) -> str:
    """Tell what an argument of this call is: a ``value`` of the sort, an ``object``, or ``either``."""
    name, words = called(node), context.vocabulary
    if name == "describe" and len(node.args) == 2 and isinstance(node.args[0], ast.Name):
        return "either" if words.sort_named(node.args[0].id) == sort else "object"
    if name in BUILTINS or not name or name in context.bound:
        return "value"
    own = words.sort_named(name)
    if own is not None and own != "Object":
        return "either" if len(node.args) == 1 else "value" if own == sort else "object"
    if len(node.args) == 1:
        known = words.knows(name, 1) or words.is_vacuous(name)
        return "object" if known and words.sort_of_value(name) != sort else "either"
    same = words.same(name)
    if same is not None and same != "object":
        return "value" if words.sort_named(same) == sort else "object"
    return "object" if words.knows(name, 2) else "either"


def values_by_condition(node: ast.Node, context: Context) -> Expr | None:
    """``made_of(x, iota(Material, lambda m: metal(m)))``: made of metal, the one value that fits."""
    if not calls_predicate(node, context.bound):
        return None
    words = context.vocabulary
    for i, arg in enumerate(node.args):
        if called(arg) not in ("iota", "the") or not isinstance(arg, ast.Call) or len(arg.args) != 2:
            continue
        sort_name, function = arg.args
        if not isinstance(sort_name, ast.Name) or not isinstance(function, ast.Lambda):
            continue
        sort, body = words.sort_named(sort_name.id), function.body
        own = tuple(ast.Name(p) for p in function.params)
        if len(own) != 1 or sort not in words.sorts or not isinstance(body, ast.Call) or body.args != own:
            continue
        value = words.value_named(called(body))
        if value not in words.values(str(sort)) or sort_name.id == called(node):
            continue
        context.note(f"'iota({sort_name.id}, …)' of one value was read as that value", node)
        made = ast.Text(str(value), span=arg.span)
        return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def predicates_of_arguments(node: ast.Node, context: Context) -> Expr | None:
    """``behind(cube(x), y)`` is ``behind(x, y) and cube(x)``; ``same_size(x, left(y))`` means the object left of y."""
    if not calls_predicate(node, context.bound) or len(node.args) < 2:
        return None
    words = context.vocabulary
    if words.sort_named(called(node)) is not None:
        return None
    for i, arg in enumerate(node.args):
        inner = called(arg)
        if not isinstance(arg, ast.Call) or arg.keywords or inner in context.bound or inner in BUILTINS:
            continue
        if len(arg.args) == 2 and inner == "between" and all(described(a) is not None for a in arg.args):
            context.note("'between(a, b)' in an object's place was read as the object between them", node)
            made: Expr = iota("z", call(inner, ast.Name("z", span=arg.span), *arg.args, at=arg), arg)
            return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
        if len(arg.args) != 1 or not isinstance(arg.args[0], ast.Name):
            continue
        own = arg.args[0]
        if not _VARIABLE.match(own.id) or own in node.args:
            continue
        if words.sort_of_value(inner) is not None:
            context.note(f"'{inner}(x)' in an object's place was read as a condition on x", node)
            made = ast.Call(node.func, (*node.args[:i], own, *node.args[i + 1 :]), span=node.span)
            return conjunction([made, arg], node)
        if words.knows(inner, 2) and words.comparative(inner) is None and words.sort_named(inner) is None:
            context.note(
                f"'{inner}(x)' in an object's place was read as the object that is {inner} of x", node
            )
            var = fresh("z", {own.id})
            made = iota(var, call(inner, ast.Name(var, span=arg.span), own, at=arg), arg)
            return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def numbers_in_predicates(node: ast.Node, context: Context) -> Expr | None:
    """``row(x, 3)``: a number beside objects belongs to the words of an open predicate, as a text does: "row 3"."""
    if not calls_predicate(node, context.bound) or not 2 <= len(node.args) <= 3:
        return None
    name, words = called(node), context.vocabulary
    numbers = [i for i, a in enumerate(node.args) if isinstance(a, ast.Number) and isinstance(a.value, int)]
    objects = [a for i, a in enumerate(node.args) if i not in numbers]
    if not numbers or not objects or words.sort_named(name) is not None or words.is_vacuous(name):
        return None
    if any(words.knows(name, n) for n in (1, 2, 3)) or words.closed or words.comparative(name) is not None:
        return None
    if not all(
        described(a) is not None or (isinstance(a, ast.Name) and _VARIABLE.match(a.id)) for a in objects
    ):
        return None
    shown = ", ".join(str(cast(ast.Number, node.args[i]).value) for i in numbers)
    context.note(
        f"a number beside the objects of '{name}' was read as part of the predicate: '{name} {shown}'", node
    )
    args = [
        ast.Text(str(cast(ast.Number, a).value), span=a.span) if i in numbers else a
        for i, a in enumerate(node.args)
    ]
    return ast.Call(node.func, tuple(args), span=node.span)


def variables_as_sorts(node: ast.Node, context: Context) -> Expr | None:
    """``iota(x, lambda x: red(x))`` ranges over objects; ``exists(x, y, lambda x: …)`` binds both variables."""
    name = called(node)
    if name not in _SOME | _NONE | {"iota", "the", "count"} or not isinstance(node, ast.Call):
        return None
    if node.keywords or not node.args:
        return None
    *heads, function = node.args
    if not heads or not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    names = [h.id for h in heads if isinstance(h, ast.Name)]
    own = function.params[0]
    others = [n for n in names if n not in ("Object", own)]
    if len(names) != len(heads) or set(names) <= {"Object"} or len(set(names)) < len(names):
        return None
    if not all(_VARIABLE.match(n) and context.vocabulary.value_named(n) is None for n in (*others, own)):
        return None
    if own not in names and not others:
        return None
    if others and (name not in _SOME or not set(others) <= free_names(function.body)):
        return None
    if any(n in context.parameters or n in context.bound for n in others):
        return None  # an enclosing lambda's variable is no sort
    context.note("a variable in the place of a sort was read as one over Object", node)
    body: Expr = over(name, "Object", own, function.body, node)
    for extra in reversed(others):
        body = over(name, "Object", extra, body, node)
    return body


def pairs_of_objects(node: ast.Node, context: Context) -> Expr | None:
    """``exists(Pair, lambda p: f(p[0], p[1]))``, ``exists_pair(Object, lambda x, y: …)``: two different objects."""
    name = called(node)
    if not isinstance(node, ast.Call) or node.keywords or name in context.bound or not node.args:
        return None
    *heads, function = node.args
    if not isinstance(function, ast.Lambda):
        return None
    if name in _OVER_PAIRS:
        if heads not in ([], [ast.Name("Object")], [ast.Name("Object")] * 2):
            return None
    elif name in _SOME | _NONE | _ALL:
        if heads != [ast.Name("Object")] * 2 and not (len(heads) == 1 and _is_pair(heads[0])):
            return None
    else:
        return None
    two = _of_two(function)
    if two is None:
        return None
    context.note(f"'{name}' over pairs was read as one of two different objects", node)
    apart = call("distinct", *(ast.Name(p, span=node.span) for p in two.params), at=node)
    universal = name in _ALL
    body = (
        call("implies", apart, two.body, at=function)
        if universal
        else conjunction([apart, two.body], function)
    )
    target = "exists" if name in _OVER_PAIRS else name
    return call(
        target, ast.Name("Object", span=node.span), ast.Lambda(two.params, body, span=function.span), at=node
    )


def _is_pair(head: Expr) -> bool:
    if isinstance(head, ast.Name):
        return head.id in _PAIRS
    return called(head) in _PAIRS and isinstance(head, ast.Call) and head.args == (ast.Name("Object"),) * 2


def _of_two(function: ast.Lambda) -> ast.Lambda | None:
    """Return the lambda with two variables; ``p[0]`` and ``p[1]`` of one variable become two."""
    if len(function.params) == 2:
        return function
    if len(function.params) != 1:
        return None
    own = ast.Name(function.params[0])
    items = [n for n in ast.walk(function.body) if isinstance(n, ast.Subscript) and n.value == own]
    places = {n.index.value for n in items if isinstance(n.index, ast.Number)}
    if places != {0, 1} or sum(n == own for n in ast.walk(function.body)) != len(items):
        return None
    used = all_names(function.body) | {own.id}
    names = (fresh(own.id, used), fresh(own.id, used))

    def change(inner: ast.Node) -> ast.Node:
        if isinstance(inner, ast.Subscript) and inner.value == own and isinstance(inner.index, ast.Number):
            return ast.Name(names[int(inner.index.value)], span=inner.span)
        if isinstance(inner, ast.Lambda) and own.id in inner.params:
            return inner
        return rebuild(inner, change)

    return ast.Lambda(names, cast(Expr, change(function.body)), span=function.span)


def noun_phrases(node: ast.Node, context: Context) -> Expr | None:
    """``behind(x, large(red(cube)))``: the large red cube."""
    if not calls_predicate(node, context.bound) or len(node.args) < 2:
        return None
    for i, arg in enumerate(node.args):
        parts = _phrase(arg, context)
        if parts is None:
            continue
        here = arg.span
        conditions = [call(p, ast.Name("y", span=here), at=arg) for p in parts]
        context.note(f"'{'('.join(parts)}{')' * (len(parts) - 1)}' in an object's place was read as the object "
                     f"that is {' and '.join(parts)}", node)  # fmt: skip
        made = iota("y", conjunction(conditions, arg), arg)
        return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def _phrase(arg: Expr, context: Context) -> list[str] | None:
    """Return the words of ``large(red(cube))``: values of different sorts around the name of a value."""
    words, parts = context.vocabulary, []
    while isinstance(arg, ast.Call) and len(arg.args) == 1 and not arg.keywords:
        parts.append(called(arg))
        arg = arg.args[0]
    if not parts or not isinstance(arg, ast.Name):
        return None
    parts.append(arg.id)
    if any(p in context.bound or words.value_named(p) is None for p in parts):
        return None
    return parts if len({words.sort_of_value(p) for p in parts}) == len(parts) else None
