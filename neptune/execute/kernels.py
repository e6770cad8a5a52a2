"""Tensor kernels of compiled plans: a join and a reduction at once, within bounded memory.

The peak of ``∃y (a(x, y) ∧ b(y, z))`` written with broadcasting is a table over x, y and z. Here it is made a few
rows at a time: small enough to stay in a processor's cache, which is faster too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neptune.algebra import Logic

CHUNK_CELLS = 1 << 18
"""Cells of the joint table that are held at once: 1 MB of float32."""


def contract(logic: Logic, a: Tensor, b: Tensor, universal: bool, chunk: int = CHUNK_CELLS) -> Tensor:
    """Return ``∃r (a ∧ b)``, or with `universal` ``∀r (a ∨ b)``: a matrix product over (max, t-norm).

    Parameters
    ----------
    logic
        Gives the operations.
    a, b
        Internal numbers, shapes ``(G, I, R)`` and ``(G, J, R)`` (or G = 1 in one of them), R ≥ 1.
    chunk
        Cells of the joint table held at once.

    Returns
    -------
    Tensor
        Shape ``(G, I, J)``. With gradients, the first r that reaches the value receives them, as in a joint table.
    """
    groups, rows, columns = max(len(a), len(b)), a.shape[1], b.shape[1]
    tracked = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    if not tracked:
        return _blocks(logic, a, b, universal, chunk, False)
    with torch.no_grad():
        best = _blocks(logic, a.detach(), b.detach(), universal, chunk, True)
    # Taking the operands at the best place makes N² cells for the gradient, not N³.
    left = a.expand(groups, -1, -1).unsqueeze(2).expand(-1, -1, columns, -1).gather(3, best.unsqueeze(3)).squeeze(3)
    right = b.expand(groups, -1, -1).unsqueeze(1).expand(-1, rows, -1, -1).gather(3, best.unsqueeze(3)).squeeze(3)
    return logic.or_(left, right) if universal else logic.and_(left, right)


def _blocks(logic: Logic, a: Tensor, b: Tensor, universal: bool, chunk: int, index: bool) -> Tensor:
    groups, rows = max(len(a), len(b)), a.shape[1]
    per_row = b.shape[1] * b.shape[2]
    join = logic.or_ if universal else logic.and_

    def block(x: Tensor, y: Tensor) -> Tensor:
        joint = join(x.unsqueeze(2), y.unsqueeze(1))
        if index:
            return (joint.min(-1) if universal else joint.max(-1)).indices
        return joint.amin(-1) if universal else joint.amax(-1)

    if groups * rows * per_row <= chunk:
        return block(a, b)
    if rows * per_row <= chunk:  # several groups at once
        step = max(chunk // (rows * per_row), 1)
        a, b = a.expand(groups, -1, -1), b.expand(groups, -1, -1)
        return torch.cat([block(a[g : g + step], b[g : g + step]) for g in range(0, groups, step)])
    step = max(chunk // per_row, 1)
    out = []
    for g in range(groups):
        x, y = a[g : g + 1] if len(a) > 1 else a, b[g : g + 1] if len(b) > 1 else b
        out.append(torch.cat([block(x[:, i : i + step], y) for i in range(0, rows, step)], 1))
    return torch.cat(out)
