"""Rewrites of ∃ and ∀."""

from __future__ import annotations

from dsl.plan import And, Exists, ExpectationOver, Forall, Node, Or, Quantifier, join, make
from dsl.rewrites.connectives import flattened
from dsl.rewrites.rule import Laws, of_nodes


@of_nodes("drop vacuous quantifiers", "∃x φ = φ for x not in φ (N ≥ 1)")
def drop_vacuous(node: Node, laws: Laws) -> Node:
    """Of expectations too. An empty scene is no business of rewrites: there the plan runs as written."""
    if isinstance(node, Exists | Forall | ExpectationOver) and node.var not in node.body.free:
        return node.body
    return node


@of_nodes("push quantifiers inward", "∃x(φ ∧ ψ) = ∃xφ ∧ ψ for x not in ψ", crisp=True)
def push_inward(node: Node, laws: Laws) -> Node:
    """Give each quantifier the smallest scope ("miniscoping"; Nonnengart and Weidenbach 2001).

    ∃x(φ ∧ ψ) = ∃xφ ∧ ψ and ∃x(φ ∨ ψ) = ∃xφ ∨ ψ where x is not in ψ, and duals: every logic, since t-norms and
    t-conorms distribute over max and min. ∃x(φ ∨ ψ) = ∃xφ ∨ ∃xψ and its dual: idempotent logics only.
    """
    if isinstance(node, Exists | Forall):
        return _pushed(type(node), node.var, node.body, laws.idempotent)
    return flattened(node)  # a pushed quantifier may have left a conjunction inside one


def _pushed(kind: Quantifier, var: str, body: Node, idempotent: bool) -> Node:
    if var not in body.free:
        return body
    if not isinstance(body, And | Or):
        return make(kind, var, body)
    connective = type(body)
    if idempotent and connective is not kind.connective:  # the quantifier is its own infinite form
        return join(connective, [_pushed(kind, var, o, idempotent) for o in body.operands])
    inside = [o for o in body.operands if var in o.free]
    outside = [o for o in body.operands if var not in o.free]
    if len(inside) == 1:
        return join(connective, [*outside, _pushed(kind, var, inside[0], idempotent)])
    if not outside:
        return make(kind, var, body)
    return join(connective, [*outside, make(kind, var, join(connective, inside))])
