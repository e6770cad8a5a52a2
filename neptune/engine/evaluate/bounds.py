"""What is known of a soft value: an interval, which is a point as soon as all evidence is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dsl.plan import And, Exists, Node, substitute
from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.algebra.late import torch
from neptune.engine.compile.assignment import Search
from neptune.engine.compile.quantifiers import search_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper bound of a truth, cell by cell; the same object twice where all evidence is there."""

    low: ProbabilisticTensor
    high: ProbabilisticTensor

    @staticmethod
    def point(value: ProbabilisticTensor) -> Interval:
        """Return the interval of a known value."""
        return Interval(value, value)

    @property
    def exact(self) -> bool:
        """Whether all evidence is there."""
        return self.low is self.high

    @property
    def known(self) -> bool:
        """Whether the value is known: all evidence is there, or what is left open can not change it, as where a
        minimum has been found and the rest is known to be larger."""
        return self.exact or torch.equal(self.low.internal, self.high.internal)


def settled_argmax(logic: Logic, low: Tensor, high: Tensor) -> tuple[int, bool]:
    """Return the index of the largest value (the likeliest, if open) and whether it is settled: the lowest wins ties.

    Index i is settled when ``low[i] > high[j]`` for j < i and ``low[i] ≥ high[j]`` for j > i.

    Parameters
    ----------
    logic
        Compares the values: see :meth:`neptune.algebra.Logic.ranks`.
    low, high
        Bounds of the values as carrier values, shape ``(n,)``, n ≥ 1.
    """
    exact = low is high
    low = logic.ranks(low)
    high = low if exact else logic.ranks(high)
    best = int(low.argmax())  # The first among equals; no other index can be settled.
    bound = low[best]
    settled = not bool((high[:best] >= bound).any()) and not bool((high[best + 1 :] > bound).any())
    if not settled:
        # The best guess: the middle of the bounds, infinite ones clamped.
        best = int((low.clamp(-50.0, 50.0) + high.clamp(-50.0, 50.0)).argmax())
    return best, settled


def largest(logic: Logic, low: NDArray[Any], high: NDArray[Any]) -> tuple[int, bool]:
    """Return :func:`settled_argmax` of arrays of carrier values, shape ``(n,)``, n ≥ 1."""
    if not logic.uses_logits:
        return settled_argmax(logic, torch.from_numpy(low), torch.from_numpy(high))
    best = int(low.argmax())
    settled = b"\1" not in (high[:best] >= low[best]).tobytes() + (high[best + 1 :] > low[best]).tobytes()
    if not settled:
        best = int((low.clip(-50.0, 50.0) + high.clip(-50.0, 50.0)).argmax())
    return best, settled


def softmax_bounds(low: Tensor, high: Tensor, index: int, tau: float) -> tuple[float, float]:
    """Return bounds of one cell's share of a softmax: its own logit at one end, all others at the other.

    Parameters
    ----------
    low, high
        Bounds of the logits, shape ``(n,)``; clamped to ±13.8.
    index
        The cell.
    tau
        The temperature; 0 bounds nothing better than [0, 1].
    """
    if tau == 0.0:
        return 0.0, 1.0
    low, high = low.clamp(-LOGIT_LIMIT, LOGIT_LIMIT), high.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    own = torch.arange(len(low)) == index
    least = torch.softmax(torch.where(own, low, high) / tau, 0)[index]
    most = torch.softmax(torch.where(own, high, low) / tau, 0)[index]
    return float(least), float(most)


Fit = tuple[bool, bool, tuple[float, float]]
"""Whether nothing fits, whether several do, as far as is known, and bounds of how true it is that something does."""


def fit_of(description: Interval) -> Fit:
    """Return of a description's body over the objects: whether nothing fits, whether several do, as far as is known,
    and bounds of how true it is that something does."""
    low, high = description.low, description.high
    least, sure = float(low.values.detach().max()), int(low.decide().sum())
    if description.exact:  # low and high are one
        return not sure, sure > 1, (least, least)
    return not bool(high.decide().any()), sure > 1, (least, float(high.values.detach().max()))


def fit_of_values(truths: list[Interval]) -> Fit:
    """Return the same of the closed truths of a value's alternatives."""
    fit = max(float(t.low.values) for t in truths), max(float(t.high.values) for t in truths)
    several = sum(bool(t.low.decide()) for t in truths) > 1
    return not any(bool(t.high.decide()) for t in truths), several, fit


def exactly(logic: Logic, truths: Sequence[ProbabilisticTensor], k: int) -> float:
    """Return how true it is that exactly k of some closed truths are true."""
    cells = torch.stack([t.internal.reshape(()) for t in truths]) if truths else torch.zeros(0, dtype=logic.dtype)
    kind = "logits" if logic.uses_logits else "values"
    return float(ProbabilisticTensor._make(("#",), {}, logic, **{kind: cells}).exactly(k, "#").values)


def floats(values: Tensor) -> tuple[float, ...]:
    """Return the numbers of a vector."""
    return tuple(values.detach().tolist())


def places(hits: Tensor) -> tuple[int, ...]:
    """Return where a vector of booleans is true."""
    return tuple(hits.nonzero().flatten().tolist())


def seek(
    node: Node,
    vars: frozenset[str],
    found: dict[str, int],
    best: Callable[[Node], int],
    lowest: Callable[[Search], Mapping[str, int] | None] | None,
) -> bool:
    """Find objects that make a closed formula as true as it is (see :meth:`Executor.witness`); tell whether they could
    be found.

    Parameters
    ----------
    node, vars
        The formula, and the variables to find.
    found
        What is found is added.
    best
        Returns the lowest object at which a formula of one variable is truest.
    lowest
        Finds the objects of a block of distinct variables, or says that it can not (``None``). If it is ``None``
        itself, blocks are formulas as others.
    """
    if isinstance(node, Exists):
        search = search_of(node) if lowest is not None and not node.free else None
        if search is not None and lowest is not None:
            block = lowest(search)
            if block is None:
                return False
            for var, at in block.items():
                if var in vars:
                    found.setdefault(var, at)
            return all(
                seek(factor, vars, found, best, lowest)
                for group in search.block.groups
                for factor in group
                if not factor.free
            )
        if node.var in vars and node.var not in found:
            body = node.body
            if node.var in body.free:
                found[node.var] = best(body)
                body = substitute(body, {node.var: found[node.var]})
            return seek(body, vars, found, best, lowest)
    elif isinstance(node, And):
        return all(seek(operand, vars, found, best, lowest) for operand in node.operands if not operand.free)
    return True
