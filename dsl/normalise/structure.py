"""Normal forms of structure: brackets closed at the wrong place, predicates inside predicates, two lambdas for one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from dsl.builtins import BUILTINS
from dsl.normalise.tree import (
    call,
    called,
    calls_predicate,
    conjunction,
    conjuncts,
    described,
    free_names,
    fresh,
    is_superlative,
    over,
    substitute,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_UNIVERSAL = frozenset({"forall", "all", "every"})
_RESTRICTED = frozenset({"exists", "some", "any", "no", "none", "count"})
_CONDITIONAL = frozenset({"iota", "the", "point"})


def arguments_after_lambda(node: ast.Node, context: Context) -> Expr | None:
    """``iota(Object, lambda x: between(x, a), b)`` has its bracket too early: ``between(x, a, b)``."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) < 2:
        return None
    name = called(node)
    if name in _RESTRICTED | _CONDITIONAL | _UNIVERSAL:
        place = next((i for i, a in enumerate(node.args) if isinstance(a, ast.Lambda)), None)
        if place is None or place > 1 or place == len(node.args) - 1:
            return None
        inner, rest = node.args[place], node.args[place + 1 :]
        assert isinstance(inner, ast.Lambda)
        if any(isinstance(a, ast.Lambda) for a in rest):
            return None
        body = _completed(inner.body, rest, context)
        if body is None:
            return None
        context.note("an argument after a lambda was read as the last one of 'between'", node)
        whole = ast.Lambda(inner.params, body, span=inner.span)
        return call(name, *node.args[:place], whole, at=node)
    if context.vocabulary.sort_named(name) and name not in context.bound and len(node.args) > 2:
        inside = described(node.args[1])
        body = _completed(inside.body, node.args[2:], context) if inside is not None else None
        if inside is None or body is None:
            return None
        context.note("an argument after a lambda was read as the last one of 'between'", node)
        whole = ast.Lambda(inside.params, body, span=inside.span)
        object_ = ast.Name("Object", span=node.span)
        return call(name, node.args[0], call("iota", object_, whole, at=node.args[1]), at=node)
    return None


def _completed(body: Expr, rest: tuple[Expr, ...], context: Context) -> Expr | None:
    """Return the body with `rest` added to its one ``between`` that lacks an argument."""
    parts = list(conjuncts(body))
    lacking = [i for i, p in enumerate(parts) if "between" in called(p) and len(p.args) == 2]  # type: ignore[union-attr]
    if len(lacking) != 1 or len(rest) > 2:
        return None
    short = parts[lacking[0]]
    assert isinstance(short, ast.Call)
    parts[lacking[0]] = ast.Call(short.func, (*short.args, *rest), span=short.span)
    return conjunction(parts, body)


class _Two(NamedTuple):
    """The conditions of ``q(Object, lambda x: first(x), lambda y: second(y))``, both of `var`."""

    var: str
    first: Expr
    second: Expr
    at: ast.Lambda


def _two_conditions(node: ast.Call, context: Context) -> _Two | None:
    """Return the two conditions of a quantifier, of which one may be a description, or ``None``."""
    args = list(node.args)
    if len(args) > 1 and isinstance(args[0], ast.Name) and args[0].id == "Object":
        args = args[1:]
    if len(args) != 2:
        return None
    if isinstance(args[0], ast.Lambda) and described(args[1]) is not None:
        args.reverse()  # all(lambda x: blue(x), iota(Object, lambda x: cube(x)))
    first = args[0] if isinstance(args[0], ast.Lambda) else described(args[0])
    second = args[1]
    if first is None or not isinstance(second, ast.Lambda):
        return None
    if len(first.params) != 1 or len(second.params) != 1:
        return None
    var = second.params[0]
    if var in free_names(first.body) - set(first.params):
        return None
    moved = substitute(first.body, first.params[0], ast.Name(var, span=first.span))
    context.copied(moved)
    return _Two(var, moved, second.body, second)


def most_of(node: ast.Node, context: Context) -> Expr | None:
    """``most(Object, lambda x: p(x), lambda x: q(x))``: more p are q than are not."""
    if called(node) not in ("most", "majority") or not isinstance(node, ast.Call) or node.keywords:
        return None
    two = _two_conditions(node, context) if called(node) not in context.bound else None
    if two is None:
        return None
    context.copied(two.second)
    context.note(f"'{called(node)}' was read as: more of them fit the second condition than do not", node)
    sides = [
        over("count", "Object", two.var, conjunction([two.first, body], two.at), node)
        for body in (two.second, ast.Unary("not", two.second, span=two.at.span))
    ]
    return ast.Comparison(sides[0], (">",), (sides[1],), span=node.span)


def restricted_quantifiers(node: ast.Node, context: Context) -> Expr | None:
    """``all(lambda x: p(x), lambda y: q(y))`` says that every p is q; ``exists(iota(…p…), lambda y: q(y))`` too."""
    name = called(node)
    if name not in _UNIVERSAL | _RESTRICTED | _CONDITIONAL or not isinstance(node, ast.Call) or node.keywords:
        return None
    if (
        len(node.args) == 2
        and node.args[0] == ast.Name("Object")
        and (inner := described(node.args[1])) is not None
    ):
        context.note(f"'{name}' over a description was read as '{name}' over the objects that fit it", node)
        return call(name, node.args[0], inner, at=node)
    lambdas = [a for a in node.args if isinstance(a, ast.Lambda)]
    if name in _CONDITIONAL and (len(lambdas) != 2 or lambdas[0].params != lambdas[1].params):
        return None
    two = _two_conditions(node, context)
    if two is None:
        return None
    if name in _UNIVERSAL:
        body: Expr = call("implies", two.first, two.second, at=two.at)
        context.note(f"'{name}' with two conditions was read as: all that fit the first fit the second", node)
    else:
        body = conjunction([two.first, two.second], two.at)
        context.note(f"'{name}' with two conditions was read as both of them", node)
    return over(name, "Object", two.var, body, node)


