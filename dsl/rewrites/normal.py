"""One form for formulas that differ only in names and order, so that they are one node and one cached plan."""

from __future__ import annotations

import hashlib

from dsl.plan import (
    And,
    Count,
    Exists,
    Expect,
    Forall,
    Iota,
    Leaf,
    Node,
    Or,
    Term,
    children,
    conjunction,
    disjunction,
    make,
    substitute,
)
from dsl.rewrites.rule import Laws, bottom_up

_Key = tuple[int, str, str]


class Keys:
    """A total order on nodes that depends on their form only, not on memory addresses."""

    def __init__(self) -> None:
        self._memo: dict[Node, str] = {}

    def __call__(self, node: Node) -> _Key:
        """Return the sort key: small formulas first, then by predicate, then by a digest of the form."""
        label = str(node.predicate) if isinstance(node, Leaf) else type(node).__name__
        return node.depth, label, self.digest(node)

    def digest(self, node: Node) -> str:
        """Return a digest of the form (Merkle 1987: of the digests of the parts)."""
        found = self._memo.get(node)
        if found is None:
            own: list[object] = [type(node).__name__, *(self.digest(c) for c in children(node))]
            for name in ("value", "predicate", "terms", "var", "pick", "op", "values"):
                if hasattr(node, name):
                    own.append((name, repr(getattr(node, name))))
            found = self._memo[node] = hashlib.blake2b(repr(own).encode(), digest_size=12).hexdigest()
        return found


def rename_bound(node: Node, laws: Laws) -> Node:
    """Name every bound variable by the number of binders inside its scope (``$0``, ``$1``, …), innermost first.

    The name depends on the subformula alone, so that formulas equal up to renaming become one object wherever they
    stand (de Bruijn 1972).
    """
    # Two passes: names of the first form can not be captured by those of the second.
    node = _by_height(_by_height(node, "%"), "$")

    def symmetric(current: Node) -> Node:
        if isinstance(current, Leaf) and current.predicate.symmetric:
            return make(Leaf, current.predicate, _sorted(current.terms))
        return current

    return bottom_up(node, symmetric)


def _by_height(node: Node, prefix: str) -> Node:
    heights: dict[Node, int] = {}

    def change(current: Node) -> Node:
        height = max((heights[c] for c in children(current)), default=0)
        made = current
        if isinstance(current, Exists | Forall | Iota | Count):
            var = f"{prefix}{height}"
            made = make(type(current), var, _renamed(current.body, current.var, var))
        elif isinstance(current, Expect):
            var = f"{prefix}{height}"
            body = _renamed(current.body, current.var, var)
            made = make(Expect, var, current.iota, body, current.pick)
        binds = isinstance(current, Exists | Forall | Iota | Count | Expect)
        heights[made] = height + 1 if binds else height
        return made

    return bottom_up(node, change)


def _renamed(body: Node, old: str, new: str) -> Node:
    return substitute(body, {old: new}) if old != new else body


def _sorted(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    return tuple(sorted(terms, key=str))


def sort_operands(node: Node, laws: Laws) -> Node:
    """Put the operands of ∧ and ∨ in one order: commutativity and associativity."""
    keys = Keys()

    def change(current: Node) -> Node:
        if isinstance(current, And | Or):
            join = conjunction if isinstance(current, And) else disjunction
            flat = join(current.operands)
            assert isinstance(flat, And | Or)
            return join(sorted(flat.operands, key=keys))
        return current

    return bottom_up(node, change)
