"""Rewrites of ¬, ∧ and ∨."""

from __future__ import annotations

from dsl import plan
from dsl.rewrites.rule import Laws, of_nodes, of_plans

_OPPOSITE = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "==": "!=", "!=": "=="}


@of_plans("negation normal form", "¬(a ∧ b) = ¬a ∨ ¬b, ¬∃ = ∀¬, ¬(a > b) = a ≤ b")
def negation_normal_form(root: plan.Node, laws: Laws) -> plan.Node:
    """Move ¬ down to the atoms. It stays before an exclusive or and before an expectation."""
    return plan.descend(root, True, _signed)


def _signed(node: plan.Node, positive: bool, visit: plan.Visit[bool]) -> plan.Node:
    match node:
        case plan.Not():
            return visit(node.body, not positive)
        case plan.And() | plan.Or():
            connective = plan.And if isinstance(node, plan.And) == positive else plan.Or
            return plan.join(connective, [visit(o, positive) for o in node.operands])
        case plan.Exists() | plan.Forall():
            kind = plan.Exists if isinstance(node, plan.Exists) == positive else plan.Forall
            return plan.make(kind, node.var, visit(node.body, positive))
        case plan.Compare():
            op = node.op if positive else _OPPOSITE[node.op]
            return plan.make(plan.Compare, op, visit(node.left, True), visit(node.right, True))
    made = plan.rebuild(node, [visit(child, True) for child in node.children])
    return made if positive else plan.negation(made)


def flattened(node: plan.Node) -> plan.Node:
    """Return a conjunction or disjunction with those of its kind drawn in; other nodes as they are."""
    return plan.join(type(node), node.operands) if isinstance(node, plan.And | plan.Or) else node


@of_nodes("flatten", "(a ∧ b) ∧ c = a ∧ b ∧ c")
def flatten(node: plan.Node, laws: Laws) -> plan.Node:
    """Associativity, of ∧ and of ∨."""
    return flattened(node)


@of_nodes("fold constants", "true ∧ a = a, false ∧ a = false")
def fold_constants(node: plan.Node, laws: Laws) -> plan.Node:
    """The boundary conditions of every t-norm; identity is true or false, so u = v ∧ u ≠ v = false; comparisons of
    numbers."""
    match node:
        case plan.And() | plan.Or():
            absorbing = plan.const(1.0 - node.neutral)
            operands = [o for o in node.operands if o is not plan.const(node.neutral)]
            known = {o for o in operands if isinstance(o, plan.Same)}
            contradict = any(isinstance(o, plan.Not) and o.body in known for o in operands)
            return absorbing if absorbing in operands or contradict else plan.join(type(node), operands)
        case plan.Not():
            return plan.negation(node.body)
        case (
            plan.Xor(left=plan.Const(value=value), right=other) | plan.Xor(left=other, right=plan.Const(value=value))
        ) if value in (0, 1):
            return plan.negation(other) if value else other
        case plan.Compare(left=plan.Number(value=a), right=plan.Number(value=b)):
            return plan.const(float(_compares(node.op, a, b)))
    return node


def _compares(op: str, a: float, b: float) -> bool:
    return {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}[op]


@of_nodes("merge equal conjuncts", "a ∧ a = a (u ≠ v in every logic)")
def merge_equal(node: plan.Node, laws: Laws) -> plan.Node:
    """Idempotency, where the logic has it; u = v and u ≠ v, being true or false, have it in every logic."""
    if not isinstance(node, plan.And | plan.Or):
        return node
    kept: list[plan.Node] = []
    seen: set[plan.Node] = set()
    for operand in node.operands:
        body = operand.body if isinstance(operand, plan.Not) else operand
        if operand not in seen or not (laws.idempotent or isinstance(body, plan.Same)):
            kept.append(operand)
        seen.add(operand)
    return plan.join(type(node), kept)
