"""The logics on NumPy arrays: for small tables without gradients, where a torch operation costs more than its work.

The same numbers as :mod:`neptune.algebra.logic`, operation by operation. What is more than an order, a sign or a sum of
two numbers (the logistic function, the logarithm, softmax, rounding) is the same torch function, on the same memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neptune.algebra.convert import LOGIT_LIMIT
from neptune.algebra.logic import Logic

Array: TypeAlias = NDArray[Any]


def as_tensor(x: Array) -> Tensor:
    """Return an array as a tensor, on the same memory (a copy where that may not be written to)."""
    return torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else x.copy())


def clamped(logits: Array) -> Array:
    """Return logits within ``±LOGIT_LIMIT``."""
    out: Array = np.minimum(np.maximum(logits, -LOGIT_LIMIT), LOGIT_LIMIT)
    return out


def logistic(logits: Array) -> Array:
    """Return ``σ(logits)``, any shape: :func:`neptune.algebra.convert.to_probability`, bit for bit."""
    p: Array = torch.from_numpy(logits.astype(np.float64)).sigmoid_().numpy().astype(logits.dtype)
    half = p == 0.5
    if half.any():  # a logit that is not zero must not round to a tie
        ulp = float(np.finfo(p.dtype).eps)
        beside = np.where(logits > 0, 0.5 + ulp / 2, 0.5 - ulp / 4).astype(p.dtype)
        p = np.where(half & (logits != 0), beside, p)
    return p


def _logit(p: Array) -> Array:
    """Return :func:`neptune.algebra.convert.to_logit`, bit for bit."""
    logits: Array = torch.from_numpy(p.astype(np.float64)).logit_().numpy().astype(p.dtype)
    return logits


class ArrayLogic(ABC):
    """A logic on arrays of its internal numbers. Methods and attributes are those of its :class:`Logic`."""

    def __init__(self, logic: Logic) -> None:
        self.logic, self.name = logic, logic.name
        self.dtype: np.dtype[Any] = np.dtype(str(logic.dtype).removeprefix("torch."))
        self.bottom, self.top, self.middle = logic.bottom, logic.top, logic.middle
        self.uses_logits = logic.uses_logits

    @abstractmethod
    def and_(self, a: Array, b: Array) -> Array:
        """Return a ∧ b."""

    @abstractmethod
    def or_(self, a: Array, b: Array) -> Array:
        """Return a ∨ b."""

    def not_(self, a: Array) -> Array:
        """Return ¬a."""
        out: Array = 1.0 - a
        return out

    def xor(self, a: Array, b: Array) -> Array:
        """Return ``(a ∧ ¬b) ∨ (¬a ∧ b)``."""
        return self.or_(self.and_(a, self.not_(b)), self.and_(self.not_(a), b))

    def to_logits(self, internal: Array) -> Array:
        """Return logits; ∓∞ at exactly 0 and 1."""
        return _logit(internal)

    def from_probability(self, p: Array) -> Array:
        """Return internal numbers for probabilities."""
        return p

    def to_probability(self, internal: Array) -> Array:
        """Return probabilities for internal numbers."""
        return internal

    def ranks(self, cells: Array) -> Array:
        """Return internal numbers as choices between them compare them."""
        ranks: Array = self.logic.ranks(as_tensor(cells)).numpy()
        return ranks

    def hard(self, true: NDArray[np.bool_]) -> Array:
        """Return the internal numbers of booleans."""
        out: Array = np.where(true, self.dtype.type(self.top), self.dtype.type(self.bottom))
        return out

    def weights(self, logits: Array, tau: float) -> Array:
        """Return :func:`neptune.algebra.iota.weights` of logits ``(…, n)``, n ≥ 1; `tau` may be 0."""
        if tau == 0.0:
            best = logits.argmax(-1)
            crisp: Array = (np.arange(logits.shape[-1]) == best[..., None]).astype(logits.dtype)
            return crisp
        cells = clamped(logits)
        gap = (cells - np.maximum.reduce(cells, axis=-1, keepdims=True)) / np.float32(tau)
        weights: Array = torch.from_numpy(gap.astype(np.float64)).softmax(-1).numpy().astype(logits.dtype)
        return weights


class _Godel(ArrayLogic):
    def and_(self, a: Array, b: Array) -> Array:
        out: Array = np.minimum(a, b)
        return out

    def or_(self, a: Array, b: Array) -> Array:
        out: Array = np.maximum(a, b)
        return out

    def not_(self, a: Array) -> Array:
        out: Array = np.negative(a)
        return out

    def to_logits(self, internal: Array) -> Array:
        return internal

    def from_probability(self, p: Array) -> Array:
        return _logit(p)

    def to_probability(self, internal: Array) -> Array:
        return logistic(internal)

    def ranks(self, cells: Array) -> Array:
        return cells


class _Product(ArrayLogic):
    def and_(self, a: Array, b: Array) -> Array:
        out: Array = np.multiply(a, b)
        return out

    def or_(self, a: Array, b: Array) -> Array:
        out: Array = a + b * (1.0 - a)
        return out


class _Lukasiewicz(ArrayLogic):
    def and_(self, a: Array, b: Array) -> Array:
        out: Array = np.maximum(np.minimum(a, b) - (1.0 - np.maximum(a, b)), 0.0)
        return out

    def or_(self, a: Array, b: Array) -> Array:
        out: Array = np.minimum(a + b, 1.0)
        return out


_KNOWN: dict[str, type[ArrayLogic]] = {"godel": _Godel, "product": _Product, "lukasiewicz": _Lukasiewicz}


@lru_cache(maxsize=16)
def array_logic(logic: Logic) -> ArrayLogic | None:
    """Return a logic on arrays; ``None`` for one that is computed by torch alone (Frank's, another's own)."""
    kind = _KNOWN.get(logic.name)
    return kind(logic) if kind is not None and type(logic).__module__ == Logic.__module__ else None
