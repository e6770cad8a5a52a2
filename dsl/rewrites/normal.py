"""One form for formulas that differ only in names and order, so that they are one node and one cached plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dsl.plan import (
    And,
    Atom,
    Count,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Or,
    Same,
    Term,
    children,
    conjunction,
    disjunction,
    make,
    rebuild,
    same,
)
from dsl.rewrites.rule import Laws, bottom_up

_Key = tuple[int, str, str]
_BINDERS = (Exists, Forall, Description, Count, ExpectationOver)


class Keys:
    """A total order on nodes that depends on their form only, not on memory addresses."""

    def __init__(self) -> None:
        self._memo: dict[Node, str] = {}

    def __call__(self, node: Node) -> _Key:
        """Return the sort key: small formulas first, then by predicate, then by a digest of the form."""
        label = str(node.predicate) if isinstance(node, Atom) else type(node).__name__
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
    stand (de Bruijn 1972). Terms of symmetric atoms are sorted by their new names.
    """
    heights: dict[Node, int] = {}
    # Names given here are never those of free variables.
    taken = 1 + max((int(v[1:]) for v in node.free if v.startswith("$")), default=-1)

    def height(current: Node) -> int:
        found = heights.get(current)
        if found is None:
            found = max(map(height, children(current)), default=0) + isinstance(current, _BINDERS)
            heights[current] = found
        return found

    memo: dict[tuple[Any, ...], Node] = {}

    def visit(current: Node, names: Mapping[Term, str]) -> Node:
        key = (current, *map(names.get, current.free))
        found = memo.get(key)
        if found is None:
            found = memo[key] = fresh(current, names)
        return found

    def fresh(current: Node, names: Mapping[Term, str]) -> Node:
        if isinstance(current, Atom):
            terms = tuple(names.get(t, t) for t in current.terms)
            return make(Atom, current.predicate, _sorted(terms) if current.predicate.symmetric else terms)
        if isinstance(current, Same):
            return same(*(names.get(t, t) for t in current.terms))
        if not isinstance(current, _BINDERS):
            return rebuild(current, tuple(visit(c, names) for c in children(current)))
        var = f"${taken + height(current) - 1}"
        body = visit(current.body, {**names, current.var: var})
        if isinstance(current, ExpectationOver):
            return make(ExpectationOver, var, visit(current.iota, names), body, current.pick)
        return make(type(current), var, body)

    return visit(node, {})


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
