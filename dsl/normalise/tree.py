"""Small tools for rewriting trees: rebuild, free names, substitution without capture."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, TypeGuard, cast

from dsl.builtins import BUILTINS
from dsl.syntax import ast
from dsl.syntax.ast import Expr
from dsl.vocabulary import Vocabulary


def rebuild(node: ast.Node, change: Callable[[ast.Node], ast.Node]) -> ast.Node:
    """Return the node with `change` applied to its children; the same object if none of them changed."""
    cls = type(node)
    names = ast.field_names(cls)
    new: dict[str, Any] = {}
    for name in names:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            made: Any = change(value)
            if made is not value:
                new[name] = made
        elif type(value) is tuple and value and isinstance(value[0], ast.Node):
            items = tuple([change(v) for v in value])
            if any(a is not b for a, b in zip(items, value, strict=True)):
                new[name] = items
    if not new:
        return node
    values = {name: new.get(name, getattr(node, name)) for name in names}
    return cls(**values, span=node.span)


def call(name: str, *args: Expr, at: ast.Node) -> ast.Call:
    """Return ``name(args)``, placed where `at` is."""
    return ast.Call(ast.Name(name, span=at.span), args, span=at.span)


def conjunction(operands: Iterable[Expr], at: ast.Node) -> Expr:
    """Return the operands joined by ``and``, flattened."""
    flat: list[Expr] = []
    for operand in operands:
        flat.extend(conjuncts(operand))
    return flat[0] if len(flat) == 1 else ast.Connective("and", tuple(flat), span=at.span)


def conjuncts(node: Expr) -> tuple[Expr, ...]:
    """Return the operands of ``and`` (or ``and_(…)``); of anything else, itself alone."""
    if isinstance(node, ast.Connective) and node.op == "and":
        return tuple(c for operand in node.operands for c in conjuncts(operand))
    if isinstance(node, ast.Call) and called(node) == "and_" and not node.keywords:
        return tuple(c for operand in node.args for c in conjuncts(operand))
    return (node,)


def called(node: ast.Node) -> str:
    """Return the name of the function that is called, or ``""``."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def calls_predicate(node: ast.Node, bound: Container[str]) -> TypeGuard[ast.Call]:
    """Return whether the node calls a name that is neither built in nor bound, by position only."""
    name = called(node)
    if not name or name in BUILTINS or name in bound:
        return False
    return isinstance(node, ast.Call) and not node.keywords


def described(node: ast.Node) -> ast.Lambda | None:
    """Return the lambda of ``iota(Object, lambda x: …)`` (or ``the``), or ``None``."""
    if called(node) in ("iota", "the") and isinstance(node, ast.Call) and not node.keywords:
        lambdas = [a for a in node.args if isinstance(a, ast.Lambda)]
        sorts = [a for a in node.args if isinstance(a, ast.Name)]
        if len(lambdas) == 1 and len(lambdas[0].params) == 1 and len(lambdas) + len(sorts) == len(node.args):
            return lambdas[0] if not sorts or sorts[0].id == "Object" else None
    return None


def free_names(node: ast.Node) -> set[str]:
    """Return the names that occur in an expression and are not bound inside it."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Lambda):
        return free_names(node.body) - set(node.params)
    found: set[str] = set()
    for child in ast.children(node):
        found |= free_names(child)
    if isinstance(node, ast.Comprehension):
        for clause in node.clauses:
            found -= {n.id for n in ast.walk(clause.target) if isinstance(n, ast.Name)}
    return found


def all_names(node: ast.Node) -> set[str]:
    """Return the names that occur anywhere in a tree, used or bound."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Lambda):
            found.update(inner.params)
    return found


