"""The Frank family of t-norms in stable form, with analytic derivatives.

``T_s(a, b) = log_s(1 + (sᵃ-1)(sᵇ-1)/(s-1))`` with ``θ = ln s`` (Frank 1979, "On the simultaneous
associativity of F(x,y) and x+y-F(x,y)"): θ → -∞ is min (Gödel), 0 the product, +∞ Łukasiewicz. The dual
t-conorm is ``a + b - T(a, b)``, which is what characterises the family. ``∂T/∂a`` is a conditional
distribution function, hence in [0, 1]; written as one sigmoid it is finite at 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neptune.algebra.convert import as_float
from neptune.algebra.late import is_tensor, torch, with_gradient

if TYPE_CHECKING:
    from torch import Tensor

THETA_LIMIT = 30.0
"""θ ≤ -THETA_LIMIT is exactly min, θ ≥ THETA_LIMIT exactly Łukasiewicz."""

THETA_SERIES = 1e-2
"""Below this |θ| the first-order series about the product is used."""


def lukasiewicz_and(a: Tensor, b: Tensor) -> Tensor:
    """Return ``max(0, a + b - 1)``, as ``low - (1 - high)`` so that ``a ∧ 1`` is exactly a."""
    return (torch.minimum(a, b) - (1.0 - torch.maximum(a, b))).clamp_min(0.0)


def _m(z: Tensor) -> Tensor:
    """Return ``log(1 - e⁻ᶻ)`` for z ≥ 0; -∞ at 0."""
    return torch.log(-torch.expm1(-z))


def _forward(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    size = as_float(theta)
    if abs(size) < THETA_SERIES:
        out = a * b * (1.0 - theta * (1.0 - a) * (1.0 - b) / 2.0)
    elif abs(size) <= 1.0:
        out = torch.log1p(torch.expm1(theta * a) * torch.expm1(theta * b) / torch.expm1(theta)) / theta
    elif size > 0:
        log_ratio = (theta * a + _m(theta * a)) + (theta * b + _m(theta * b)) - (theta + _m(theta))
        out = torch.logaddexp(log_ratio, torch.zeros_like(log_ratio)) / theta
    else:
        t = -theta
        out = -(torch.logaddexp(_m(t * b) - t * a, _m(t * (1.0 - b)) - t * b) - _m(t)) / t
        # Near 0 that is a difference of all but equal numbers; near 1 this would be.
        part = torch.expm1(theta * a) * torch.expm1(theta * b) / torch.expm1(theta)
        out = torch.where(part > -0.5, torch.log1p(part.clamp_min(-0.5)) / theta, out)
    low = torch.minimum(a, b)
    out = torch.where((a == 1.0) | (b == 1.0), low, out)
    return torch.minimum(torch.maximum(out, lukasiewicz_and(a, b)), low)


def _slope(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """Return ∂T/∂a, in [0, 1]."""
    size = as_float(theta)
    if abs(size) < THETA_SERIES:
        return b * (1.0 - theta * (1.0 - b) * (1.0 - 2.0 * a) / 2.0)
    t = theta.abs()
    shift = t * (a + b - 1.0) if size > 0 else t * (b - a)
    return torch.sigmoid(shift + _m(t * b) - _m(t * (1.0 - b)))


def _backward(
    grad: Tensor, wanted: Sequence[bool], given: Sequence[Tensor], out: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    a, b, theta = given
    by_a, by_b = _slope(a, b, theta), _slope(b, a, theta)
    by_theta = None
    if wanted[2]:
        if abs(as_float(theta)) < THETA_SERIES:
            cell = -a * b * (1.0 - a) * (1.0 - b) / 2.0
        else:
            last = torch.expm1(-theta * out) / torch.expm1(-theta)
            cell = (a * by_a + b * by_b - out - last) / theta
        by_theta = (grad * cell).sum().to(theta.dtype)
    return (grad * by_a).sum_to_size(a.shape), (grad * by_b).sum_to_size(b.shape), by_theta


def frank_and(a: Tensor, b: Tensor, theta: float | Tensor) -> Tensor:
    """Return the Frank t-norm of two broadcastable tensors of probabilities.

    Parameters
    ----------
    a, b
        Probabilities in [0, 1], of one dtype; shapes broadcast.
    theta
        ``ln s``; a float, or a scalar tensor (a Parameter gets a gradient inside the limits, none at or
        beyond ``±THETA_LIMIT``, where the limit t-norm itself is used).

    Returns
    -------
    Tensor
        In [max(0, a + b - 1), min(a, b)]. Gradients are finite everywhere.
    """
    size = as_float(theta)
    if size <= -THETA_LIMIT:
        return torch.where(a <= b, a, b)
    if size >= THETA_LIMIT:
        return lukasiewicz_and(a, b)
    at = theta if is_tensor(theta) else torch.tensor(size, dtype=a.dtype, device=a.device)
    return with_gradient(_forward, _backward, a, b, at.to(a.dtype))
