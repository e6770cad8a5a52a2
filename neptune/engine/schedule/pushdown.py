"""Quantifiers pushed inward, so that the bounds of a formula need no joint tensor.

``∃x1 ∃x2 (u(x1) ∧ v(x2) ∧ R(x1, x2))`` becomes ``∃x1 (u(x1) ∧ ∃x2 (v(x2) ∧ R(x1, x2)))``: like quantifiers
exchange, and ``∃x(φ ∧ ψ) = ∃xφ ∧ ψ`` holds in every logic as long as ∃ is max and there is an object (a t-norm
is monotone). ∀ over ∨ is the dual. Variables go in the order of fewest neighbours (min-degree; Dechter 1999), the
outermost kept for last among equals. A block of distinct variables stays whole.
"""

from __future__ import annotations

from dsl.plan import And, Exists, Forall, Node, Not, Or, Visit, descend, join, make, negation, prefix, quantify, rejoin
from dsl.plan.nodes import Quantifier
from dsl.rewrites.elimination import stays_whole


def push_down(node: Node) -> Node:
    """Return the formula with quantifiers pushed inward: the same value on every scene with an object.

    Equal in the last bit for godel; for other logics up to the order of the operands of ∧ (1e-5).
    """
    return descend(node, None, _push_down)


def _push_down(node: Node, _: None, visit: Visit[None]) -> Node:
    if not isinstance(node, Exists | Forall):
        return rejoin(node, [visit(child, None) for child in node.children])
    kind = type(node)
    variables, body = prefix(node)
    if len(set(variables)) < len(variables):
        return make(kind, node.var, visit(node.body, None))
    return _eliminate(kind, variables, visit(_negated_inside(kind, body), None))


def _negated_inside(kind: Quantifier, body: Node) -> Node:
    """Write ``∃ ¬(a ∨ b)`` as ``∃ (¬a ∧ ¬b)`` and ``∀ ¬(a ∧ b)`` as ``∀ (¬a ∨ ¬b)``."""
    dual = Or if kind is Exists else And
    if isinstance(body, Not) and isinstance(body.body, dual):
        return join(kind.connective, (_negated_inside(kind, negation(o)) for o in body.body.operands))
    return body


def _eliminate(kind: Quantifier, variables: list[str], body: Node) -> Node:
    parts = list(body.operands) if isinstance(body, kind.connective) else [body]
    left = [v for v in variables if v in body.free]
    if not left:
        # Vacuous: with an object in the scene, ∃x φ is φ. One stays, so that an empty scene is no exception.
        return make(kind, variables[0], body)
    if stays_whole(kind, left, parts):
        # Inequations join every variable with every other: such a block is searched.
        return quantify(kind, reversed(left), body)
    while left:
        scopes = {v: frozenset().union(*(p.free for p in parts if v in p.free)) for v in left}
        # The innermost first among equals.
        var = min(reversed(left), key=lambda v: len(scopes[v]))
        left.remove(var)
        touched = [p for p in parts if var in p.free]
        parts = [p for p in parts if var not in p.free]
        parts.append(make(kind, var, join(kind.connective, touched)))
    return join(kind.connective, parts)
