"""The syntax tree: plain frozen data, compared by meaning (places are ignored).

Every node has a ``span`` for error messages; ``==`` and ``hash`` ignore it, so that
``parse(print_program(tree)) == tree``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from dsl.span import Span as Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Any node of the tree."""

    span: Span | None = field(default=None, compare=False, repr=False)


# --- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """``3``, ``0.5``."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Text(Node):
    """``"a red ball"``."""

    value: str


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """``True`` or ``False``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Nothing(Node):
    """``None``."""


@dataclass(frozen=True, slots=True)
class Formatted(Node):
    """One ``{value:format}`` of an f-string."""

    value: Expr
    format: str = ""


@dataclass(frozen=True, slots=True)
class FString(Node):
    """``f"is it {color}?"``: texts and formatted values in order; neighbouring texts are merged."""

    parts: tuple[Text | Formatted, ...]


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable, a built-in, or (called) a predicate."""

    id: str


@dataclass(frozen=True, slots=True)
class ListDisplay(Node):
    """``[a, b]``."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class TupleDisplay(Node):
    """``(a, b)``; also a target of an unpacking assignment."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class SetDisplay(Node):
    """``{a, b}``, never empty."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class DictDisplay(Node):
    """``{a: b}``."""

    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Subscript(Node):
    """``value[index]``."""

    value: Expr
    index: Expr | Slice


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """``lower:upper:step`` inside a subscript."""

    lower: Expr | None = None
    upper: Expr | None = None
    step: Expr | None = None


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """``value.name``; the checker admits whitelisted methods only."""

    value: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """``lambda x, y: body``."""

    params: tuple[str, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """``name=value`` in a call."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``func(args, name=value)``."""

    func: Expr
    args: tuple[Expr, ...] = ()
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``op operand`` with op one of ``not ~ - +``."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left op right`` with op one of ``+ - * / // % ** & | ^ >>``."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Connective(Node):
    """``a and b and c`` or ``a or b``: at least two operands, flattened as written."""

    op: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``a < b <= c``: ops are among ``== != < <= > >= in "not in" is "is not"``."""

    left: Expr
    ops: tuple[str, ...]
    rights: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """``then if test else otherwise``."""

    test: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """``for target in iterable if c1 if c2`` of a comprehension."""

    target: Expr
    iterable: Expr
    conditions: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """A comprehension; kind is ``list``, ``set``, ``dict`` or ``generator``; `value` for dicts only."""

    kind: str
    element: Expr
    clauses: tuple[Clause, ...]
    value: Expr | None = None


Expr: TypeAlias = (
    Number | Text | Truth | Nothing | FString | Name | ListDisplay | TupleDisplay | SetDisplay | DictDisplay
    | Subscript | Attribute | Lambda | Call | Unary | Binary | Connective | Comparison | Conditional
    | Comprehension
)  # fmt: skip


# --- statements ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """``a = b = value``; a target is a Name, a Subscript of a Name, or a TupleDisplay of targets."""

    targets: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class AugAssign(Node):
    """``target op= value``; `op` as in :class:`Binary`."""

    target: Expr
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class ExprStatement(Node):
    """An expression alone on a line; on the last line it is the program's result."""

    value: Expr


@dataclass(frozen=True, slots=True)
class If(Node):
    """``if test: … else: …``; an ``elif`` is an If alone in `orelse`."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class For(Node):
    """``for target in iterable: … else: …`` over a finite value; `orelse` runs where no ``break`` ended the loop."""

    target: Expr
    iterable: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class Param(Node):
    """A parameter of a ``def``, with its default."""

    name: str
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class FunctionDef(Node):
    """A non-recursive function."""

    name: str
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Return(Node):
    """``return value``."""

    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Pass(Node):
    """``pass``."""


@dataclass(frozen=True, slots=True)
class Break(Node):
    """``break``."""


@dataclass(frozen=True, slots=True)
class Continue(Node):
    """``continue``."""


@dataclass(frozen=True, slots=True)
class Import(Node):
    """``import math`` or ``import numpy as np``: reads nothing; only the dialect of regions has it."""

    module: str
    alias: str = ""


Stmt: TypeAlias = (
    Assign | AugAssign | ExprStatement | If | For | FunctionDef | Return | Pass | Break | Continue | Import
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program(Node):
    """A whole program: at least one statement; `dialect` is ``"patches"`` once it is known to be over regions."""

    body: tuple[Stmt, ...]
    dialect: str = "formulas"


def children(node: Node) -> list[Node]:
    """Return the direct child nodes in source order."""
    found: list[Node] = []
    for name in part_names(type(node)):
        value = getattr(node, name)
        if type(value) is tuple:
            found.extend([v for v in value if isinstance(v, Node)])
        elif isinstance(value, Node):
            found.append(value)
    return found


def part_names(kind: type[Node]) -> tuple[str, ...]:
    """Return the names of a kind's fields that may hold nodes; remembered, for walks are many."""
    names = _PARTS.get(kind)
    if names is None:
        data = {f.name for f in fields(kind) if set(_WORDS.findall(str(f.type))) <= _DATA}
        names = _PARTS[kind] = tuple(name for name in field_names(kind) if name not in data)
    return names


_WORDS = re.compile(r"\w+")
_DATA = {"str", "int", "float", "bool", "None", "tuple"}
"""What a field without nodes is annotated with."""
_PARTS: dict[type[Node], tuple[str, ...]] = {}


def field_names(kind: type[Node]) -> tuple[str, ...]:
    """Return the names of a kind's fields, without ``span``; remembered, for walks are many."""
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(f.name for f in fields(kind) if f.name != "span")
    return names


_FIELDS: dict[type[Node], tuple[str, ...]] = {}


def walk(node: Node) -> list[Node]:
    """Return the node and all its descendants, outermost first; iterative, so depth is no danger."""
    global _walked
    last, nodes = _walked  # read once: another thread may walk another program meanwhile
    if last is node:
        return nodes.copy()
    found: list[Node] = []
    stack = [node]
    while stack:
        current = stack.pop()
        found.append(current)
        if _PARTS.get(type(current)) != ():  # most nodes are names
            stack.extend(reversed(children(current)))
    if type(node) is Program:
        _walked = node, found.copy()
    return found


_walked: tuple[Node | None, list[Node]] = (None, [])
"""The program that was walked last, with its nodes: who checks it walks it several times."""
