"""Normal forms of small slips: a comparison or a pair in the wrong bracket, a sort as a condition, compound names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import ast
from .ast import Expr
from .builtins import BUILTINS
from .normal_tree import call, called, calls_predicate, conjunction, conjuncts, described, free_names

if TYPE_CHECKING:
    from .normalise import Context

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
    """``Object and red(x)`` is ``red(x)``: everything is an object."""
    if not isinstance(node, ast.Connective) and called(node) != "and_":
        return None
    parts = conjuncts(node)  # type: ignore[arg-type]
    kept = [p for p in parts if not (isinstance(p, ast.Name) and p.id == "Object")]
    if len(parts) < 2 or not kept or len(kept) == len(parts):
        return None
    context.note("'Object' as a condition was read as true", node)
    return conjunction(kept, node)


def names_of_things(node: ast.Node, context: Context) -> Expr | None:
    """``behind(x, leftmost())``: the object that is leftmost."""
    if not calls_predicate(node, context.bound):
        return None
    for i, arg in enumerate(node.args):
        inner = called(arg)
        if not isinstance(arg, ast.Call) or arg.args or arg.keywords or not inner:
            continue
        known = context.vocabulary.knows(inner, 1) or context.vocabulary.is_vacuous(inner)
        if inner in BUILTINS or inner in context.bound or not known:
            continue
        here = arg.span
        condition = call(inner, ast.Name("y", span=here), at=arg)
        made = call("iota", ast.Name("Object", span=here), ast.Lambda(("y",), condition, span=here), at=arg)
        context.note(f"'{inner}()' in an object's place was read as the object that is {inner}", node)
        return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def compound_names(node: ast.Node, context: Context) -> Expr | None:
    """``behind(x, red_cube)``: the red cube, where the name is made of values of the vocabulary."""
    if not calls_predicate(node, context.bound):
        return None
    words = context.vocabulary
    for i, arg in enumerate(node.args):
        if (
            not isinstance(arg, ast.Name)
            or "_" not in arg.id
            or arg.id in context.bound
            or arg.id in BUILTINS
        ):
            continue
        parts = [p for p in arg.id.split("_") if p not in ("the", "object", "thing", "item")]
        if not parts or words.value_named(arg.id) or not all(words.value_named(p) for p in parts if p):
            continue
        if "" in parts or len({words.sort_of_value(p) for p in parts}) < len(parts):
            continue
        here = arg.span
        conditions = [call(p, ast.Name("y", span=here), at=arg) for p in parts]
        whole = ast.Lambda(("y",), conjunction(conditions, arg), span=here)
        made = call("iota", ast.Name("Object", span=here), whole, at=arg)
        context.note(
            f"'{arg.id}' in an object's place was read as the object that is {' and '.join(parts)}", node
        )
        return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def objects_of_value_sorts(node: ast.Node, context: Context) -> Expr | None:
    """``iota(Material, lambda x: cube(x))`` speaks of an object: ``describe(Material, iota(Object, …))``."""
    if (
        called(node) not in ("iota", "the", "describe")
        or not isinstance(node, ast.Call)
        or len(node.args) != 2
    ):
        return None
    sort_name, function = node.args
    words = context.vocabulary
    if not isinstance(sort_name, ast.Name) or not isinstance(function, ast.Lambda) or node.keywords:
        return None
    sort = words.sort_named(sort_name.id)
    if sort is None or not words.values(sort) or len(function.params) != 1:
        return None
    var, evidence = ast.Name(function.params[0]), False
    for inner in ast.walk(function.body):
        if not isinstance(inner, ast.Call) or var not in inner.args:
            continue
        name = called(inner)
        named = words.sort_named(name)
        if name in BUILTINS or not name or named == sort or words.sort_of_value(name) == sort:
            return None
        if words.same(name) is not None and words.same(name) != "object":
            return None
        related = words.knows(name, 2) and named is None
        evidence |= words.sort_of_value(name) is not None or words.is_vacuous(name) or related
    if not evidence:
        return None
    context.note(
        f"'{called(node)}({sort_name.id}, …)' of an object was read as the {sort} of the object", node
    )
    iota = call("iota", ast.Name("Object", span=node.span), function, at=node)
    return call("describe", sort_name, iota, at=node)


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


def extreme_objects(node: ast.Node, context: Context) -> Expr | None:
    """``max(Object, lambda x: size(x))``: the object whose size no other exceeds, for an ordered sort."""
    if called(node) not in ("max", "min") or not isinstance(node, ast.Call) or node.keywords:
        return None
    if len(node.args) != 2 or node.args[0] != ast.Name("Object"):
        return None
    key, words = node.args[1], context.vocabulary
    attribute: Expr = key
    var = "x"
    if isinstance(key, ast.Lambda) and len(key.params) == 1 and isinstance(key.body, ast.Call):
        var = key.params[0]
        own = (ast.Name(var),)
        attribute = (
            key.body.args[0] if called(key.body) == "describe" and key.body.args[1:] == own else key.body.func
        )
        if not (called(key.body) == "describe" or key.body.args == own):
            return None
    sort = words.sort_named(attribute.id) if isinstance(attribute, ast.Name) else None
    if sort is None or not words.is_ordered(sort):
        return None
    name, here = words.attribute(sort), node.span
    sides = [call(name, ast.Name(v, span=here), at=node) for v in (var, f"{var}2")]
    op = ">=" if called(node) == "max" else "<="
    body = ast.Comparison(sides[0], (op,), (sides[1],), span=here)
    every = call("forall", node.args[0], ast.Lambda((f"{var}2",), body, span=here), at=node)
    context.note(f"'{called(node)}' of objects by {sort} was read as the object that no other exceeds", node)
    return call("iota", node.args[0], ast.Lambda((var,), every, span=here), at=node)


def pairs_of_objects(node: ast.Node, context: Context) -> Expr | None:
    """``exists_pair(Object, lambda x, y: …)`` speaks of two different objects."""
    if called(node) != "exists_pair" or not isinstance(node, ast.Call) or not node.args or node.keywords:
        return None
    function = node.args[-1]
    if "exists_pair" in context.bound or not isinstance(function, ast.Lambda) or len(function.params) != 2:
        return None
    names = [ast.Name(p, span=node.span) for p in function.params]
    body = conjunction([call("distinct", *names, at=node), function.body], function)
    context.note("'exists_pair' was read as 'exists' of two different objects", node)
    return call("exists", *node.args[:-1], ast.Lambda(function.params, body, span=function.span), at=node)


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
