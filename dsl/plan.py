"""Plan nodes: what a program asks for, as immutable, hash-consed data.

Running a program builds these nodes and computes nothing. Two nodes of the same meaning-as-written are the *same
object* (``is``), so common subexpressions are shared, and a dictionary keyed by nodes is a dictionary keyed by
formulas. Variables that a lambda binds are named by depth (``@0``, ``@1``, …), so formulas that are equal up to the
names of bound variables are the same object too.

Three families: *truths* (formulas, values in [0, 1], one axis for each free variable), *descriptions*
(:class:`Iota`: a distribution over objects) and *numbers* (:class:`Count`, :class:`Number`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
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
    """

    name: str
    arity: int
    text: str = ""
    symmetric: bool = False
    reflexive: bool = False

    def __str__(self) -> str:
        return self.name or repr(self.text)


NodeT = TypeVar("NodeT", bound="Node")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node:
    """Any plan node. Made by :func:`make`, never by the class itself. ``free``: its free variables."""

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
        inner = children(node)
        free = frozenset().union(*(child.free for child in inner))
        if isinstance(node, Leaf | Same):
            free = frozenset(t for t in node.terms if isinstance(t, str))
        elif isinstance(node, Expect):
            free = (node.body.free - {node.var}) | node.iota.free
        elif isinstance(node, Exists | Forall | Iota | Count):
            free = free - {node.var}
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
class Leaf(Node):
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
class Iota(Node):
    """The object that fits the body: softmax of its logits over `var`. A description, not a truth."""

    var: str
    body: Node


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Expect(Node):
    """An atom about a described object: Σ_var w(var)·body with w from `iota`; `pick`: at the argmax of w instead."""

    var: str
    iota: Iota
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
class Tally(Node):
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


TRUTHS = (Const, Leaf, Same, Not, And, Or, Xor, Exists, Forall, Expect, Compare)


def const(value: float) -> Const:
    """Return the constant truth `value`, in [0, 1]."""
    return make(Const, float(value))


def conjunction(operands: Iterable[Node]) -> Node:
    """Return the conjunction of the operands, nested conjunctions flattened; true if there are none."""
    return _gather(And, operands, 1.0)


def disjunction(operands: Iterable[Node]) -> Node:
    """Return the disjunction of the operands, nested disjunctions flattened; false if there are none."""
    return _gather(Or, operands, 0.0)


def _gather(cls: type[And] | type[Or], operands: Iterable[Node], empty: float) -> Node:
    flat: list[Node] = []
    for operand in operands:
        if isinstance(operand, cls):
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    if not flat:
        return const(empty)
    return flat[0] if len(flat) == 1 else make(cls, tuple(flat))


def negation(body: Node) -> Node:
    """Return ¬body, with ¬¬ removed (a law of every logic) and constants folded."""
    if isinstance(body, Not):
        return body.body
    if isinstance(body, Const):
        return const(1.0 - body.value)
    return make(Not, body)


def distinct(terms: tuple[Term, ...]) -> Node:
    """Return the formula that says that all terms are different objects."""
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i + 1 :]]
    return conjunction(negation(same(a, b)) for a, b in pairs)


def same(a: Term, b: Term) -> Node:
    """Return ``a = b``, with its arguments in one order, and folded where it is known."""
    if a == b:
        return const(1.0)
    if isinstance(a, int) and isinstance(b, int):
        return const(0.0)
    return make(Same, tuple(sorted((a, b), key=str)))


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct subformulas of a node, in order."""
    match node:
        case And() | Or():
            return node.operands
        case Not():
            return (node.body,)
        case Exists() | Forall() | Iota() | Count():
            return (node.body,)
        case Xor() | Compare():
            return (node.left, node.right)
        case Expect():
            return (node.iota, node.body)
        case Tally() | Describe():
            return node.bodies
        case _:
            return ()


def rebuild(node: Node, inner: tuple[Node, ...]) -> Node:
    """Return the node with its :func:`children` replaced (flattening and folding nothing)."""
    if inner == children(node):
        return node
    match node:
        case And() | Or():
            return make(type(node), inner)
        case Not():
            return make(Not, inner[0])
        case Exists() | Forall() | Iota() | Count():
            return make(type(node), node.var, inner[0])
        case Xor():
            return make(Xor, *inner)
        case Compare():
            return make(Compare, node.op, *inner)
        case Expect():
            return make(Expect, node.var, inner[0], inner[1], node.pick)
        case Tally():
            return make(Tally, inner)
        case Describe():
            return make(Describe, node.values, inner)
        case _:
            return node


def walk(node: Node) -> Iterator[Node]:
    """Yield every distinct node under (and with) `node`, parents first."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        stack.extend(reversed(children(current)))


