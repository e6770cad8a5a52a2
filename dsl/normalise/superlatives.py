"""Normal forms of superlatives: ``largest(x)`` compares x with the other objects that fit the description."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dsl.normalise.tree import (
    call,
    called,
    conjunction,
    conjuncts,
    described,
    free_names,
    fresh,
    rebuild,
    substitute,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_Fits = dict[str, tuple[Expr, ...]]


def superlatives(program: ast.Program, context: Context) -> ast.Program:
    """Write superlatives out with the comparatives that the vocabulary names for them.

    ``largest(x)`` beside other conditions ψ(x) is ``ψ(x) and ∀y (ψ(y) → larger(x, y))``; in
    ``largest(x, iota(Object, lambda y: ψ(y)))`` the description is the set compared with. A superlative without a
    comparative in the vocabulary stays a plain predicate.
    """
    if not context.vocabulary.superlatives:
        return program
    if not any(_comparative(n, context) for n in ast.walk(program) if isinstance(n, ast.Call)):
        return program
    return cast(ast.Program, _change(program, {}, context))


def _comparative(node: ast.Node, context: Context) -> str | None:
    name = called(node)
    if not name or name in context.bound or not isinstance(node, ast.Call) or node.keywords:
        return None
    return context.vocabulary.comparative(name)


def _change(node: ast.Node, fits: _Fits, context: Context) -> ast.Node:
    if isinstance(node, ast.Lambda):
        fits = {k: v for k, v in fits.items() if k not in node.params}
        if len(node.params) == 1:
            fits[node.params[0]] = _conditions(node.params[0], node.body, context)
        return rebuild(node, lambda child: _change(child, fits, context))
    relation = _comparative(node, context)
    made = rebuild(node, lambda child: _change(child, fits, context))
    if relation is None:
        return made
    assert isinstance(made, ast.Call)
    return _written_out(made, relation, fits, context) or made


def _conditions(var: str, body: Expr, context: Context) -> tuple[Expr, ...]:
    """Return the conjuncts that say something of the variable, without its superlatives and without 'object'."""
    out = []
    for part in conjuncts(body):
        inner = [n for n in ast.walk(part) if isinstance(n, ast.Call)]
        if any(_comparative(n, context) and n.args and n.args[0] == ast.Name(var) for n in inner):
            continue
        if context.vocabulary.is_vacuous(called(part)) or var not in free_names(part):
            continue
        out.append(part)
    return tuple(out)


def _written_out(node: ast.Call, relation: str, fits: _Fits, context: Context) -> Expr | None:
    name = called(node)
    if not node.args or len(node.args) > 2:
        return None
    target = node.args[0]
    members: list[Expr] = []
    if len(node.args) == 2 and not _everything(node.args[1]):
        among = node.args[1]
        inner = among if isinstance(among, ast.Lambda) and len(among.params) == 1 else described(among)
        if inner is None or not isinstance(target, ast.Name):
            return None
        var, conditions = inner.params[0], conjuncts(inner.body)
        members = [
            substitute(c, var, target)
            for c in conditions
            if target.id == var or target.id not in free_names(c)
        ]
        members = [m for m in members if not context.vocabulary.is_vacuous(called(m))]
        context.note(f"'{name}(x, …)' was read as the {name} of the objects described", node)
    elif isinstance(target, ast.Name) and target.id in fits:
        outside = {k: v for k, v in fits.items() if k != target.id}
        var = target.id
        # As they were written: what they say of other variables may be superlatives too.
        conditions = tuple(cast(Expr, _change(c, outside, context)) for c in fits[var])
        rest = "that fit the other conditions" if conditions else "of the picture"
        context.note(f"'{name}({target.id})' was read as the {name} of the objects {rest}", node)
    else:
        var, conditions = "y", ()
        context.note(f"'{name}(…)' was read as the {name} of the objects of the picture", node)
    used = free_names(node).union(*(free_names(c) for c in conditions), fits)
    other = fresh(var, used)
    place = ast.Name(other, span=node.span)
    for condition in conditions:
        context.copied(condition)
    body: Expr = call(relation, target, place, at=node)
    if conditions:
        same_for_other = conjunction([substitute(c, var, place) for c in conditions], node)
        body = call("implies", same_for_other, body, at=node)
    every = call(
        "forall", ast.Name("Object", span=node.span), ast.Lambda((other,), body, span=node.span), at=node
    )
    return conjunction([*members, every], node)


def _everything(node: Expr) -> bool:
    """Tell whether an argument is ``Object``, or ``set(Object)``."""
    if isinstance(node, ast.Call) and called(node) in ("set", "list") and len(node.args) == 1:
        node = node.args[0]
    return isinstance(node, ast.Name) and node.id in ("Object", "objects")
