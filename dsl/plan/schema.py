"""What a plan node declares: its fields, each once and with its role; the rest follows (:mod:`dsl.plan.tree`).

A field of subformulas is annotated with a :class:`Part`, a bound variable with :class:`Bound`, the places of an atom
with :data:`Terms`; every other field is plain data. A class of nodes is declared with :func:`node`, and its objects
are made by :func:`make`, which gives each formula its one object.
"""

from __future__ import annotations

import threading
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar
from weakref import WeakValueDictionary

Term: TypeAlias = str | int
"""What fills a place of a predicate: a variable's name, or the index of an object."""

Terms = Annotated[tuple[Term, ...], "terms"]

MOST_SIZE = 10**9
"""Of larger formulas the size is not told apart."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The role of a variable that the node binds in its scoped parts.

    Parameters
    ----------
    kind
        What the binder makes of a pair of one object with itself (:mod:`dsl.plan.guards`): false (∃), true (∀), or
        that another binder decides (ι).
    """

    kind: Literal["∃", "∀", "ι"]


@dataclass(frozen=True, slots=True)
class Part:
    """The role of a field that holds a subformula, or a tuple of them.

    Parameters
    ----------
    sign
        Whether the node grows with it (``+``), falls (``-``), may do either (``±``; such a node has an
        :meth:`Node.expand`), or its value is counted or chosen from, so that the ¬ around the node say nothing (``0``).
    scoped
        The node's variable is bound in it.
    """

    sign: Literal["+", "-", "±", "0"] = "+"
    scoped: bool = False


class Node:
    """Any plan node. Made by :func:`make`, never by the class itself.

    Its text (``str``) is the formula in the notation of logic.

    Attributes
    ----------
    children
        Its direct subformulas, in order.
    free
        Its free variables.
    depth
        One more than that of its deepest child.
    width
        The number of variables of the largest table that computing it node by node makes.
    size
        How many nodes its text has, shared ones each time; at most :data:`MOST_SIZE`.
    """

    __slots__ = ("__weakref__", "children", "depth", "free", "size", "width")
    children: tuple[Node, ...]
    free: frozenset[str]
    depth: int
    width: int
    size: int

    schema: ClassVar[Schema]
    basic: ClassVar[bool] = True
    """The engine has rules for it; otherwise what it stands for (:meth:`expand`) takes its place before it is run."""
    symbol: ClassVar[str] = ""
    infix: ClassVar[bool] = False
    """The symbol stands between the parts, and the text in brackets within another's."""
    tag: ClassVar[str]
    """What operands are ordered by. Stays when a class is renamed, so that sums keep their last bit."""

    def __str__(self) -> str:
        parts = [child.bracketed() for child in self.children]
        if self.infix:
            return f" {self.symbol} ".join(parts)
        return " ".join([self.symbol + "".join(self.schema.variable(self)), *parts])

    def expand(self) -> Node:
        """Return what the node stands for, written with other nodes."""
        raise NotImplementedError

    @property
    def joint(self) -> frozenset[str]:
        """The variables of the table that it is computed from: free, or bound by itself."""
        return self.free.union(*(child.free for child in self.children), self.schema.variable(self))

    def bracketed(self) -> str:
        """Return the text, in brackets where it would not hold together within another."""
        return f"({self})" if self.infix else str(self)


