"""The slow, obvious reference: each plan node becomes one operation of the algebra, joint tensors and all.

It rewrites nothing, and its cost is the size of the largest joint tensor. Missing evidence makes a value an interval,
by rules that are written here once more: the executor is tested against them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dsl.errors import LimitError
from dsl.plan import (
    And,
    Atom,
    Compare,
    Const,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Number,
    Or,
    Same,
    Xor,
)
from neptune.algebra import Logic, LogicParameters, ProbabilisticTensor, compare_counts, counting, expectation
from neptune.algebra.convert import LOGIT_LIMIT, as_float
from neptune.algebra.tensor.axes import view
from neptune.engine.compile.descriptions import fractional_bounds
from neptune.engine.evaluate.bounds import Interval, settled_argmax

AtomSource = Callable[[Atom], Tensor]


class Evaluator:
    """Evaluates guarded plan nodes over one scene, each node once.

    Parameters
    ----------
    objects
        N, the number of objects.
    logic, parameters
        The t-norm and the temperatures.
    atoms
        Gives an atom's carrier values over its variables, ``(1, N, …)``, or their bounds, ``(2, N, …)``.
    cell_limit
        The most cells that a tensor may have; a larger one is a :class:`dsl.LimitError`.
    """

    def __init__(
        self, objects: int, logic: Logic, parameters: LogicParameters, atoms: AtomSource, cell_limit: int
    ) -> None:
        self.objects, self.logic, self.parameters, self.atoms = objects, logic, parameters, atoms
        self.cell_limit, self.peak_cells = cell_limit, 0
        self._memo: dict[Node, Interval] = {}

    def forget(self) -> None:
        """Drop the values computed so far: the atoms have changed."""
        self._memo.clear()

    def truth(self, node: Node) -> Interval:
        """Return the value of a formula, over its free variables."""
        found = self._memo.get(node)
        if found is None:
            self._check(len(node.free))
            found = self._memo[node] = self._spread(self._truth(node), node)
        return found

    def _spread(self, found: Interval, node: Node) -> Interval:
        """Return a node's value with an axis for each of its free variables: one may have been found not to matter."""
        vars = tuple(sorted(node.free - set(found.low.vars)))
        if not vars:
            return found
        ones = self._tensor(torch.ones([self.objects] * len(vars)), vars)
        low = found.low.and_op(ones)
        return Interval.point(low) if found.exact else Interval(low, found.high.and_op(ones))

    def _check(self, axes: int) -> None:
        cells = self.objects**axes
        if cells > self.cell_limit:
            raise LimitError("tensor_cells", self.cell_limit, cells, what=f"a formula of {axes} variables")
        self.peak_cells = max(self.peak_cells, cells)

    def _truth(self, node: Node) -> Interval:
        match node:
            case Atom():
                return self._atom(node)
            case Const():
                return Interval.point(self._tensor(torch.tensor(node.value), ()))
            case Same():
                return Interval.point(self._same(node))
            case Not():
                return _negated(self.truth(node.body))
            case And():
                return self._fold(node, ProbabilisticTensor.and_op)
            case Or():
                return self._fold(node, ProbabilisticTensor.or_op)
            case Xor():
                return self._xor(self.truth(node.left), self.truth(node.right))
            case Exists() | Forall():
                return self._quantified(node)
            case ExpectationOver():
                return self._expect(node)
            case Compare():
                return self._compare(node)
        raise TypeError(f"{type(node).__name__} is no truth")

    def _atom(self, node: Atom) -> Interval:
        vars = tuple(t for t in node.terms if isinstance(t, str))
        kind = "logits" if self.logic.uses_logits else "values"
        low, *high = (ProbabilisticTensor._make(vars, {}, self.logic, **{kind: end}) for end in self.atoms(node))
        return Interval(low, *high) if high else Interval.point(low)

    def _tensor(self, values: torch.Tensor, vars: tuple[str, ...]) -> ProbabilisticTensor:
        return ProbabilisticTensor(values.to(self.logic.dtype), vars, logic=self.logic)

    def _constant(self, value: float, node: Node) -> Interval:
        vars = tuple(sorted(node.free))
        return Interval.point(self._tensor(torch.full([self.objects] * len(vars), value), vars))

    def _same(self, node: Same) -> ProbabilisticTensor:
        a, b = node.terms
        if isinstance(a, str) and isinstance(b, str):
            return self._tensor(torch.eye(self.objects), (a, b))
        var, index = (a, b) if isinstance(a, str) else (b, a)
        one_hot = torch.zeros(self.objects)
        one_hot[index] = 1.0  # type: ignore[index]
        return self._tensor(one_hot, (str(var),))

    def _fold(
        self, node: And | Or, join: Callable[[ProbabilisticTensor, ProbabilisticTensor], ProbabilisticTensor]
    ) -> Interval:
        parts = [self.truth(o) for o in node.operands]
        low = parts[0].low
        for part in parts[1:]:
            low = join(low, part.low)
        if all(p.exact for p in parts):
            return Interval.point(low)
        high = parts[0].high
        for part in parts[1:]:
            high = join(high, part.high)
        return Interval(low, high)

    def _xor(self, a: Interval, b: Interval) -> Interval:
        if a.exact and b.exact:
            return Interval.point(a.low.xor_op(b.low))
        if not self.logic.uses_logits:
            # (a ∧ ¬b) ∨ (¬a ∧ b) may be least inside the box (|a − b| for łukasiewicz): bound it part by part.
            first = Interval(a.low.and_op(b.high.not_op()), a.high.and_op(b.low.not_op()))
            second = Interval(a.high.not_op().and_op(b.low), a.low.not_op().and_op(b.high))
            return Interval(first.low.or_op(second.low), first.high.or_op(second.high))
        # For godel it is monotone in each of a and b, which way depends on the other: the extremes are at corners.
        corners = [x.xor_op(y) for x in (a.low, a.high) for y in (b.low, b.high)]
        vars = corners[0].vars
        # By logits: near 1 a probability in float32 is a hundredth of a logit off.
        cells = torch.stack([c.align(vars).logits for c in corners])
        ends = (cells.amin(0), cells.amax(0))
        return Interval(*(ProbabilisticTensor.from_logits(end, vars, logic=self.logic) for end in ends))

    def _quantified(self, node: Exists | Forall) -> Interval:
        self._check(len(node.body.free | {node.var}))
        body = self.truth(node.body)
        exists = isinstance(node, Exists)
        if node.var not in node.body.free:
            return body if self.objects else self._constant(float(not exists), node)
        tau = self.parameters.quantifier_tau
        low = body.low.exists(node.var, tau) if exists else body.low.forall(node.var, tau)
        if body.exact:
            return Interval.point(low)
        return Interval(low, body.high.exists(node.var, tau) if exists else body.high.forall(node.var, tau))

    # --- descriptions ----------------------------------------------------------------------------

    def over(self, node: Description | Count) -> Interval:
        """Return the body of a description or count, with an axis for its variable even where it is vacuous."""
        self._check(len(node.body.free | {node.var}))
        body = self.truth(node.body)
        if node.var in node.body.free:
            return body
        ones = self._tensor(torch.ones(self.objects), (node.var,))
        low = body.low.and_op(ones)
        return Interval.point(low) if body.exact else Interval(low, body.high.and_op(ones))

    def _expect(self, node: ExpectationOver) -> Interval:
        if not self.objects:
            return self._constant(0.0, node)
        described = self.over(node.description)
        atom = self.truth(node.body)
        if node.var not in node.body.free:
            return atom
        names = {node.description.var: node.var}
        tau = 0.0 if node.pick else self.parameters.iota_tau
        if described.exact:
            meant = self._ranked(described.low) if node.pick else described.low
            weights = meant.iota(node.description.var, tau).rename(names)
            low = expectation(atom.low, weights, node.var)
            return Interval.point(low) if atom.exact else Interval(low, expectation(atom.high, weights, node.var))
        return self._expect_bounds(node, described, atom, as_float(tau))

    def _ranked(self, cells: ProbabilisticTensor) -> ProbabilisticTensor:
        """Return values as a choice between them compares them: see :meth:`neptune.algebra.Logic.ranks`."""
        return cells if self.logic.uses_logits else self._tensor(self.logic.ranks(cells.internal), cells.vars)

    def _expect_bounds(self, node: ExpectationOver, described: Interval, atom: Interval, tau: float) -> Interval:
        vars = (*sorted((node.body.free | node.description.free) - {node.var}), node.var)
        names = {node.description.var: node.var}

        def cells(tensor: ProbabilisticTensor, logits: bool = False) -> torch.Tensor:
            over = (tensor.and_op(self._tensor(torch.ones([self.objects] * len(vars)), vars))).align(vars)
            return over.logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT) if logits else over.values

        ends = [described.low, described.high]
        if tau == 0.0:
            ends = [self._ranked(t) for t in ends]
        l_low, l_high = (cells(t.rename(names), True) for t in ends)
        r_low, r_high = cells(atom.low), cells(atom.high)
        if tau == 0.0:
            # Any cell that can still be the largest may be the one picked.
            possible = l_high >= l_low.amax(-1, keepdim=True)
            low = r_low.masked_fill(~possible, 1.0).amin(-1)
            high = r_high.masked_fill(~possible, 0.0).amax(-1)
        else:
            w_low, w_high = (l_low / tau).exp(), (l_high / tau).exp()
            low = fractional_bounds(w_low, w_high, r_low, upper=False)
            high = fractional_bounds(w_low, w_high, r_high, upper=True)
        return Interval(self._tensor(low.clamp(0, 1), vars[:-1]), self._tensor(high.clamp(0, 1), vars[:-1]))

    # --- numbers and values ----------------------------------------------------------------------

    def number(self, node: Node) -> tuple[int, int]:
        """Return the least and the largest number that a count can still be (the same where all is known)."""
        if isinstance(node, Number):
            return int(node.value), int(node.value)
        cells = self._counted(node)
        return int(cells.low.count("#")), int(cells.high.count("#"))

    def _counted(self, node: Node) -> Interval:
        """Return what a count counts, over an axis named ``#`` (and its free variables)."""
        if isinstance(node, CountTrue):
            if not node.bodies:
                return Interval.point(self._tensor(torch.zeros(0), ("#",)))
            vars = tuple(sorted(node.free))
            ones = self._tensor(torch.ones([self.objects] * len(vars)), vars)
            parts = [self.truth(b) for b in node.bodies]

            def stacked(tensors: list[ProbabilisticTensor]) -> ProbabilisticTensor:
                rows = [t.and_op(ones).align(vars).logits for t in tensors]
                return ProbabilisticTensor.from_logits(torch.stack(rows, -1), (*vars, "#"), logic=self.logic)

            low = stacked([p.low for p in parts])
            return (
                Interval.point(low) if all(p.exact for p in parts) else Interval(low, stacked([p.high for p in parts]))
            )
        assert isinstance(node, Count)
        body = self.over(node)
        low = body.low.rename({node.var: "#"})
        return Interval.point(low) if body.exact else Interval(low, body.high.rename({node.var: "#"}))

    def _compare(self, node: Compare) -> Interval:
        left, right = node.left, node.right
        if isinstance(left, Number) and isinstance(right, Number):
            ops = {">": left.value > right.value, ">=": left.value >= right.value, "==": left.value == right.value}
            negated = {"<": ">=", "<=": ">", "!=": "=="}
            value = ops[node.op] if node.op in ops else not ops[negated[node.op]]
            return Interval.point(self._tensor(torch.tensor(float(value)), ()))
        a = self._counted(left)
        if isinstance(right, Number):
            return self._against_number(node.op, a, right.value)
        b = self._counted(right)
        if a.exact and b.exact:
            return Interval.point(compare_counts(a.low, b.low, node.op, "#", "#"))

        def bounds(op: str) -> Interval:
            first, second = (
                ((a.low, b.high), (a.high, b.low)) if op in (">", ">=") else ((a.high, b.low), (a.low, b.high))
            )
            return Interval(compare_counts(*first, op, "#", "#"), compare_counts(*second, op, "#", "#"))

        if node.op in ("==", "!="):
            equal = equal_bounds(a, b, self.logic)
            return _negated(equal) if node.op == "!=" else equal
        return bounds(node.op)

    def _against_number(self, op: str, a: Interval, value: float) -> Interval:
        if value != int(value):
            # A count is never a fraction: round to the neighbour that keeps the comparison's meaning.
            if op in ("==", "!="):
                never = a.low.at_least(0, "#").not_op()  # over the free variables
                return Interval.point(never.not_op() if op == "!=" else never)
            value = math.floor(value) if op in (">", "<=") else math.ceil(value)
        k = int(value)
        if a.exact:
            return Interval.point(compare_counts(a.low, k, op, "#"))
        if op in ("==", "!="):
            at_least = (a.low.at_least(k, "#"), a.high.at_least(k, "#"))
            more = (a.low.at_least(k + 1, "#"), a.high.at_least(k + 1, "#"))
            high = at_least[1].and_op(more[0].not_op())
            if self.logic.uses_logits:
                low = at_least[0].and_op(more[1].not_op())
            else:
                low = self._tensor((at_least[0].values - more[1].values).clamp_min(0.0), at_least[0].vars)
                high = self._tensor((at_least[1].values - more[0].values).clamp(0.0, 1.0), at_least[0].vars)
            return _negated(Interval(low, high)) if op == "!=" else Interval(low, high)
        first, second = (a.low, a.high) if op in (">", ">=") else (a.high, a.low)
        return Interval(compare_counts(first, k, op, "#"), compare_counts(second, k, op, "#"))

    def choose(self, node: Describe) -> tuple[int, bool, torch.Tensor]:
        """Return the chosen value's index, whether it is settled, and the probabilities of the values ``(K,)``."""
        parts = [self.truth(b) for b in node.bodies]
        low = torch.stack([p.low.logits.reshape(()) for p in parts])
        high = low if all(p.exact for p in parts) else torch.stack([p.high.logits.reshape(()) for p in parts])
        ends = ([p.low for p in parts], [p.high for p in parts])
        best, settled = settled_argmax(
            self.logic, *(torch.stack([t.internal.reshape(()) for t in end]) for end in ends)
        )
        middle = low if high is low else (low.clamp(-50, 50) + high.clamp(-50, 50)) / 2
        return best, settled, torch.softmax(middle.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), 0)