def substitute(node: Expr, name: str, value: Expr) -> Expr:
    """Return the expression with the free name replaced; bound names that would capture are renamed."""
    outside = free_names(value)

    def change(inner: ast.Node) -> ast.Node:
        if isinstance(inner, ast.Name):
            return value if inner.id == name else inner
        if isinstance(inner, ast.Lambda):
            if name in inner.params:
                return inner
            clash = outside.intersection(inner.params)
            if clash and name in free_names(inner.body):
                used = free_names(inner.body) | outside
                for old in sorted(clash):
                    inner = rename(inner, old, fresh(old, used))
        return rebuild(inner, change)

    return cast(Expr, change(node))


def rename(node: ast.Lambda, old: str, new: str) -> ast.Lambda:
    """Return the lambda with one parameter renamed."""
    params = tuple(new if p == old else p for p in node.params)
    return ast.Lambda(params, substitute(node.body, old, ast.Name(new, span=node.span)), span=node.span)


def fresh(name: str, used: set[str]) -> str:
    """Return a name like `name` that is not used, and record it as used."""
    stem, k = name.rstrip("0123456789") or "x", 2
    while f"{stem}{k}" in used:
        k += 1
    used.add(f"{stem}{k}")
    return f"{stem}{k}"


def over(quantifier: str, sort: str, var: str, body: Expr, at: ast.Node) -> ast.Call:
    """Return ``quantifier(sort, lambda var: body)``."""
    return call(quantifier, ast.Name(sort, span=at.span), ast.Lambda((var,), body, span=at.span), at=at)


def iota(var: str, body: Expr, at: ast.Node) -> ast.Call:
    """Return ``iota(Object, lambda var: body)``."""
    return over("iota", "Object", var, body, at)


def alike(first: ast.Node, second: ast.Node) -> bool:
    """Tell whether two expressions are equal up to the names of what their lambdas bind."""
    return _shape(first, {}) == _shape(second, {})


def _shape(node: ast.Node, bound: dict[str, int]) -> object:
    if isinstance(node, ast.Name):
        return bound.get(node.id, node.id)
    if isinstance(node, ast.Lambda):
        bound = bound | {p: len(bound) + i for i, p in enumerate(node.params)}
    parts: list[object] = [type(node)]
    for name in ast.field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            parts.append(_shape(value, bound))
        elif isinstance(value, tuple):
            if name == "params":
                parts.append(len(value))
            else:
                parts.append(tuple(_shape(v, bound) if isinstance(v, ast.Node) else v for v in value))
        else:
            parts.append(value)
    return tuple(parts)


_NO_SUPERLATIVES = frozenset(
    {"west", "rest", "test", "most", "almost", "nest", "chest", "best", "forest", "interest"}
)


def is_superlative(name: str, words: Vocabulary) -> bool:
    """Tell whether a word is a superlative: of the vocabulary, or in English by its form (``closest_to_camera``)."""
    if words.comparative(name) is not None:
        return True
    head = name.lower().split("_")[0]
    return len(head) > 4 and head.endswith(("est", "most")) and head not in _NO_SUPERLATIVES


def sole_attribute(function: Expr, words: Vocabulary) -> tuple[str, str, list[Expr]] | None:
    """Return (sort, variable, other conditions) of ``lambda x: color(x) and cube(x)``, or ``None``.

    The lambda must name the value of exactly one sort of known values at its variable, as ``color(x)`` or
    ``describe(Color, x)``.
    """
    if not isinstance(function, ast.Lambda) or len(function.params) != 1:
        return None
    own, found, rest = ast.Name(function.params[0]), [], []
    for part in conjuncts(function.body):
        sort = None
        if isinstance(part, ast.Call) and not part.keywords:
            if part.args == (own,):
                sort = words.sort_named(called(part))
            elif called(part) == "describe" and len(part.args) == 2 and part.args[1] == own:
                sort = words.sort_named(part.args[0].id) if isinstance(part.args[0], ast.Name) else None
        if sort is not None and words.values(sort):
            found.append(sort)
        elif part != ast.Truth(True):
            rest.append(part)
    return (found[0], function.params[0], rest) if len(found) == 1 else None
