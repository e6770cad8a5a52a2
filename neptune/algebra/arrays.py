"""The logics on NumPy arrays: for small tables without gradients, where a torch operation costs more than its work.

The same numbers as :mod:`neptune.algebra.logic`, operation by operation. What is more than an order, a sign or a sum of
two numbers (the logistic function, the logarithm, softmax) is, for godel, computed in float64 and rounded once to
float32, as there; for the other logics, which are float64, and for rounding, it is the same torch function, on the same
memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neptune.algebra.convert import LOGIT_LIMIT, to_probability
from neptune.algebra.late import is_loaded, torch
from neptune.algebra.logic import Logic

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = NDArray[Any]

FEW = 15
"""So many float32 numbers torch sums one after the other."""

_ALL_BUT_FALSE = np.float32(-200.0)
_ULP = float(np.finfo(np.float32).eps)


def as_tensor(x: Array) -> Tensor:
    """Return an array as a tensor, on the same memory (a copy where that may not be written to)."""
    return torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else x.copy())


def clamped(logits: Array) -> Array:
    """Return logits within ``±LOGIT_LIMIT``."""
    out: Array = np.minimum(np.maximum(logits, -LOGIT_LIMIT), LOGIT_LIMIT)
    return out


def logistic(logits: Array) -> Array:
    """Return ``σ(logits)``, any shape, of float32 or float64: :func:`neptune.algebra.convert.to_probability`, bit for
    bit. Exactly ½ only where the logit is 0."""
    if logits.dtype != np.float32:
        exact: Array = to_probability(as_tensor(logits)).numpy()
        return exact
    # What is below is 0 in float32, and does not overflow in float64.
    e = np.exp(-np.maximum(logits, _ALL_BUT_FALSE).astype(np.float64))
    e += 1.0
    p: Array = np.asarray(1.0 / e, dtype=np.float32)
    tied = p == 0.5
    if b"\1" in tied.tobytes():  # a logit that is not zero must not round to a tie
        tied = tied & (logits != 0)
        p[tied] = np.where(logits[tied] > 0, 0.5 + _ULP / 2, 0.5 - _ULP / 4)
    return p


def logit(p: Array) -> Array:
    """Return :func:`neptune.algebra.convert.to_logit` of float32, any shape, bit for bit; ∓∞ at 0 and 1."""
    exact = p.astype(np.float64)
    with np.errstate(divide="ignore"):
        logits: Array = np.asarray(np.log(exact / (1.0 - exact)).astype(np.float32))
    return logits


def _fma(a: Array, b: Array | np.float32, c: Array | np.float32) -> Array:
    """Return a·b + c of float32, rounded once (a product of two has 48 digits of the 53 of float64)."""
    out: Array = (a.astype(np.float64) * b + c).astype(np.float32)
    return out


_LOG2E, _LN2_HIGH, _LN2_LOW = np.float32(1.442695041), np.float32(0.693145751953125), np.float32(1.428606765330187e-06)
_EXP = tuple(map(np.float32, (1.985276176e-04, 1.393043552e-03, 8.333360776e-03, 4.166648537e-02, 0.1666666716, 0.5)))
"""The polynomial of e^x in float32, highest power first, after SLEEF (Shibata and Petrogalli 2020), as torch has it."""


def _exp(x: Array) -> Array:
    """Return e^x of float32 x in [-80, 0], as torch computes it, bit for bit."""
    power = np.rint(x * _LOG2E)
    s = _fma(power, -_LN2_LOW, _fma(power, -_LN2_HIGH, x))
    u = np.full_like(s, _EXP[0])
    for coefficient in _EXP[1:]:
        u = _fma(u, s, coefficient)
    out: Array = np.ldexp(np.float32(1.0) + _fma(s * s, u, s), power.astype(np.int32))
    return out


def softmax_of_few(logits: Array) -> Array:
    """Return the softmax of ``(…, K)`` float32 logits within ``±LOGIT_LIMIT``, K ≤ 15, as torch computes that of
    ``(K,)``, bit for bit: one after the other summed, and multiplied by the inverse."""
    e = _exp(logits - logits.max(-1, keepdims=True))
    out: Array = e * (np.float32(1.0) / np.add.accumulate(e, -1)[..., -1:])
    return out


def first_argmax(cells: Array, keep: NDArray[np.bool_] | None) -> Array:
    """Return :func:`neptune.algebra.iota.first_argmax` of ``(…, n)`` with a cell in each row, int64 ``(…)``."""
    if keep is None:
        best: Array = cells.argmax(-1)
        return best
    kept = np.where(keep, cells, -np.inf)
    # where all that is kept is false, padding is as large
    first: Array = ((kept == kept.max(-1, keepdims=True)) & keep).argmax(-1)
    return first


class ArrayLogic(ABC):
    """A logic on arrays of its internal numbers. Methods and attributes are those of its :class:`Logic`."""

    def __init__(self, logic: Logic) -> None:
        self.logic, self.name = logic, logic.name
        self.dtype: np.dtype[Any] = np.dtype(logic.precision)
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

    def to_internal(self, logits: Array) -> Array:
        """Return internal numbers for logits (±∞ allowed, NaN not)."""
        return logistic(logits)

    def to_logits(self, internal: Array) -> Array:
        """Return logits; ∓∞ at exactly 0 and 1."""
        logits: Array = torch.from_numpy(internal.astype(np.float64)).logit_().numpy().astype(internal.dtype)
        return logits

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

    def weights(self, logits: Array, tau: float, keep: NDArray[np.bool_] | None = None) -> Array:
        """Return :func:`neptune.algebra.iota.weights` of logits ``(…, n)``, n ≥ 1; `tau` may be 0. `keep` is False at
        padding, and True somewhere in each row."""
        if tau == 0.0:
            crisp: Array = (np.arange(logits.shape[-1]) == first_argmax(logits, keep)[..., None]).astype(logits.dtype)
            return crisp
        cells = clamped(logits)
        if keep is not None:
            cells = np.where(keep, cells, cells.dtype.type(-np.inf))
        cells -= np.maximum.reduce(cells, axis=-1, keepdims=True)
        cells /= np.float32(tau)
        return self._shares(cells.astype(np.float64)).astype(logits.dtype)

    def softmax(self, logits: Array) -> Array:
        """Return the softmax of float64 logits along the last axis."""
        return self._shares(logits)

    def _shares(self, gaps: Array) -> Array:
        """Return the softmax of float64 numbers along the last axis, the largest of which is 0."""
        out: Array = as_tensor(gaps).softmax(-1).numpy()
        return out

    def choice(self, logits: Array) -> Array:
        """Return the softmax of ``(…, K)`` clamped logits along the last axis, in their own precision."""
        out: Array = as_tensor(logits).softmax(-1).numpy()
        return out

    def decide(self, internal: Array) -> NDArray[np.bool_]:
        """Return booleans: p > ½. Exactly ½ is no."""
        hits: NDArray[np.bool_] = np.greater(internal, self.middle)
        return hits


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

    def to_internal(self, logits: Array) -> Array:
        return logits

    def to_logits(self, internal: Array) -> Array:
        return internal

    def from_probability(self, p: Array) -> Array:
        return logit(p)

    def to_probability(self, internal: Array) -> Array:
        return logistic(internal)

    def ranks(self, cells: Array) -> Array:
        return cells

    def softmax(self, logits: Array) -> Array:
        return self._shares(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))

    def _shares(self, gaps: Array) -> Array:
        e: Array = np.exp(gaps)
        e /= np.add.reduce(e, axis=-1, keepdims=True)
        return e

    def choice(self, logits: Array) -> Array:
        # As fast as may be where torch is there, and without loading it where it is not. Of many rows torch sums in
        # another order.
        by_torch = logits.shape[-1] > FEW or (is_loaded() and logits.ndim == 1)
        return super().choice(logits) if by_torch else softmax_of_few(logits)


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


class _ByTensors(ArrayLogic):
    """Any other logic: each operation is the one of tensors, without gradient."""

    def and_(self, a: Array, b: Array) -> Array:
        return self._of(self.logic.and_, a, b)

    def or_(self, a: Array, b: Array) -> Array:
        return self._of(self.logic.or_, a, b)

    def not_(self, a: Array) -> Array:
        return self._of(self.logic.not_, a)

    def to_internal(self, logits: Array) -> Array:
        return self._of(self.logic.to_internal, logits)

    def to_logits(self, internal: Array) -> Array:
        return self._of(self.logic.to_logits, internal)

    def from_probability(self, p: Array) -> Array:
        return self._of(self.logic.from_probability, p)

    def to_probability(self, internal: Array) -> Array:
        return self._of(self.logic.to_probability, internal)

    @staticmethod
    def _of(operation: Callable[..., Tensor], *given: Array) -> Array:
        found: Array = operation(*map(as_tensor, given)).detach().numpy()
        return found


_KNOWN: dict[str, type[ArrayLogic]] = {"godel": _Godel, "product": _Product, "lukasiewicz": _Lukasiewicz}


@lru_cache(maxsize=16)
def array_logic(logic: Logic) -> ArrayLogic | None:
    """Return a logic on arrays; ``None`` for one that is computed by torch alone (Frank's, another's own)."""
    kind = _KNOWN.get(logic.name)
    return kind(logic) if kind is not None and type(logic).__module__ == Logic.__module__ else None


def any_logic(logic: Logic) -> ArrayLogic:
    """Return a logic on arrays, each operation by torch where :func:`array_logic` has none."""
    return array_logic(logic) or _ByTensors(logic)