NodeT = TypeVar("NodeT", bound=Node)


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a class of nodes, by role. Positions are those of the fields.

    Parameters
    ----------
    names, values
        Of all fields, in order; `values` reads them off a node.
    data
        The names of those that hold no subformula.
    single, many
        Positions of the fields that hold one subformula each, or else of the one field that holds a tuple of them.
    inner
        Reads the subformulas off the values of all fields.
    parts
        The roles of `single`, or of `many`.
    mixed
        Whether the node may grow or fall with a part.
    terms, bound
        Positions of an atom's places and of the bound variable.
    kind
        How the variable is bound; see :class:`Bound`.
    """

    names: tuple[str, ...]
    values: Callable[[Node], tuple[Any, ...]]
    data: tuple[str, ...]
    single: tuple[int, ...]
    many: int | None
    inner: Callable[[tuple[Any, ...]], tuple[Node, ...]]
    parts: tuple[Part, ...]
    mixed: bool
    terms: int | None
    bound: int | None
    kind: Literal["∃", "∀", "ι"] | None

    @staticmethod
    def of(cls: type[Node]) -> Schema:
        """Return the schema of a class, read from the annotations of its fields.

        Raises
        ------
        TypeError
            If it has a tuple of parts and another part, or may grow or fall with a part and says not what it stands
            for.
        """
        hints = typing.get_type_hints(cls, include_extras=True)
        names = tuple(f.name for f in fields(cls))  # type: ignore[arg-type]
        roles = [next(iter(getattr(hints[name], "__metadata__", ())), None) for name in names]
        at = [i for i, role in enumerate(roles) if isinstance(role, Part)]
        many = next((i for i in at if typing.get_origin(hints[names[i]].__origin__) is tuple), None)
        bound = next((i for i, role in enumerate(roles) if isinstance(role, Bound)), None)
        parts = tuple(role for role in roles if isinstance(role, Part))
        mixed = any(part.sign == "±" for part in parts)
        if (many is not None and len(at) > 1) or (mixed and cls.expand is Node.expand):
            raise TypeError(f"{cls.__name__}: one tuple of parts or single ones; '±' needs a method expand")
        return Schema(
            names,
            attrgetter(*names) if len(names) > 1 else lambda node: (getattr(node, names[0]),),
            tuple(name for i, name in enumerate(names) if i not in at),
            tuple(at) if many is None else (),
            many,
            _reader(at, many),
            parts,
            mixed,
            roles.index("terms") if "terms" in roles else None,
            bound,
            next((role.kind for role in roles if isinstance(role, Bound)), None),
        )

    def variable(self, node: Node) -> tuple[str, ...]:
        """Return the variable that the node binds, if it binds one."""
        return () if self.bound is None else (getattr(node, self.names[self.bound]),)

    def parts_of(self, node: Node) -> Iterator[tuple[Node, Part]]:
        """Yield the children with their roles."""
        return zip(node.children, self.parts if self.many is None else repeat(self.parts[0]), strict=False)


def _reader(at: list[int], many: int | None) -> Callable[[tuple[Any, ...]], tuple[Node, ...]]:
    if many is not None or len(at) > 1:
        return itemgetter(*at)
    return lambda values: (values[at[0]],) if at else ()


@typing.dataclass_transform(eq_default=False, frozen_default=True)
def node(cls: type[NodeT]) -> type[NodeT]:
    """Declare a class of plan nodes: a frozen dataclass, compared by identity, with its :class:`Schema`."""
    made: type[NodeT] = dataclass(frozen=True, slots=True, eq=False)(cls)
    made.schema = Schema.of(made)
    made.tag = cls.__dict__.get("tag", cls.__name__)
    return made


_table: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()
_references: dict[tuple[Any, ...], Callable[[], Node | None]] = typing.cast(Any, _table).data
"""The table's own references, looked up in a fraction of the time that its ``get`` takes."""
_lock = threading.Lock()


def make(cls: type[NodeT], *values: Any) -> NodeT:
    """Return the one node of this class with these field values (all of them, in order)."""
    key = (cls, *values)
    known = _references.get(key)
    found = known() if known is not None else None
    if found is not None:
        return found  # type: ignore[return-value]
    with _lock:
        found = _table.get(key)
        if found is not None:
            return found  # type: ignore[return-value]
        node = cls(*values)
        inner = cls.schema.inner(values)
        _set_children(node, inner)
        _set_free(node, _free(node, values))
        _set_depth(node, 1 + (max([child.depth for child in inner]) if inner else 0))
        own = len(node.free if cls.schema.bound is None else node.joint)
        _set_width(node, max([own, *[child.width for child in inner]]))
        _set_size(node, min(MOST_SIZE, 1 + sum([child.size for child in inner])))
        _table[key] = node
        return node


# The slots' own setters: nodes are frozen, and made often.
_set_children, _set_free, _set_depth, _set_width, _set_size = (
    Node.__dict__[name].__set__ for name in ("children", "free", "depth", "width", "size")
)


def _free(node: Node, values: tuple[Any, ...]) -> frozenset[str]:
    schema = node.schema
    if schema.terms is not None:
        return frozenset([t for t in values[schema.terms] if isinstance(t, str)])
    if schema.bound is None:
        free = [child.free for child in node.children]
    else:
        bound = {values[schema.bound]}
        parts = schema.parts_of(node)
        free = [child.free - bound if part.scoped else child.free for child, part in parts]
    return free[0] if len(free) == 1 else frozenset().union(*free)
