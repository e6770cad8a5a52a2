"""How many cells are true: counting quantifiers, and the exact distribution of the count.

godel uses the counting quantifiers (Yager 1988; Delgado et al. 2014): "at least k" is the k-th largest
value. The other logics, and training losses, use the Poisson-binomial distribution of independent cells.
(Never *decide* by the latter: with 20 cells at 0.95 it says P(count = 20) ≈ 0.36.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neptune.algebra.convert import into_unit
from neptune.algebra.late import torch
from neptune.algebra.logic import Logic

if TYPE_CHECKING:
    from torch import Tensor


def descending(cells: Tensor, keep: Tensor | None) -> Tensor:
    """Return logits sorted from high to low along the last axis (stable: the first of equals first), padding as -∞."""
    if keep is not None:
        cells = cells.masked_fill(~keep, -math.inf)
    return cells.sort(stable=True, dim=-1, descending=True).values


def at_least_each(cells: Tensor, keep: Tensor | None) -> Tensor:
    """Return ``φ₍ₖ₎`` for k = 0 … n+1: godel's "at least k", as logits.

    Shape ``(…, n)`` gives ``(…, n + 2)``: ``φ₍₀₎`` is true (+∞), ``φ₍ₙ₊₁₎`` false (-∞).
    """
    ordered = descending(cells, keep)
    true = ordered.new_full((*ordered.shape[:-1], 1), math.inf)
    return torch.cat([true, ordered, -true], -1)


def distribution(p: Tensor, q: Tensor) -> Tensor:
    """Return the Poisson-binomial distribution of the number of true cells along the last axis.

    Parameters
    ----------
    p, q
        Probabilities of true and of false, shape ``(…, n)``; a padded cell has ``p = 0, q = 1``.

    Returns
    -------
    Tensor
        ``P(count = k)`` for k = 0 … n, shape ``(…, n + 1)``, in [0, 1], summing to 1. Computed in float64 by
        multiplying the polynomials ``q + p·z`` in pairs (sums of positive terms only, hence stable), O(n²),
        and rounded to p's dtype; differentiable.
    """
    n = p.shape[-1]
    polys = torch.stack([q, p], -1).double()
    if n == 0:
        return torch.ones((*p.shape[:-1], 1), dtype=p.dtype, device=p.device)
    while polys.shape[-2] > 1:
        if polys.shape[-2] % 2:
            one = torch.zeros_like(polys[..., :1, :])
            one[..., 0] = 1.0
            polys = torch.cat([polys, one], -2)
        left, right = polys[..., 0::2, :], polys[..., 1::2, :]
        degree = right.shape[-1] - 1
        windows = torch.nn.functional.pad(left, (degree, degree)).unfold(-1, degree + 1, 1)
        polys = (windows @ right.flip(-1).unsqueeze(-1)).squeeze(-1)
    return into_unit(polys[..., 0, : n + 1]).to(p.dtype)


def greater_godel(logic: Logic, a: Tensor, b: Tensor) -> Tensor:
    """Return godel's "more a than b", ``maxₖ min(a₍ₖ₎, 1 - b₍ₖ₎)`` for k ≥ 1, from :func:`at_least_each` of both."""
    a = a[..., 1:-1]
    b = b[..., 1:]
    if b.shape[-1] < a.shape[-1]:
        fill = b.new_full((*b.shape[:-1], a.shape[-1] - b.shape[-1]), -math.inf)
        b = torch.cat([b, fill], -1)
    return logic.exists(logic.and_(a, logic.not_(b[..., : a.shape[-1]])), -1)


def equal_godel(logic: Logic, a: Tensor, b: Tensor) -> Tensor:
    """Return godel's "as many a as b", ``maxₖ min(a₌ₖ, b₌ₖ)`` with ``a₌ₖ = min(a₍ₖ₎, 1 - a₍ₖ₊₁₎)``."""
    size = min(a.shape[-1], b.shape[-1])
    exact_a = logic.and_(a[..., :-1], logic.not_(a[..., 1:]))[..., : size - 1]
    exact_b = logic.and_(b[..., :-1], logic.not_(b[..., 1:]))[..., : size - 1]
    return logic.exists(logic.and_(exact_a, exact_b), -1)


def greater_distribution(a: Tensor, b: Tensor) -> Tensor:
    """Return ``P(A > B)`` for independent counts with the distributions a ``(…, n+1)`` and b ``(…, m+1)``."""
    tail = a.double().flip(-1).cumsum(-1).flip(-1)
    size = min(tail.shape[-1] - 1, b.shape[-1])
    return into_unit((tail[..., 1 : size + 1] * b.double()[..., :size]).sum(-1)).to(a.dtype)


def equal_distribution(a: Tensor, b: Tensor) -> Tensor:
    """Return ``P(A = B)`` for independent counts with the distributions a ``(…, n+1)`` and b ``(…, m+1)``."""
    size = min(a.shape[-1], b.shape[-1])
    return into_unit((a.double()[..., :size] * b.double()[..., :size]).sum(-1)).to(a.dtype)


def tail(chances: Tensor, k: int) -> Tensor:
    """Return ``P(count ≥ k)`` from a distribution of shape ``(…, n + 1)``; 1 for k ≤ 0, 0 for k > n."""
    if k <= 0:
        return torch.ones_like(chances[..., 0])
    return into_unit(chances[..., k:].double().sum(-1)).to(chances.dtype)
