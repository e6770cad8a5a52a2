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
    Xor,
    children,
    conjunction,
    const,
    disjunction,
    make,
    negation,
    rebuild,
)
from dsl.rewrites.rule import Laws, bottom_up

_OPPOSITE = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "==": "!=", "!=": "=="}


def negation_normal_form(node: Node, laws: Laws) -> Node:
    """Move ¬ down to the atoms: De Morgan, ¬∃ = ∀¬, ¬∀ = ∃¬, ¬(a > b) = a ≤ b. Holds in every logic.

    ¬ stays before an exclusive or and before an expectation.
    """
    memo: dict[tuple[Node, bool], Node] = {}

    def visit(current: Node, positive: bool) -> Node:
        key = (current, positive)
        if key not in memo:
            memo[key] = fresh(current, positive)
        return memo[key]

    def fresh(current: Node, positive: bool) -> Node:
        match current:
            case Not():
                return visit(current.body, not positive)
            case And() | Or():
                joined = [visit(o, positive) for o in current.operands]
                return conjunction(joined) if isinstance(current, And) == positive else disjunction(joined)
            case Exists() | Forall():
                kind = Exists if isinstance(current, Exists) == positive else Forall
                return make(kind, current.var, visit(current.body, positive))
            case Compare():
                op = current.op if positive else _OPPOSITE[current.op]
                return make(Compare, op, visit(current.left, True), visit(current.right, True))
        made = rebuild(current, tuple(visit(c, True) for c in children(current)))
        return made if positive else negation(made)

    return visit(node, True)


def flatten(node: Node, laws: Laws) -> Node:
    """Make ``(a ∧ b) ∧ c`` one conjunction, and likewise for ∨: associativity."""

    def change(current: Node) -> Node:
        if isinstance(current, And):
            return conjunction(current.operands)
        return disjunction(current.operands) if isinstance(current, Or) else current

    return bottom_up(node, change)


def fold_constants(node: Node, laws: Laws) -> Node:
    """Remove constants: true ∧ a = a, false ∧ a = false, and duals; u = v ∧ u ≠ v = false; comparisons of numbers.

    The boundary conditions of every t-norm; identity is crisp.
    """
    return bottom_up(node, _fold)


def _fold(node: Node) -> Node:
    match node:
        case And() | Or():
            neutral, absorbing = (1.0, 0.0) if isinstance(node, And) else (0.0, 1.0)
            operands = [o for o in node.operands if o is not const(neutral)]
            if const(absorbing) in operands or _contradict(operands):
                return const(absorbing)
            return conjunction(operands) if isinstance(node, And) else disjunction(operands)
        case Not():
            return negation(node.body)
        case Xor(left=Const(value=value), right=other) | Xor(left=other, right=Const(value=value)) if (
            value in (0, 1)
        ):
            return negation(other) if value else other
        case Compare(left=Number(value=a), right=Number(value=b)):
            return const(float(_compares(node.op, a, b)))
    return node


def _contradict(operands: list[Node]) -> bool:
    crisp = {o for o in operands if isinstance(o, Same)}
    return any(isinstance(o, Not) and o.body in crisp for o in operands)


def _compares(op: str, a: float, b: float) -> bool:
    return {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}[op]


def merge_equal(node: Node, laws: Laws) -> Node:
    """Drop repeated operands: a ∧ a = a where the logic is idempotent; u = v and u ≠ v, being crisp, in every logic."""

    def change(current: Node) -> Node:
        if not isinstance(current, And | Or):
            return current
        seen: set[Node] = set()
        kept: list[Node] = []
        for operand in current.operands:
            body = operand.body if isinstance(operand, Not) else operand
            if operand in seen and (laws.idempotent or isinstance(body, Same)):
                continue
            seen.add(operand)
            kept.append(operand)
        return conjunction(kept) if isinstance(current, And) else disjunction(kept)

    return bottom_up(node, change)
