"""What a law is: a measure of how far it is from holding on drawn tables. The list is in `laws`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neptune.algebra.logic import Logic
from neptune.algebra.tensor import ProbabilisticTensor

FAMILIES = ("godel", "product", "lukasiewicz", "frank")
LOGICS = ("godel", "product", "lukasiewicz", "frank:0.001", "frank:0.5", "frank:20", "frank:1e+06")
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9}


@dataclass(frozen=True)
class Draws:
    """What a law is tried on: tables over n objects x and m objects y.

    Parameters
    ----------
    a, b, c
        Probabilities for each x and y, ``n`` lists of ``m``.
    keep_x, keep_y
        False where an object is padding.
    order
        A permutation of ``range(n)``.
    tau
        A temperature.
    dtype
        ``torch.float32`` or ``torch.float64``.
    """

    a: list[list[float]]
    b: list[list[float]]
    c: list[list[float]]
    keep_x: list[bool]
    keep_y: list[bool]
    order: list[int]
    tau: float = 0.5
    dtype: torch.dtype = torch.float32

    def raw(self, name: str) -> Tensor:
        """Return one table as a torch tensor of shape ``(n, m)``."""
        return torch.tensor(getattr(self, name), dtype=self.dtype).reshape(len(self.keep_x), len(self.keep_y))

    def domain(self, vars: Sequence[str]) -> dict[str, Tensor | None]:
        """Return the masks of the variables."""
        masks = {"x": self.keep_x, "y": self.keep_y}
        return {v: torch.tensor(masks[v], dtype=torch.bool) for v in vars}

    def of(self, name: str, logic: Logic) -> ProbabilisticTensor:
        """Return one table over x and y."""
        return ProbabilisticTensor(self.raw(name), ["x", "y"], self.domain("xy"), logic=logic)

    def column(self, name: str, logic: Logic) -> ProbabilisticTensor:
        """Return the first column of one table, over x alone."""
        return ProbabilisticTensor(self.raw(name)[:, 0], ["x"], self.domain("x"), logic=logic)


Check = Callable[[Draws, Logic], float]


@dataclass(frozen=True)
class Law:
    """A law, where it holds, and how far it is from holding on given draws.

    Parameters
    ----------
    name, statement
        For the table.
    check
        The violation on draws in a logic: 0 if it holds exactly.
    holds
        For each family of logics, whether it holds.
    exact
        Whether godel satisfies it bit for bit (the others to rounding, ``TOLERANCE``).
    witness
        A counterexample for the families in which it does not hold.
    """

    name: str
    statement: str
    check: Check
    holds: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(FAMILIES, True))
    exact: bool = True
    witness: Draws | None = None

    def holds_in(self, logic: Logic) -> bool:
        """Return whether the law holds in a logic."""
        return self.holds[logic.name.partition(":")[0]]

    def tolerance(self, logic: Logic, dtype: torch.dtype) -> float:
        """Return the largest violation that counts as rounding."""
        return 0.0 if self.exact and logic.uses_logits else TOLERANCE[dtype]


def distance(left: ProbabilisticTensor | Tensor, right: ProbabilisticTensor | Tensor) -> float:
    """Return the largest difference of two tables' values, padding left out; NaN counts as ∞."""
    if isinstance(left, ProbabilisticTensor) and isinstance(right, ProbabilisticTensor):
        right = right.align(left.vars)
        gap = (left.values - right.values).abs()
        for at, var in enumerate(left.vars):
            if left.domain is not None and var in left.domain:
                gap = gap.index_select(at, left.domain[var].nonzero().flatten())
    else:
        gap = (_plain(left) - _plain(right)).abs().double()
    gap = gap.detach().nan_to_num(nan=float("inf"))
    return float(gap.max()) if gap.numel() else 0.0


def _plain(x: ProbabilisticTensor | Tensor) -> Tensor:
    return x.values if isinstance(x, ProbabilisticTensor) else x


def excess(low: ProbabilisticTensor, high: ProbabilisticTensor) -> float:
    """Return by how much `low` exceeds `high` at most, padding left out; 0 if nowhere."""
    top = low._like(torch.maximum(low.internal, high.align(low.vars).internal), low.vars)
    return distance(top, high)
