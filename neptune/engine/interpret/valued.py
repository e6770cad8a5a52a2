"""Relations of values: the colour of x against another colour, a size against a size, chosen softly.

A described value that depends on a bound variable has no single value; a relation of it is the disjunction over the
values that make the relation true: ``color(x) == color(y)`` is "both red, or both blue, …".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.plan import Node
from dsl.syntax import ast
from neptune.engine.interpret.values import (
    AttributeOf,
    DescribedObject,
    DescribedValue,
    Formula,
    ObjectRef,
    Quantity,
    SortRef,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from neptune.engine.interpret.interpreter import Interpreter

_OBJECTS = Variable | ObjectRef | DescribedObject


def relation(run: Interpreter, name: str, args: list[Any], node: ast.Expr) -> Any:
    """Return what a predicate means where an argument is a value instead of an object, or ``None`` if none is.

    ``same_color(x, describe(Color, y))`` and ``color(x, describe(Color, y))`` compare colours; ``red(c)`` of a value
    c of Color says that it is red.
    """
    words = run.vocabulary
    sort = words.sort_named(name)
    if len(args) == 1:
        if isinstance(args[0], Quantity) and name in ("even", "odd", "is_even", "is_odd"):
            return _parity(run, args[0], name.endswith("odd"), node)
        own = sort if sort is not None else words.sort_of_value(name)
        if own is None or sort_of(run, args[0]) != own:
            return None
        if sort is not None:
            return Formula(plan.const(1.0))
        found = run.equal(args[0], words.value_named(name), node)
        return Formula(plan.const(float(found))) if isinstance(found, bool) else found
    if len(args) != 2:
        return None
    if sort is None:
        attribute = words.same(name)
        sort = words.sort_named(attribute) if attribute and attribute != "object" else None
        if sort is None and words.canonical(name, 2) == "same_object" and all(sort_of(run, a) for a in args):
            return run.equal(args[0], args[1], node)
    if sort is None or sort == "Object" or not words.values(sort):
        return None
    kinds = [sort_of(run, a) == sort for a in args]
    if isinstance(args[1], SortRef) and args[1].name == sort and isinstance(args[0], _OBJECTS):
        return AttributeOf(sort, args[0])
    described = any(isinstance(a, DescribedValue | AttributeOf) for a in args)
    if not any(kinds) or not (described or all(kinds) or words.sort_named(name) is None):
        return None
    if not all(k or isinstance(a, _OBJECTS) for k, a in zip(kinds, args, strict=True)):
        return None
    sides = [a if k else AttributeOf(sort, a) for k, a in zip(kinds, args, strict=True)]
    return run.equal(sides[0], sides[1], node)


def _parity(run: Interpreter, count: Quantity, odd: bool, node: ast.Expr) -> Formula:
    """Return ``even(count(…))`` as "it is 0, or 2, …": a count has no more than all objects."""
    exact = [
        plan.make(plan.Compare, "==", count.node, plan.make(plan.Number, float(k)))
        for k in range(int(odd), run.evaluator.objects + 1, 2)
    ]
    return run.made(plan.disjunction(exact), node)


def sort_of(run: Interpreter, value: Any) -> str | None:
    """Return the sort of a value, described or given; of anything else ``None``."""
    if isinstance(value, DescribedValue | AttributeOf):
        return value.sort
    return run.vocabulary.sort_of_value(value) if isinstance(value, str) else None


def soft(
    run: Interpreter, left: Any, right: Any, holds: Callable[[int, int], bool], node: ast.Expr
) -> Formula | None:
    """Return the relation of two values of one sort, or ``None`` if both are settled without it.

    Parameters
    ----------
    holds
        Tells whether the relation is true of two values, given by their positions in the sort.
    """
    sort = sort_of(run, left)
    values = run.vocabulary.values(sort) if sort is not None else ()
    if not values or sort_of(run, right) != sort:
        return None
    sides = [_bodies(run, value, values, node) for value in (left, right)]
    if not any(body.free for side in sides for body in side.values()):
        return None
    ways = [plan.conjunction([a, b]) for i, a in sides[0].items() for j, b in sides[1].items() if holds(i, j)]
    return run.made(plan.disjunction(ways), node)


def _bodies(run: Interpreter, value: Any, values: tuple[str, ...], node: ast.Expr) -> dict[int, Node]:
    """Return, for each value that `value` may have, the formula that says so."""
    if isinstance(value, str):
        named = run.vocabulary.value_named(value)
        return {values.index(named): plan.const(1.0)} if named in values else {}
    if isinstance(value, AttributeOf):
        value = run.attribute_value(value.sort, value.target, node)
    if not isinstance(value, DescribedValue):
        return {}
    return {
        values.index(v): b for v, b in zip(value.node.values, value.node.bodies, strict=True) if v in values
    }
