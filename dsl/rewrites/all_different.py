"""Blocks of distinct variables: ∃x1 … xk (φ ∧ all different), to be relaxed, checked and branched.

Inequations join every variable with every other: written out, they need a table of all k variables. Such a block is
left whole by elimination; here it is taken apart into what a search needs. Without the inequations that no factor
carries anyway, the block is an ordinary contraction of small width, its *relaxation*. The relaxation bounds the block
from above, and restricting each variable to some objects restricts the bound: branch and bound (Land and Doig 1960)
over the objects that two variables share.

∀x1 … xk (φ ∨ two are the same) is ¬∃ of the negated factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsl.plan import Atom, Exists, Forall, Node, Predicate, Quantifier, Same, make, prefix
from dsl.rewrites.elimination import arrange, by_scope, collect, split_apart, stays_whole


@dataclass(frozen=True, slots=True)
class Block:
    """A block of like quantifiers whose variables must be different.

    Parameters
    ----------
    universal
        ∀ over ∨, instead of ∃ over ∧.
    variables, free
        Those that it binds, outermost first; those that stay, sorted.
    groups
        The factors, those of one scope together, without the inequations of `apart`; an empty group is a variable
        of which nothing is said.
    scopes
        The variables of each group, sorted.
    apart
        Pairs of variables that must be different objects.
    relaxed
        The contraction of the groups, over atoms ``F0``, ``F1``, … that stand for them, free variables eliminated
        too: whoever runs it says to which objects each variable is restricted.
    """

    universal: bool
    variables: tuple[str, ...]
    free: tuple[str, ...]
    groups: tuple[tuple[Node, ...], ...]
    scopes: tuple[tuple[str, ...], ...]
    apart: tuple[tuple[str, str], ...]
    relaxed: Node

    def atoms(self) -> list[Atom]:
        """Return the atoms of `relaxed`, one for each group."""
        return [_atom(i, scope) for i, scope in enumerate(self.scopes)]


def block_of(node: Node) -> Block | None:
    """Return the block that starts at this quantifier, as elimination leaves it; ``None`` if it is no such block."""
    if not isinstance(node, Exists | Forall):
        return None
    variables, body = prefix(node)
    if len(set(variables)) < len(variables) or not isinstance(body, node.connective):
        return None
    return _block(type(node), variables, body.operands)


def collected_block(node: Node) -> Block | None:
    """Return the block that starts at this quantifier with nested ones drawn in, names kept; see :func:`block_of`."""
    if not isinstance(node, Exists | Forall):
        return None
    return _block(type(node), *collect(node))


def _block(kind: Quantifier, variables: Sequence[str], factors: Sequence[Node]) -> Block | None:
    if not stays_whole(kind, variables, factors):
        return None
    apart, others = split_apart(kind, factors, set(variables))
    grouped = [tuple(g) for g in by_scope(others)] if others else []
    scopes = [tuple(sorted({v for f in g for v in f.free})) for g in grouped]
    for var in variables:
        if not any(var in scope for scope in scopes):
            grouped.append(())
            scopes.append((var,))
    free = sorted({v for scope in scopes for v in scope} - set(variables))
    atoms = [_atom(i, scope) for i, scope in enumerate(scopes)]
    pairs = sorted({_pair(f) for f in apart})
    relaxed = arrange(Exists, [*variables, *free], atoms)
    universal = kind is Forall
    return Block(universal, tuple(variables), tuple(free), tuple(grouped), tuple(scopes), tuple(pairs), relaxed)


def _atom(i: int, scope: tuple[str, ...]) -> Atom:
    return make(Atom, Predicate(f"F{i}", len(scope)), scope)


def _pair(factor: Node) -> tuple[str, str]:
    same = factor if isinstance(factor, Same) else factor.body  # type: ignore[attr-defined]
    a, b = sorted(same.terms)
    return a, b
