"""A count where a choice needs a truth: ``argmax(Object, lambda x: count(…))``.

It is the object of which no other has a larger count. The choice stays soft, so that it works inside quantifiers and
costs one round of questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.plan import Compare, Forall, Node, make
from dsl.syntax import ast
from neptune.engine.interpret.values import Quantity

if TYPE_CHECKING:
    from neptune.engine.interpret.interpreter import Interpreter


def of_objects(run: Interpreter, var: str, total: Quantity, node: ast.Node) -> Node:
    """Return the formula that no object has a larger count than the object `var`."""
    _note(run)
    other = plan.fresh(total.node, make(plan.Same, (var, var)))
    rival = plan.substitute(total.node, {var: other})
    return run.made(make(Forall, other, make(Compare, ">=", total.node, rival)), node).node


def of_values(run: Interpreter, totals: list[Quantity], node: ast.Node) -> list[Node]:
    """Return for each count the formula that none of the others is larger."""
    _note(run)
    return [
        plan.conjunction(
            [
                run.made(make(Compare, ">=", mine.node, other.node), node).node
                for other in totals
                if other is not mine
            ]
        )
        for mine in totals
    ]


def are_counts(values: list[Any]) -> bool:
    """Tell whether there are values, and all of them are counts."""
    return bool(values) and all(isinstance(v, Quantity) for v in values)


def _note(run: Interpreter) -> None:
    run.note("a count as what is chosen by was read as: no other has a larger one")
