"""Tensor kernels of compiled plans: a join and a reduction at once, within bounded memory.

The peak of ``∃y (a(x, y) ∧ b(y, z))`` written with broadcasting is a table over x, y and z. Here it is made a few
rows at a time: small enough to stay in a processor's cache, which is faster too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neptune.algebra import Logic
from neptune.algebra.late import is_tensor, torch, with_gradient

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_CELLS = 1 << 18
"""Cells of the joint table that are held at once: 1 MB in float32, 2 MB in float64."""
SMALL_CELLS = 1 << 14
"""A joint table of so few cells is made whole for a gradient too: cheaper than to look for the best places."""


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
    theta = getattr(logic, "theta", None)
    learns = is_tensor(theta) and theta.requires_grad
    if not (torch.is_grad_enabled() and (a.requires_grad or b.requires_grad or learns)):
        return _blocks(logic, a, b, universal, chunk, False)
    cells = max(len(a), len(b)) * a.shape[1] * b.shape[1] * a.shape[2]
    if cells <= min(SMALL_CELLS, chunk):
        joint = (logic.or_ if universal else logic.and_)(a.unsqueeze(2), b.unsqueeze(1))
        return (joint.min(-1) if universal else joint.max(-1)).values
    if not learns:
        return with_gradient(
            lambda a, b: _blocks(logic, a, b, universal, chunk, False),
            lambda grad, wanted, given, out: _gradients(logic, universal, chunk, grad, *given),
            a,
            b,
        )
    with torch.no_grad():
        best = _blocks(logic, a.detach(), b.detach(), universal, chunk, True).unsqueeze(3)
    # Taking the operands at the best place makes N² cells for the gradient, not N³.
    shape = (max(len(a), len(b)), a.shape[1], b.shape[1], a.shape[2])
    left = a.unsqueeze(2).expand(shape).gather(3, best).squeeze(3)
    right = b.unsqueeze(1).expand(shape).gather(3, best).squeeze(3)
    return logic.or_(left, right) if universal else logic.and_(left, right)


def _gradients(logic: Logic, universal: bool, chunk: int, grad: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of both operands. That of a cell flows to the first place r that reaches it. Such a place is
    looked for only where a gradient arrives: behind a maximum that is a single cell of N²."""
    to_a, to_b = torch.zeros_like(a), torch.zeros_like(b)
    join = logic.or_ if universal else logic.and_
    at_all = grad.nonzero()
    step = max(chunk // max(a.shape[2], 1), 1)
    for at in torch.split(at_all, step):
        g, i, j = at.unbind(1)
        ga, gb = g if len(a) > 1 else torch.zeros_like(g), g if len(b) > 1 else torch.zeros_like(g)
        x, y = a[ga, i], b[gb, j]
        joint = join(x, y)
        best = (joint.min(-1) if universal else joint.max(-1)).indices.unsqueeze(1)
        with torch.enable_grad():
            u, v = x.gather(1, best).requires_grad_(), y.gather(1, best).requires_grad_()
            du, dv = torch.autograd.grad(join(u, v), (u, v), grad[g, i, j].unsqueeze(1))
        to_a.index_put_((ga, i, best[:, 0]), du[:, 0], accumulate=True)
        to_b.index_put_((gb, j, best[:, 0]), dv[:, 0], accumulate=True)
    return to_a, to_b


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
