"""What bounds need to know of a plan itself: found out once for all questions."""

from __future__ import annotations

from functools import lru_cache

from dsl.plan import Atom, Count, Description, ExpectationOver, Node


@lru_cache(maxsize=4096)
def of_one_object(formulas: tuple[Node, ...]) -> list[tuple[Description, list[ExpectationOver]]]:
    """Return the closed descriptions of which several formulas say something, each with these."""
    found: dict[Description, list[ExpectationOver]] = {}
    for node in formulas:
        if isinstance(node, ExpectationOver) and not (node.pick or node.free) and node.var in node.body.free:
            found.setdefault(node.description, []).append(node)
    return [(description, alike) for description, alike in found.items() if len(alike) > 1]


@lru_cache(maxsize=4096)
def atoms_under(node: Node) -> frozenset[Atom]:
    """Return the atoms of a formula."""
    if isinstance(node, Atom):
        return frozenset((node,))
    inner = [atoms_under(child) for child in node.children]
    return inner[0] if len(inner) == 1 else frozenset[Atom]().union(*inner)


@lru_cache(maxsize=4096)
def most_axes(node: Node, boxed: frozenset[Node]) -> int:
    """Return how many variables the largest table of a formula has, but for those in boxes."""
    own = len(node.free) + isinstance(node, (Description, Count))
    parts = () if node in boxed else node.children
    return max([own, *[most_axes(part, boxed) for part in parts]])
