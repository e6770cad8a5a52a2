"""Plans as trees: walking, showing, rebuilding, transforming, substituting without capture.

Everything here reads the schema of the nodes, and holds for every class of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from dsl.plan.build import conjunction, disjunction, negation, same
from dsl.plan.nodes import And, Exists, Forall, Not, Or, Same
from dsl.plan.schema import MOST_SIZE, Node, Term, make

State = TypeVar("State")
Visit: TypeAlias = Callable[[Node, State], Node]


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
        stack.extend(reversed(current.children))


def show(node: Node) -> str:
    """Return the formula as text (``∃@0 (cube(@0) ∧ left(@0, @1))``); of a very large one, only how large it is."""
    if node.size > _SHOWN:
        return f"a formula of {node.size if node.size < MOST_SIZE else 'more than 10⁹'} parts"
    return str(node)


_SHOWN = 5_000


def prefix(node: Node) -> tuple[list[str], Node]:
    """Return the variables of the like quantifiers that a formula starts with, outermost first, and their body."""
    kind, variables = type(node), []
    while isinstance(node, Exists | Forall) and type(node) is kind:
        variables.append(node.var)
        node = node.body
    return variables, node


# --- rebuilding ----------------------------------------------------------------------------------


def rebuild(node: Node, children: Iterable[Node], var: str = "") -> Node:
    """Return the node with its children replaced, and the variable that it binds if one is given (flattening and
    folding nothing)."""
    inner = tuple(children)
    if not var and inner == node.children:
        return node
    schema = node.schema
    values = list(schema.values(node))
    if var:
        assert schema.bound is not None, f"{type(node).__name__} binds no variable"
        values[schema.bound] = var
    if schema.many is not None:
        values[schema.many] = inner
    else:
        for at, child in zip(schema.single, inner, strict=True):
            values[at] = child
    return make(type(node), *values)


def rejoin(node: Node, children: Iterable[Node]) -> Node:
    """Return the node with its children replaced, nested ∧ and ∨ flattened and ¬¬ removed."""
    match node:
        case And():
            return conjunction(children)
        case Or():
            return disjunction(children)
        case Not():
            return negation(*children)
    return rebuild(node, children)


def with_terms(node: Node, change: Callable[[Term], Term]) -> Node:
    """Return an atom, or an identity of objects, with its terms changed (x = x folded); other nodes as they are."""
    schema = node.schema
    if schema.terms is None:
        return node
    values = list(schema.values(node))
    values[schema.terms] = terms = tuple(map(change, values[schema.terms]))
    return same(*terms) if isinstance(node, Same) else make(type(node), *values)


# --- transforming --------------------------------------------------------------------------------


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to every distinct node, its children first (each already changed)."""
    return transform_all((node,), change)[0]


def transform_all(nodes: Iterable[Node], change: Callable[[Node], Node]) -> tuple[Node, ...]:
    """Return what :func:`transform` makes of each of the nodes; what they share is changed once."""
    memo: dict[Node, Node] = {}

    def visit(current: Node) -> Node:
        children = current.children
        if children:
            inner = tuple([memo.get(child) or visit(child) for child in children])
            made = change(current if inner == children else rebuild(current, inner))
        else:
            made = change(current)
        memo[current] = made
        return made

    return tuple([memo.get(node) or visit(node) for node in nodes])


def descend(node: Node, state: State, rule: Callable[[Node, State, Visit[State]], Node]) -> Node:
    """Return what a rule makes of the node, from the top down.

    Parameters
    ----------
    node, state
        Where to start, and what the rule is told there: the sign, the names of variables, …
    rule
        ``rule(node, state, visit)`` returns the new node, and calls ``visit(child, state)`` for what it wants of the
        children. It is called once for each node and state; of a dictionary of variables only those count that are
        free in the node.
    """
    memo: dict[Hashable, Node] = {}
    named = isinstance(state, dict)

    def visit(current: Node, state: State) -> Node:
        key = (current, *map(state.get, current.free)) if named else (current, state)  # type: ignore[attr-defined]
        found = memo.get(key)
        if found is None:
            found = memo[key] = rule(current, state, visit)
        return found

    return visit(node, state)


# --- variables -----------------------------------------------------------------------------------


def fresh(*nodes: Node) -> str:
    """Return the first variable ``@k`` above every free ``@j`` of the nodes: deterministic, so that equal formulas
    stay the same object."""
    used = [int(v[1:]) for node in nodes for v in node.free if v.startswith("@")]
    return f"@{max(used, default=-1) + 1}"


def substitute(node: Node, mapping: Mapping[str, Term]) -> Node:
    """Replace free variables by terms, renaming bound variables where they would capture one."""
    changed = {v: t for v, t in mapping.items() if v != t and v in node.free}
    return descend(node, changed, _substitute) if changed else node


def _substitute(node: Node, mapping: dict[str, Term], visit: Visit[dict[str, Term]]) -> Node:
    def into(child: Node, mapping: dict[str, Term]) -> Node:
        return child if child.free.isdisjoint(mapping) else visit(child, mapping)

    schema = node.schema
    if schema.terms is not None:
        return with_terms(node, lambda term: mapping.get(term, term) if isinstance(term, str) else term)
    if schema.bound is None:
        return rebuild(node, [into(child, mapping) for child in node.children])
    (var,) = schema.variable(node)
    inner, renamed = {v: t for v, t in mapping.items() if v in node.free and v != var}, ""
    parts = list(schema.parts_of(node))
    made = [child if part.scoped else into(child, mapping) for child, part in parts]
    around = [child.free for child, (_, part) in zip(made, parts, strict=True) if not part.scoped]
    if var in inner.values() or any(var in free for free in around):  # it would be captured
        used = frozenset().union(*(child.free for child in made), inner.values())
        inner[var] = renamed = next(f"@{k}" for k in itertools.count() if f"@{k}" not in used)
    made = [into(child, inner) if part.scoped else child for child, (_, part) in zip(made, parts, strict=True)]
    return rebuild(node, made, renamed)
