"""Rewrites of ¬, ∧ and ∨."""

from __future__ import annotations

from dsl.plan import (
    And,
    Compare,
    Const,
    Exists,
    Forall,
    Node,
    Not,
    Number,
    Or,
    Same,
    Visit,
    Xor,
    const,
    descend,
    join,
    make,
    negation,
    rebuild,
)
from dsl.rewrites.rule import Laws, of_nodes, of_plans

_OPPOSITE = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "==": "!=", "!=": "=="}


@of_plans("negation normal form", "¬(a ∧ b) = ¬a ∨ ¬b, ¬∃ = ∀¬, ¬(a > b) = a ≤ b")
def negation_normal_form(plan: Node, laws: Laws) -> Node:
    """Move ¬ down to the atoms. It stays before an exclusive or and before an expectation."""
    return descend(plan, True, _signed)


def _signed(node: Node, positive: bool, visit: Visit[bool]) -> Node:
    match node:
        case Not():
            return visit(node.body, not positive)
        case And() | Or():
            connective = And if isinstance(node, And) == positive else Or
            return join(connective, [visit(o, positive) for o in node.operands])
        case Exists() | Forall():
            kind = Exists if isinstance(node, Exists) == positive else Forall
            return make(kind, node.var, visit(node.body, positive))
        case Compare():
            op = node.op if positive else _OPPOSITE[node.op]
            return make(Compare, op, visit(node.left, True), visit(node.right, True))
    made = rebuild(node, [visit(child, True) for child in node.children])
    return made if positive else negation(made)


def flattened(node: Node) -> Node:
    """Return a conjunction or disjunction with those of its kind drawn in; other nodes as they are."""
    return join(type(node), node.operands) if isinstance(node, And | Or) else node


@of_nodes("flatten", "(a ∧ b) ∧ c = a ∧ b ∧ c")
def flatten(node: Node, laws: Laws) -> Node:
    """Associativity, of ∧ and of ∨."""
    return flattened(node)


@of_nodes("fold constants", "true ∧ a = a, false ∧ a = false")
def fold_constants(node: Node, laws: Laws) -> Node:
    """The boundary conditions of every t-norm; identity is true or false, so u = v ∧ u ≠ v = false; comparisons of
    numbers."""
    match node:
        case And() | Or():
            absorbing = const(1.0 - node.neutral)
            operands = [o for o in node.operands if o is not const(node.neutral)]
            known = {o for o in operands if isinstance(o, Same)}
            contradict = any(isinstance(o, Not) and o.body in known for o in operands)
            return absorbing if absorbing in operands or contradict else join(type(node), operands)
        case Not():
            return negation(node.body)
        case Xor(left=Const(value=value), right=other) | Xor(left=other, right=Const(value=value)) if value in (0, 1):
            return negation(other) if value else other
        case Compare(left=Number(value=a), right=Number(value=b)):
            return const(float(_compares(node.op, a, b)))
    return node


def _compares(op: str, a: float, b: float) -> bool:
    return {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}[op]


@of_nodes("merge equal conjuncts", "a ∧ a = a (u ≠ v in every logic)")
def merge_equal(node: Node, laws: Laws) -> Node:
    """Idempotency, where the logic has it; u = v and u ≠ v, being true or false, have it in every logic."""
    if not isinstance(node, And | Or):
        return node
    kept: list[Node] = []
    seen: set[Node] = set()
    for operand in node.operands:
        body = operand.body if isinstance(operand, Not) else operand
        if operand not in seen or not (laws.idempotent or isinstance(body, Same)):
            kept.append(operand)
        seen.add(operand)
    return join(type(node), kept)
