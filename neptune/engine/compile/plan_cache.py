"""The plan cache: a plan template is planned and compiled once, whatever it speaks of.

The template of a plan is the plan with its predicates and given objects numbered in order of occurrence: "is there a
red cube" and "is there a green ball" have one template, on every scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from cachetools import LRUCache, cached

from dsl.plan import Atom, Description, Node, Predicate, Same, Term, make, transform, walk, with_terms
from dsl.rewrites import Laws, rewrite
from neptune.algebra import Logic
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.program import Program
from neptune.engine.compile.rules import RULES

if TYPE_CHECKING:
    from neptune.algebra import LogicParameters

Kind = Literal["truth", "cells", "parts"]
"""What is wanted of a plan: its truth; the cells that a description or a count ranges over; those of each part."""

TEMPLATES_KEPT, PLANS_KEPT, FORMULAS_KEPT = 512, 320, 8192


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A plan without its names.

    Parameters
    ----------
    node
        The plan with predicates ``P0``, ``P1``, … and objects 0, 1, ….
    predicates, objects
        What they stand for.
    """

    node: Node
    predicates: tuple[Predicate, ...]
    objects: tuple[int, ...]

    def atom(self, atom: Atom) -> Atom:
        """Return the atom that an atom of the template stands for."""
        terms = tuple(self.objects[t] if isinstance(t, int) else t for t in atom.terms)
        return make(Atom, self.predicates[int(atom.predicate.name[1:])], terms)


@cached(LRUCache(TEMPLATES_KEPT), lock=Lock())
def template(node: Node) -> Template:
    """Return the template of a guarded plan, from the cache if it is there."""
    predicates: dict[Predicate, Predicate] = {}
    objects: dict[int, int] = {}
    for inner in walk(node):
        if isinstance(inner, Atom | Same):
            for term in inner.terms:
                if isinstance(term, int):
                    objects.setdefault(term, len(objects))
        if isinstance(inner, Atom) and inner.predicate not in predicates:
            p = inner.predicate
            predicates[p] = Predicate(f"P{len(predicates)}", p.arity, "", p.symmetric, p.reflexive)

    def number(term: Term) -> Term:
        return objects[term] if isinstance(term, int) else term

    def numbered(current: Node) -> Node:
        if isinstance(current, Atom):
            return make(Atom, predicates[current.predicate], tuple(map(number, current.terms)))
        return with_terms(current, number)

    return Template(transform(node, numbered), tuple(predicates), tuple(objects))


@cached(LRUCache(TEMPLATES_KEPT), lock=Lock())
def turned(node: Node, names: tuple[str, ...]) -> Node:
    """Return the node of a template with the places of these predicates (``P0``, …) swapped."""

    def turn(current: Node) -> Node:
        if isinstance(current, Atom) and current.predicate.name in names:
            return make(Atom, current.predicate, current.terms[::-1])
        return current

    return transform(node, turn)


planned = 0
"""How many templates have been planned by this process (for tests: a known one is not planned again)."""


@cached(LRUCache(PLANS_KEPT), lock=Lock())
def plan(node: Node, kind: Kind, laws: Laws | None, empty: bool = False) -> Program:
    """Return the program of a template's node, from the cache if it is there.

    Parameters
    ----------
    node
        A node of a :class:`Template`; for ``cells`` a ``Description``, ``Count`` or ``CountTrue``, for ``parts``
        a ``Describe``.
    kind
        What is computed. Of a part that is a description the cells that it ranges over.
    laws
        What rewrites may rely on; ``None``: nothing is rewritten, each node is one operation.
    empty
        For scenes without objects, as written: rewrites speak of N ≥ 1.
    """
    global planned
    planned += 1
    if empty:
        laws = None
    if kind == "cells" and isinstance(node, Description):
        node = node.body
    if laws is not None:
        node = rewrite(node, laws)  # parts together: what they share is rewritten once
    outputs: Sequence[Node] = node.children if kind == "parts" else (node,)
    outputs = tuple(out.body if isinstance(out, Description) else out for out in outputs)
    atoms = [n for n in dict.fromkeys(m for out in outputs for m in walk(out)) if isinstance(n, Atom)]
    searched = laws is not None and laws.crisp
    compiler = Compiler(RULES, as_written=laws is None, searched=searched, empty=empty)
    return compiler.finish(atoms, outputs)


@dataclass(frozen=True, slots=True, eq=False)
class PlannedFormula:
    """A guarded formula with its compiled program.

    Parameters
    ----------
    program
        The program of its template.
    objects
        The given objects of the template.
    inputs
        For each input the predicate and, where an object is given, the index of its part.
    """

    program: Program
    objects: tuple[int, ...]
    inputs: tuple[tuple[Predicate, tuple[Any, ...] | None], ...]


@cached(LRUCache(FORMULAS_KEPT), lock=Lock())
def plan_formula(node: Node, kind: Kind, laws: Laws) -> PlannedFormula:
    """Return a guarded formula planned, from the cache if it is there."""
    made = template(node)
    program = plan(made.node, kind, laws)
    inputs = []
    for atom in map(made.atom, program.atoms):
        given = any(isinstance(t, int) for t in atom.terms)
        index = (slice(None), *(t if isinstance(t, int) else slice(None) for t in atom.terms)) if given else None
        inputs.append((atom.predicate, index))
    return PlannedFormula(program, made.objects, tuple(inputs))


def laws_of(logic: Logic, parameters: LogicParameters) -> Laws:
    """Return what holds in a logic with these temperatures. The plan of a Frank logic is the same for every s, which
    may be learned."""
    tau = parameters.quantifier_tau
    return Laws(logic.name.partition(":")[0], logic.idempotent, isinstance(tau, float) and tau == 0.0)
