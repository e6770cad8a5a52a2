"""Quantifiers pushed inward, so that the bounds of a formula need no joint tensor.

``∃x1 ∃x2 (u(x1) ∧ v(x2) ∧ R(x1, x2))`` becomes ``∃x1 (u(x1) ∧ ∃x2 (v(x2) ∧ R(x1, x2)))``: like quantifiers
exchange, and ``∃x(φ ∧ ψ) = ∃xφ ∧ ψ`` holds in every logic as long as ∃ is max and there is an object (a t-norm
is monotone). ∀ over ∨ is the dual. Variables go in the order of fewest neighbours (min-degree; Dechter 1999), the
outermost kept for last among equals. A block of distinct variables stays whole.
"""

from __future__ import annotations

from dsl.plan import (
    And,
    Exists,
    Forall,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
    make,
    negation,
    rebuild,
)
from dsl.rewrites.elimination import stays_whole


def nest(node: Node) -> Node:
    """Return the formula with quantifiers pushed inward: the same value on every scene with an object.

    Equal in the last bit for godel; for other logics up to the order of the operands of ∧ (1e-5).
    """
    return _nest(node, {})


def _nest(node: Node, memo: dict[Node, Node]) -> Node:
    found = memo.get(node)
    if found is None:
        found = memo[node] = _nest_new(node, memo)
    return found


def _nest_new(node: Node, memo: dict[Node, Node]) -> Node:
    if isinstance(node, Exists | Forall):
        kind = type(node)
        chain, body = [node.var], node.body
        while isinstance(body, kind):
            chain.append(body.var)
            body = body.body
        if len(set(chain)) < len(chain):
            return make(kind, node.var, _nest(node.body, memo))
        return _eliminate(kind, chain, _nest(_pushed(kind, body), memo))
    inner = tuple(_nest(child, memo) for child in node.children)
    if isinstance(node, Not):
        return negation(inner[0])
    if isinstance(node, And):
        return conjunction(inner)
    if isinstance(node, Or):
        return disjunction(inner)
    return rebuild(node, inner)


def _pushed(kind: type[Exists] | type[Forall], body: Node) -> Node:
    """Write ``∃ ¬(a ∨ b)`` as ``∃ (¬a ∧ ¬b)`` and ``∀ ¬(a ∧ b)`` as ``∀ (¬a ∨ ¬b)``."""
    if isinstance(body, Not):
        if kind is Exists and isinstance(body.body, Or):
            return conjunction(_pushed(kind, negation(o)) for o in body.body.operands)
        if kind is Forall and isinstance(body.body, And):
            return disjunction(_pushed(kind, negation(o)) for o in body.body.operands)
    return body


def _eliminate(kind: type[Exists] | type[Forall], chain: list[str], body: Node) -> Node:
    gather, join = (And, conjunction) if kind is Exists else (Or, disjunction)
    parts: list[Node] = list(body.operands) if isinstance(body, gather) else [body]
    left = [v for v in chain if v in body.free]
    if not left:
        # Vacuous: with an object in the scene, ∃x φ is φ. One stays, so that an empty scene is no exception.
        return make(kind, chain[0], body)
    if stays_whole(kind, left, parts):
        # Inequations join every variable with every other: such a block is searched (neptune.engine.evaluate.distinct).
        for var in reversed(left):
            body = make(kind, var, body)
        return body
    while left:
        scopes = {v: frozenset().union(*(p.free for p in parts if v in p.free)) for v in left}
        # The innermost first among equals.
        var = min(reversed(left), key=lambda v: len(scopes[v]))
        left.remove(var)
        touched = [p for p in parts if var in p.free]
        parts = [p for p in parts if var not in p.free]
        parts.append(make(kind, var, join(touched)))
    return join(parts)
