"""Plans as trees: rebuilding, walking, substituting without capture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dsl.plan.build import same
from dsl.plan.nodes import (
    And,
    Atom,
    Compare,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    Same,
    Term,
    Xor,
    children,
    make,
)


def rebuild(node: Node, inner: tuple[Node, ...]) -> Node:
    """Return the node with its :func:`children` replaced (flattening and folding nothing)."""
    if inner == children(node):
        return node
    match node:
        case And() | Or():
            return make(type(node), inner)
        case Not():
            return make(Not, inner[0])
        case Exists() | Forall() | Description() | Count():
            return make(type(node), node.var, inner[0])
        case Xor():
            return make(Xor, *inner)
        case Compare():
            return make(Compare, node.op, *inner)
        case ExpectationOver():
            return make(ExpectationOver, node.var, inner[0], inner[1], node.pick)
        case CountTrue():
            return make(CountTrue, inner)
        case Describe():
            return make(Describe, node.values, inner)
        case _:
            return node


def walk(node: Node) -> Iterator[Node]:
    """Yield every distinct node under (and with) `node`, parents first."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        stack.extend(reversed(children(current)))


def fresh(*nodes: Node) -> str:
    """Return the first variable ``@k`` above every free ``@j`` of the nodes: deterministic, so that equal formulas
    stay the same object."""
    used = [int(v[1:]) for node in nodes for v in node.free if v.startswith("@")]
    return f"@{max(used, default=-1) + 1}"


def substitute(node: Node, mapping: Mapping[str, Term]) -> Node:
    """Replace free variables by terms, renaming bound variables where they would capture one."""
    return _substitute(node, {v: t for v, t in mapping.items() if v != t}, {})


def _substitute(node: Node, mapping: Mapping[str, Term], memo: dict[tuple[Any, ...], Node]) -> Node:
    live = {v: t for v, t in mapping.items() if v in node.free}
    if not live:
        return node
    key = (node, tuple(sorted(live.items())))
    if key in memo:
        return memo[key]
    result: Node
    if isinstance(node, Atom):
        result = make(
            Atom, node.predicate, tuple(live.get(t, t) if isinstance(t, str) else t for t in node.terms)
        )
    elif isinstance(node, Same):
        first, second = (live.get(t, t) if isinstance(t, str) else t for t in node.terms)
        result = same(first, second)
    elif isinstance(node, Exists | Forall | Description | Count):
        var, inner = _avoid(node.var, node.body, live)
        result = make(type(node), var, _substitute(node.body, inner, memo))
    elif isinstance(node, ExpectationOver):
        iota = _substitute(node.iota, live, memo)
        var, inner = _avoid(node.var, node.body, live, iota.free)
        result = make(ExpectationOver, var, iota, _substitute(node.body, inner, memo), node.pick)
    else:
        result = rebuild(node, tuple(_substitute(child, live, memo) for child in children(node)))
    memo[key] = result
    return result


def _avoid(
    var: str, body: Node, live: Mapping[str, Term], beside: frozenset[str] = frozenset()
) -> tuple[str, dict[str, Term]]:
    """Return the bound variable (renamed if a substituted term, or a variable `beside`, equals it) and the mapping
    for the body."""
    inner: dict[str, Term] = {v: t for v, t in live.items() if v != var}
    used = body.free | beside | {t for t in inner.values() if isinstance(t, str)}
    if var not in inner.values() and var not in beside:
        return var, inner
    k = 0
    while f"@{k}" in used:
        k += 1
    inner[var] = f"@{k}"
    return f"@{k}", inner
