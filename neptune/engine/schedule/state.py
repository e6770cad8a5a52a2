"""What is known of a plan's nodes, as arrays: bounds, which truths are open, which cells can still be asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.plan import (
    And,
    Atom,
    Count,
    CountTrue,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
    make,
    walk,
)
from dsl.rewrites.all_different import Block
from neptune.algebra import ProbabilisticTensor
from neptune.engine.compile import plan_cache as plans
from neptune.engine.evaluate.evaluator import Evaluator
from neptune.engine.evidence.priors import Estimates
from neptune.engine.evidence.store import Table
from neptune.scene import Scene
from neptune.scene.types import IntArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Axes = tuple[str, ...]

SURE = 0.98
"""The chance of what follows from the other values of a sort, were they exclusive."""


def axes(node: Node) -> Axes:
    """Return the order of the axes of every array about a node: its free variables, sorted."""
    return tuple(sorted(node.free))


def over_axes(node: Count | Description) -> Axes:
    """Return the axes of the body of a count or description, its own variable last."""
    return (*sorted(node.free), node.var)


def project(mask: Mask, have: Axes, want: Axes) -> Mask:
    """Return where any cell of the mask is true for the wanted axes, which are among those there."""
    gone = tuple(i for i, v in enumerate(have) if v not in want)
    reduced = np.asarray(mask.any(axis=gone) if gone else mask)
    kept = [v for v in have if v in want]
    return np.asarray(reduced.transpose(tuple(kept.index(v) for v in want)))


def highest(array: Floats, have: Axes, want: Axes) -> Floats:
    """Return the maximum over all axes but the wanted ones, which are among those there."""
    gone = tuple(i for i, v in enumerate(have) if v not in want)
    reduced = array.max(axis=gone) if gone else array
    kept = [v for v in have if v in want]
    return np.asarray(reduced.transpose([kept.index(v) for v in want]))


def spread(array: NDArray[Any], have: Axes, want: Axes, n: int) -> NDArray[Any]:
    """Return the array over more axes, by repetition."""
    kept = [v for v in want if v in have]
    array = np.asarray(array).transpose([have.index(v) for v in kept])
    shape = tuple(n if v in have else 1 for v in want)
    return np.broadcast_to(array.reshape(shape), (n,) * len(want))


class View:
    """The state of one plan on one scene between two rounds.

    Parameters
    ----------
    evaluator
        Gives intervals; :meth:`refresh` drops those that new answers changed.
    scene
        The scene.
    table
        Returns the evidence table of an atom.
    estimates
        Guesses at cells not asked.
    """

    def __init__(
        self, evaluator: Evaluator, scene: Scene, table: Callable[[Atom], Table], estimates: Estimates
    ) -> None:
        self.evaluator, self.scene, self.table, self.estimates = evaluator, scene, table, estimates
        self.n = evaluator.objects
        self._bounds: dict[tuple[Node, bool], tuple[Floats, Floats]] = {}
        self._guesses: dict[Node, Floats] = {}
        self._chances: dict[Atom, Floats] = {}

    def refresh(self) -> None:
        """Forget what follows from the evidence, after a round of new answers."""
        self.evaluator.forget()
        self._bounds.clear()
        self._guesses.clear()
        self._chances.clear()

    def bounds(self, node: Node) -> tuple[Floats, Floats]:
        """Return lower and upper bounds over :func:`axes`, as internal numbers of the logic."""
        found = self._bounds.get((node, False))
        if found is None:
            interval, want = self.evaluator.truth(node), axes(node)
            found = self._bounds[node, False] = self._arrays(interval.low, interval.high, want)
        return found

    def over(self, node: Count | Description) -> tuple[Floats, Floats]:
        """Return the bounds of the body over :func:`over_axes`."""
        found = self._bounds.get((node, True))
        if found is None:
            interval, want = self.evaluator.over(node), over_axes(node)
            found = self._bounds[node, True] = self._arrays(interval.low, interval.high, want)
        return found

    @staticmethod
    def _arrays(low: ProbabilisticTensor, high: ProbabilisticTensor, want: Axes) -> tuple[Floats, Floats]:
        first = low.align(want).internal.detach().numpy()
        return first, first if high is low else high.align(want).internal.detach().numpy()

    def open(self, node: Node, exact: bool) -> Mask:
        """Return where the node is undecided (`exact`: where its value is unknown)."""
        return self.is_open(*self.bounds(node), exact)

    def is_open(self, low: Floats, high: Floats, exact: bool) -> Mask:
        """Return where bounds leave ½ (`exact`: anything) undecided."""
        if exact:
            return np.asarray(low < high)
        middle = self.evaluator.logic.middle
        return np.asarray((low <= middle) & (high > middle))

    # --- atoms -----------------------------------------------------------------------------------

    def askable(self, leaf: Atom) -> Mask:
        """Return the cells of an atom that have not been asked, over :func:`axes`."""
        table = self.table(leaf)
        index = tuple(t if isinstance(t, int) else slice(None) for t in leaf.terms)
        free = ~(table.asked | diagonal(self.n, len(leaf.terms)))[index]
        names = tuple(t for t in leaf.terms if isinstance(t, str))
        return np.asarray(np.asarray(free).transpose([names.index(v) for v in axes(leaf)]))

    def cells(self, leaf: Atom, mask: Mask) -> IntArray:
        """Return the cells that a mask over :func:`axes` chooses, shape ``(M, arity)``."""
        rows = np.argwhere(mask)
        out = np.empty((len(rows), len(leaf.terms)), dtype=np.int64)
        names = axes(leaf)
        for place, term in enumerate(leaf.terms):
            out[:, place] = term if isinstance(term, int) else rows[:, names.index(term)]
        return out

    def chance(self, leaf: Atom) -> Floats:
        """Return estimated chances of an atom over :func:`axes`, whether asked or not."""
        found = self._chances.get(leaf)
        if found is None:
            shape = (self.n,) * len(leaf.free)
            everywhere = self.cells(leaf, np.ones(shape, dtype=np.bool_))
            found = self.estimates.cells(self.scene, leaf.predicate, everywhere).reshape(shape)
            if len(leaf.terms) == 1:
                found = self._given_siblings(leaf, found)
            self._chances[leaf] = found
        return found

    def _given_siblings(self, leaf: Atom, chance: Floats) -> Floats:
        """Return chances of a value, given what is known of the other values of its sort: a red object is not blue."""
        siblings = self.estimates.siblings(leaf.predicate)
        if not siblings:
            return chance
        taken, left = np.zeros(self.n, dtype=np.bool_), np.ones(self.n)
        for sibling in siblings:
            logits = self.table(make(Atom, sibling, leaf.terms)).logits
            taken |= logits > 0
            left -= np.where(logits <= 0, self.estimates.frequency(sibling), 0.0)
        (term,) = leaf.terms
        if isinstance(term, int):
            taken, left = taken[term], left[term]
        likelier = np.clip(chance / np.maximum(left, 1e-3), 0.0, SURE)
        return np.asarray(np.where(taken, 1.0 - SURE, likelier))

    # --- estimates of formulas -------------------------------------------------------------------

    def guess(self, node: Node) -> Floats:
        """Return the estimated chance that a formula is true, over :func:`axes`: 0 or 1 where it is decided."""
        found = self._guesses.get(node)
        if found is None:
            low, high = self.bounds(node)
            middle = self.evaluator.logic.middle
            guessed = np.where(high <= middle, 0.0, np.where(low > middle, 1.0, self._guess(node)))
            found = self._guesses[node] = guessed
        return found

    def _guess(self, node: Node) -> Floats:
        want = axes(node)
        shape = (self.n,) * len(want)
        match node:
            case Atom():
                return self.chance(node)
            case Not():
                return 1.0 - self.guess(node.body)
            case And() | Or():
                out = np.ones(shape)
                for operand in node.operands:
                    part = self.guess(operand)
                    out = out * spread(
                        part if isinstance(node, And) else 1.0 - part, axes(operand), want, self.n
                    )
                return np.asarray(out if isinstance(node, And) else 1.0 - out)
            case Exists() | Forall():
                have = axes(node.body)
                block = plans.search(node)
                if block is not None:
                    return self._guess_apart(block.block, want)
                if node.var not in have:
                    return self.guess(node.body)
                body, axis = self.guess(node.body), have.index(node.var)
                # The likeliest witness, not the chance that there is one: it is a witness that will be asked about.
                return np.asarray(body.max(axis) if isinstance(node, Exists) else body.min(axis))
            case ExpectationOver():
                joint, iota = (*want, node.var), node.description
                names = tuple(node.var if v == iota.var else v for v in axes(iota.body))
                described = spread(self.guess(iota.body), names, joint, self.n)
                atom = spread(self.guess(node.body), axes(node.body), joint, self.n)
                total = described.sum(-1)
                return np.asarray((described * atom).sum(-1) / np.maximum(total, 1e-9))
            case _:
                return np.full(shape, 0.5)

    def _guess_apart(self, block: Block, want: Axes) -> Floats:
        """Guess at a block of distinct variables by each group of factors alone: they need no joint table."""
        out = np.ones((self.n,) * len(want))
        for group, scope in zip(block.groups, block.scopes, strict=True):
            if group:
                joined = disjunction(group) if block.universal else conjunction(group)
                chance = 1.0 - self.guess(joined) if block.universal else self.guess(joined)
                kept = tuple(v for v in scope if v in want)
                out = out * spread(highest(chance, scope, kept), kept, want, self.n)
        return np.asarray(1.0 - out if block.universal else out)


def quantified(node: Node) -> bool:
    """Tell whether there is a quantifier, count or description under the node."""
    return any(isinstance(n, Exists | Forall | Description | Count | CountTrue) for n in walk(node))


@lru_cache(maxsize=256)
def diagonal(n: int, arity: int) -> Mask:
    """Return where a tuple of objects names one twice, shape ``(n,) * arity``; read-only."""
    out = np.zeros((n,) * arity, dtype=np.bool_)
    grid = np.indices((n,) * arity) if arity else np.zeros((0,))
    for i in range(arity):
        for j in range(i + 1, arity):
            out |= grid[i] == grid[j]
    out.flags.writeable = False
    return out
