"""Normal forms of "the most": largest of a set, the object of the largest size, the value of the largest count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.builtins import BINDERS, BUILTINS
from dsl.normalise.tree import (
    alike,
    call,
    called,
    calls_predicate,
    conjunction,
    conjuncts,
    described,
    free_names,
    fresh,
    iota,
    is_superlative,
    over,
    sole_attribute,
    substitute,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_LARGEST = frozenset({"max", "maximum", "max_property", "max_by", "max_object"})
_SMALLEST = frozenset({"min", "minimum", "min_property", "min_by", "min_object"})


def extreme_objects(node: ast.Node, context: Context) -> Expr | None:
    """``max(Object, lambda x: cube(x), lambda x: size(x))``: the cube whose size no other cube exceeds."""
    name = called(node)
    if (
        name not in _LARGEST | _SMALLEST
        or not isinstance(node, ast.Call)
        or node.keywords
        or name in context.bound
    ):
        return None
    if not 2 <= len(node.args) <= 3:
        return None
    sort, conditions = None, []
    domain, *rest = node.args
    inner = described(domain)
    if inner is not None:
        conditions.append(inner)
    elif domain != ast.Name("Object"):
        return None
    for arg in rest:
        key = _ordered_key(arg, context)
        if key is not None and sort is None:
            sort = key
        elif (
            isinstance(arg, ast.Lambda)
            and len(arg.params) == 1
            and sole_attribute(arg, context.vocabulary) is None
        ):
            conditions.append(arg)
        elif arg != ast.Name("Object"):
            return None
    if sort is None:
        return None
    where, here = context.vocabulary.attribute(sort), node.span
    fits = [substitute(c.body, c.params[0], ast.Name("x", span=here)) for c in conditions]
    fits = [f for f in fits if f not in (ast.Truth(True), ast.Name("Object"))]
    other = fresh("x", {"x"}.union(*(free_names(f) for f in fits)))
    sides = [call(where, ast.Name(v, span=here), at=node) for v in ("x", other)]
    op = ">=" if name in _LARGEST else "<="
    body: Expr = ast.Comparison(sides[0], (op,), (sides[1],), span=here)
    if fits:
        whole = conjunction(fits, node)
        context.copied(whole)
        body = call("implies", substitute(whole, "x", ast.Name(other, span=here)), body, at=node)
    every = over("forall", "Object", other, body, node)
    context.note(f"'{name}' of objects by {sort} was read as the object that no other exceeds", node)
    return iota("x", conjunction([*fits, every], node), node)


def _ordered_key(arg: Expr, context: Context) -> str | None:
    words = context.vocabulary
    if isinstance(arg, ast.Name):
        sort = words.sort_named(arg.id)
        return sort if sort is not None and arg.id not in context.bound and words.is_ordered(sort) else None
    found = sole_attribute(arg, words)
    return found[0] if found is not None and not found[2] and words.is_ordered(found[0]) else None


def superlative_objects(node: ast.Node, context: Context) -> Expr | None:
    """``f(x, closest(Object, lambda y: cube(y)))``: the cube that is closest; ``largest(x, Object, lambda …)`` too."""
    if isinstance(node, ast.Comparison) and node.ops in (("==",), ("!=",)):
        for side, other in ((node.left, node.rights[0]), (node.rights[0], node.left)):
            made = _superlative(side, context) if isinstance(other, ast.Name) else None
            if made is not None:
                pair = (made, other) if side is node.left else (other, made)
                return ast.Comparison(pair[0], node.ops, (pair[1],), span=node.span)
        return None
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    name = called(node)
    if name not in ("describe", "equal", "different") and not calls_predicate(node, context.bound):
        return None
    if (
        len(node.args) in (2, 3)
        and isinstance(node.args[0], ast.Name)
        and is_superlative(name, context.vocabulary)
    ):
        among = _among(name, node.args[1:], context)
        if among is not None:
            return ast.Call(node.func, (node.args[0], *among), span=node.span)
    for i, arg in enumerate(node.args):
        made = _superlative(arg, context)
        if made is not None:
            return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def _among(name: str, rest: tuple[Expr, ...], context: Context) -> tuple[Expr, ...] | None:
    """Return what a superlative of x is among, from ``Object`` or ``Object, lambda y: …``."""
    if rest[0] != ast.Name("Object"):
        return None
    if len(rest) == 1:
        if context.vocabulary.comparative(name) is not None:
            return None  # written out by dsl.normalise.superlatives
        context.note(f"'{name}(x, Object)' was read as '{name}(x)'", rest[0])
        return ()
    if context.vocabulary.comparative(name) is None or not isinstance(rest[1], ast.Lambda):
        return None
    context.note(f"'{name}(x, Object, lambda …)' was read as the {name} of those that fit", rest[0])
    return (call("iota", *rest, at=rest[0]),)


def _superlative(arg: Expr, context: Context) -> Expr | None:
    name = called(arg)
    if not isinstance(arg, ast.Call) or arg.keywords or not name or name in BUILTINS or name in context.bound:
        return None
    if not is_superlative(name, context.vocabulary) or not arg.args or len(arg.args) > 2:
        return None
    *domain, last = arg.args
    if domain not in ([], [ast.Name("Object")]):
        return None
    if isinstance(last, ast.Lambda) and len(last.params) == 1:
        key = sole_attribute(last, context.vocabulary)
        if key is not None and not key[2] and not context.vocabulary.is_ordered(key[0]):
            fits: list[Expr] = []
        else:
            fits = (
                []
                if key is not None and not key[2]
                else [c for c in conjuncts(last.body) if c != ast.Truth(True)]
            )
        var = last.params[0]
    elif last == ast.Name("Object") and not domain:
        fits, var = [], "y"
    else:
        return None
    own = call(name, ast.Name(var, span=arg.span), at=arg)
    context.note(f"'{name}' of objects in an object's place was read as the one that is {name}", arg)
    return iota(var, conjunction([*fits, own], arg), arg)


def largest_counts(node: ast.Node, context: Context) -> Expr | None:
    """``iota(Color, lambda c: max(count(… c …)))``: the value (or object) of which no other has a larger count.

    Also where the maximum is compared with the same count: ``count(… c …) == max(count(… c …))``.
    """
    if called(node) not in BINDERS or not isinstance(node, ast.Call) or node.keywords or len(node.args) != 2:
        return None
    sort, function = node.args
    if not isinstance(sort, ast.Name) or not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    name = context.vocabulary.sort_named(sort.id)
    if name is None or (name != "Object" and not context.vocabulary.values(name)):
        return None
    var, changed, parts = function.params[0], False, []
    for part in conjuncts(function.body):
        peak = _peak(part, var)
        if peak is not None:
            word, total = peak
            other = fresh(var, free_names(total) | {var})
            context.copied(total)
            second = substitute(total, var, ast.Name(other, span=part.span))
            compared = ast.Comparison(total, (">=" if word == "max" else "<=",), (second,), span=part.span)
            part = over("forall", sort.id, other, compared, part)
            changed = True
            size = "larger" if word == "max" else "smaller"
            context.note(
                f"'{word}(count(…))' as a condition was read as: no other {name} has a {size} count", node
            )
        parts.append(part)
    if not changed:
        return None
    whole = ast.Lambda(function.params, conjunction(parts, function), span=function.span)
    return ast.Call(node.func, (sort, whole), span=node.span)


def _peak(part: Expr, var: str) -> tuple[str, Expr] | None:
    """Return (max or min, count) of a condition ``max(count)`` or ``count == max(count)``."""
    if isinstance(part, ast.Comparison) and part.ops == ("==",):
        sides = (part.left, part.rights[0])
    elif called(part) == "equal" and isinstance(part, ast.Call) and len(part.args) == 2:
        sides = (part.args[0], part.args[1])
    else:
        found = _extreme(part)
        return found if found is not None and var in free_names(found[1]) else None
    for peak, total in (sides, sides[::-1]):
        found = _extreme(peak)
        if found is not None and var in free_names(total) and alike(found[1], total):
            return found
    return None


def _extreme(node: Expr) -> tuple[str, Expr] | None:
    word = {"maximum": "max", "minimum": "min"}.get(called(node), called(node))
    if word not in ("max", "min") or not isinstance(node, ast.Call) or len(node.args) != 1:
        return None
    if any(k.name != "default" for k in node.keywords) or called(node.args[0]) != "count":
        return None
    return word, node.args[0]
