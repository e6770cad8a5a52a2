"""Rewrites of ∃ and ∀."""

from __future__ import annotations

from dsl.plan import And, Exists, ExpectationOver, Forall, Node, Or, conjunction, disjunction, make
from dsl.rewrites.rule import Laws, bottom_up


def drop_vacuous(node: Node, laws: Laws) -> Node:
    """Drop quantifiers (and expectations) over a variable that does not occur: ∃x φ = φ on N ≥ 1 objects.

    An empty scene is no business of rewrites: there the plan runs as written.
    """

    def change(current: Node) -> Node:
        if isinstance(current, Exists | Forall | ExpectationOver) and current.var not in current.body.free:
            return current.body
        return current

    return bottom_up(node, change)


def push_inward(node: Node, laws: Laws) -> Node:
    """Give each quantifier the smallest scope ("miniscoping"; Nonnengart and Weidenbach 2001).

    ∃x(φ ∧ ψ) = ∃xφ ∧ ψ and ∃x(φ ∨ ψ) = ∃xφ ∨ ψ where x is not in ψ, and duals: every logic, since t-norms and
    t-conorms distribute over max and min. ∃x(φ ∨ ψ) = ∃xφ ∨ ∃xψ and its dual: idempotent logics only.
    """

    def push(kind: type[Exists] | type[Forall], var: str, body: Node) -> Node:
        if var not in body.free:
            return body
        if not isinstance(body, And | Or):
            return make(kind, var, body)
        join = conjunction if isinstance(body, And) else disjunction
        across = isinstance(body, Or) == (
            kind is Exists
        )  # the quantifier is the connective's own infinite form
        if across and laws.idempotent:
            return join(push(kind, var, o) for o in body.operands)
        inside = [o for o in body.operands if var in o.free]
        outside = [o for o in body.operands if var not in o.free]
        if len(inside) == 1:
            return join([*outside, push(kind, var, inside[0])])
        if not outside:
            return make(kind, var, body)
        return join([*outside, make(kind, var, join(inside))])

    def change(current: Node) -> Node:
        if isinstance(current, Exists | Forall):
            return push(type(current), current.var, current.body)
        if isinstance(current, And):  # a pushed quantifier may have left a conjunction inside one
            return conjunction(current.operands)
        return disjunction(current.operands) if isinstance(current, Or) else current

    return bottom_up(node, change)
