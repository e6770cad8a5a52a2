"""The executor: compiled plans over one scene, for values and, where evidence is missing, for their bounds.

*Optimised*, a formula whose atoms are all known is rewritten, eliminated and compiled, once for its template. *Node by
node*, each node is one operation on the joint table of its operands: nothing is rewritten. This is the naive planner,
and what the lazy schedule asks for the bounds of many formulas, a few ground atoms further each time. Both run the same
rules (:mod:`neptune.engine.compile.rules`), on rows ``[low, high]`` where something is unknown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from dsl import plan as nodes
from dsl.errors import LimitError
from dsl.plan import Atom, Const, Count, CountTrue, Describe, Description, Exists, Node, Number, Same, conjunction
from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT, as_float
from neptune.algebra.late import is_loaded, torch
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.assignment import MOST_BRANCHES, Search
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.program import ExecutionContext, Register, Vars, expand_axes, full, missing_axes
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.compile.rules import RULES
from neptune.engine.evaluate.bounds import Interval, seek, settled_argmax
from neptune.engine.evaluate.ends.arithmetic import Ends, EndSource
from neptune.engine.evaluate.ends.boxed import Boxed
from neptune.engine.evaluate.ends.boxes import Box, Reach, boxes
from neptune.engine.evaluate.ends.registers import EndRegisters
from neptune.engine.evaluate.registers import LazyRegisters, in_boxes

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.algebra import LogicParameters

AtomSource: TypeAlias = "Callable[[Atom], Tensor]"
"""Gives an atom's carrier values over its variables, ``(1, N, …)``; where some are unknown, their lower and upper
bounds, ``(2, N, …)``."""

WIDE = 3
"""A formula of so many variables is planned even for bounds: its joint table is large."""


class WorkError(Exception):
    """An executor has done as much as it was given."""


class Executor:
    """Evaluates guarded plan nodes over one scene, each node once.

    Parameters
    ----------
    objects
        N, the number of objects.
    logic, parameters
        The t-norm and the temperatures.
    atoms, cell_limit
        Gives what is known of an atom; the most cells that a tensor may have before a :class:`dsl.LimitError`.
    planner
        ``optimised``, or ``naive``: node by node, as an empty scene always is, since rewrites speak of N ≥ 1.
    branches
        Node by node, blocks of variables that must all differ are searched, with at most so many branches for each
        bound, which then is as it is found so far. ``None``: they are joined.

    Attributes
    ----------
    laws
        What rewrites may rely on.
    by_node
        The same values node by node (itself, if naive). They are kept until its :meth:`forget`.
    peak_cells
        Cells of the largest table made.
    plan_ms
        Milliseconds spent on planning, until whoever counts them sets this to 0.
    work, most_work
        Node by node, the cells of all tables made, and how many are allowed before a :class:`WorkError`.
    reaches
        Of what was decided in boxes, how far they had to go.
    """

    def __init__(
        self,
        objects: int,
        logic: Logic,
        parameters: LogicParameters,
        atoms: AtomSource,
        cell_limit: int,
        planner: str = "naive",
        branches: int | None = None,
    ) -> None:
        self.objects, self.logic, self.parameters, self.atoms = objects, logic, parameters, atoms
        self.cell_limit, self.peak_cells, self.plan_ms = cell_limit, 0, 0.0
        self.work, self.most_work = 0, math.inf
        self.reaches: dict[Node, Reach] = {}
        self.laws = plans.laws_of(logic, parameters)
        self._memo: dict[Node, Interval] = {}
        self._tables: dict[tuple[Any, ...], Tensor] = {}
        self._state, self._seen_state = 0, 0
        self._boxed = Boxed(objects, logic, parameters, self.ends, self.spend, cell_limit)
        self._searches = self.laws.crisp and objects > 0 and (planner != "naive" or branches is not None)
        self.by_node = self
        if planner != "naive":
            branches = MOST_BRANCHES if branches is None else branches
            self.by_node = Executor(objects, logic, parameters, atoms, cell_limit, "naive", branches)
            return
        self._branches = branches or 0
        self._ends: EndRegisters | None = None
        hard = logic.name == "godel" and self.laws.crisp and not (is_loaded() and torch.is_grad_enabled())
        if hard and objects and hasattr(atoms, "ends"):
            known = cast(EndSource, atoms), as_float(parameters.iota_tau), self._searches
            self._ends = EndRegisters(objects, *known, self._rest, self.spend, cell_limit)

    @cached_property
    def _compiler(self) -> Compiler:
        rules = {**RULES, Atom: self._atom, **in_boxes(self.objects, self._boxed.rows)}
        return Compiler(rules, as_written=True, searched=self._searches, empty=not self.objects)

    @cached_property
    def _registers(self) -> LazyRegisters:
        return LazyRegisters(self._compiler, self._context(range(self.objects), True, self._branches), self.spend)

    @property
    def arrays(self) -> EndRegisters | None:
        """What has the values node by node, where they are arrays."""
        return self.by_node._ends

    def _context(self, given: Sequence[int], bounds: bool, branches: int = MOST_BRANCHES) -> ExecutionContext:
        """Return where programs run on this one scene; `given` are the objects that their terms stand for."""
        return ExecutionContext(
            self.logic, self.parameters, 1 + bounds, self.objects, None,
            torch.tensor([list(given)], dtype=torch.int64),
            cells=self.cell_limit, bounds=bounds, branches_allowed=branches,
        )  # fmt: skip

    def forget(self) -> None:
        """Drop what was computed: answers came in."""
        self.by_node._state += 1
        self.by_node._boxed.forget()

    def confine(self, root: Node | None, reach: Reach | None = None) -> Boxed:
        """Compute dear formulas, node by node, only where they may matter to what a node decides, from now on (`None`:
        everywhere); bounds stay sound. Return the boxes; `reach`: how far they go, else as far as deciding took.
        """
        one, found = self.by_node, dict[Node, Box]()
        if root is not None and self.laws.crisp and self.objects:
            reach = reach or one.reaches.get(root, "whole")
            found = boxes(root, self.objects, reach, self.logic, one.ends)
        if one._boxed.take(found):
            one.forget()
            if one._ends is not None:
                one._ends.confine({node: partial(one._boxed.ends, node) for node in found})
        return one._boxed

    def spend(self, work: int) -> None:
        """Add to the work done; a :class:`WorkError` if that is more than allowed."""
        self.work += work
        if self.work > self.most_work:
            raise WorkError

    def _refresh(self) -> None:
        """Empty what is kept of another state of the evidence."""
        if self._seen_state != self.by_node._state:
            self._seen_state = self.by_node._state
            self._memo.clear()
            if self.by_node is self:
                self._tables.clear()
                if "_registers" in self.__dict__:
                    self._registers.clear()
                if self._ends is not None:
                    self._ends.forget()

    # --- values ----------------------------------------------------------------------------------

    def truth(self, node: Node) -> Interval:
        """Return the value of a formula, over its free variables (sorted)."""
        self._refresh()
        found = self._memo.get(node)
        if found is None:
            found = self._planned(node) if self.by_node is not self else None
            if found is None:
                found = self._interval(node, *self._as_written(node))
            self._memo[node] = found
        return found

    def ends(self, node: Node, chances: bool = False) -> Ends:
        """Return the bounds of a formula as arrays, carrier values (or `chances`, probabilities) over its sorted free
        variables; of a description or a count those of its body, the axis of its variable last."""
        self._refresh()
        ends = self.by_node._ends
        if ends is not None:
            return ends.read(node, chances)
        if isinstance(node, Description | Count):
            interval, order = self.over(node), (*sorted(node.free), node.var)
        else:
            interval, order = self.truth(node), tuple(sorted(node.free))
        found = [t.align(order) for t in (interval.low, interval.high)[: 1 if interval.exact else 2]]
        arrays = [(t.values if chances else t.internal).detach().numpy() for t in found]
        return arrays[0], arrays[-1]

    def ends_of(self, formulas: Sequence[Node]) -> list[Ends]:
        """Return the bounds of several formulas, as of each."""
        self._refresh()
        ends = self.by_node._ends
        return [self.ends(node) for node in formulas] if ends is None else ends.read_all(tuple(formulas))

    def over(self, node: Description | Count) -> Interval:
        """Return the body of a description or count, with an axis for its variable even where it is vacuous."""
        body = self.truth(node.body)
        if node.var in node.body.free:
            return body
        low = self._spread(body.low, node.var)
        return Interval.point(low) if body.exact else Interval(low, self._spread(body.high, node.var))

    def number(self, node: Node) -> tuple[int, int]:
        """Return the least and the largest number that a count can still be (the same where all is known)."""
        if isinstance(node, Number):
            return int(node.value), int(node.value)
        planned = self._run(node, "cells")
        x, _, is_probability = self._as_written(node) if planned is None else planned[0]
        counts = [int(self.logic.decide(row).sum()) for row in self._carrier(x, is_probability)]
        return counts[0], counts[-1]

    def choose(self, node: Describe) -> tuple[int, bool, Tensor]:
        """Return the chosen value's index, whether it is settled, and the probabilities of the values ``(K,)``."""
        planned = self._run(node, "parts")
        if planned is None:
            parts = [self.truth(b) for b in node.bodies]
            low = torch.stack([p.low.internal.reshape(()) for p in parts])
            high = torch.stack([p.high.internal.reshape(()) for p in parts])
            exact = all(p.exact for p in parts)
        else:
            low = high = torch.stack([self._carrier(x, is_probability).reshape(()) for x, _, is_probability in planned])
            exact = True
        best, settled = settled_argmax(self.logic, low, low if exact else high)
        logits = self.logic.to_logits(low)
        if not exact:
            logits = (logits.clamp(-50, 50) + self.logic.to_logits(high).clamp(-50, 50)) / 2
        return best, settled, torch.softmax(logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), 0)

    def _carrier(self, x: Tensor, is_probability: bool) -> Tensor:
        return self.logic.from_probability(x) if is_probability else x

    def _interval(self, node: Node, x: Tensor, have: Vars, is_probability: bool) -> Interval:
        """Return the rows of a value as an interval, with an axis for each free variable of its node: one may have been
        found not to matter."""
        vars = tuple(sorted(node.free))
        x = full(expand_axes(x, missing_axes(have, vars)), self.objects)
        kind = "values" if is_probability or not self.logic.uses_logits else "logits"
        low, *high = (ProbabilisticTensor._make(vars, {}, self.logic, **{kind: row}) for row in x)
        return Interval(low, high[0]) if high else Interval.point(low)

    def _spread(self, table: ProbabilisticTensor, var: str) -> ProbabilisticTensor:
        x = table.internal
        return table._like(x.unsqueeze(-1).expand(*x.shape, self.objects), (*table.vars, var))

    # --- node by node ----------------------------------------------------------------------------

    def _as_written(self, node: Node) -> tuple[Tensor, Vars, bool]:
        """Return the rows of a value, its variables, and whether it is a probability (else a carrier value)."""
        one = self.by_node
        one._refresh()
        if one._ends is not None and not isinstance(node, CountTrue):
            return self._as_arrays(one._ends, node)
        return self._in_registers(node)

    def _in_registers(self, node: Node) -> tuple[Tensor, Vars, bool]:
        one = self.by_node
        slot, vars = one._compiler.value(node)
        probability = one._compiler.probabilities.get(slot)
        read = slot if probability is None else probability
        x = one._registers[read]
        self.peak_cells = max(self.peak_cells, one._registers.peaks[read])
        return x, vars, probability is not None

    def _as_arrays(self, ends: EndRegisters, node: Node) -> tuple[Tensor, Vars, bool]:
        vars, known = tuple(sorted(node.free)), ends.over(node) if isinstance(node, Count) else ends.truth(node)
        self.peak_cells = max(self.peak_cells, ends.peak(node))
        of_expectation = ends.probabilities.get(node)
        if of_expectation is not None:
            known = of_expectation
        low, high = known
        rows = torch.from_numpy(np.stack([low] if low is high else [low, high]))
        return rows, (*vars, "#") if isinstance(node, Count) else vars, of_expectation is not None

    def _rest(self, node: Node) -> Ends:
        """The rule of nodes that have none on arrays."""
        interval = self._interval(node, *self._in_registers(node))
        low = interval.low.internal.numpy()
        return low, low if interval.exact else interval.high.internal.numpy()

    def _atom(self, compiler: Compiler, atom: Atom) -> Register:
        """The rule of atoms node by node: what is known of them."""
        have = tuple(t for t in atom.terms if isinstance(t, str))
        slot, _ = compiler.emit(have, lambda context, r: self._rows(atom))
        return compiler.sorted_axes(slot, have)

    def _rows(self, atom: Atom) -> Tensor:
        """Return an atom's carrier values, or their bounds, one table for all names of its variables."""
        tables = self.by_node._tables
        given = tuple(t if isinstance(t, int) else None for t in atom.terms)
        found = tables.get((atom.predicate, given))
        if found is None:
            whole = tables.get((atom.predicate, (None,) * len(given)))
            if whole is not None and len(whole) == 1:
                found = whole[(slice(None), *(slice(None) if t is None else t for t in given))]
            else:
                found = self.atoms(atom)
            tables[atom.predicate, given] = found
        return found

    def _is_known(self, atom: Atom) -> bool:
        ends = self.by_node._ends
        return len(self._rows(atom)) == 1 if ends is None else (found := ends.truth(atom))[0] is found[1]

    # --- optimised -------------------------------------------------------------------------------

    def _planned(self, node: Node) -> Interval | None:
        """Return the value of a formula by its compiled plan; ``None`` where it is better evaluated as written."""
        if isinstance(node, Atom | Const | Same):
            return None
        if (
            isinstance(node, Exists)
            and not node.free
            and node.var in node.body.free
            and self.objects
            and self.laws.crisp
            and search_of(node) is None  # one search, not one for each x
        ):
            # By the table of its body over x: the same cost, and who makes it true can be read off.
            body = self.truth(node.body)
            low = body.low.exists(node.var)
            return Interval.point(low) if body.exact else Interval(low, body.high.exists(node.var))
        planned = self._run(node, "truth")
        return None if planned is None else self._interval(node, *planned[0])

    def _run(self, node: Node, kind: plans.Kind) -> list[tuple[Tensor, Vars, bool]] | None:
        """Return for each result of a plan its rows, its variables, and whether it is a probability; ``None`` where it
        is better evaluated as written: where evidence is missing, bounds come from a plan only if it is wide."""
        self.by_node._refresh()
        if self.by_node is self or not self.objects:
            return None
        bounds = any(not self._is_known(atom) for atom in atoms_of(node))
        if bounds and (kind != "truth" or node.width < WIDE or self.by_node._boxed.boxes):
            return None
        started = time.perf_counter()
        template = plans.template(node)
        program = plans.plan(template.node, kind, self.laws)
        self.plan_ms += 1000 * (time.perf_counter() - started)
        cells = program.peak_cells(self.objects, self.cell_limit)
        if cells > self.cell_limit:
            raise LimitError("tensor_cells", self.cell_limit, cells, what=f"a formula of {program.axes} variables")
        context = self._context(template.objects, bounds)
        made = program.run(context, [self._rows(template.atom(atom)) for atom in program.atoms])
        self.peak_cells = max(self.peak_cells, cells, context.peak)
        return [(x, vars, known) for (x, known), (_, vars) in zip(made, program.outputs, strict=True)]

    # --- witnesses -------------------------------------------------------------------------------

    def witness(self, node: Node, vars: list[str]) -> dict[str, int]:
        """Return objects that make a closed formula as true as it is: for each of the variables, as some ∃ binds
        them, outermost first, the lowest index that reaches the value given those before it.

        The same tuple as the joint table's, without the table: each variable in turn is left free, with those before
        it fixed, and maximised. Where the value is only bounded, its lower bound is meant.
        """
        found: dict[str, int] = {}
        if len(set(vars)) == len(vars):
            seek(node, frozenset(vars), found, self._best, self._lowest if self._searches else None)
        return found

    def _best(self, body: Node) -> int:
        return int(self.logic.ranks(self.truth(body).low.internal).argmax())

    def _lowest(self, search: Search) -> dict[str, int]:
        """Find the objects of a block of distinct variables: the lowest tuple, by searches instead of tables."""
        empty = torch.full((1, self.objects), self.logic.top, dtype=self.logic.dtype)
        tables = [
            full(self.truth(conjunction(group)).low.internal.unsqueeze(0), self.objects) if group else empty
            for group in search.block.groups
        ]
        return search.lowest(self._context((), False), tables) or {}


def atoms_of(node: Node) -> list[Atom]:
    """Return the distinct atoms of a plan, in order of first occurrence."""
    return [n for n in nodes.walk(node) if isinstance(n, Atom)]