def _negated(interval: Interval) -> Interval:
    if interval.exact:
        return Interval.point(interval.low.not_op())
    return Interval(interval.high.not_op(), interval.low.not_op())


def equal_bounds(a: Interval, b: Interval, logic: Logic) -> Interval:
    """Return bounds of "as many a as b", each counted over its axis ``#``.

    The chance of exactly k lies between ``P(≥k)`` and ``P(≥k+1)`` at opposite ends of the cells' bounds; equality is
    godel's ``maxₖ min(a₌ₖ, b₌ₖ)``, else ``Σₖ P(a=k)·P(b=k)``, and both rise with each ``a₌ₖ`` and ``b₌ₖ``.

    Parameters
    ----------
    a, b
        What is counted, with an axis ``#`` and any free variables, aligned by name.
    logic
        The logic of both.
    """
    rest_a, rest_b = ([v for v in t.low.vars if v != "#"] for t in (a, b))
    vars = tuple(dict.fromkeys([*rest_a, *rest_b]))
    ends = []
    for counted, rest in ((a, rest_a), (b, rest_b)):
        low, high = (view(_at_least(t, logic), (*rest, "#"), (*vars, "#")) for t in (counted.low, counted.high))
        ends.append((_exactly(low, high, logic), _exactly(high, low, logic)))
    bounds = []
    for first, second in zip(ends[0], ends[1], strict=True):
        size = min(first.shape[-1], second.shape[-1])
        first, second = first[..., :size], second[..., :size]
        if logic.uses_logits:
            bounds.append(
                ProbabilisticTensor.from_logits(logic.exists(logic.and_(first, second), -1), vars, logic=logic)
            )
        else:
            total = (first * second).sum(-1).clamp(0.0, 1.0).to(a.low.dtype)
            bounds.append(ProbabilisticTensor(total, vars, logic=logic))
    return Interval(bounds[0], bounds[1])


def _at_least(counted: ProbabilisticTensor, logic: Logic) -> Tensor:
    """Return how true "at least k" is for k = 0 … n + 1: godel's as logits, else as probabilities in float64."""
    ordered = counted.align((*(v for v in counted.vars if v != "#"), "#"))
    if logic.uses_logits:
        return counting.at_least_each(ordered.logits, None)
    chances = counted.count_distribution("#").double()
    tails = chances.flip(-1).cumsum(-1).flip(-1)
    return torch.cat([tails, torch.zeros_like(tails[..., :1])], -1)


def _exactly(least: Tensor, most: Tensor, logic: Logic) -> Tensor:
    """Return one end of "exactly k" from "at least k" at that end and at the other."""
    if logic.uses_logits:
        return logic.and_(least[..., :-1], logic.not_(most[..., 1:]))
    return (least[..., :-1] - most[..., 1:]).clamp(0.0, 1.0)
