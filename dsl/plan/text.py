"""Plans as text, in the notation of logic."""

from __future__ import annotations

from dataclasses import fields

from dsl.plan.nodes import (
    And,
    Atom,
    Compare,
    Const,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Number,
    Or,
    Same,
    Term,
    Xor,
    children,
)


def show(node: Node) -> str:
    """Return the formula as text (``∃@0 (cube(@0) ∧ left(@0, @1))``); of a very large one, only how large it is."""
    size = _written_size(node, {})
    if size > _SHOWN:
        return f"a formula of {size if size < 10**9 else 'more than 10⁹'} parts"
    return _show(node)


_SHOWN = 5_000


def _written_size(node: Node, memo: dict[Node, int]) -> int:
    """Return the number of parts of a formula written out, shared ones each time."""
    found = memo.get(node)
    if found is None:
        found = memo[node] = min(10**9, 1 + sum(_written_size(child, memo) for child in children(node)))
    return found


def _show(node: Node) -> str:
    match node:
        case Const():
            return {1.0: "true", 0.0: "false"}.get(node.value, f"{node.value:g}")
        case Atom():
            return f"{node.predicate}({', '.join(map(_term, node.terms))})"
        case Same():
            return f"{_term(node.terms[0])} = {_term(node.terms[1])}"
        case Not(body=Same() as inner):
            return f"{_term(inner.terms[0])} ≠ {_term(inner.terms[1])}"
        case Not():
            return f"¬{_wrap(node.body)}"
        case And():
            return " ∧ ".join(_wrap(o) for o in node.operands)
        case Or():
            return " ∨ ".join(_wrap(o) for o in node.operands)
        case Xor():
            return f"{_wrap(node.left)} ⊕ {_wrap(node.right)}"
        case Exists():
            return f"∃{node.var} {_wrap(node.body)}"
        case Forall():
            return f"∀{node.var} {_wrap(node.body)}"
        case Description():
            return f"ι{node.var} {_wrap(node.body)}"
        case ExpectationOver():
            return f"{'at' if node.pick else 'E'}[{node.var} ~ {_show(node.iota)}] {_wrap(node.body)}"
        case Compare():
            return f"{_show(node.left)} {node.op} {_show(node.right)}"
        case Count():
            return f"#{node.var} {_wrap(node.body)}"
        case CountTrue():
            return f"#({', '.join(map(show, node.bodies))})"
        case Number():
            return f"{node.value:g}"
        case Describe():
            return f"describe({', '.join(f'{v}: {_show(b)}' for v, b in zip(node.values, node.bodies, strict=True))})"
        case _:
            raise TypeError(f"unknown plan node {type(node).__name__} with fields {fields(node)}")


def _term(term: Term) -> str:
    return f"object {term}" if isinstance(term, int) else term


def _wrap(node: Node) -> str:
    text = _show(node)
    return f"({text})" if isinstance(node, And | Or | Xor | Compare) else text
