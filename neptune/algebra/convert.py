"""Between probabilities and logits, finite where the textbook forms are not.

A crisp probability (exactly 0 or 1) is the logit ∓∞: harmless in min, max and negation, and lossless. The derivatives
of both conversions are floored at ``EPSILON`` (the logit clamp), which makes them finite, positive and inverse to each
other everywhere: a crisp leaf that is selected by min or max gets the gradient 1, never NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neptune.algebra.late import is_tensor, torch, with_gradient

if TYPE_CHECKING:
    from torch import Tensor


EPSILON = 1e-6
"""Probabilities are clamped to [EPSILON, 1 - EPSILON] before a logit is used in a sum."""

LOGIT_LIMIT = math.log((1.0 - EPSILON) / EPSILON)
"""The clamped logit lies in [-LOGIT_LIMIT, LOGIT_LIMIT] (13.8155…)."""


def as_float(x: float | Tensor) -> float:
    """Return one number as a float, without its gradient."""
    return float(x.detach()) if is_tensor(x) else float(x)


def _slope(p: Tensor) -> Tensor:
    return (p * (1.0 - p)).clamp_min(EPSILON)


def _logit(p: Tensor) -> Tensor:
    # In float64, rounded once: a cell's bits do not depend on where in memory it lies (float32 kernels' do).
    return torch.logit(p.double()).to(p.dtype)


def _logistic(logits: Tensor) -> Tensor:
    p = torch.sigmoid(logits.double()).to(logits.dtype)
    ulp = torch.finfo(p.dtype).eps
    # A logit that is not zero must not round to a tie: values > ½ says what logits > 0 says.
    beside = torch.full_like(p, 0.5 - ulp / 4).masked_fill(logits > 0, 0.5 + ulp / 2)
    return torch.where((p == 0.5) & (logits != 0), beside, p)


def _tracked(x: Tensor) -> bool:
    """Whether gradients are wanted: else what keeps values for them is left out, a third of a small table's time."""
    return x.requires_grad and torch.is_grad_enabled()


def to_logit(p: Tensor) -> Tensor:
    """Return ``ln(p / (1 - p))``, any shape, p in [0, 1]; ∓∞ at 0 and 1.

    Weakly monotone in floating point, and zero only at exactly ½, so a decision is never lost. The
    derivative is ``1 / max(p(1-p), 1e-6)``.
    """
    if _tracked(p):
        return with_gradient(_logit, lambda grad, wanted, given, out: (grad / _slope(given[0]),), p)
    return _logit(p)


def to_probability(logits: Tensor) -> Tensor:
    """Return ``σ(logits)``, any shape, in [0, 1]; exactly 0 and 1 at ∓∞.

    Exactly ½ only where the logit is 0 (elsewhere the neighbouring float), so that deciding by values and by
    logits agree. The derivative is ``max(p(1-p), 1e-6)``: saturated cells keep a small gradient.
    """
    if _tracked(logits):
        return with_gradient(_logistic, lambda grad, wanted, given, out: (grad * _slope(out),), logits)
    return _logistic(logits)


def clamp_logit(logits: Tensor) -> Tensor:
    """Return logits clamped to ``±LOGIT_LIMIT``; straight-through, so that every cell keeps its gradient."""
    return _clamped(logits, -LOGIT_LIMIT, LOGIT_LIMIT)


def into_unit(p: Tensor) -> Tensor:
    """Return p clamped to [0, 1], straight-through: takes off rounding beyond the ends, keeps the gradient."""
    return _clamped(p, 0.0, 1.0)


def _clamped(x: Tensor, low: float, high: float) -> Tensor:
    if _tracked(x):
        return with_gradient(lambda x: x.clamp(low, high), lambda grad, wanted, given, out: (grad,), x)
    return x.clamp(low, high)
