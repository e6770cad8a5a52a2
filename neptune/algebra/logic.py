"""The logics: what ∧, ∨ and ¬ mean. A logic is a value that is handed around, never a global switch.

Each works on its own *internal* numbers: ``godel`` on logits, where negation is a sign flip and every rewrite is
bit-exact; the others on probabilities. ∃ and ∀ are max and min in every logic: every t-norm distributes over max, so
that eliminating a variable early is exact (Hájek 1998, "Metamathematics of Fuzzy Logic").

Ties: max and min hand their gradient to the *first* of equal cells (lowest index; the left operand).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from neptune.algebra.convert import as_float, into_unit, to_logit, to_probability
from neptune.algebra.errors import AlgebraError, did_you_mean
from neptune.algebra.frank import THETA_LIMIT, frank_and, lukasiewicz_and
from neptune.algebra.late import is_tensor, torch

if TYPE_CHECKING:
    from torch import Tensor


def _tracks(*xs: Tensor) -> bool:
    return torch.is_grad_enabled() and any(x.requires_grad for x in xs)


def first_max(x: Tensor, dim: int | Sequence[int], empty: float) -> Tensor:
    """Return the maximum over `dim` (one or several); `empty` where there are no cells.

    The gradient goes to the first (lowest index, axes in the tensor's order) of equal cells.
    """
    dims = sorted({d % x.dim() for d in ([dim] if isinstance(dim, int) else dim)}) if x.dim() else []
    if not dims:
        return x
    rest = [d for d in range(x.dim()) if d not in dims]
    if any(x.shape[d] == 0 for d in dims):
        return x.new_full([x.shape[d] for d in rest], empty)
    if not _tracks(x):
        return x.amax(dims)
    if len(dims) == 1:
        return x.max(dims[0]).values
    return x.permute(*rest, *dims).flatten(len(rest)).max(-1).values


def first_min(x: Tensor, dim: int | Sequence[int], empty: float) -> Tensor:
    """Return the minimum over `dim`; see :func:`first_max`."""
    if not _tracks(x) and x.numel():
        dims = [dim] if isinstance(dim, int) else list(dim)
        return x.amin(dims) if x.dim() and dims else x
    return -first_max(-x, dim, -empty)


def _larger(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a >= b, a, b) if _tracks(a, b) else torch.maximum(a, b)


def _smaller(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a <= b, a, b) if _tracks(a, b) else torch.minimum(a, b)


class Logic(ABC):
    """What the connectives mean, on *internal* numbers (logits for godel, probabilities for the others).

    Tensors broadcast as in torch; all of one dtype and device. Results are as total as their input:
    probabilities in [0, 1] give probabilities in [0, 1], and gradients are finite at 0 and 1.

    Attributes
    ----------
    name
        What :func:`get` takes.
    bottom, top
        The internal numbers of false and true.
    idempotent
        Whether ``a ∧ a = a``; with it come distributivity, absorption, ∃ over ∨ and ∀ over ∧.
    precision
        What programs are computed in: float32 on logits, of which only order and sign matter; float64 on
        probabilities, which near 1 would lose the logit (of which a description is the softmax).
    """

    name: str = ""
    bottom: float = 0.0
    top: float = 1.0
    middle: float = 0.5
    idempotent: bool = False
    uses_logits: bool = False
    precision: str = "float64"

    @cached_property
    def dtype(self) -> torch.dtype:
        """What programs are computed in, as of torch."""
        found: torch.dtype = getattr(torch, self.precision)
        return found

    @property
    def cell_bytes(self) -> int:
        """The bytes of one number."""
        return int(self.precision.removeprefix("float")) // 8

    def ranks(self, cells: Tensor) -> Tensor:
        """Return internal numbers as choices between them compare them: exactly, or to 9 digits after arithmetic.

        Another order of the same operations moves a probability by some 1e-16, and must not choose another object
        where two are equally good.
        """
        return cells if self.uses_logits else cells.detach().round(decimals=9)

    @abstractmethod
    def and_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the conjunction a ∧ b (a t-norm)."""

    @abstractmethod
    def or_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the disjunction a ∨ b (the dual t-conorm)."""

    def not_(self, a: Tensor) -> Tensor:
        """Return the negation ¬a."""
        return 1.0 - a

    def implies(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``¬a ∨ b``."""
        return self.or_(self.not_(a), b)

    def xor(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``(a ∧ ¬b) ∨ (¬a ∧ b)``."""
        return self.or_(self.and_(a, self.not_(b)), self.and_(self.not_(a), b))

    def exists(self, x: Tensor, dim: int | Sequence[int], mask: Tensor | None = None) -> Tensor:
        """Return ∃, the maximum over `dim`.

        Parameters
        ----------
        x
            Internal numbers.
        dim
            One axis or several.
        mask
            Booleans that broadcast to x; False is padding and is skipped. No cell at all gives false.
        """
        return first_max(x if mask is None else x.masked_fill(~mask, self.bottom), dim, self.bottom)

    def forall(self, x: Tensor, dim: int | Sequence[int], mask: Tensor | None = None) -> Tensor:
        """Return ∀, the minimum over `dim`; no cell at all gives true. See :meth:`exists`."""
        return first_min(x if mask is None else x.masked_fill(~mask, self.top), dim, self.top)

    def to_internal(self, logits: Tensor) -> Tensor:
        """Return internal numbers for logits (±∞ allowed, NaN not)."""
        return to_probability(logits)

    def to_logits(self, internal: Tensor) -> Tensor:
        """Return logits for internal numbers; ∓∞ at exactly 0 and 1."""
        return to_logit(internal)

    def from_probability(self, p: Tensor) -> Tensor:
        """Return internal numbers for probabilities in [0, 1]."""
        return p

    def to_probability(self, internal: Tensor) -> Tensor:
        """Return probabilities in [0, 1] for internal numbers."""
        return internal

    def decide(self, internal: Tensor) -> Tensor:
        """Return booleans: p > ½. Exactly ½ is no."""
        return internal > self.middle

    def is_tie(self, internal: Tensor) -> Tensor:
        """Return booleans: p is exactly ½."""
        return internal == self.middle

    def __repr__(self) -> str:
        return f"logic.get({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Logic) and self.name == other.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class Godel(Logic):
    """Minimum and maximum, on logits (Gödel 1932). The default; the only idempotent one."""

    name = "godel"
    bottom, top, middle = -math.inf, math.inf, 0.0
    idempotent = True
    uses_logits = True
    precision = "float32"

    def and_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return min(a, b)."""
        return _smaller(a, b)

    def or_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return max(a, b)."""
        return _larger(a, b)

    def not_(self, a: Tensor) -> Tensor:
        """Return -a: the logit of 1 - p, without rounding."""
        return -a

    def to_internal(self, logits: Tensor) -> Tensor:
        """Return the logits themselves."""
        return logits

    def to_logits(self, internal: Tensor) -> Tensor:
        """Return the internal numbers themselves."""
        return internal

    def from_probability(self, p: Tensor) -> Tensor:
        """Return the logits of p; ∓∞ at exactly 0 and 1."""
        return to_logit(p)

    def to_probability(self, internal: Tensor) -> Tensor:
        """Return the probabilities of logits."""
        return to_probability(internal)


class Product(Logic):
    """``ab`` and ``a + b - ab``: independent events (Goguen 1969)."""

    name = "product"

    def and_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ab."""
        return a * b

    def or_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a + b(1 - a), which is exactly b at a = 0 and exactly 1 where a or b is."""
        return a + b * (1.0 - a)


class Lukasiewicz(Logic):
    """``max(0, a + b - 1)`` and ``min(1, a + b)`` (Łukasiewicz 1920)."""

    name = "lukasiewicz"

    def and_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return max(0, a + b - 1)."""
        return lukasiewicz_and(a, b)

    def or_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return min(1, a + b)."""
        return (a + b).clamp_max(1.0)


class Frank(Logic):
    """The Frank family with ``θ = ln s``: -∞ godel, 0 product, +∞ lukasiewicz. How strict "and" is, as a number.

    Parameters
    ----------
    theta
        A float, or a scalar tensor or Parameter (learnable). Documented limits ±30: at or beyond them the
        limit logic is used exactly (on probabilities), and θ gets no gradient.

    Raises
    ------
    AlgebraError
        If θ is NaN or not a scalar.
    """

    def __init__(self, theta: float | Tensor) -> None:
        if is_tensor(theta) and theta.numel() != 1:
            raise AlgebraError(f"theta has the shape {tuple(theta.shape)}", expected="one number")
        if math.isnan(as_float(theta)):
            raise AlgebraError("theta is NaN", expected="a number; ±30 and beyond are the limit logics")
        self.theta = theta

    @property
    def name(self) -> str:  # type: ignore[override]
        """``frank:s``, what :func:`get` takes."""
        theta = as_float(self.theta)
        return f"frank:{math.exp(theta) if theta < 700 else math.inf:.6g}"

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """Whether θ is at or below the Gödel limit."""
        return as_float(self.theta) <= -THETA_LIMIT

    def and_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the Frank t-norm; see :func:`neptune.algebra.frank.frank_and`."""
        return frank_and(a, b, self.theta)

    def or_(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``a + b - T(a, b)``, Frank's own equation for the dual t-conorm."""
        if as_float(self.theta) <= -THETA_LIMIT:
            return _larger(a, b)
        if as_float(self.theta) >= THETA_LIMIT:
            return (a + b).clamp_max(1.0)
        one = (a == 1.0) | (b == 1.0)
        both = into_unit(a + b - self.and_(a, b))
        return both + (torch.where(one, 1.0, both) - both).detach()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frank):
            return False
        if is_tensor(self.theta) or is_tensor(other.theta):
            return self.theta is other.theta
        return bool(self.theta == other.theta)

    def __hash__(self) -> int:
        return hash(("frank", id(self.theta) if is_tensor(self.theta) else self.theta))


godel = Godel()
product = Product()
lukasiewicz = Lukasiewicz()


def frank(s: float) -> Frank:
    """Return the Frank logic with base s: 0 is godel, 1 product, ∞ lukasiewicz.

    Raises
    ------
    AlgebraError
        If s is negative or NaN.
    """
    if math.isnan(s) or s < 0:
        raise AlgebraError(f"frank(s) with s = {s}", expected="s ≥ 0 (0: godel, 1: product, inf: lukasiewicz)")
    return Frank(-math.inf if s == 0 else math.log(s))


def get(name: str | Logic) -> Logic:
    """Return the logic with that name: ``godel``, ``product``, ``lukasiewicz`` or ``frank:S`` (``frank:0.1``).

    Raises
    ------
    AlgebraError
        If there is none, with the closest name.
    """
    if isinstance(name, Logic):
        return name
    plain: dict[str, Logic] = {"godel": godel, "product": product, "lukasiewicz": lukasiewicz}
    key = name.strip().lower().replace("ö", "o").replace("ł", "l")
    if key in plain:
        return plain[key]
    head, _, tail = key.partition(":")
    if head == "frank":
        try:
            return frank(float(tail))
        except ValueError:
            raise AlgebraError(
                f"unknown logic {name!r}", expected="frank:S with a number S ≥ 0", hint="write frank:0.1"
            ) from None
    raise AlgebraError(
        f"unknown logic {name!r}",
        expected="godel, product, lukasiewicz or frank:S",
        hint=did_you_mean(head, [*plain, "frank"]) or "the default is godel",
    )
