"""Comparisons of counts on raw tables: the algebra's own functions, with the batch as one more variable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neptune.algebra import Logic, ProbabilisticTensor, compare_counts

_BATCH = " batch"
Cells = tuple[Tensor, tuple[str, ...]]


def table(logic: Logic, cells: Tensor, vars: tuple[str, ...]) -> ProbabilisticTensor:
    """Return internal numbers ``(B, …)`` as a tensor of the algebra whose first variable is the batch."""
    kind = {"logits" if logic.uses_logits else "values": cells}
    return ProbabilisticTensor._make((_BATCH, *vars), {}, logic, **kind)


def compare(logic: Logic, op: str, a: Cells, b: Cells | float, out: tuple[str, ...]) -> Tensor:
    """Return the internal numbers of ``#a op #b`` over the batch and the variables `out`.

    Parameters
    ----------
    logic, op
        The logic, and one of ``> >= < <= == !=``.
    a, b
        Cells ``(B, …, n)`` with the variables of the axes after the first, the last of them ``"#"``; b may be a number.
    out
        The order of the outcome's axes after the first.
    """
    first = table(logic, *a)
    if isinstance(b, float):
        if b != int(b):
            # A count is never a fraction: the neighbour that keeps the comparison's meaning.
            if op in ("==", "!="):
                crisp = logic.top if op == "!=" else logic.bottom
                return torch.full(first.shape[:-1], crisp, dtype=logic.dtype)
            b = float(math.floor(b) if op in (">", "<=") else math.ceil(b))
        done = compare_counts(first, int(b), op, "#")
    else:
        cells, vars = b
        if len(cells) != len(a[0]):
            batch = max(len(cells), len(a[0]))
            cells = cells.expand(batch, *cells.shape[1:])
            first = table(logic, a[0].expand(batch, *a[0].shape[1:]), a[1])
        done = compare_counts(first, table(logic, cells, vars), op, "#", "#")
    return done.align((_BATCH, *out)).internal
