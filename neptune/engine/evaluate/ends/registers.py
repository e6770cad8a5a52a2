"""Bounds of formulas as arrays, node by node, each computed once: in NumPy, for godel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from dsl.errors import LimitError
from dsl.plan import (
    And,
    Atom,
    Compare,
    Const,
    Count,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Number,
    Or,
    Same,
)
from neptune.algebra import logic
from neptune.algebra.arrays import any_logic, logistic, logit
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.evaluate.ends.arithmetic import (
    Ends,
    EndSource,
    ends_in,
    expectation_ends,
    identity,
    placed,
    rows_of,
    unasked,
)
from neptune.engine.evaluate.ends.axes import placing, sorted_axes
from neptune.engine.evaluate.ends.boxes import dear
from neptune.engine.evaluate.ends.plans import atoms_under, most_axes, of_one_object
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.tables import Table

_GODEL = any_logic(logic.godel)


class EndRegisters:
    """Bounds of formulas as arrays of logits, node by node: what the schedule looks at between two rounds.

    The same values as those of :class:`LazyRegisters` for godel with hard quantifiers, in NumPy: a table of a few
    objects takes less time than the call that computes it, and NumPy's calls take a fraction of torch's. What does not
    depend on a table that answers were written to stays. Arrays are float32, over the sorted free variables; where a
    value is known, both ends are one array.

    Parameters
    ----------
    objects
        N ≥ 1.
    atoms
        What is known of atoms.
    iota_tau
        The temperature of descriptions.
    searched
        Blocks of variables that must all differ are searched, which is not done here.
    rest
        Gives the ends of nodes that have no rule here.
    spend
        Is told of the work that each takes, in cells of tables.
    cells
        The most cells of a table; a larger one is a :class:`dsl.LimitError`.

    Attributes
    ----------
    probabilities
        For expectations the ends as probabilities: what they are before they become logits.
    boxed
        Gives the ends of dear formulas, as logits and (of expectations) as probabilities, where they are computed in a
        box.
    """

    def __init__(
        self,
        objects: int,
        atoms: EndSource,
        iota_tau: float,
        searched: bool,
        rest: Callable[[Node], Ends],
        spend: Callable[[int], None],
        cells: int,
    ) -> None:
        self._n, self._atoms, self._tau, self._searched = objects, atoms, iota_tau, searched
        self._rest, self._spend, self._cells = rest, spend, cells
        self._memo: dict[Node, Ends] = {}
        self.probabilities: dict[Node, Ends] = {}
        self._chances: dict[Node, Ends] = {}
        self._seen: dict[Atom, tuple[Table, int]] = {}
        self.boxed: Mapping[Node, Callable[[], tuple[Ends, Ends | None]]] = {}

    def confine(self, boxed: Mapping[Node, Callable[[], tuple[Ends, Ends | None]]]) -> None:
        """Take other ends of dear formulas (`boxed`), and drop what hangs on those before."""
        self.boxed = boxed
        for node in [node for node in self._memo if dear(node, self._n)]:
            del self._memo[node]

    def forget(self) -> None:
        """Drop what depends on tables that were written to."""
        changed = {atom for atom, (table, writes) in self._seen.items() if table.writes != writes}
        if changed:
            for node in [node for node in self._memo if not changed.isdisjoint(atoms_under(node))]:
                del self._memo[node]
            for atom in changed:
                del self._seen[atom]

    def adopt(self, other: EndRegisters, atoms: Collection[Atom]) -> None:
        """Take over what another computed of the same scene, if it had the same bounds of all atoms; but for pairs of
        one object with itself, which no formula of atoms looks at."""
        if (self._n, self._tau) != (other._n, other._tau):
            return
        for node in (*other._memo, *atoms):
            searched = other._searched and type(node) in (Exists, Forall) and search_of(node) is not None
            if searched or self._n ** len(node.free) > self._cells:
                return
        own = {atom: self._atom(atom) for atom in atoms}
        if not all(_alike(atom, ends, other._memo.get(atom, ends), self._n) for atom, ends in own.items()):
            return
        pairs, taken = {atom for atom in own if len(atom.terms) > 1}, other._memo.items()
        taken_over = {node: ends for node, ends in taken if type(node) is not Not or node.body not in pairs}
        self._memo, self.probabilities = taken_over | own, dict(other.probabilities)

    def truth(self, node: Node) -> Ends:
        """Return the ends of a formula."""
        found = self._memo.get(node)
        if found is None:
            axes = len(node.free)
            cells = self._n**axes
            if cells > self._cells:
                raise LimitError("tensor_cells", self._cells, cells, what=f"a formula of {axes} variables")
            self._spend(cells)
            rule = _RULES.get(type(node), EndRegisters._unruled)
            if self.boxed and node in self.boxed:
                rule = EndRegisters._in_box
            found = self._memo[node] = rule(self, node)
            self._chances.pop(node, None)
        return found

    def over(self, node: Description | Count) -> Ends:
        """Return the ends of the body of a description or count, the axis of its variable last."""
        found = self._memo.get(node)
        if found is None:
            found = self._memo[node] = self._turned(node, self.truth(node.body))
        return found

    def read(self, node: Node, chances: bool = False) -> Ends:
        """Return the ends of a formula, or of the body of a description or count (:meth:`over`); `chances`: as
        probabilities."""
        found = None if chances else self._memo.get(node)
        if found is not None:
            return found
        if isinstance(node, (Description, Count)):
            return self._turned(node, self._said(node.body)) if chances else self.over(node)
        return self._said(node) if chances else self.truth(node)

    def _turned(self, node: Description | Count, ends: Ends) -> Ends:
        return self._wide(ends, sorted_axes(node.body.free), (*sorted_axes(node.free), node.var))

    def read_all(self, formulas: tuple[Node, ...]) -> list[Ends]:
        """Return the ends of several formulas: what is said of the object of one description that is not settled (each
        value of a sort) is computed at once."""
        for description, alike in of_one_object(formulas):
            nodes = [node for node in alike if node not in self._memo]
            if len(nodes) < 2 or (fits := self.over(description))[0] is fits[1]:
                continue
            said = [self._said(node.body) for node in nodes]
            low, high = (np.array([ends[k] for ends in said]) for k in (0, 1))
            chances = expectation_ends(fits, (low, high), self._tau)
            logits = logit(chances)
            self._spend(len(nodes))
            for k, node in enumerate(nodes):
                self.probabilities[node] = chances[0, k, ...], chances[1, k, ...]
                self._memo[node] = logits[0, k, ...], logits[1, k, ...]
        return [self.read(node) for node in formulas]

    def peak(self, node: Node) -> int:
        """Return the cells of the largest table that a value took."""
        cells: int = self._n ** most_axes(node, frozenset(self.boxed))
        return cells

    def _note(self, atom: Atom) -> None:
        """Note the state of an atom's table, before it is read."""
        if atom not in self._seen:
            table = self._atoms.table(atom)
            self._seen[atom] = table, table.writes

    # --- rules ---

    def _unruled(self, node: Node) -> Ends:
        for atom in atoms_under(node):
            self._note(atom)
        return self._rest(node)

    def _in_box(self, node: Node) -> Ends:
        ends, chances = self.boxed[node]()
        if chances is not None:
            self.probabilities[node] = chances
        return ends

    def _atom(self, node: Atom) -> Ends:
        self._note(node)
        low, high = self._atoms.ends(node)
        order = placing(node.terms)[1]
        if order is None:
            return low, high
        turned = low.transpose(order)
        return turned, turned if low is high else high.transpose(order)

    def _const(self, node: Const) -> Ends:
        value = logit(np.asarray(node.value, np.float32))
        return value, value

    def _same(self, node: Same) -> Ends:
        given = [t for t in node.terms if isinstance(t, int)]
        if len(node.free) + len(given) != 2 or len(given) == 2:
            return self._unruled(node)
        value = identity(self._n, given[0] if given else None)
        return value, value

    def _not(self, node: Not) -> Ends:
        low, high = self.truth(node.body)
        if low is high:
            return (known := -low), known
        return -high, -low

    def _junction(self, node: And | Or) -> Ends:
        join, free = np.minimum if isinstance(node, And) else np.maximum, node.free
        found: Ends | None = None
        for operand in node.operands:
            a, b = self.truth(operand)
            if len(operand.free) < len(free):
                index = _among(operand.free, free)
                a, b = (wide := a[index]), wide if a is b else b[index]
            if found is not None:
                exact, a = found[0] is found[1] and a is b, join(found[0], a)
                b = a if exact else join(found[1], b)
            found = a, b
        assert found is not None
        return found if found[0].ndim == 0 else self._wide(found, (want := sorted_axes(free)), want)

    def _quantified(self, node: Exists | Forall) -> Ends:
        if self._searched and search_of(node) is not None:
            return self._unruled(node)
        low, high = self.truth(node.body)
        if node.var not in node.body.free:
            return low, high
        axis = sorted_axes(node.body.free).index(node.var)
        reduce = np.maximum.reduce if isinstance(node, Exists) else np.minimum.reduce
        reduced = np.asarray(reduce(low, axis))
        return reduced, reduced if low is high else np.asarray(reduce(high, axis))

    def _expectation(self, node: ExpectationOver) -> Ends:
        said, description = self._said(node.body), node.description
        rest, have = sorted_axes(node.free), sorted_axes(node.body.free)
        if node.var not in node.body.free:
            self.probabilities[node] = self._wide(said, have, rest)
            return self._wide(self.truth(node.body), have, rest)
        want = (*rest, node.var)
        fits = self._spread(self.over(description), (*sorted_axes(description.free), node.var), want)
        said = self._spread(said, have, want)
        tau = 0.0 if node.pick else self._tau
        if fits[0] is fits[1]:
            w = _GODEL.weights(fits[0], tau).astype(np.float64)
            sums = [np.add.reduce(w * end, axis=-1) for end in (said[:1] if said[0] is said[1] else said)]
            chances = np.minimum(np.maximum(np.array(sums), 0.0), 1.0).astype(np.float32)
        else:
            chances = expectation_ends(fits, said, tau)
        self.probabilities[node] = self._wide(ends_in(chances), rest, rest)
        return self._wide(ends_in(logit(chances)), rest, rest)

    def _compared(self, node: Compare) -> Ends:
        """As :func:`neptune.engine.compile.counts.comparison` has it, each end from the ends that it rises with."""
        left, right, op = node.left, node.right, node.op
        if not isinstance(left, Count) or not isinstance(right, Count | Number):
            return self._unruled(node)
        want = sorted_axes(node.free)
        a = self._at_least(left, want)
        if isinstance(right, Count):
            b = self._at_least(right, want)
            if op in ("==", "!="):
                just = [[np.minimum(x[k][..., :-1], -x[1 - k][..., 1:]) for x in (a, b)] for k in (0, 1)]
                low, high = (np.minimum(*both).max(-1) for both in just)
            else:
                more, less = (a, b) if op in (">", "<=") else (b, a)
                low, high = (np.minimum(more[k][..., 1:-1], -less[1 - k][..., 1:-1]).max(-1) for k in (0, 1))
            falls = op in ("!=", ">=", "<=")
        else:
            value, falls = right.value, op in ("!=", "<", "<=")
            if value != int(value) and op in ("==", "!="):
                return self._unruled(node)
            # A count is never a fraction: the neighbour that keeps the comparison's meaning.
            k = int(np.floor(value)) + 1 if op in (">", "<=") else int(np.ceil(value))
            here, more_at = (min(max(j, 0), self._n + 1) for j in (k, k + 1))
            low, high = a[0][..., here], a[1][..., here]
            if op in ("==", "!="):
                low, high = np.minimum(low, -a[1][..., more_at]), np.minimum(high, -a[0][..., more_at])
        low, high = (-high, -low) if falls else (low, high)
        known = a[0] is a[1] and (isinstance(right, Number) or b[0] is b[1])
        return (made := np.asarray(low)), made if known else np.asarray(high)

    def _at_least(self, node: Count, want: tuple[str, ...]) -> Ends:
        """Return how true it is that at least 0, 1, … N + 1 objects count, over `want` and this number, as logits."""
        low, high = self._spread(self.over(node), (*sorted_axes(node.free), "#"), (*want, "#"))
        each = []
        for cells in (low,) if low is high else (low, high):
            ends = np.full((*cells.shape[:-1], 1), np.inf, dtype=cells.dtype)
            each.append(np.concatenate([ends, -np.sort(-cells, axis=-1), -ends], -1))
        return each[0], each[-1]

    def _said(self, body: Node) -> Ends:
        """Return the ends of a formula as probabilities."""
        low, high = self.truth(body)
        found = self.probabilities.get(body) or self._chances.get(body)
        if found is None:
            known = unasked(self._n, body.terms) if isinstance(body, Atom) else None
            if known is not None and low is known[0][0]:
                found = known[1]
            else:
                found = ends_in(logistic(rows_of((low, high))))
            self._chances[body] = found
        return found

    def _spread(self, ends: Ends, have: tuple[str, ...], want: tuple[str, ...]) -> Ends:
        if have == want:
            return ends
        low = placed(ends[0], have, want)
        return low, low if ends[0] is ends[1] else placed(ends[1], have, want)

    def _wide(self, ends: Ends, have: tuple[str, ...], want: tuple[str, ...]) -> Ends:
        shape = (self._n,) * len(want)
        if have == want and ends[0].shape == shape:
            return ends
        low, high = self._spread(ends, have, want)
        if low.shape == shape:
            return low, high
        return (wide := np.broadcast_to(low, shape)), wide if low is high else np.broadcast_to(high, shape)


