"""One form for formulas that differ only in names and order, so that they are one node and one cached plan."""

from __future__ import annotations

import hashlib

from dsl.plan import And, Atom, Node, Or, Term, Visit, descend, join, make, rebuild, transform, with_terms
from dsl.rewrites.connectives import flattened
from dsl.rewrites.rule import Laws, of_plans


class Keys:
    """A total order on nodes that depends on their form only, not on memory addresses."""

    def __init__(self) -> None:
        self._memo: dict[Node, str] = {}

    def __call__(self, node: Node) -> tuple[int, str, str]:
        """Return the sort key: small formulas first, then by predicate, then by a digest of the form."""
        label = str(node.predicate) if isinstance(node, Atom) else node.tag
        return node.depth, label, self.digest(node)

    def digest(self, node: Node) -> str:
        """Return a digest of the form (Merkle 1987: of the digests of the parts)."""
        found = self._memo.get(node)
        if found is None:
            own: list[object] = [node.tag, *map(self.digest, node.children)]
            own += [(name, repr(getattr(node, name))) for name in node.schema.data]
            found = self._memo[node] = hashlib.blake2b(repr(own).encode(), digest_size=12).hexdigest()
        return found


@of_plans("rename bound variables", "∃x φ(x) = ∃y φ(y)")
def rename_bound(plan: Node, laws: Laws) -> Node:
    """Name every bound variable by the number of binders inside its scope (``$0``, ``$1``, …), innermost first.

    The name depends on the subformula alone, so that formulas equal up to renaming become one object wherever they
    stand (de Bruijn 1972). Terms of symmetric atoms are sorted by their new names.
    """
    heights: dict[Node, int] = {}
    # Names given here are never those of free variables.
    taken = 1 + max((int(v[1:]) for v in plan.free if v.startswith("$")), default=-1)

    def height(node: Node) -> int:
        found = heights.get(node)
        if found is None:
            found = max(map(height, node.children), default=0) + (node.schema.bound is not None)
            heights[node] = found
        return found

    def rename(node: Node, names: dict[Term, str], visit: Visit[dict[Term, str]]) -> Node:
        schema = node.schema
        if isinstance(node, Atom) and node.predicate.symmetric:
            return make(Atom, node.predicate, tuple(sorted((names.get(t, t) for t in node.terms), key=str)))
        if schema.terms is not None:
            return with_terms(node, lambda term: names.get(term, term))
        if schema.bound is None:
            return rebuild(node, [visit(child, names) for child in node.children])
        var = f"${taken + height(node) - 1}"
        inner = names | dict.fromkeys(schema.variable(node), var)
        parts = schema.parts_of(node)
        return rebuild(node, [visit(child, inner if part.scoped else names) for child, part in parts], var)

    names: dict[Term, str] = {}
    return descend(plan, names, rename)


@of_plans("order operands", "a ∧ b = b ∧ a")
def sort_operands(plan: Node, laws: Laws) -> Node:
    """Put the operands of ∧ and ∨ in one order: commutativity and associativity."""
    keys = Keys()

    def change(node: Node) -> Node:
        flat = flattened(node)
        return join(type(flat), sorted(flat.operands, key=keys)) if isinstance(flat, And | Or) else flat

    return transform(plan, change)
