"""Comparing counts, and comparing numbers softly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neptune.algebra import counting
from neptune.algebra.errors import AlgebraError
from neptune.algebra.late import torch
from neptune.algebra.quantifiers import check_tau
from neptune.algebra.tensor.axes import merge, name_list, view
from neptune.algebra.tensor.table import Names
from neptune.algebra.tensor.tensor import ProbabilisticTensor

if TYPE_CHECKING:
    from torch import Tensor

OPERATORS = (">", ">=", "<", "<=", "==", "!=")
HALF_WIDTH = math.acosh(math.sqrt(2.0))


def compare_counts(
    a: ProbabilisticTensor, b: ProbabilisticTensor | int, op: str, var_a: Names, var_b: Names = ()
) -> ProbabilisticTensor:
    """Return how true ``#a op #b`` is, where # counts the true cells over `var_a` and over `var_b`.

    godel: ``a > b`` is ``maxₖ min(a₍ₖ₎, 1 - b₍ₖ₎)``, ``a == b`` is ``maxₖ min(a₌ₖ, b₌ₖ)``; the other logics
    take the two Poisson-binomial distributions as independent. ``<`` swaps, ``>=``, ``<=`` and ``!=`` negate.

    Parameters
    ----------
    a, b
        Tensors of one logic, dtype and device; b may be an int.
    op
        One of ``> >= < <= == !=``.
    var_a, var_b
        The variables counted in a and in b (the same name may stand for two different sets).

    Returns
    -------
    ProbabilisticTensor
        Over the remaining variables of both, aligned by name.

    Raises
    ------
    AlgebraError
        For another operator, an unknown variable, or tensors that do not fit.
    """
    if op not in OPERATORS:
        raise AlgebraError(f"unknown comparison {op!r}", expected="one of " + " ".join(OPERATORS))
    if isinstance(b, int):
        return _with_number(a, b, op, var_a)
    if op in ("<=", "!="):
        return compare_counts(a, b, {"<=": ">", "!=": "=="}[op], var_a, var_b).not_op()
    if op == ">=":
        return compare_counts(a, b, "<", var_a, var_b).not_op()
    rest_a = tuple(v for v in a.vars if v not in name_list(var_a))
    rest_b = tuple(v for v in b.vars if v not in name_list(var_b))
    _same_kind(a, b)
    godel = a.logic.uses_logits
    table_a = a._each(var_a) if godel else a.count_distribution(var_a)
    table_b = b._each(var_b) if godel else b.count_distribution(var_b)
    domain_a = {v: m for v, m in (a.domain or {}).items() if v in rest_a}
    domain_b = {v: m for v, m in (b.domain or {}).items() if v in rest_b}
    vars, domain = merge(rest_a, table_a.shape[:-1], domain_a, rest_b, table_b.shape[:-1], domain_b)
    table_a, table_b = (view(t, (*rest, " k"), (*vars, " k")) for t, rest in ((table_a, rest_a), (table_b, rest_b)))
    if op == "<":
        table_a, table_b = table_b, table_a
    if godel:
        soft = counting.equal_godel if op == "==" else counting.greater_godel
        return a._like(soft(a.logic, table_a, table_b), vars, domain)
    chance = counting.equal_distribution if op == "==" else counting.greater_distribution
    return a._like(chance(table_a, table_b), vars, domain)


def _with_number(a: ProbabilisticTensor, k: int, op: str, var: Names) -> ProbabilisticTensor:
    if op in (">", ">="):
        return a.at_least(k + (op == ">"), var)
    if op in ("<", "<="):
        return a.at_most(k - (op == "<"), var)
    same = a.exactly(k, var)
    return same if op == "==" else same.not_op()


def _same_kind(a: ProbabilisticTensor, b: ProbabilisticTensor) -> None:
    for what in ("dtype", "device", "logic"):
        if getattr(a, what) != getattr(b, what):
            raise AlgebraError(
                f"{what}s {getattr(a, what)} and {getattr(b, what)} in one comparison", expected=f"one {what}"
            )


def _gap(a: Tensor, b: Tensor) -> Tensor:
    gap = a - b
    if not bool(gap.isfinite().all()):
        raise AlgebraError("a comparison of numbers that are not finite", expected="finite numbers")
    return gap


def soft_greater(a: Tensor, b: Tensor, tau: float | Tensor = 0.0) -> Tensor:
    """Return ``a > b`` softly, ``σ((a - b)/τ)``: ½ at gap 0, which decides as no.

    Parameters
    ----------
    a, b
        Finite floating numbers, broadcastable.
    tau
        In [0, 1e4]; τ = 0 (the limit) is exactly 1 where a > b, else 0. A scalar tensor gets a gradient.
    """
    gap = _gap(a, b)
    return (gap > 0).to(gap.dtype) if check_tau(tau) == 0.0 else torch.sigmoid(gap / tau)


def soft_equal(a: Tensor, b: Tensor, tau: float | Tensor = 0.0) -> Tensor:
    """Return ``a = b`` softly: 1 at gap 0, exactly ½ at the gap τ, falling to 0: ``sech²(c·(a - b)/τ)``, sech²(c) = ½.

    So τ is the tolerance: numbers closer than τ decide as equal. τ = 0 (the limit) is exactly 1 where a = b,
    else 0. Parameters as for :func:`soft_greater`.
    """
    gap = _gap(a, b)
    if check_tau(tau) == 0.0:
        return (gap == 0).to(gap.dtype)
    twice = 2.0 * HALF_WIDTH * gap / tau
    return 4.0 * torch.sigmoid(twice) * torch.sigmoid(-twice)
