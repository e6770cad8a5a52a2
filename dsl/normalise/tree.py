"""Small tools for rewriting trees: rebuild, free names, substitution without capture."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, cast

from dsl.syntax import ast
from dsl.syntax.ast import Expr


def rebuild(node: ast.Node, change: Callable[[ast.Node], ast.Node]) -> ast.Node:
    """Return the node with `change` applied to its children; the same object if none of them changed."""
    cls = type(node)
    new: dict[str, Any] = {}
    for name in ast.part_names(cls):
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
    values = {name: new.get(name, getattr(node, name)) for name in ast.field_names(cls)}
    return cls(**values, span=node.span)


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


def name_of(node: object) -> str:
    """Return the name that a node is; ``""`` of anything else."""
    return node.id if isinstance(node, ast.Name) else ""


def called(node: ast.Node) -> str:
    """Return the name of the function that is called, or ``""``."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


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


def alike(first: ast.Node, second: ast.Node) -> bool:
    """Tell whether two expressions are equal up to the names of what their lambdas bind."""
    return _numbered(first, {}) == _numbered(second, {})


def _numbered(node: ast.Node, bound: dict[str, str]) -> ast.Node:
    """Return the node with lambdas' variables named by their depth."""
    if isinstance(node, ast.Name):
        return ast.Name(bound.get(node.id, node.id))
    if isinstance(node, ast.Lambda):
        bound = bound | {p: f"#{len(bound) + i}" for i, p in enumerate(node.params)}
        node = ast.Lambda(tuple(bound[p] for p in node.params), node.body)
    return rebuild(node, lambda child: _numbered(child, bound))


def at_its_end(node: Expr, change: Callable[[Expr], Expr | None], entered: Container[str] | None = None) -> Expr | None:
    """Return the expression with one node at its right edge changed: the outermost that `change` does not refuse.

    The edge goes through last arguments, last operands of ``and`` and bodies of lambdas; with `entered` only of the
    lambdas that calls of these names bind.
    """
    made: Expr | None = change(node)
    if made is not None:
        return made
    if isinstance(node, ast.Lambda):
        body = at_its_end(node.body, change, entered)
        return None if body is None else ast.Lambda(node.params, body, span=node.span)
    if isinstance(node, ast.Connective) and node.op == "and":
        last = at_its_end(node.operands[-1], change, entered)
        return None if last is None else ast.Connective("and", (*node.operands[:-1], last), span=node.span)
    if not isinstance(node, ast.Call) or node.keywords or not node.args:
        return None
    if entered is not None and isinstance(node.args[-1], ast.Lambda) and called(node) not in entered:
        return None
    last = at_its_end(node.args[-1], change, entered)
    return None if last is None else ast.Call(node.func, (*node.args[:-1], last), span=node.span)
