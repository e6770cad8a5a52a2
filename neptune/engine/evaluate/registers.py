"""Registers that are filled when they are first read: values node by node, each computed once.

In torch for every logic (:class:`LazyRegisters`), and in NumPy for the bounds of godel (:class:`EndRegisters`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from dsl.errors import LimitError
from dsl.plan import And, Atom, Const, Count, Description, Exists, ExpectationOver, Forall, Node, Not, Or, Same
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.program import ExecutionContext
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.evaluate.bounds import Ends, expectation_ends, logit, placed, probability, unasked, weights
from neptune.engine.evidence.tables import Table

if TYPE_CHECKING:
    from torch import Tensor

BRANCH_WORK = 1 << 13
"""A branch of a search takes about as long as so many cells of a table."""


class LazyRegisters:
    """The registers of a compiler that goes on compiling.

    Parameters
    ----------
    compiler
        Has the operations, one for each register.
    context
        Where they run; a table of more than its `cells` is a :class:`dsl.LimitError`.
    spend
        Is told of the work that each takes, in cells of tables.

    Attributes
    ----------
    peaks
        For each register the cells of the largest table that it took.
    """

    def __init__(self, compiler: Compiler, context: ExecutionContext, spend: Callable[[int], None]) -> None:
        self._compiler, self._context, self._spend = compiler, context, spend
        self._values: dict[int, Tensor] = {}
        self.peaks: dict[int, int] = {}
        self._peak = 0

    def clear(self) -> None:
        """Empty all registers: the atoms have changed."""
        self._values.clear()

    def __getitem__(self, slot: int) -> Tensor:
        found = self._values.get(slot)
        if found is None:
            before, self._peak = self._peak, 0
            found = self._values[slot] = self._computed(slot)
            self.peaks[slot], self._peak = self._peak, before
        self._peak = max(self._peak, self.peaks[slot])
        return found

    def _computed(self, slot: int) -> Tensor:
        context, axes = self._context, self._compiler.axes[slot]
        cells = context.size**axes
        if cells > context.cells:
            raise LimitError("tensor_cells", context.cells, cells, what=f"a formula of {axes} variables")
        self._spend(cells)
        made = self._compiler.program.operations[slot](context, self)
        self._peak = max(self._peak, cells, context.peak)
        self._spend(context.branches * BRANCH_WORK)
        context.peak = context.branches = 0
        return made


@runtime_checkable
class EndSource(Protocol):
    """Gives what is known of atoms as arrays."""

    def ends(self, atom: Atom) -> Ends:
        """Return bounds of an atom's logits over its variables, in the order of its terms: float32 arrays, the same one
        twice where all are known."""
        ...

    def table(self, atom: Atom) -> Table:
        """Return the table that they hang on."""
        ...


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
        self._seen: dict[Table, int] = {}
        self._of: dict[Node, frozenset[Table]] = {}
        self._peaks: dict[Node, int] = {}

    def forget(self) -> None:
        """Drop what depends on tables that were written to."""
        changed = {table for table, writes in self._seen.items() if table.writes != writes}
        if changed:
            for node in [node for node in self._memo if not changed.isdisjoint(self._of[node])]:
                del self._memo[node]
            for table in changed:
                self._seen[table] = table.writes

    def truth(self, node: Node) -> Ends:
        """Return the ends of a formula."""
        found = self._memo.get(node)
        if found is None:
            axes = len(node.free)
            cells = self._n**axes
            if cells > self._cells:
                raise LimitError("tensor_cells", self._cells, cells, what=f"a formula of {axes} variables")
            self._tables(node)
            self._spend(cells)
            found = self._memo[node] = _RULES.get(type(node), EndRegisters._other)(self, node)
            self._chances.pop(node, None)
        return found

    def over(self, node: Description | Count) -> Ends:
        """Return the ends of the body of a description or count, the axis of its variable last."""
        return self._turned(node, self.truth(node.body))

    def read(self, node: Node, chances: bool) -> Ends:
        """Return the ends of a formula, or of the body of a description or count (:meth:`over`); `chances`: as
        probabilities."""
        found = None if chances else self._memo.get(node)
        if found is not None:
            return found
        if isinstance(node, Description | Count):
            return self._turned(node, self._said(node.body) if chances else self.truth(node.body))
        return self._said(node) if chances else self.truth(node)

    def _turned(self, node: Description | Count, ends: Ends) -> Ends:
        low, high = ends
        order = sorted(node.body.free)
        if node.var not in node.body.free:
            shape = (*low.shape, self._n)
            wide = np.broadcast_to(low[..., None], shape)
            return wide, wide if low is high else np.broadcast_to(high[..., None], shape)
        at = order.index(node.var)
        if at == len(order) - 1:
            return low, high
        turned = np.moveaxis(low, at, -1)
        return turned, turned if low is high else np.moveaxis(high, at, -1)

    def weigh_together(self, formulas: Sequence[Node]) -> None:
        """Compute at once what is said of the object of one description that is not settled: each value of a sort."""
        alike: dict[Description, list[ExpectationOver]] = {}
        for node in formulas:
            if not isinstance(node, ExpectationOver) or node.pick or node.free or node in self._memo:
                continue
            if node.var in node.body.free:
                alike.setdefault(node.description, []).append(node)
        for description, nodes in alike.items():
            fits = self.over(description)
            if len(nodes) < 2 or fits[0] is fits[1]:
                continue
            said = [self._said(node.body) for node in nodes]
            rows = tuple(np.array([ends[k] for ends in said]) for k in (0, 1))
            least, most = expectation_ends(fits, (rows[0], rows[1]), self._tau)
            for node, low, high in zip(nodes, least, most, strict=True):
                self._tables(node)
                self._spend(1)
                self.probabilities[node] = ends = np.asarray(low), np.asarray(high)
                self._memo[node] = logit(ends[0]), logit(ends[1])

    def peak(self, node: Node) -> int:
        """Return the cells of the largest table that a value took."""
        found = self._peaks.get(node)
        if found is None:
            own = len(node.free) + isinstance(node, Description | Count)
            found = self._peaks[node] = max(self._n**own, *(self.peak(child) for child in node.children), 1)
        return found

    def _tables(self, node: Node) -> frozenset[Table]:
        """Return the tables that a node depends on, their state noted before they are read."""
        found = self._of.get(node)
        if found is None:
            if isinstance(node, Atom):
                table = self._atoms.table(node)
                self._seen.setdefault(table, table.writes)
                found = frozenset((table,))
            else:
                found = frozenset[Table]().union(*(self._tables(child) for child in node.children))
            self._of[node] = found
        return found

    # --- rules ---

    def _atom(self, node: Atom) -> Ends:
        low, high = self._atoms.ends(node)
        names = [t for t in node.terms if isinstance(t, str)]
        order = [names.index(v) for v in sorted(names)]
        if order == list(range(len(names))):
            return low, high
        turned = low.transpose(order)
        return turned, turned if low is high else high.transpose(order)

    def _const(self, node: Const) -> Ends:
        value = np.asarray(logit(np.asarray(node.value, np.float32)))
        return value, value

    def _same(self, node: Same) -> Ends:
        given = [t for t in node.terms if isinstance(t, int)]
        if len(node.free) + len(given) != 2 or len(given) == 2:
            return self._rest(node)
        same = np.arange(self._n) == given[0] if given else np.eye(self._n, dtype=np.bool_)
        value = np.where(same, np.float32(np.inf), np.float32(-np.inf))
        return value, value

    def _not(self, node: Not) -> Ends:
        low, high = self.truth(node.body)
        if low is high:
            return (known := -low), known
        return -high, -low

    def _junction(self, node: And | Or) -> Ends:
        join = np.minimum if isinstance(node, And) else np.maximum
        want = sorted(node.free)
        parts = []
        for operand in node.operands:
            low, high = self.truth(operand)
            if len(operand.free) < len(want):
                index = tuple(slice(None) if v in operand.free else None for v in want)
                low, high = (wide := low[index]), wide if low is high else high[index]
            parts.append((low, high))
        low, high = parts[0]
        for a, b in parts[1:]:
            if low is high and a is b:
                low = high = join(low, a)
            else:
                low, high = join(low, a), join(high, b)
        return self._wide((low, high), want, want)

    def _quantified(self, node: Exists | Forall) -> Ends:
        if self._searched and search_of(node) is not None:
            return self._rest(node)
        low, high = self.truth(node.body)
        if node.var not in node.body.free:
            return low, high
        axis = sorted(node.body.free).index(node.var)
        reduce = np.maximum.reduce if isinstance(node, Exists) else np.minimum.reduce
        reduced = np.asarray(reduce(low, axis))
        return reduced, reduced if low is high else np.asarray(reduce(high, axis))

    def _expectation(self, node: ExpectationOver) -> Ends:
        low, high = self.truth(node.body)
        description, rest = node.description, sorted(node.free)
        said = self._said(node.body)
        if node.var not in node.body.free:
            self.probabilities[node] = self._wide(said, sorted(node.body.free), rest)
            return self._wide((low, high), sorted(node.body.free), rest)
        want = (*rest, node.var)
        own = tuple(node.var if v == description.var else v for v in (*sorted(description.free), description.var))
        fits, said = self._spread(self.over(description), own, want), self._spread(said, sorted(node.body.free), want)
        tau = 0.0 if node.pick else self._tau
        if fits[0] is fits[1]:
            w = weights(fits[0], tau)
            least, most = ((w * end).sum(-1).clip(0.0, 1.0).astype(np.float32) for end in said)
            most = least if said[0] is said[1] else most
        else:
            least, most = expectation_ends(fits, said, tau)
        ends = self.probabilities[node] = self._wide((least, most), rest, rest)
        return (made := logit(ends[0])), made if ends[0] is ends[1] else logit(ends[1])

    def _said(self, body: Node) -> Ends:
        """Return the ends of a formula as probabilities."""
        low, high = self.truth(body)
        found = self.probabilities.get(body) or self._chances.get(body)
        if found is None:
            known = unasked(self._n, body.terms) if isinstance(body, Atom) else None
            if known is not None and low is known[0][0]:
                found = known[1]
            else:
                p = probability(low)
                found = p, p if low is high else probability(high)
            self._chances[body] = found
        return found

    def _spread(self, ends: Ends, have: Sequence[str], want: Sequence[str]) -> Ends:
        low = placed(ends[0], have, want)
        return low, low if ends[0] is ends[1] else placed(ends[1], have, want)

    def _wide(self, ends: Ends, have: Sequence[str], want: Sequence[str]) -> Ends:
        low, high = self._spread(ends, have, want)
        shape = (self._n,) * len(want)
        if low.shape == shape:
            return low, high
        return (wide := np.broadcast_to(low, shape)), wide if low is high else np.broadcast_to(high, shape)

    def _other(self, node: Node) -> Ends:
        return self._rest(node)


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
}
