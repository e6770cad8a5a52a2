"""Operators and predicates on any values: plain on plain values, lazy on counts, objects and described values.

A described value that depends on a bound variable has no single value; a relation of it is the disjunction over the
values that make the relation true: ``color(x) == color(y)`` is "both red, or both blue, …".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from dsl import plan
from dsl.errors import LimitError, ProgramError
from dsl.plan import Compare, Node, Number, make
from dsl.syntax import ast
from neptune.engine.interpret import quantifiers, truthiness, values
from neptune.engine.interpret.percepts import asked
from neptune.engine.interpret.running import RunningProgram

_OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_CONNECTIVES = ("&", "|", "^", ">>")
_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SHORT = 255  # two texts of so many letters in all are compared for nothing
_OBJECTS = values.Variable | values.ObjectRef | values.DescribedObject
_MIRROR = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


def binary(run: RunningProgram, op: str, left: Any, right: Any, node: ast.Expr | ast.Stmt) -> Any:
    """Return ``left op right`` of numbers, texts or lists; ``& | ^ >>`` are the soft connectives on formulas.

    Raises
    ------
    dsl.ProgramError
        For a division by zero, or values that have no such operation.
    """
    if op in _CONNECTIVES and not (isinstance(left, set) and isinstance(right, set)):
        return _connected(run, op, left, right, node)
    left, right = run.plain(left, node), run.plain(right, node)
    run.charge((left, right), node)
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        return run.bounded(left + right, node)
    if op == "+" and isinstance(left, list | tuple) and type(left) is type(right):
        if len(left) + len(right) > run.limits.iterations:
            raise LimitError("iterations", run.limits.iterations, len(left) + len(right), node.span)
        return type(left)([*left, *right])
    if isinstance(left, set) and isinstance(right, set) and op in "&|^-":
        return {"&": left & right, "|": left | right, "^": left ^ right, "-": left - right}[op]
    if isinstance(left, str) or isinstance(right, str):
        raise ProgramError(
            f"'{op}' does not apply to {values.kind_name(left)} and {values.kind_name(right)}",
            node.span,
            hint='join texts with f"…{value}…"',
        )
    a, b = _numbers(run, left, right, node)
    if op in ("/", "//", "%") and b == 0:
        raise ProgramError("Division by zero", node.span, expected="a divisor other than 0")
    if op == "**":
        return _power(run, a, b, node)
    return _bounded(run, _OPERATIONS[op](a, b), node)


def _connected(run: RunningProgram, op: str, left: Any, right: Any, node: ast.Expr | ast.Stmt) -> Any:
    if isinstance(left, bool) and isinstance(right, bool):
        return {"&": left and right, "|": left or right, "^": left != right, ">>": not left or right}[op]
    a, b = (run.formula(v, at) for v, at in zip((left, right), sides(node), strict=True))
    if op == "&":
        return run.made(plan.conjunction([a, b]), node)
    if op == "|":
        return run.made(plan.disjunction([a, b]), node)
    if op == "^":
        return run.made(make(plan.Xor, a, b), node)
    return run.made(plan.disjunction([plan.negation(a), b]), node)


def _power(run: RunningProgram, a: float, b: float, node: ast.Node) -> Any:
    if abs(b) > 64 or (a == 0 and b < 0) or (a < 0 and b != int(b)):
        raise ProgramError(f"{a:g} ** {b:g} is out of range", node.span, expected="an exponent of at most 64")
    try:
        return _bounded(run, a**b, node)
    except OverflowError:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span) from None


def _bounded(run: RunningProgram, value: int | float, node: ast.Node) -> int | float:
    digits = run.limits.number_digits
    if not math.isfinite(value) if isinstance(value, float) else abs(value) >= 10**digits:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span)
    return value


def sides(node: ast.Expr | ast.Stmt) -> tuple[ast.Expr | ast.Stmt, ast.Expr | ast.Stmt]:
    """Return where the two operands of an operator, a comparison or a call are written, for errors; where they are not
    two, the whole twice."""
    pair: tuple[ast.Expr | ast.Stmt, ...] = ()
    match node:
        case ast.Binary():
            pair = (node.left, node.right)
        case ast.AugAssign():
            pair = (node.target, node.value)
        case ast.Comparison() if len(node.rights) == 1:
            pair = (node.left, node.rights[0])
        case ast.Call(func=ast.Name()) if len(node.args) == 2 and not node.keywords:
            pair = node.args
    if len(pair) == 2 and all(part.span is not None for part in pair):
        return pair[0], pair[1]
    return node, node


def _numbers(run: RunningProgram, left: Any, right: Any, node: ast.Expr | ast.Stmt) -> list[int | float]:
    return [run.number(v, at) for v, at in zip((left, right), sides(node), strict=True)]


def compare(run: RunningProgram, op: str, left: Any, right: Any, node: ast.Expr) -> bool | values.Formula:
    """Return ``left op right``: a bool for plain values, a formula where counts, objects or variables take part."""
    if isinstance(left, values.Measured) or isinstance(right, values.Measured):
        if (read := asked.compared(run, op, left, right, node)) is not None:
            return read
        left, right = run.plain(left, node), run.plain(right, node)
    if op in ("is", "is not"):
        op = "==" if op == "is" else "!="
    if op in ("in", "not in"):
        return _member(run, op == "not in", left, right, node)
    if isinstance(left, values.Quantity) or isinstance(right, values.Quantity):
        return _counts(run, op, left, right, node)
    if op in ("==", "!="):
        return equality(run, op == "!=", left, right, node)
    if all(isinstance(v, _OBJECTS) for v in (left, right)):
        ordered_sorts = [s for s in run.vocabulary.sorts if run.vocabulary.is_ordered(s)]
        if len(ordered_sorts) == 1:
            run.note(f"objects compared by '{op}' were read as compared by {ordered_sorts[0]}")
            left, right = values.AttributeOf(ordered_sorts[0], left), values.AttributeOf(ordered_sorts[0], right)
    sort = sort_of(run, left)
    if sort is not None and run.vocabulary.is_ordered(sort):
        ordered = soft(run, left, right, _ORDER[op], node)
        if ordered is not None:
            return ordered
    left, right = run.plain(left, node), run.plain(right, node)
    if isinstance(left, str) and isinstance(right, str):
        return _ordered_values(run, op, left, right, node)
    a, b = _numbers(run, left, right, node)
    return bool(_ORDER[op](a, b))


def _ordered_values(run: RunningProgram, op: str, left: str, right: str, node: ast.Expr) -> bool:
    sort = run.vocabulary.sort_of_value(left)
    known = run.vocabulary.values(sort) if sort is not None else ()
    if sort is None or right not in known or not run.vocabulary.is_ordered(sort):
        raise ProgramError(
            f"'{left}' and '{right}' have no order", node.span, expected="numbers, or values of an ordered sort"
        )
    return bool(_ORDER[op](known.index(left), known.index(right)))


def _counts(run: RunningProgram, op: str, left: Any, right: Any, node: ast.Expr) -> bool | values.Formula:
    both = [
        v.node if isinstance(v, values.Quantity) else make(Number, float(run.number(v, at)))
        for v, at in zip((left, right), sides(node), strict=True)
    ]
    if isinstance(both[0], Number):
        both, op = both[::-1], _MIRROR[op]
    if isinstance(both[1], Number) and math.isinf(both[1].value):
        # Every count is to infinity as 0 is: nobody need be asked.
        return bool({**_ORDER, "==": operator.eq, "!=": operator.ne}[op](0.0, both[1].value))
    return run.made(make(Compare, op, *both), node)


def equality(run: RunningProgram, negated: bool, left: Any, right: Any, node: ast.Expr) -> bool | values.Formula:
    """Return ``left == right`` (or ``!=``) of anything.

    Objects are compared by identity, which is true or false; a described value with a text by its formula where it
    depends on a bound variable, and by the value chosen otherwise.
    """
    if isinstance(left, str) and isinstance(right, str):  # by far the most, where values are bound
        if len(left) + len(right) > _SHORT:
            run.charge((left, right), node)
        return _same_text(run, left, right) != negated
    if isinstance(left, values.Quantity) or isinstance(right, values.Quantity):
        return _counts(run, "!=" if negated else "==", left, right, node)
    if isinstance(left, values.AttributeOf) and isinstance(right, values.AttributeOf) and left.sort == right.sort:
        attribute = run.vocabulary.attribute(left.sort)
        return _signed(predicate(run, f"same_{attribute}", [left.target, right.target], node), negated)
    if isinstance(left, _OBJECTS) and isinstance(right, _OBJECTS):
        return _signed(predicate(run, "same_object", [left, right], node), negated)
    if isinstance(left, str) and not isinstance(right, str):
        left, right = right, left
    if isinstance(left, values.AttributeOf | values.DescribedValue) and isinstance(
        right, values.AttributeOf | values.DescribedValue
    ):
        both_ways = soft(run, left, right, operator.eq, node)
        if both_ways is not None:
            return _signed(both_ways, negated)
    if isinstance(left, _OBJECTS) and isinstance(right, str):
        sort = run.vocabulary.sort_of_value(right)
        if sort is not None:
            run.note(f"an object compared with '{right}' was read as its {run.vocabulary.attribute(sort)}")
            left = values.AttributeOf(sort, left)
    if isinstance(left, values.AttributeOf) and isinstance(right, str):
        return _signed(predicate(run, left.sort, [left.target, right], node), negated)
    if isinstance(left, values.DescribedValue) and left.node.free and isinstance(right, str):
        value = run.vocabulary.value_named(right) or right
        if value in left.node.values:
            return _signed(values.Formula(left.node.bodies[left.node.values.index(value)]), negated)
        return negated
    if isinstance(left, values.Formula) or isinstance(right, values.Formula):
        first, second = (run.formula(v, at) for v, at in zip((left, right), sides(node), strict=True))
        both = plan.make(plan.Xor, first, second)
        return run.made(both if negated else plan.negation(both), node)
    left, right = run.plain(left, node), run.plain(right, node)
    if left is not right:
        run.charge((left, right), node)
    if isinstance(left, str) and isinstance(right, str):
        return _same_text(run, left, right) != negated
    return bool((left != right) if negated else (left == right))


def _same_text(run: RunningProgram, left: str, right: str) -> bool:
    """Tell whether two texts are one, or two words for one value of the vocabulary."""
    named = run.vocabulary.value_named
    return left == right or (named(left) or left) == (named(right) or right)


def _signed(formula: values.Formula, negated: bool) -> values.Formula:
    return values.Formula(plan.negation(formula.node)) if negated else formula


def _member(run: RunningProgram, negated: bool, left: Any, right: Any, node: ast.Expr) -> bool | values.Formula:
    if isinstance(right, _OBJECTS) or (isinstance(right, values.Value) and isinstance(left, _OBJECTS)):
        raise truthiness.no_members(run.vocabulary, right, node)
    if isinstance(right, str):
        return (run.text(left, node) in right) != negated
    results = [equality(run, False, left, item, node) for item in run.iterate(right, node)]
    soft = [r.node for r in results if isinstance(r, values.Formula)]
    if any(r is True for r in results):
        return not negated
    return _signed(values.Formula(plan.disjunction(soft)), negated) if soft else negated


# --- predicates and values ------------------------------------------------------------------------


def predicate(run: RunningProgram, name: str, args: list[Any], node: ast.Expr) -> Any:
    """Apply a predicate of the vocabulary, or an open one, to objects or values."""
    if run.vocabulary.definition(name, len(args)) is not None and run.vocabulary.sort_named(name) is None:
        return quantifiers.defined(run, name, args, node)
    if (read := asked.apply(run, name, args, node)) is not None:
        return read
    sort = run.vocabulary.sort_named(name) if len(args) == 1 and isinstance(args[0], _OBJECTS) else None
    things = run.vocabulary.is_of_things(sort or "") and (sort != "Object" or run.vocabulary.containers)
    if sort is not None and things:
        return run.made(quantifiers.member(run, sort, args[0], node), node)
    related = _relation(run, name, args, node)
    if related is not None:
        return related
    if any(isinstance(a, values.SortRef) and a.name == "Object" for a in args):
        return _of_every(run, name, args, node)
    args = [_named(run, name, a, node) for a in args]
    if args and all(isinstance(a, str) for a in args) and not run.vocabulary.arities(name):
        return _of_values(run, name, args, node)
    made = run.atoms.apply(name, args, node, argmax=run.argmax, note=run.note)
    return run.made(made, node) if isinstance(made, Node) else made


def _named(run: RunningProgram, name: str, value: Any, node: ast.Expr) -> Any:
    """Return an argument, a described value by its name: ``made_of(x, iota(Material, …))``, ``made_of(x, "metal")``."""
    if not isinstance(value, values.DescribedValue) or value.node.free:
        return value
    run.note(f"a described value in an argument of '{name}' was read as the value chosen")
    return run.plain(value, node)


def _of_every(run: RunningProgram, name: str, args: list[Any], node: ast.Expr) -> values.Formula:
    """Return ``taller(x, Object)`` as ∀y taller(x, y): where y is x itself it is true, as under every innermost ∀."""
    run.note(f"Object in an argument of '{name}' was read as: every other object")
    with run.fresh(1) as (var,):
        given = [values.Variable(var) if isinstance(a, values.SortRef) and a.name == "Object" else a for a in args]
        body = run.formula(predicate(run, name, given, node), node)
        body = quantifiers.among(plan.Forall, run.atoms.of_kind("Object", var), body)
    return run.made(make(plan.Forall, var, body), node)


def _of_values(run: RunningProgram, name: str, args: list[str], node: ast.Expr) -> values.Formula:
    """Return ``primary("red")``, of values alone, as a question that no object is part of: "is red primary?"."""
    first, *others = (run.text(a, node).replace("_", " ") for a in args)
    text = " ".join(["is", first, name.replace("_", " "), *others]) + "?"
    run.note(f"'{name}' of values alone was read as the question '{text}'")
    return run.made(make(plan.Atom, plan.Predicate("", 0, text), ()), node)


def attribute_value(run: RunningProgram, sort: str, target: Any, node: Any) -> Any:
    """Return the value of a sort at an object: by the vocabulary's values, or by an open question."""
    if not isinstance(target, _OBJECTS | str):
        raise ProgramError(
            f"The {run.vocabulary.attribute(sort)} of {values.kind_name(target)} is asked for",
            node.span,
            expected="an object: describe(Color, iota(Object, lambda x: …))",
            hint="put the condition inside an iota" if isinstance(target, values.Formula) else "",
        )
    known = run.vocabulary.values(sort)
    if known:
        with run.describing():
            bodies = [run.formula(predicate(run, v, [target], node), node) for v in known]
        return values.DescribedValue(make(plan.Describe, tuple(known), tuple(bodies), False), sort)
    attribute = run.vocabulary.attribute(sort)
    return run.need("query", ("", attribute, (run.pointed(target, node),)), node)


