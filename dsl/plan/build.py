"""Making formulas, with what every logic lets one fold at once: nesting, constants, ¬¬, x = x."""

from __future__ import annotations

from collections.abc import Iterable

from dsl.plan.nodes import And, Connective, Const, Not, Or, Quantifier, Same
from dsl.plan.schema import Node, Term, make


def const(value: float) -> Const:
    """Return the constant truth `value`, in [0, 1]."""
    return make(Const, float(value))


def conjunction(operands: Iterable[Node]) -> Node:
    """Return the conjunction of the operands, nested conjunctions flattened; true if there are none."""
    return join(And, operands)


def disjunction(operands: Iterable[Node]) -> Node:
    """Return the disjunction of the operands, nested disjunctions flattened; false if there are none."""
    return join(Or, operands)


def join(connective: Connective, operands: Iterable[Node]) -> Node:
    """Return the :func:`conjunction` or :func:`disjunction` of the operands."""
    flat: list[Node] = []
    for operand in operands:
        if isinstance(operand, connective):
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    if not flat:
        return const(connective.neutral)
    return flat[0] if len(flat) == 1 else make(connective, tuple(flat))


def negation(body: Node) -> Node:
    """Return ¬body, with ¬¬ removed (a law of every logic) and constants folded."""
    if isinstance(body, Not):
        return body.body
    if isinstance(body, Const):
        return const(1.0 - body.value)
    return make(Not, body)


def quantify(kind: Quantifier, variables: Iterable[str], body: Node) -> Node:
    """Return the body with a quantifier for each of the variables, the last one outermost."""
    for var in variables:
        body = make(kind, var, body)
    return body


def distinct(terms: tuple[Term, ...]) -> Node:
    """Return the formula that says that all terms are different objects."""
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i + 1 :]]
    return conjunction(negation(same(a, b)) for a, b in pairs)


def same(a: Term, b: Term) -> Node:
    """Return ``a = b``, with its arguments in one order, and folded where it is known."""
    if a == b:
        return const(1.0)
    if isinstance(a, int) and isinstance(b, int):
        return const(0.0)
    return make(Same, tuple(sorted((a, b), key=str)))
