"""What follows from a plan alone, found once for all scenes: its atoms, its sizes, the descriptions within."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from threading import Lock

from cachetools import LRUCache, cached

from dsl import plan
from dsl.plan import Atom, Count, CountTrue, Describe, Description, ExpectationOver, Node, Number, Predicate
from dsl.plan.guards import insert_guards

OUTLINES_KEPT = 4096


class Outline:
    """What follows from a plan.

    Attributes
    ----------
    node
        The plan.
    nodes
        How many distinct nodes it has.
    atoms
        Its distinct atoms, in order of first occurrence.
    spread
        Numbers of free variables, each with how many atoms have so many.
    presupposed
        The closed descriptions that something is said of, each with its text.
    relative
        The texts of those that speak of variables around them, each with what it takes for granted.
    picks
        Whether one of them stands for one object, which is chosen first.
    """

    def __init__(self, node: Node) -> None:
        inner = list(plan.walk(node))
        said = [n for n in inner if isinstance(n, ExpectationOver) and not n.description.free]
        relative = plan.relative_presuppositions(node)
        self.node, self.nodes = node, len(inner)
        self.atoms = tuple(n for n in inner if isinstance(n, Atom))
        self.spread = tuple(Counter(len(atom.free) for atom in self.atoms).items())
        self.presupposed: tuple[tuple[Description, str], ...] = tuple(
            (description, plan.show(description)) for description in dict.fromkeys(n.description for n in said)
        )
        self.relative = tuple((plan.show(description), holds) for description, holds in relative.items())
        self.picks = any(n.pick for n in said)

    @cached_property
    def predicates(self) -> tuple[Predicate, ...]:
        """The predicates of its atoms, each once."""
        return tuple(dict.fromkeys(atom.predicate for atom in self.atoms))

    @cached_property
    def truths(self) -> tuple[Node, ...]:
        """What evaluating the plan and reading its answer comes to, each once: the descriptions in it, what they take
        for granted, what is said of each object, and its own parts."""
        node = self.node
        found: list[Node] = [description for description, _ in self.presupposed]
        found += [holds for _, holds in self.relative]
        if isinstance(node, Describe):
            found += node.bodies
            if node.about is not None:
                said = [body.body for body in node.bodies if isinstance(body, ExpectationOver)]
                found += [body for body in said if not isinstance(body, Atom)]  # whose tables are there
        elif isinstance(node, Count):
            found.append(node.body)
        elif not isinstance(node, Number | CountTrue):
            found.append(node)
        return tuple(dict.fromkeys(found))

    @cached_property
    def text(self) -> str:
        """The plan as text."""
        return plan.show(self.node)


@cached(LRUCache(OUTLINES_KEPT), lock=Lock())
def outline(node: Node) -> Outline:
    """Return the outline of a plan, from the cache if it is there."""
    return Outline(node)


@cached(LRUCache(OUTLINES_KEPT), lock=Lock())
def text_of(node: Node) -> str:
    """Return a plan as text."""
    return plan.show(node)


@cached(LRUCache(OUTLINES_KEPT), lock=Lock())
def guarded(node: Node) -> Outline:
    """Return the outline of a plan with its guards inserted, from the cache if it is there."""
    return outline(insert_guards(node))