def _alike(atom: Atom, these: Ends, those: Ends, n: int) -> bool:
    """Tell whether bounds of an atom are the same, but for pairs of one object with itself."""
    if (these[0] is these[1]) != (those[0] is those[1]):
        return False
    if len(atom.terms) < 2:
        return these[0].tobytes() == those[0].tobytes() and these[1].tobytes() == those[1].tobytes()
    own = diagonal(n, len(atom.terms))[tuple([t if isinstance(t, int) else slice(None) for t in atom.terms])]
    return not any(b"\1" in ((a != b) & ~own).tobytes() for a, b in zip(these, those, strict=True))


@lru_cache(maxsize=4096)
def _among(some: frozenset[str], free: frozenset[str]) -> tuple[slice | None, ...]:
    """Return the index that puts an array over some variables among those over more."""
    return tuple([slice(None) if v in some else None for v in sorted(free)])


_RULES: dict[type[Node], Callable[[EndRegisters, Any], Ends]] = {
    Atom: EndRegisters._atom,
    Const: EndRegisters._const,
    Same: EndRegisters._same,
    Not: EndRegisters._not,
    And: EndRegisters._junction,
    Or: EndRegisters._junction,
    Exists: EndRegisters._quantified,
    Forall: EndRegisters._quantified,
    ExpectationOver: EndRegisters._expectation,
    Compare: EndRegisters._compared,
}
