"""Conjunctions of atoms of one object as one atom, so that more programs have one shape.

"A red cube", "a small red cube" and "a cube" differ only in how many atoms of one object are joined. Fused, they run in
one batch: the conjunction of each row is made beforehand, from its own atoms.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsl import plan
from dsl.plan import And, Atom, Node, Predicate, Term, make

Parts = dict[Predicate, tuple[Predicate, ...]]
"""What a fused predicate is the conjunction of."""


def fuse(truths: Sequence[Node]) -> tuple[tuple[Node, ...], Parts]:
    """Return the formulas with atoms of one object fused in every conjunction, and what was fused.

    Valid in every logic: "and" is associative and commutative.
    """
    parts: Parts = {}

    def fused(node: Node) -> Node:
        return _joined(node, parts) if isinstance(node, And) else node

    return plan.transform_all(truths, fused), parts


def _joined(node: And, parts: Parts) -> Node:
    atoms: dict[Term, list[Atom]] = {}
    for operand in node.operands:
        if isinstance(operand, Atom) and len(operand.terms) == 1:
            atoms.setdefault(operand.terms[0], []).append(operand)
    if all(len(of) < 2 for of in atoms.values()):
        return node
    operands: list[Node] = []
    for operand in node.operands:
        if not (isinstance(operand, Atom) and len(operand.terms) == 1):
            operands.append(operand)
            continue
        # At its object's first atom, and only there: an atom said twice is one node, met twice.
        of = atoms.pop(operand.terms[0], [])
        if len(of) == 1:
            operands.append(operand)
        elif of:
            names = tuple(p for leaf in of for p in parts.get(leaf.predicate, (leaf.predicate,)))
            fused = joined(names)
            parts[fused] = names
            operands.append(make(Atom, fused, of[0].terms))
    return plan.conjunction(operands)


def joined(names: tuple[Predicate, ...]) -> Predicate:
    """Return what stands for the conjunction of predicates of one object."""
    return Predicate("", 1, " ∧ ".join([repr((p.name, p.text)) for p in names]))
