"""The soft truth value of a formula for every choice of objects: one axis for each named variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neptune.algebra import counting, iota
from neptune.algebra.convert import to_probability
from neptune.algebra.errors import AlgebraError
from neptune.algebra.late import torch
from neptune.algebra.quantifiers import move_last, quantify
from neptune.algebra.tensor.axes import mask_of, merge, name_list, positions, show, view
from neptune.algebra.tensor.expectation import expectation
from neptune.algebra.tensor.table import Names, Table

if TYPE_CHECKING:
    from torch import Tensor


class ProbabilisticTensor(Table):
    """An immutable table of probabilities with one axis for each *named* variable.

    Aligned by name, never by position: ``red("x") & left("x", "y")`` has the variables x and y.
    Total: every cell is a number in [0, 1], and every operation on such cells gives such cells.

    Parameters
    ----------
    values
        Probabilities in [0, 1], one axis for each variable: a floating tensor, or nested lists of numbers.
    vars
        The variables' names, in the order of the axes. One string is one variable.
    domain
        For a variable, booleans of shape ``(size,)``: False is padding, which every reduction skips.
    logic
        A :class:`~neptune.algebra.logic.Logic`, or its name.

    Raises
    ------
    AlgebraError
        If a value is NaN or outside [0, 1] (naming the first bad cell), values are not floating, names and
        axes do not fit, or a mask does not fit.

    Examples
    --------
    >>> red = ProbabilisticTensor([0.9, 0.2], ["x"])
    >>> ball = ProbabilisticTensor([0.8, 0.7], ["x"])
    >>> round((red & ball).exists("x").item(), 3)
    0.8
    """

    __slots__ = ()

    # ---- connectives ----

    def _joined(
        self, other: ProbabilisticTensor, connective: Callable[[Tensor, Tensor], Tensor]
    ) -> ProbabilisticTensor:
        if not isinstance(other, ProbabilisticTensor):
            raise AlgebraError(
                f"{show(self._vars, self.shape)} with a {type(other).__name__}",
                expected="two probabilistic tensors",
                hint="write ProbabilisticTensor(0.7) for a constant",
            )
        for what in ("dtype", "device", "logic"):
            mine, its = getattr(self, what), getattr(other, what)
            if mine != its:
                raise AlgebraError(
                    f"{what}s {mine} of {show(self._vars, self.shape)} and {its} of {show(other._vars, other.shape)}",
                    expected=f"one {what} (nothing is converted silently)",
                    hint="convert one with " + (".with_logic(…)" if what == "logic" else ".to(…)"),
                )
        vars, domain = merge(self._vars, self.shape, self._domain, other._vars, other.shape, other._domain)
        a, b = view(self.internal, self._vars, vars), view(other.internal, other._vars, vars)
        return self._like(connective(a, b), vars, domain)

    def and_op(self, other: ProbabilisticTensor) -> ProbabilisticTensor:
        """Return ``self ∧ other`` over the variables of both (the left one's first).

        Raises
        ------
        AlgebraError
            If a variable of both has two sizes or domains, or dtype, device or logic differ.
        """
        return self._joined(other, self._logic.and_)

    def or_op(self, other: ProbabilisticTensor) -> ProbabilisticTensor:
        """Return ``self ∨ other``; see :meth:`and_op`."""
        return self._joined(other, self._logic.or_)

    def implies(self, other: ProbabilisticTensor) -> ProbabilisticTensor:
        """Return ``¬self ∨ other``; see :meth:`and_op`."""
        return self._joined(other, self._logic.implies)

    def xor_op(self, other: ProbabilisticTensor) -> ProbabilisticTensor:
        """Return ``(self ∧ ¬other) ∨ (¬self ∧ other)``; see :meth:`and_op`."""
        return self._joined(other, self._logic.xor)

    def not_op(self) -> ProbabilisticTensor:
        """Return ``¬self``. Negating twice gives this very tensor back."""
        out = self._like(self._logic.not_(self.internal), self._vars)
        out._negation = self
        return self._negation if self._negation is not None else out

    __and__ = and_op
    __or__ = or_op
    __xor__ = xor_op
    __rshift__ = implies
    __invert__ = not_op

    def __bool__(self) -> bool:
        raise AlgebraError(
            f"the truth of {show(self._vars, self.shape)} is soft: Python's if, not, and, or can not use it",
            hint="write & | ~ for and, or, not; .item() > 0.5 or .decide() for a yes or no",
        )

    # ---- reductions ----

    def _reduce(self, vars: Names) -> tuple[list[int], tuple[str, ...], Tensor | None]:
        dims = positions(vars, self._vars, self.shape)
        rest = tuple(v for v in self._vars if v not in name_list(vars))
        return dims, rest, mask_of(self._domain, self._vars, name_list(vars))

    def _last(self, x: Tensor, vars: Names) -> tuple[Tensor, Tensor | None, tuple[str, ...]]:
        dims, rest, mask = self._reduce(vars)
        keep = None if mask is None else move_last(mask.expand(x.shape), dims)
        return move_last(x, dims), keep, rest

    def exists(self, vars: Names, tau: float | Tensor = 0.0, quantifier: str = "max") -> ProbabilisticTensor:
        """Return ∃ over one variable or several: the maximum; false for an empty domain.

        Parameters
        ----------
        vars
            Variables of this tensor.
        tau
            In [0, 1e4]. Above 0 the Dombi soft quantifier ``σ(τ·logsumexp(ℓ/τ))``; τ → 0 is max.
        quantifier
            ``"max"``, or ``"noisy_or"``: ``1 - Π(1 - p)``.
        """
        dims, rest, mask = self._reduce(vars)
        return self._like(quantify(self._logic, self.internal, dims, mask, tau, quantifier, False), rest)

    def forall(self, vars: Names, tau: float | Tensor = 0.0, quantifier: str = "max") -> ProbabilisticTensor:
        """Return ∀ over one variable or several: the minimum (``¬∃¬``); true for an empty domain."""
        dims, rest, mask = self._reduce(vars)
        return self._like(quantify(self._logic, self.internal, dims, mask, tau, quantifier, True), rest)

    def iota(self, vars: Names, tau: float | Tensor = 1.0) -> ProbabilisticTensor:
        """Return the weights of a description, ``softmax(ℓ/τ)`` over `vars`, for each object of the others.

        In [0, 1], summing to 1 over `vars`; all 0 for an empty domain. τ = 0 is one-hot on :meth:`argmax`.
        """
        cells, keep, rest = self._last(self.logits, vars)
        flat = iota.weights(cells, keep, tau)
        names = name_list(vars)
        full = flat.reshape([self.size(v) for v in (*rest, *names)])
        out = self._make((*rest, *names), self._domain, self._logic, values=full)
        return out.align(self._vars)

    def presupposition(self, vars: Names) -> ProbabilisticTensor:
        """Return how far anything matches the description at all, max p; it failed where that is ≤ ½."""
        return self.exists(vars)

    def expect(self, weights: ProbabilisticTensor, var: Names) -> ProbabilisticTensor:
        """Return ``Σ w·self`` over `var`; see :func:`neptune.algebra.expectation`."""
        return expectation(self, weights, var)

    def argmax(self, vars: Names) -> Any:
        """Return the objects of the largest value, the lowest indices among equals; -1 for an empty domain.

        Returns
        -------
        Tensor or tuple of Tensor
            int64 over the remaining variables. For several variables a tuple, one tensor each: the
            lexicographically lowest of the tuples that reach the largest value.
        """
        cells, keep, _ = self._last(self.internal, vars)
        index = iota.first_argmax(cells, keep)
        if isinstance(vars, str):
            return index
        out: list[Tensor] = []
        left = index
        for name in reversed(vars):
            size = max(self.size(name), 1)
            out.append(torch.where(index < 0, index, left % size))
            left = left.div(size, rounding_mode="floor")
        return tuple(reversed(out))

    # ---- counting ----

    def count(self, vars: Names) -> Tensor:
        """Return the number of cells > ½ over `vars`: int64, over the remaining variables."""
        hits, keep, _ = self._last(self.decide(), vars)
        return (hits if keep is None else hits & keep).sum(-1)

    def count_distribution(self, vars: Names) -> Tensor:
        """Return ``P(count = k)``, k = 0 … n, of independent cells (Poisson-binomial), in any logic.

        Shape: the remaining variables, then n + 1 with n the cells of `vars`, padding included (never
        counted). In [0, 1], sums to 1, differentiable.
        """
        p, keep, _ = self._last(self.values, vars)
        q = self._last(to_probability(-self.logits), vars)[0] if self._logits is not None else 1.0 - p
        if keep is not None:
            p, q = p.masked_fill(~keep, 0.0), q.masked_fill(~keep, 1.0)
        return counting.distribution(p, q)

    def _each(self, vars: Names) -> Tensor:
        cells, keep, _ = self._last(self.logits, vars)
        return counting.at_least_each(cells, keep)

    def at_least(self, k: int, vars: Names) -> ProbabilisticTensor:
        """Return how true it is that at least k cells over `vars` are true.

        godel: the k-th largest value (1 for k ≤ 0, 0 beyond the number of cells); the other logics: the tail
        of :meth:`count_distribution`.
        """
        rest = self._reduce(vars)[1]
        if self._logic.uses_logits:
            each = self._each(vars)
            return self._like(each[..., min(max(k, 0), each.shape[-1] - 1)], rest)
        tail = counting.tail(self.count_distribution(vars), k)
        return self._make(rest, self._domain, self._logic, values=tail)

    def at_most(self, k: int, vars: Names) -> ProbabilisticTensor:
        """Return how true it is that at most k cells are true, ``¬ at_least(k + 1)``."""
        return self.at_least(k + 1, vars).not_op()

    def exactly(self, k: int, vars: Names) -> ProbabilisticTensor:
        """Return how true it is that exactly k cells are true.

        godel: ``min(φ₍ₖ₎, 1 - φ₍ₖ₊₁₎)``; the other logics: ``P(count = k)``.
        """
        if self._logic.uses_logits:
            return self.at_least(k, vars).and_op(self.at_most(k, vars))
        rest = self._reduce(vars)[1]
        chances = self.count_distribution(vars)
        values = chances[..., k] if 0 <= k < chances.shape[-1] else torch.zeros_like(chances[..., 0])
        return self._make(rest, self._domain, self._logic, values=values)
