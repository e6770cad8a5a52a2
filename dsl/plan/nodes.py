"""The node classes, and :func:`make`, which gives each formula its one object."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from weakref import WeakValueDictionary

Term: TypeAlias = str | int
"""What fills a place of a predicate: a variable's name, or the index of an object."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """What an oracle is asked: a name with an arity, or a free text.

    Parameters
    ----------
    name
        Canonical name in the vocabulary (``"sphere"``, ``"left"``), or ``""`` for free text.
    arity
        Number of objects, 0 for the whole picture.
    text
        The question itself, for ``score("…")``; ``""`` means that the wording follows from the name.
    symmetric
        The order of the two objects does not matter: asked for i < j only.
    reflexive
        The value of the cell of one object with itself where no quantifier decides (``same_*`` of two descriptions).
    ways
        For a relation that is derived from values: the pairs of them that make it true. Never asked:
        :func:`dsl.plan.guards.insert_guards` puts the values in its place.
    boxes
        For a predicate that is read off the boxes: a key of :data:`dsl.vocabulary.derived.BOXES`. Never asked.
    """

    name: str
    arity: int
    text: str = ""
    symmetric: bool = False
    reflexive: bool = False
    ways: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    boxes: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.name or repr(self.text)


NodeT = TypeVar("NodeT", bound="Node")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node:
    """Any plan node. Made by :func:`make`, never by the class itself.

    ``free``: its free variables; ``inner``: its :func:`children`.
    """

    inner: tuple[Node, ...] = field(init=False, repr=False)
    free: frozenset[str] = field(init=False, repr=False)
    depth: int = field(init=False, repr=False)


_table: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()
_lock = threading.Lock()


def make(cls: type[NodeT], *values: Any) -> NodeT:
    """Return the one node of this class with these field values."""
    key = (cls, *values)
    with _lock:
        found = _table.get(key)
        if found is not None:
            return found  # type: ignore[return-value]
        node = cls(*values)
        inner = _inner(node)
        free = frozenset().union(*(child.free for child in inner))
        if isinstance(node, Atom | Same):
            free = frozenset(t for t in node.terms if isinstance(t, str))
        elif isinstance(node, ExpectationOver):
            free = (node.body.free - {node.var}) | node.iota.free
        elif isinstance(node, Exists | Forall | Description | Count):
            free = free - {node.var}
        object.__setattr__(node, "inner", inner)
        object.__setattr__(node, "free", free)
        object.__setattr__(node, "depth", 1 + max((child.depth for child in inner), default=0))
        _table[key] = node
        return node


# --- truths --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Const(Node):
    """A truth value known beforehand, in [0, 1]."""

    value: float


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Atom(Node):
    """An atom: an oracle's score for a predicate at each tuple of objects."""

    predicate: Predicate
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Same(Node):
    """Crisp identity of two objects; total, never asked."""

    terms: tuple[Term, Term]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Not(Node):
    """¬body."""

    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class And(Node):
    """Conjunction of two or more formulas."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Or(Node):
    """Disjunction of two or more formulas."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Xor(Node):
    """Exclusive or, (a ∧ ¬b) ∨ (¬a ∧ b)."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Exists(Node):
    """∃var body."""

    var: str
    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Forall(Node):
    """∀var body."""

    var: str
    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Description(Node):
    """The object that fits the body: softmax of its logits over `var`. A description, not a truth."""

    var: str
    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ExpectationOver(Node):
    """An atom about a described object: Σ_var w(var)·body with w from `iota`; `pick`: at the argmax of w instead."""

    var: str
    iota: Description
    body: Node
    pick: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Compare(Node):
    """A comparison of two numbers; `op` is one of ``> >= < <= == !=``."""

    op: str
    left: Node
    right: Node


# --- numbers and values --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Count(Node):
    """How many objects fit the body."""

    var: str
    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class CountTrue(Node):
    """How many of finitely many formulas are true (a count over a value sort)."""

    bodies: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Number(Node):
    """A plain number."""

    value: float


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Describe(Node):
    """The value whose formula is truest: softmax over the values of the logits of `bodies`."""

    values: tuple[str, ...]
    bodies: tuple[Node, ...]


TRUTHS = (Const, Atom, Same, Not, And, Or, Xor, Exists, Forall, ExpectationOver, Compare)


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct subformulas of a node, in order."""
    return node.inner


def _inner(node: Node) -> tuple[Node, ...]:
    match node:
        case And() | Or():
            return node.operands
        case Not():
            return (node.body,)
        case Exists() | Forall() | Description() | Count():
            return (node.body,)
        case Xor() | Compare():
            return (node.left, node.right)
        case ExpectationOver():
            return (node.iota, node.body)
        case CountTrue() | Describe():
            return node.bodies
        case _:
            return ()