def fresh(*nodes: Node) -> str:
    """Return the first variable ``@k`` above every free ``@j`` of the nodes: deterministic, so that equal formulas
    stay the same object."""
    used = [int(v[1:]) for node in nodes for v in node.free if v.startswith("@")]
    return f"@{max(used, default=-1) + 1}"


def substitute(node: Node, mapping: Mapping[str, Term]) -> Node:
    """Replace free variables by terms, renaming bound variables where they would capture one."""
    return _substitute(node, {v: t for v, t in mapping.items() if v != t}, {})


def _substitute(node: Node, mapping: Mapping[str, Term], memo: dict[tuple[Any, ...], Node]) -> Node:
    live = {v: t for v, t in mapping.items() if v in node.free}
    if not live:
        return node
    key = (node, tuple(sorted(live.items())))
    if key in memo:
        return memo[key]
    result: Node
    if isinstance(node, Leaf):
        result = make(
            Leaf, node.predicate, tuple(live.get(t, t) if isinstance(t, str) else t for t in node.terms)
        )
    elif isinstance(node, Same):
        first, second = (live.get(t, t) if isinstance(t, str) else t for t in node.terms)
        result = same(first, second)
    elif isinstance(node, Exists | Forall | Iota | Count):
        var, inner = _avoid(node.var, node.body, live)
        result = make(type(node), var, _substitute(node.body, inner, memo))
    elif isinstance(node, Expect):
        iota = _substitute(node.iota, live, memo)
        var, inner = _avoid(node.var, node.body, live, iota.free)
        result = make(Expect, var, iota, _substitute(node.body, inner, memo), node.pick)
    else:
        result = rebuild(node, tuple(_substitute(child, live, memo) for child in children(node)))
    memo[key] = result
    return result


def _avoid(
    var: str, body: Node, live: Mapping[str, Term], beside: frozenset[str] = frozenset()
) -> tuple[str, dict[str, Term]]:
    """Return the bound variable (renamed if a substituted term, or a variable `beside`, equals it) and the mapping
    for the body."""
    inner: dict[str, Term] = {v: t for v, t in live.items() if v != var}
    used = body.free | beside | {t for t in inner.values() if isinstance(t, str)}
    if var not in inner.values() and var not in beside:
        return var, inner
    k = 0
    while f"@{k}" in used:
        k += 1
    inner[var] = f"@{k}"
    return f"@{k}", inner


def show(node: Node) -> str:
    """Return the formula as text (``∃@0 (cube(@0) ∧ left(@0, @1))``); of a very large one, only how large it is."""
    size = _written_size(node, {})
    if size > _SHOWN:
        return f"a formula of {size if size < 10**9 else 'more than 10⁹'} parts"
    return _show(node)


_SHOWN = 5_000


def _written_size(node: Node, memo: dict[Node, int]) -> int:
    """Return the number of parts of a formula written out, shared ones each time."""
    found = memo.get(node)
    if found is None:
        found = memo[node] = min(10**9, 1 + sum(_written_size(child, memo) for child in children(node)))
    return found


def _show(node: Node) -> str:
    match node:
        case Const():
            return {1.0: "true", 0.0: "false"}.get(node.value, f"{node.value:g}")
        case Leaf():
            return f"{node.predicate}({', '.join(map(_term, node.terms))})"
        case Same():
            return f"{_term(node.terms[0])} = {_term(node.terms[1])}"
        case Not(body=Same() as inner):
            return f"{_term(inner.terms[0])} ≠ {_term(inner.terms[1])}"
        case Not():
            return f"¬{_wrap(node.body)}"
        case And():
            return " ∧ ".join(_wrap(o) for o in node.operands)
        case Or():
            return " ∨ ".join(_wrap(o) for o in node.operands)
        case Xor():
            return f"{_wrap(node.left)} ⊕ {_wrap(node.right)}"
        case Exists():
            return f"∃{node.var} {_wrap(node.body)}"
        case Forall():
            return f"∀{node.var} {_wrap(node.body)}"
        case Iota():
            return f"ι{node.var} {_wrap(node.body)}"
        case Expect():
            return f"{'at' if node.pick else 'E'}[{node.var} ~ {_show(node.iota)}] {_wrap(node.body)}"
        case Compare():
            return f"{_show(node.left)} {node.op} {_show(node.right)}"
        case Count():
            return f"#{node.var} {_wrap(node.body)}"
        case Tally():
            return f"#({', '.join(map(show, node.bodies))})"
        case Number():
            return f"{node.value:g}"
        case Describe():
            return f"describe({', '.join(f'{v}: {_show(b)}' for v, b in zip(node.values, node.bodies, strict=True))})"
        case _:
            raise TypeError(f"unknown plan node {type(node).__name__} with fields {fields(node)}")


def _term(term: Term) -> str:
    return f"object {term}" if isinstance(term, int) else term


def _wrap(node: Node) -> str:
    text = _show(node)
    return f"({text})" if isinstance(node, And | Or | Xor | Compare) else text
