"""Arithmetic and comparisons: plain on plain values, lazy on counts, objects and described values."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.errors import LimitError, ProgramError
from dsl.plan import Compare, Number, make
from dsl.syntax import ast
from neptune.engine.interpret import valued
from neptune.engine.interpret import work_bounds as bounds
from neptune.engine.interpret.values import (
    AttributeOf,
    DescribedObject,
    DescribedValue,
    Formula,
    ObjectRef,
    Quantity,
    Variable,
    kind_name,
)

if TYPE_CHECKING:
    from neptune.engine.interpret.interpreter import Interpreter

_OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_MIRROR = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


def unary(run: Interpreter, op: str, value: Any, node: ast.Unary) -> int | float:
    """Return ``-value`` or ``+value`` of a number."""
    number = run.number(value, node)
    return -number if op == "-" else number


def binary(run: Interpreter, op: str, left: Any, right: Any, node: ast.Expr | ast.Stmt) -> Any:
    """Return ``left op right`` of numbers, texts or lists.

    Raises
    ------
    dsl.ProgramError
        For a division by zero, or values that have no such operation.
    """
    left, right = run.plain(left, node), run.plain(right, node)
    bounds.charge(run, (left, right), node)
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        return run.bounded(left + right, node)
    if op == "+" and isinstance(left, list | tuple) and type(left) is type(right):
        _check_length(run, len(left) + len(right), node)
        return type(left)([*left, *right])
    if isinstance(left, set) and isinstance(right, set) and op in "&|^-":
        return {"&": left & right, "|": left | right, "^": left ^ right, "-": left - right}[op]
    if isinstance(left, str) or isinstance(right, str):
        raise ProgramError(
            f"'{op}' does not apply to {kind_name(left)} and {kind_name(right)}",
            node.span,
            hint='join texts with f"…{value}…"',
        )
    a, b = (run.number(v, at) for v, at in zip((left, right), sides(node), strict=True))
    if op in ("/", "//", "%") and b == 0:
        raise ProgramError("Division by zero", node.span, expected="a divisor other than 0")
    if op == "**":
        return _power(run, a, b, node)
    if op not in _OPERATIONS:
        raise ProgramError(f"The language has no operator '{op}'", node.span)
    return _bounded(run, _OPERATIONS[op](a, b), node)


def _power(run: Interpreter, a: float, b: float, node: ast.Node) -> Any:
    if abs(b) > 64 or (a == 0 and b < 0) or (a < 0 and b != int(b)):
        raise ProgramError(f"{a:g} ** {b:g} is out of range", node.span, expected="an exponent of at most 64")
    try:
        return _bounded(run, a**b, node)
    except OverflowError:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span) from None


def _bounded(run: Interpreter, value: int | float, node: ast.Node) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise LimitError("number_digits", run.limits.number_digits, None, node.span)
        return value
    if abs(value) >= 10**run.limits.number_digits:
        raise LimitError("number_digits", run.limits.number_digits, None, node.span)
    return value


def _check_length(run: Interpreter, length: int, node: ast.Node) -> None:
    if length > run.limits.iterations:
        raise LimitError("iterations", run.limits.iterations, length, node.span)


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


def compare(run: Interpreter, op: str, left: Any, right: Any, node: ast.Expr) -> bool | Formula:
    """Return ``left op right``: a bool for plain values, a formula where counts, objects or variables take part."""
    if op in ("is", "is not"):
        op = "==" if op == "is" else "!="
    if op in ("in", "not in"):
        return _member(run, op == "not in", left, right, node)
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _counts(run, op, left, right, node)
    if op in ("==", "!="):
        return equality(run, op == "!=", left, right, node)
    if all(isinstance(v, Variable | ObjectRef | DescribedObject) for v in (left, right)):
        ordered_sorts = [s for s in run.vocabulary.sorts if run.vocabulary.is_ordered(s)]
        if len(ordered_sorts) == 1:
            run.note(f"objects compared by '{op}' were read as compared by {ordered_sorts[0]}")
            left, right = AttributeOf(ordered_sorts[0], left), AttributeOf(ordered_sorts[0], right)
    sort = valued.sort_of(run, left)
    if sort is not None and run.vocabulary.is_ordered(sort):
        ordered = valued.soft(run, left, right, _ORDER[op], node)
        if ordered is not None:
            return ordered
    left, right = run.plain(left, node), run.plain(right, node)
    if isinstance(left, str) and isinstance(right, str):
        return _ordered_values(run, op, left, right, node)
    a, b = (run.number(v, at) for v, at in zip((left, right), sides(node), strict=True))
    return bool(_ORDER[op](a, b))


def _ordered_values(run: Interpreter, op: str, left: str, right: str, node: ast.Expr) -> bool:
    sort = run.vocabulary.sort_of_value(left)
    values = run.vocabulary.values(sort) if sort is not None else ()
    if sort is None or right not in values or not run.vocabulary.is_ordered(sort):
        raise ProgramError(
            f"'{left}' and '{right}' have no order",
            node.span,
            expected="numbers, or values of an ordered sort",
        )
    return bool(_ORDER[op](values.index(left), values.index(right)))


def _counts(run: Interpreter, op: str, left: Any, right: Any, node: ast.Expr) -> bool | Formula:
    both = [
        v.node if isinstance(v, Quantity) else make(Number, float(run.number(v, at)))
        for v, at in zip((left, right), sides(node), strict=True)
    ]
    if isinstance(both[0], Number):
        both, op = both[::-1], _MIRROR[op]
    if isinstance(both[1], Number) and math.isinf(both[1].value):
        # Every count is to infinity as 0 is: nobody need be asked.
        return bool({**_ORDER, "==": operator.eq, "!=": operator.ne}[op](0.0, both[1].value))
    return run.made(make(Compare, op, *both), node)


def equality(run: Interpreter, negated: bool, left: Any, right: Any, node: ast.Expr) -> bool | Formula:
    """Return ``left == right`` (or ``!=``) of anything.

    Objects are compared by identity (crisp); a described value with a text by its formula where it depends on a
    bound variable, and by the value chosen otherwise.
    """
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _counts(run, "!=" if negated else "==", left, right, node)
    if isinstance(left, AttributeOf) and isinstance(right, AttributeOf) and left.sort == right.sort:
        attribute = run.vocabulary.attribute(left.sort)
        return _signed(run.predicate(f"same_{attribute}", [left.target, right.target], node), negated)
    if isinstance(left, Variable | ObjectRef | DescribedObject) and isinstance(
        right, Variable | ObjectRef | DescribedObject
    ):
        return _signed(run.predicate("same_object", [left, right], node), negated)
    if isinstance(left, str) and not isinstance(right, str):
        left, right = right, left
    if isinstance(left, AttributeOf | DescribedValue) and isinstance(right, AttributeOf | DescribedValue):
        both_ways = valued.soft(run, left, right, operator.eq, node)
        if both_ways is not None:
            return _signed(both_ways, negated)
    if isinstance(left, Variable | ObjectRef | DescribedObject) and isinstance(right, str):
        sort = run.vocabulary.sort_of_value(right)
        if sort is not None:
            run.note(f"an object compared with '{right}' was read as its {run.vocabulary.attribute(sort)}")
            left = AttributeOf(sort, left)
    if isinstance(left, AttributeOf) and isinstance(right, str):
        return _signed(run.predicate(left.sort, [left.target, right], node), negated)
    if isinstance(left, DescribedValue) and left.node.free and isinstance(right, str):
        value = run.vocabulary.value_named(right) or right
        if value in left.node.values:
            return _signed(Formula(left.node.bodies[left.node.values.index(value)]), negated)
        return negated
    if isinstance(left, Formula) or isinstance(right, Formula):
        first, second = (run.formula(v, at) for v, at in zip((left, right), sides(node), strict=True))
        both = plan.make(plan.Xor, first, second)
        return run.made(both if negated else plan.negation(both), node)
    left, right = run.plain(left, node), run.plain(right, node)
    if left is not right:
        bounds.charge(run, (left, right), node)
    if isinstance(left, str) and isinstance(right, str):
        left, right = (run.vocabulary.value_named(v) or v for v in (left, right))
    return bool((left != right) if negated else (left == right))


def _signed(formula: Formula, negated: bool) -> Formula:
    return Formula(plan.negation(formula.node)) if negated else formula


def _member(run: Interpreter, negated: bool, left: Any, right: Any, node: ast.Expr) -> bool | Formula:
    if isinstance(right, str):
        return (run.text(left, node) in right) != negated
    results = [equality(run, False, left, item, node) for item in run.iterate(right, node)]
    soft = [r.node for r in results if isinstance(r, Formula)]
    if any(r is True for r in results):
        return not negated
    return _signed(Formula(plan.disjunction(soft)), negated) if soft else negated