def _relation(run: RunningProgram, name: str, args: list[Any], node: ast.Expr) -> Any:
    """Return what a predicate means where an argument is a value instead of an object, or ``None`` if none is.

    ``same_color(x, describe(Color, y))`` and ``color(x, describe(Color, y))`` compare colours; ``red(c)`` of a value
    c of Color says that it is red.
    """
    words = run.vocabulary
    sort = words.sort_named(name)
    if len(args) == 1:
        if isinstance(args[0], values.Quantity) and name in ("even", "odd", "is_even", "is_odd"):
            return _parity(run, args[0], name.endswith("odd"), node)
        meant = sort if sort is not None else words.sort_of_value(name)
        if meant is None or sort_of(run, args[0]) != meant:
            return None
        if sort is not None:
            return values.Formula(plan.const(1.0))
        found = equality(run, False, args[0], words.value_named(name), node)
        return values.Formula(plan.const(float(found))) if isinstance(found, bool) else found
    if len(args) != 2:
        return None
    if sort is None:
        attribute = words.same(name)
        sort = words.sort_named(attribute) if attribute and attribute != "object" else None
        if sort is None and words.canonical(name, 2) == "same_object" and all(sort_of(run, a) for a in args):
            return equality(run, False, args[0], args[1], node)
    if sort is None or sort == "Object" or not words.values(sort):
        return None
    kinds = [sort_of(run, a) == sort for a in args]
    if isinstance(args[1], values.SortRef) and args[1].name == sort and isinstance(args[0], _OBJECTS):
        return values.AttributeOf(sort, args[0])
    described = any(isinstance(a, values.DescribedValue | values.AttributeOf) for a in args)
    if not any(kinds) or not (described or all(kinds) or words.sort_named(name) is None):
        return None
    if not all(k or isinstance(a, _OBJECTS) for k, a in zip(kinds, args, strict=True)):
        return None
    first, second = (a if k else values.AttributeOf(sort, a) for k, a in zip(kinds, args, strict=True))
    return equality(run, False, first, second, node)


