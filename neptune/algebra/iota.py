"""The definite description ("the cube"): weights over objects, and the choice of one.

``w = softmax(ℓ/τ)`` with ℓ the clamped logit. τ → 0 chooses the most probable object (lowest index among
equals), τ → ∞ weighs all alike. (A min-max "iota" is not a distribution; this one is in [0, 1] and sums to
1.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neptune.algebra.convert import clamp_logit
from neptune.algebra.late import torch
from neptune.algebra.quantifiers import check_tau

if TYPE_CHECKING:
    from torch import Tensor

LEAST_EXPONENTS = -667.0, -600.0
"""Where weights have bounds, those less than e to this are only known to lie between both: were they lost, so would be
what matters should all others turn out as small."""

SMALL_TAU, SMALL_TAU_OF_FLOAT32 = 0.02, 0.18
"""Below these temperatures e^(ℓ/τ) is no number of float64, of float32."""


def first_argmax(cells: Tensor, keep: Tensor | None) -> Tensor:
    """Return the lowest index of the largest cell of the last axis; -1 where there is no cell.

    Parameters
    ----------
    cells
        Numbers (±∞ allowed), shape ``(…, n)``.
    keep
        Booleans of the same shape, False is padding (never chosen, even if every cell is false); or None.

    Returns
    -------
    Tensor
        int64, shape ``(…)``.
    """
    if cells.shape[-1] == 0:
        return torch.full(cells.shape[:-1], -1, dtype=torch.int64, device=cells.device)
    cells = cells.detach()
    if keep is None:
        hit = cells == cells.amax(-1, keepdim=True)
    else:
        hit = (cells == cells.masked_fill(~keep, -math.inf).amax(-1, keepdim=True)) & keep
    index = hit.to(torch.uint8).argmax(-1)
    return torch.where(hit.any(-1), index, torch.full_like(index, -1))


def weights(logits: Tensor, keep: Tensor | None, tau: float | Tensor) -> Tensor:
    """Return ``softmax(ℓ/τ)`` over the last axis of logits.

    Parameters
    ----------
    logits
        Shape ``(…, n)``; ±∞ allowed (clamped).
    keep
        Booleans of the same shape, False is padding and weighs 0; or None.
    tau
        In [0, 1e4]; 0 is one-hot on :func:`first_argmax`, without gradient. A scalar tensor gets a gradient.

    Returns
    -------
    Tensor
        Shape ``(…, n)``, in [0, 1], summing to 1; all zero where there is no cell.
    """
    if logits.shape[-1] == 0:
        return torch.zeros_like(logits)
    if check_tau(tau) == 0.0:
        places = torch.arange(logits.shape[-1], device=logits.device)
        return (first_argmax(logits, keep).unsqueeze(-1) == places).to(logits.dtype)
    cells = clamp_logit(logits)
    if keep is None:
        return _softmax((cells - cells.detach().amax(-1, keepdim=True)) / tau)
    some = keep.any(-1, keepdim=True)
    peak = cells.detach().masked_fill(~keep, -math.inf).amax(-1, keepdim=True)
    peak = torch.where(some, peak, torch.zeros_like(peak))
    gap = ((cells - peak) / tau).masked_fill(~keep & some, -math.inf)
    return _softmax(gap).masked_fill(~keep, 0.0)


def mixture(fits: Tensor, keep: Tensor | None, tau: float | Tensor, said: Tensor) -> Tensor:
    """Return the distribution over values of the object meant: ``Σᵢ wᵢ · softmax over k of saidᵢₖ``.

    Each object has one of the values, so its logits are made a distribution; the objects are weighed by the
    description. The mean is one of probabilities, not of logits: three objects of which none is doubted, two of them
    blue, are "blue" with 2/3.

    Parameters
    ----------
    fits
        Logits of the description, ``(…, N)``.
    keep
        Which objects there are, ``(…, N)``; or None.
    tau
        Temperature of the description.
    said
        Logits of each value at each object, ``(…, N, K)``.

    Returns
    -------
    Tensor
        ``(…, K)`` float64 in [0, 1], summing to 1 (to 0 where there is no object).
    """
    each = clamp_logit(said.double()).softmax(-1)
    return (weights(fits.double(), keep, tau).unsqueeze(-1) * each).sum(-2)


def _softmax(gap: Tensor) -> Tensor:
    """In float64, rounded once: padding and the place in memory do not change a bit."""
    return gap.double().softmax(-1).to(gap.dtype)