def many_same(node: ast.Node, context: Context) -> Expr | None:
    """``same_color(a, b, c)`` compares neighbours; ``same_color(iota(…))`` is a plural, ``same_color(d, d)``."""
    name = called(node)
    if (
        not name.startswith("same_")
        or name in context.bound
        or not isinstance(node, ast.Call)
        or node.keywords
    ):
        return None
    args = node.args
    if len(args) == 1 and described(args[0]) is not None:
        context.note(f"'{name}' of one description was read as a plural: of all objects that fit", node)
        return call(name, args[0], args[0], at=node)
    if len(args) >= 3 and not any(isinstance(a, ast.Lambda) for a in args):
        context.note(f"'{name}' of {len(args)} objects was read pairwise", node)
        for arg in args[1:-1]:
            context.copied(arg)
        return conjunction([call(name, a, b, at=node) for a, b in pairwise(args)], node)
    return None


def _is_predicate(name: str, context: Context) -> bool:
    if not name or name in BUILTINS or name in context.bound:
        return False
    return context.vocabulary.sort_named(name) is None


def relational_arguments(node: ast.Node, context: Context) -> Expr | None:
    """``p(x, left(iota(…)))``: the object left of it; ``p(x, red(iota(…)))``: the described object that is red."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    name = called(node)
    if not _is_predicate(name, context) and name != "describe":
        return None
    for i, arg in enumerate(node.args):
        inner = called(arg)
        if not isinstance(arg, ast.Call) or len(arg.args) != 1 or not _is_predicate(inner, context):
            continue
        inside = described(arg.args[0])
        if inside is None:
            continue
        words = context.vocabulary
        object_ = ast.Name("Object", span=arg.span)
        if words.knows(inner, 2) and words.comparative(inner) is None:
            var = fresh("z", free_names(arg))
            context.note(
                f"'{inner}(iota(…))' in an object's place was read as the object that is {inner} of it", node
            )
            body: Expr = call(inner, ast.Name(var, span=arg.span), arg.args[0], at=arg)
        elif words.knows(inner, 1) or words.is_vacuous(inner) or is_superlative(inner, words):
            var = inside.params[0]
            context.note(
                f"'{inner}(iota(…))' in an object's place was read as the one described that is {inner}", node
            )
            body = conjunction([inside.body, call(inner, ast.Name(var, span=arg.span), at=arg)], arg)
        else:
            continue
        made = call("iota", object_, ast.Lambda((var,), body, span=arg.span), at=arg)
        return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def relations_to_all(node: ast.Node, context: Context) -> Expr | None:
    """``right_of_all(x, Object)``: right of each other object."""
    if not calls_predicate(node, context.bound) or len(node.args) != 2 or node.args[1] != ast.Name("Object"):
        return None
    name, subject = called(node), node.args[0]
    base = name.removesuffix("_all") if name.endswith("_all") else name
    if not isinstance(subject, ast.Name) or not (name.endswith("_all") or name.startswith("different_")):
        return None
    if name.endswith("_all") and not context.vocabulary.knows(base, 2):
        return None
    context.note(f"'{name}(x, Object)' was read as: '{base}' holds between x and each other object", node)
    other = fresh("y", {subject.id})
    return over(
        "forall", "Object", other, call(base, subject, ast.Name(other, span=node.span), at=node), node
    )


def _subject(node: Expr, context: Context) -> str | None:
    """Return the variable that a predicate, or each of several joined by 'and', speaks of first."""
    found: set[str] = set()
    for part in conjuncts(node):
        if not _is_predicate(called(part), context) or not isinstance(part, ast.Call) or not part.args:
            return None
        first = part.args[0]
        if not isinstance(first, ast.Name) or context.vocabulary.sort_named(first.id) is not None:
            return None
        if context.vocabulary.value_named(first.id) is not None or first.id in BUILTINS:
            return None
        found.add(first.id)
    return found.pop() if len(found) == 1 else None


def nested_predicates(node: ast.Node, context: Context) -> Expr | None:
    """``small(red(x))`` is ``small(x) and red(x)``."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) != 1:
        return None
    if not _is_predicate(called(node), context):
        return None
    subject = _subject(node.args[0], context)
    if subject is None:
        return None
    context.note(
        "a predicate inside a predicate, as in small(red(x)), was read as both of the same object", node
    )
    first = call(called(node), ast.Name(subject, span=node.args[0].span), at=node)
    return conjunction([first, node.args[0]], node)


def conjuncts_in_arguments(node: ast.Node, context: Context) -> Expr | None:
    """``p(x, iota(…) and q)`` is ``p(x, iota(…)) and q``: the bracket was closed too late."""
    if not calls_predicate(node, context.bound):
        return None
    for i, arg in enumerate(node.args):
        if not isinstance(arg, ast.Connective) or arg.op != "and":
            continue
        first, *rest = conjuncts(arg)
        plain = isinstance(first, ast.Name) and _is_predicate(first.id, context) and first.id not in BUILTINS
        if described(first) is None and not (plain and len(node.args) > 1):
            continue
        context.note(
            "a condition joined to an argument by 'and' was read as joined to the whole predicate", node
        )
        made = ast.Call(node.func, (*node.args[:i], first, *node.args[i + 1 :]), span=node.span)
        return conjunction([made, *rest], node)
    return None