def _parity(run: RunningProgram, count: values.Quantity, odd: bool, node: ast.Expr) -> values.Formula:
    """Return ``even(count(…))`` as "it is 0, or 2, …": a count has no more than all objects."""
    numbers = (make(Number, float(k)) for k in range(int(odd), run.evaluator.objects + 1, 2))
    return run.made(plan.disjunction([make(Compare, "==", count.node, n) for n in numbers]), node)


def sort_of(run: RunningProgram, value: Any) -> str | None:
    """Return the sort of a value, described or given; of anything else ``None``."""
    if isinstance(value, values.DescribedValue | values.AttributeOf):
        return value.sort
    return run.vocabulary.sort_of_value(value) if isinstance(value, str) else None


def soft(
    run: RunningProgram, left: Any, right: Any, holds: Callable[[int, int], bool], node: ast.Expr
) -> values.Formula | None:
    """Return the relation of two values of one sort, or ``None`` if both are settled without it.

    Parameters
    ----------
    holds
        Tells whether the relation is true of two values, given by their positions in the sort.
    """
    sort = sort_of(run, left)
    known = run.vocabulary.values(sort) if sort is not None else ()
    if not known or sort_of(run, right) != sort:
        return None
    sides = [_bodies(run, value, known, node) for value in (left, right)]
    if not any(body.free for side in sides for body in side.values()):
        return None
    described = [v.node for v in (left, right) if isinstance(v, values.DescribedValue)]
    run.taken |= {value: None for value in described if value.presupposes and not value.free}
    ways = [plan.conjunction([a, b]) for i, a in sides[0].items() for j, b in sides[1].items() if holds(i, j)]
    return run.made(plan.disjunction(ways), node)


def _bodies(run: RunningProgram, value: Any, known: tuple[str, ...], node: ast.Expr) -> dict[int, Node]:
    """Return, for each value that `value` may have, the formula that says so."""
    if isinstance(value, str):
        named = run.vocabulary.value_named(value)
        return {known.index(named): plan.const(1.0)} if named in known else {}
    if isinstance(value, values.AttributeOf):
        value = run.attribute_value(value.sort, value.target, node)
    if not isinstance(value, values.DescribedValue):
        return {}
    return {known.index(v): b for v, b in zip(value.node.values, value.node.bodies, strict=True) if v in known}
