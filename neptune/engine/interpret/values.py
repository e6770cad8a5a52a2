"""What a running program handles: plain data, and a few wrappers around lazy plan nodes.

Plain data are bool, int, float, str, None, list, tuple, dict and set. Everything soft is a wrapper around a node of
`dsl.plan`, and nothing is computed until the program needs a plain value (a branch, arithmetic, its result).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dsl.check.scopes import Place
from dsl.plan import Describe, Description, Node
from dsl.syntax import ast

LAST = (1_000_000_000, 0)
"""A place after every text."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A soft truth; its free variables are those of the node."""

    node: Node


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """``iota(…)``: a distribution over objects. `pick`: stands for its most probable object (``point``)."""

    iota: Description
    pick: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that is not yet counted."""

    node: Node


@dataclass(frozen=True, slots=True)
class DescribedValue:
    """A value of a sort that is not yet chosen (``describe(Color, …)``)."""

    node: Describe
    sort: str


@dataclass(frozen=True, slots=True)
class AttributeOf:
    """``color(x)``: true as a formula, a value where it is compared."""

    sort: str
    target: Any


@dataclass(frozen=True, slots=True)
class Variable:
    """An object variable that a quantifier binds."""

    name: str


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One given object of the scene."""

    index: int


@dataclass(frozen=True, slots=True)
class SortRef:
    """A sort used as a value: ``Object``, ``Color``."""

    name: str


@dataclass(frozen=True, slots=True)
class PredicateRef:
    """The name of a predicate used as a value: ``exists(Object, cube)``."""

    name: str


@dataclass(frozen=True, slots=True)
class BuiltinRef:
    """A built-in function."""

    name: str


@dataclass(slots=True)
class Scope:
    """Names and values, the scope around them, and of a function or the program the names that its statements may
    bind, with the place from which on (see :func:`dsl.check.scopes.assigned`)."""

    names: dict[str, Any]
    outer: Scope | None = None
    assigned: Mapping[str, Place] | None = None

    def find(self, name: str) -> Scope | None:
        """Return the innermost scope that has the name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope

    def may_bind(self, name: ast.Name) -> bool:
        """Tell whether statements before a name, in this function or around it, may give it a value."""
        if name.span is None:
            return False
        scope: Scope | None = self
        here = (name.span.line, name.span.column)
        while scope is not None:
            if scope.assigned is not None:
                place = scope.assigned.get(name.id)
                if place is not None and here >= place:
                    return True
                # A function's body runs later: it may use all names around it.
                here = LAST
            scope = scope.outer
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A lambda or a ``def`` with the scope in which it was written."""

    name: str
    params: tuple[ast.Param, ...]
    body: ast.Expr | tuple[ast.Stmt, ...]
    scope: Scope


class Forcer(Protocol):
    """Turns nodes into plain values: the part of a run that asks the oracle and computes."""

    @property
    def objects(self) -> int:
        """The number of objects."""
        ...

    def truth(self, node: Node, line: int) -> bool:
        """Decide a formula (its free variables are bound by ∃): p > ½."""
        ...

    def number(self, node: Node, line: int) -> int:
        """Count."""
        ...

    def object(self, iota: Description, line: int) -> int:
        """Return the index of the most probable object (lowest index among equals), or -1 in an empty scene."""
        ...

    def ranking(self, node: Node, line: int) -> list[float]:
        """Return the probability of a formula of one free variable at each object."""
        ...

    def probability(self, node: Node, line: int) -> float:
        """Return the probability of a formula (its free variables are bound by ∃)."""
        ...

    def value(self, node: Describe, line: int) -> str | None:
        """Return the value whose formula is truest (the first among equals), ``None`` where no object is there."""
        ...

    def query(self, text: str, attribute: str, objects: tuple[int, ...], line: int) -> str:
        """Ask an open question about given objects; without a text, for their attribute."""
        ...


Call = Callable[[list[Any], dict[str, Any], ast.Call], Any]


def kind_name(value: Any) -> str:
    """Return what a value is, in the words of the language."""
    names: dict[type, str] = {
        Formula: "a formula",
        DescribedObject: "a described object",
        Quantity: "a number",
        DescribedValue: "a described value",
        AttributeOf: "an attribute",
        Variable: "an object variable",
        ObjectRef: "an object",
        SortRef: "a sort",
        PredicateRef: "a predicate",
        BuiltinRef: "a built-in function",
        Closure: "a function",
        bool: "a truth value",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        tuple: "a tuple",
        dict: "a dict",
        set: "a set",
        type(None): "None",
    }
    return names.get(type(value), type(value).__name__)
