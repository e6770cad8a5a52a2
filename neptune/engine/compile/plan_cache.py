"""The plan cache: a formula's shape is planned and compiled once, whatever it speaks of.

The shape of a plan is the plan with its predicates and given objects numbered in order of occurrence: "is there a red
cube" and "is there a green ball" are one shape, on every scene.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dsl.plan import Atom, Description, Node, Predicate, Same, Term, make, transform, walk, with_terms
from dsl.rewrites import Laws, rewrite
from dsl.rewrites.all_different import collected_block
from dsl.rewrites.elimination import width
from neptune.algebra import Logic, LogicParameters
from neptune.engine.compile.assignment import Search
from neptune.engine.compile.compiler import Compiler, searching
from neptune.engine.compile.program import Code

Kind = Literal["truth", "cells", "parts"]
"""What is wanted of a plan: its truth; the cells that a description or a count ranges over; those of each part."""

SHAPES_KEPT, PLANS_KEPT = 20_000, 4096


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
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

    def leaf(self, leaf: Atom) -> Atom:
        """Return the atom that an atom of the shape stands for."""
        terms = tuple(self.objects[t] if isinstance(t, int) else t for t in leaf.terms)
        return make(Atom, self.predicates[int(leaf.predicate.name[1:])], terms)


def shape_of(node: Node) -> Shape:
    """Return the shape of a guarded plan."""
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

    return Shape(transform(node, numbered), tuple(predicates), tuple(objects))


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A planned and compiled shape.

    Parameters
    ----------
    outputs
        The rewritten formulas (or counts) whose tables it computes.
    code
        The operations.
    width
        The number of variables of its largest step; with N objects a step joins at most N^width cells.
    """

    outputs: tuple[Node, ...]
    code: Code
    width: int


class Cache:
    """Least recently used entries are dropped; safe for threads."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._entries: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any) -> Any:
        """Return the entry, or ``None``."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: Any, value: Any) -> None:
        """Add an entry. The key keeps its nodes alive, so that equal formulas stay the same object."""
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)


_shapes, _plans, _searches = Cache(SHAPES_KEPT), Cache(PLANS_KEPT), Cache(SHAPES_KEPT)
planned = 0
"""How many shapes have been planned by this process (for tests: a known shape is not planned again)."""


def shape(node: Node) -> Shape:
    """Return the shape of a guarded plan, from the cache if it is there."""
    found: Shape | None = _shapes.get(node)
    if found is None:
        found = shape_of(node)
        _shapes.put(node, found)
    return found


def plan(node: Node, kind: Kind, laws: Laws) -> Plan:
    """Return the compiled plan of a shape's node, from the cache if it is there.

    Parameters
    ----------
    node
        A node of a :class:`Shape`; for ``cells`` an ``Description``, ``Count`` or ``CountTrue``, for ``parts``
        a ``Describe``.
    kind
        What is computed.
    laws
        What rewrites may rely on.
    """
    global planned
    key = (node, kind, laws)
    found: Plan | None = _plans.get(key)
    if found is None:
        planned += 1
        found = _make(node, kind, laws)
        _plans.put(key, found)
    return found


def search(node: Node) -> Search | None:
    """Return the search for the block of distinct variables that a formula starts with, its variables by the names
    that they have there, from the cache if it is there; ``None`` if it starts with none."""
    found: tuple[Search | None] | None = _searches.get(node)
    if found is None:
        block = collected_block(node)
        found = (searching(block) if block is not None else None,)
        _searches.put(node, found)
    return found[0]


def _make(node: Node, kind: Kind, laws: Laws) -> Plan:
    wanted: Sequence[Node]
    if kind == "truth":
        wanted = (node,)
    elif kind == "parts":
        wanted = node.children
    else:
        wanted = (node.body,) if isinstance(node, Description) else (node,)
    outputs = tuple(rewrite(w, laws) for w in wanted)
    atoms = [n for n in dict.fromkeys(m for out in outputs for m in walk(out)) if isinstance(n, Atom)]
    code = Compiler(laws.crisp).finish(atoms, outputs)
    return Plan(outputs, code, max((width(out) for out in outputs), default=0))


def laws_of(logic: Logic, parameters: LogicParameters) -> Laws:
    """Return what holds in a logic with these temperatures. The plan of a Frank logic is the same for every s, which
    may be learned."""
    tau = parameters.quantifier_tau
    return Laws(logic.name.partition(":")[0], logic.idempotent, isinstance(tau, float) and tau == 0.0)


class Timer:
    """Adds the milliseconds spent inside to `spent`."""

    def __init__(self) -> None:
        self.spent, self._since = 0.0, 0.0

    def __enter__(self) -> Timer:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.spent += 1000 * (time.perf_counter() - self._since)
