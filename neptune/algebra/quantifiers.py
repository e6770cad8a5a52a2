"""Options beside max and min: the soft quantifier with a temperature, and noisy-or.

Neither distributes over the connectives, so formulas with them run unoptimised. The soft quantifier is the Dombi
t-conorm (Dombi 1982, "A general class of fuzzy operators"), ``∃τ = σ(τ·logsumexp(ℓ/τ))`` with ℓ the clamped logit, and
``∀τ = ¬∃τ¬``: monotone, invariant under permutation and padding, and every cell gets a positive gradient.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neptune.algebra.convert import as_float, clamp_logit
from neptune.algebra.errors import AlgebraError
from neptune.algebra.late import is_tensor, torch
from neptune.algebra.logic import Logic

if TYPE_CHECKING:
    from torch import Tensor

TAU_MIN = 1e-4
"""A temperature below this is the limit 0: max for quantifiers, one-hot for iota, crisp for comparisons."""

TAU_MAX = 1e4
"""Temperatures above this are an error."""


def check_tau(tau: float | Tensor, what: str = "tau") -> float:
    """Return the temperature as a float, 0.0 for everything below ``TAU_MIN``.

    Raises
    ------
    AlgebraError
        If it is NaN, negative, above ``TAU_MAX``, or not one number.
    """
    if is_tensor(tau) and tau.numel() != 1:
        raise AlgebraError(f"{what} has the shape {tuple(tau.shape)}", expected="one number")
    size = as_float(tau)
    if not 0.0 <= size <= TAU_MAX:
        raise AlgebraError(f"{what} is {size}", expected=f"a number in [0, {TAU_MAX:g}]; 0 is the crisp limit")
    return size if size >= TAU_MIN else 0.0


def move_last(x: Tensor, dims: list[int]) -> Tensor:
    """Return x with the axes `dims` (in that order) flattened into one last axis."""
    rest = [d for d in range(x.dim()) if d not in dims]
    count = math.prod(x.shape[d] for d in dims)
    return x.permute(*rest, *dims).reshape([x.shape[d] for d in rest] + [count])


def soft_exists(logic: Logic, x: Tensor, dims: list[int], mask: Tensor | None, tau: float | Tensor) -> Tensor:
    """Return ``∃τ`` over `dims` of internal numbers.

    Parameters
    ----------
    logic, x
        The logic and its internal numbers.
    dims
        Axes to reduce.
    mask
        Booleans that broadcast to x, False is padding; or None.
    tau
        In [0, 1e4]; 0 is max exactly. A scalar tensor gets a gradient.

    Returns
    -------
    Tensor
        Internal numbers; false where there is no cell.
    """
    if check_tau(tau) == 0.0:
        return logic.exists(x, dims, mask)
    cells = move_last(clamp_logit(logic.to_logits(x)), dims)
    keep = torch.ones_like(cells, dtype=torch.bool)
    if mask is not None:
        keep = move_last(mask.expand(x.shape), dims)
    if cells.shape[-1] == 0:
        return cells.new_full(cells.shape[:-1], logic.bottom)
    peak = cells.detach().masked_fill(~keep, -math.inf).amax(-1, keepdim=True)
    some = keep.any(-1)
    peak = torch.where(some.unsqueeze(-1), peak, torch.zeros_like(peak))
    gap = ((cells - peak) / tau).masked_fill(~keep, -math.inf)
    total = torch.where(some, gap.exp().sum(-1), torch.ones_like(peak[..., 0]))
    logits = peak.squeeze(-1) + tau * total.log()
    return torch.where(some, logic.to_internal(logits), torch.full_like(logits, logic.bottom))


def noisy_or(logic: Logic, x: Tensor, dims: list[int], mask: Tensor | None) -> Tensor:
    """Return ``1 - Π(1 - p)`` over `dims` of internal numbers (Pearl 1988); false where there is no cell."""
    misses = move_last(logic.to_probability(logic.not_(x)), dims)
    if mask is not None:
        misses = misses.masked_fill(~move_last(mask.expand(x.shape), dims), 1.0)
    return logic.not_(logic.from_probability(misses.prod(-1)))


def quantify(
    logic: Logic, x: Tensor, dims: list[int], mask: Tensor | None, tau: float | Tensor, quantifier: str, universal: bool
) -> Tensor:
    """Return ∃ (or ∀, as ¬∃¬) over `dims` by the named quantifier.

    Raises
    ------
    AlgebraError
        If the quantifier is neither ``max`` nor ``noisy_or``, or noisy-or is given a temperature.
    """
    if quantifier not in ("max", "noisy_or"):
        raise AlgebraError(f"unknown quantifier {quantifier!r}", expected="'max' (with tau ≥ 0) or 'noisy_or'")
    crisp = check_tau(tau) == 0.0
    if quantifier == "noisy_or" and not crisp:
        raise AlgebraError("noisy_or has no temperature", hint="leave tau out, or use quantifier='max'")
    if quantifier == "max" and crisp:
        return logic.forall(x, dims, mask) if universal else logic.exists(x, dims, mask)
    if universal:
        x = logic.not_(x)
    out = noisy_or(logic, x, dims, mask) if quantifier == "noisy_or" else soft_exists(logic, x, dims, mask, tau)
    return logic.not_(out) if universal else out
