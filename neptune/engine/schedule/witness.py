"""The objects that made a formula true, read off the bounds along its ∃."""

from __future__ import annotations

from collections.abc import Sequence

from dsl.plan import And, Exists, Node
from neptune.engine.evaluate.executor import Executor


def witness_of(node: Node, vars: Sequence[str], evaluator: Executor) -> dict[str, int]:
    """Return an object for each of the variables that some ∃ of the formula binds.

    Outermost first, each the lowest index that reaches the (lower bound of the) value: ∃ pushed inward or not, the
    tuple reaches the value of the whole. Empty if two of the variables have one name.

    Parameters
    ----------
    node
        A closed formula, as evaluated.
    vars
        The variables to find.
    evaluator
        Knows the values.
    """
    found: dict[str, int] = {}
    if len(set(vars)) == len(vars):
        _walk(node, frozenset(vars), evaluator, found)
    return found


def _walk(node: Node, vars: frozenset[str], evaluator: Executor, found: dict[str, int]) -> None:
    if isinstance(node, Exists) and node.var in vars and node.var not in found:
        if node.var in node.body.free:
            order = (*sorted(node.body.free - {node.var}), node.var)
            values = evaluator.truth(node.body).low.align(order).internal
            found[node.var] = int(values[tuple(found[v] for v in order[:-1])].argmax())
        _walk(node.body, vars, evaluator, found)
    elif isinstance(node, And):
        for operand in node.operands:
            _walk(operand, vars, evaluator, found)
