"""Normal forms of small slips: a comparison or a pair in the wrong bracket, a sort as a condition, compound names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dsl.builtins import BUILTINS
from dsl.normalise.tree import (
    call,
    called,
    calls_predicate,
    conjunction,
    conjuncts,
    described,
    free_names,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_PAIRS = frozenset({"equal", "different", "greater_than", "less_than"})
_VARIABLE = re.compile(r"[a-z]\d*\Z")


def pairs_outside(node: ast.Node, context: Context) -> Expr | None:
    """``greater_than(a), b`` has its bracket too early: ``greater_than(a, b)``."""
    if not isinstance(node, ast.TupleDisplay) or len(node.items) != 2:
        return None
    first, second = node.items
    if (
        called(first) not in _PAIRS
        or not isinstance(first, ast.Call)
        or len(first.args) != 1
        or first.keywords
    ):
        return None
    context.note(f"'{called(first)}(a), b' was read as '{called(first)}(a, b)'", node)
    return call(called(first), first.args[0], second, at=node)


def comparisons_inside(node: ast.Node, context: Context) -> Expr | None:
    """``describe(Color, iota(…) == "red")`` has its bracket too late: ``describe(Color, iota(…)) == "red"``."""
    if called(node) != "describe" or not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords:
        return None
    inner = node.args[1]
    if not isinstance(inner, ast.Comparison) or described(inner.left) is None:
        return None
    if inner.ops not in (("==",), ("!=",)) or not isinstance(inner.rights[0], ast.Text | ast.Name):
        return None
    context.note("a comparison inside 'describe' was read as one of the value described", node)
    return ast.Comparison(
        call("describe", node.args[0], inner.left, at=node), inner.ops, inner.rights, span=node.span
    )


def sorts_as_conditions(node: ast.Node, context: Context) -> Expr | None:
    """``Object and red(x)`` is ``red(x)``, ``lambda x: Object`` true: everything is an object."""
    if isinstance(node, ast.Lambda) and node.body == ast.Name("Object"):
        context.note("'Object' as a condition was read as true", node)
        return ast.Lambda(node.params, ast.Truth(True, span=node.body.span), span=node.span)
    if not isinstance(node, ast.Connective) and called(node) != "and_":
        return None
    parts = conjuncts(node)  # type: ignore[arg-type]
    kept = [p for p in parts if not (isinstance(p, ast.Name) and p.id == "Object")]
    if len(parts) < 2 or not kept or len(kept) == len(parts):
        return None
    context.note("'Object' as a condition was read as true", node)
    return conjunction(kept, node)


def compound_words(node: ast.Node, context: Context) -> Expr | None:
    """``big_red_cube(x)`` is ``big(x) and red(x) and cube(x)``, where each word is a value of the vocabulary."""
    name, words = called(node), context.vocabulary
    if "_" not in name or not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return None
    if name in BUILTINS or name in context.bound or words.knows(name, 1):
        return None
    parts = name.split("_")
    if not all(p and words.value_named(p) is not None for p in parts) or not isinstance(
        node.args[0], ast.Name
    ):
        return None
    context.note(f"'{name}' was read as {' and '.join(parts)}", node)
    return conjunction([call(p, node.args[0], at=node) for p in parts], node)


def counts_compared_outside(node: ast.Node, context: Context) -> Expr | None:
    """``f(x, iota(… count(…))) == 2``: only the count can be compared with a number, the bracket is too late."""
    if (
        not isinstance(node, ast.Comparison)
        or len(node.ops) != 1
        or not isinstance(node.rights[0], ast.Number)
    ):
        return None
    formula = isinstance(node.left, ast.Connective) or calls_predicate(node.left, context.bound)
    if not formula and called(node.left) not in ("describe", "iota"):
        return None
    made = _into_count(node.left, node)
    if made is not None:
        context.note("a number compared with a formula was read as compared with the count at its end", node)
    return made


def _into_count(place: Expr, test: ast.Comparison) -> Expr | None:
    if called(place) == "count":
        return ast.Comparison(place, test.ops, test.rights, span=place.span)
    if isinstance(place, ast.Connective) and place.op == "and":
        last = _into_count(place.operands[-1], test)
        return None if last is None else ast.Connective("and", (*place.operands[:-1], last), span=place.span)
    if isinstance(place, ast.Call) and place.args and not place.keywords:
        last = _into_count(place.args[-1], test)
        return None if last is None else ast.Call(place.func, (*place.args[:-1], last), span=place.span)
    if isinstance(place, ast.Lambda):
        last = _into_count(place.body, test)
        return None if last is None else ast.Lambda(place.params, last, span=place.span)
    return None


def arithmetic_inside_count(node: ast.Node, context: Context) -> Expr | None:
    """``count(Object, lambda x: f(x) - 1)``: one less than the count, the bracket is too late."""
    if called(node) != "count" or not isinstance(node, ast.Call) or node.keywords or not node.args:
        return None
    function = node.args[-1]
    if not isinstance(function, ast.Lambda) or not isinstance(function.body, ast.Binary):
        return None
    body = function.body
    formula = isinstance(body.left, ast.Connective) or calls_predicate(body.left, context.bound)
    if body.op not in ("+", "-") or not formula or not isinstance(body.right, ast.Number):
        return None
    context.note(f"'{body.op}' a number inside 'count' was read as outside it", node)
    whole = ast.Lambda(function.params, body.left, span=function.span)
    return ast.Binary(
        body.op, ast.Call(node.func, (*node.args[:-1], whole), span=node.span), body.right, span=node.span
    )


def several_values(program: ast.Program, context: Context) -> ast.Program:
    """``describe(Color, a) and describe(Color, b)`` as the whole program asks for both values."""
    last = program.body[-1]
    if not isinstance(last, ast.ExprStatement):
        return program
    if not isinstance(last.value, ast.Connective) and called(last.value) != "and_":
        return program
    parts = conjuncts(last.value)
    if len(parts) < 2 or not all(called(p) == "describe" for p in parts):
        return program
    context.note("values joined by 'and' were read as a list of them", last)
    both = ast.ListDisplay(parts, span=last.value.span)
    return ast.Program((*program.body[:-1], ast.ExprStatement(both, span=last.span)), span=program.span)


def free_variables(program: ast.Program, context: Context) -> ast.Program:
    """Bind the free variables of a formula that is the whole program by ``exists``.

    ``cube(x) and same_color(x, y)`` alone on a line: the engine binds the variables of a returned formula so too.
    Only one-letter names (with digits) that no lambda binds are variables; of the rest the checker speaks.
    """
    if len(program.body) != 1 or not isinstance(program.body[0], ast.ExprStatement):
        return program
    formula = program.body[0].value
    words = context.vocabulary
    names = {n for n in free_names(formula) if _VARIABLE.match(n) and words.sort_of_value(n) is None}
    params = {p for n in ast.walk(formula) if isinstance(n, ast.Lambda) for p in n.params}
    if not names or names & params or not isinstance(formula, ast.Connective):
        return program
    said = set()
    for part in conjuncts(formula) if formula.op == "and" else ():
        inner = part.operand if isinstance(part, ast.Unary) and part.op == "not" else part
        if not isinstance(inner, ast.Call) or called(inner) in BUILTINS:
            continue
        said |= {a.id for a in inner.args if isinstance(a, ast.Name)}
    if not names <= said:
        return program
    order = [n.id for n in ast.walk(formula) if isinstance(n, ast.Name) and n.id in names]
    body: Expr = formula
    for name in reversed(list(dict.fromkeys(order))):
        object_ = ast.Name("Object", span=formula.span)
        body = call("exists", object_, ast.Lambda((name,), body, span=formula.span), at=formula)
    shown = ", ".join(f"'{n}'" for n in dict.fromkeys(order))
    context.note(f"the free variables {shown} of the formula were bound by 'exists'", formula)
    return ast.Program((ast.ExprStatement(body, span=formula.span),), span=program.span)
