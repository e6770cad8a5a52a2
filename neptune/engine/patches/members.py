"""Lists of which it is not decided yet what is in them: as much is decided as the program looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from dsl import plan
from dsl.plan import Const, CountTrue, Node, make
from dsl.syntax import ast
from neptune.engine.interpret.running import RunningProgram
from neptune.engine.interpret.values import Formula, Members, Quantity

T = TypeVar("T")


class NeedsAnswer(Exception):  # no error: the formula can not be made beforehand
    """A plain value would have to be decided, of which it is not known whether the program comes to it."""


def is_open(value: Any) -> bool:
    """Tell whether a value is a list that is not decided yet."""
    return isinstance(value, Members) and value.open is not None


def decide(run: RunningProgram, formula: Node, node: ast.Node) -> bool:
    """Decide whether one candidate is a member."""
    if isinstance(formula, Const):
        return formula.value > 0.5
    return bool(run.need("truth", formula, node))


def settled(run: RunningProgram, value: T, node: ast.Node) -> T:
    """Return a value, an open list filled with its members."""
    if isinstance(value, Members) and value.open is not None:
        candidates = value.open
        run.spend(len(candidates), node)
        run.evaluator.foresee([f for _, f in candidates], True)
        value.settle([item for item, formula in candidates if decide(run, formula, node)])
    return value


def walk(run: RunningProgram, members: Members, node: ast.Node, *, backwards: bool = False) -> Iterator[Any]:
    """Yield the members in order, each decided when it is its turn."""
    candidates = members.open or ()
    run.evaluator.foresee([f for _, f in candidates], False)
    for item, formula in reversed(candidates) if backwards else candidates:
        run.spend(1, node)
        if decide(run, formula, node):
            yield item


def element(run: RunningProgram, members: Members, index: int, node: ast.Node) -> Any:
    """Return ``members[index]``, deciding no more of the list than is needed.

    Raises
    ------
    IndexError
        If there is no such element.
    """
    left = index if index >= 0 else -index - 1
    for item in walk(run, members, node, backwards=index < 0):
        if not left:
            return item
        left -= 1
    raise IndexError(f"the list has no element {index}")


def some(members: Members) -> Node:
    """Return the formula that the list is not empty."""
    return plan.disjunction([formula for _, formula in members.open or ()])


def size(members: Members) -> int | Quantity:
    """Return how many members there are: plain where it is known, else a count."""
    formulas = [formula for _, formula in members.open or ()]
    known = [f for f in formulas if isinstance(f, Const)]
    if len(known) == len(formulas):
        return sum(f.value > 0.5 for f in known)
    return Quantity(make(CountTrue, tuple(formulas)))


def emptiness(quantity: Quantity, op: str, number: int) -> Node | None:
    """Return a comparison of a count that asks whether there are any, as a disjunction: one witness settles it.

    ``None`` for other comparisons.
    """
    if not isinstance(quantity.node, CountTrue):
        return None
    any_ = plan.disjunction(quantity.node.bodies)
    if (op, number) in ((">", 0), ("!=", 0), (">=", 1)):
        return any_
    return plan.negation(any_) if (op, number) in (("==", 0), ("<", 1), ("<=", 0)) else None


def both(first: Node, second: Node) -> Node:
    """Return the conjunction of two formulas; what is certain is left out."""
    parts = [f for f in (first, second) if not (isinstance(f, Const) and f.value == 1.0)]
    return plan.conjunction(parts)


def either(first: Node, second: Node) -> Node:
    """Return the disjunction of two formulas; what is impossible is left out."""
    parts = [f for f in (first, second) if not (isinstance(f, Const) and f.value == 0.0)]
    return plan.disjunction(parts)


def truth_of(members: Members) -> Formula:
    """Return the list as a truth."""
    return Formula(some(members))
