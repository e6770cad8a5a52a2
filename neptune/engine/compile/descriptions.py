"""The rule of what is said of a described object, and its bounds: a quotient of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dsl.plan import ExpectationOver
from neptune.algebra import iota
from neptune.algebra.arrays import Array, ArrayLogic
from neptune.algebra.convert import LOGIT_LIMIT, as_float, into_unit
from neptune.algebra.late import torch
from neptune.engine.compile import program
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.connectives import constant_of
from neptune.engine.compile.counts import over

if TYPE_CHECKING:
    from torch import Tensor

SLAB = 1 << 17
"""Cells sorted at once: what fits the processor's cache is done five times as fast."""


def expectation(compiler: Compiler, node: ExpectationOver) -> program.Register:
    """An atom about a described object: Σ w·atom, w the softmax of the description (`pick`: at its largest alone)."""
    if compiler.empty:
        return constant_of(compiler, 0.0)
    described, weights_vars = over(compiler, node.description)
    atom, atom_vars = compiler.value(node.body)
    if node.var not in atom_vars:
        return atom, atom_vars
    rest = tuple(sorted({*weights_vars[:-1], *atom_vars} - {node.var}))
    number = {v: 1 + i for i, v in enumerate((*rest, node.var))}
    at_atom = [number[v] for v in atom_vars]
    at_weights = [*(number[v] for v in weights_vars[:-1]), number[node.var]]
    at_out = [number[v] for v in rest]
    mask_index = program.missing_axes((node.var,), (*weights_vars[:-1], node.var))
    # For bounds: both tables over all axes, that of the variable last.
    order = [0, *(1 + atom_vars.index(v) for v in (*rest, node.var) if v in atom_vars)]
    atom_index = program.missing_axes(atom_vars, (*rest, node.var))
    weights_index = program.missing_axes(weights_vars[:-1], rest)
    probability = compiler.probabilities.get(atom)

    def weights_tensor(context: program.ExecutionContext, cells: Tensor) -> Tensor:
        """Return the weights of the objects, float64; computed once where several speak of what is described."""
        kept, key = context.kept, ("weights", described, node.pick)
        if kept is not None and key in kept:
            return kept[key]
        logic, keep = context.logic, None
        logits = logic.to_logits(logic.ranks(cells) if node.pick else cells)
        if context.mask is not None:
            logits = program.all_rows(logits, context.batch)
            keep = program.expand_axes(context.mask, mask_index).expand(logits.shape)
        w = iota.weights(logits, keep, 0.0 if node.pick else context.iota_tau).double()
        if kept is not None:
            kept[key] = w
        return w

    def expected(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        logic, cells = context.logic, program.full(r[described], context.size)
        p = logic.to_probability(r[atom]) if probability is None else r[probability]
        if context.is_open(cells):
            tau = 0.0 if node.pick else context.iota_tau
            logits = logic.to_logits(logic.ranks(cells) if node.pick else cells)
            shape = [-1, *([context.size] * len(number))]
            logits = program.expand_axes(logits, weights_index).expand(shape)
            return _bounds(logits, program.expand_axes(p.permute(order), atom_index).expand(shape), as_float(tau))
        p, w = p.double(), weights_tensor(context, cells)
        if len(w) == 1 and len(p) == 1:
            summed = torch.einsum(p[0], at_atom, w[0], at_weights, at_out).unsqueeze(0)
        else:
            p, w = program.all_rows(p, context.batch), program.all_rows(w, context.batch)
            summed = torch.einsum(p, [0, *at_atom], w, [0, *at_weights], [0, *at_out])
        return into_unit(summed.to(cells.dtype))

    view_atom = program.array_view(atom_vars, (*rest, node.var))
    view_weights = program.array_view((*weights_vars[:-1], node.var), (*rest, node.var))

    array_index = program.array_axes((node.var,), (*weights_vars[:-1], node.var))

    known = atom < len(compiler.program.atoms)  # a table that is the same in every run

    def weights_array(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        w = context.weights.get((described, node.pick))
        if w is None:
            logic = context.logic
            cells = logic.ranks(r[described]) if node.pick else r[described]
            if cells.shape[-1] < context.size:
                cells = np.repeat(cells, context.size, -1)
            logits, keep = logic.to_logits(cells), None
            if context.mask is not None:
                keep = context.mask if array_index is None else context.mask[array_index]
                logits = np.broadcast_to(logits, (context.batch, *logits.shape[1:]))
            w = logic.weights(logits, 0.0 if node.pick else context.iota_tau, keep).astype(np.float64)
            context.weights[described, node.pick] = w
        return w

    def expected_array(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        logic = context.logic
        if known:
            p = context.chance(atom)
        else:
            p = (logic.to_probability(r[atom]) if probability is None else r[probability]).astype(np.float64)
        return _sums(view_atom(p) * view_weights(weights_array(context, r)), logic)

    group: list[int] = []
    if known and atom_vars == (node.var,) and len(weights_vars) == 1:
        group = compiler.together.setdefault((described, node.pick), [])
        group.append(atom)
    place = len(group) - 1

    def expected_at_once(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        kept, key = context.kept, ("sums", described, node.pick)
        if kept is None or context.bounds:
            return expected(context, r)
        sums = kept.get(key)
        if sums is None:
            cells = program.full(r[described], context.size)
            said = torch.stack([program.all_rows(r[slot], context.batch) for slot in group])
            p = context.logic.to_probability(said).double()
            sums = kept[key] = into_unit((p * weights_tensor(context, cells)).sum(-1).to(cells.dtype))
        return sums[place]

    def expected_together(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        sums = context.sums.get((described, node.pick))
        if sums is None:
            sums = _sums(context.chances(tuple(group)) * weights_array(context, r), context.logic)
            context.sums[described, node.pick] = sums
        found: Array = sums[place]
        return found

    summed, _ = compiler.emit(
        rest, expected_at_once if group else expected, arrays=expected_together if group else expected_array
    )
    made = compiler.emit(
        rest,
        lambda context, r: context.logic.from_probability(r[summed]),
        arrays=lambda context, r: context.logic.from_probability(r[summed]),
    )
    compiler.program.late.add(made[0])
    compiler.probabilities[made[0]] = summed
    return made


def _sums(weighed: Array, logic: ArrayLogic) -> Array:
    """Return the sums over the last axis, within [0, 1]."""
    total = np.add.reduce(weighed, axis=-1).astype(logic.dtype)
    into: Array = np.minimum(np.maximum(total, 0.0), 1.0)
    return into


def _bounds(logits: Tensor, r: Tensor, tau: float) -> Tensor:
    """Return bounds ``(2, …)`` of an expectation.

    Parameters
    ----------
    logits
        Bounds of the description ``(2, …, N)``.
    r
        The probabilities of what is said, or their bounds, ``(1, …, N)`` or ``(2, …, N)``.
    tau
        The temperature of the description; 0 picks the largest alone.
    """
    logits = logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    if tau == 0.0:
        # Any cell that can still be the largest may be the one picked.
        possible = logits[1:] >= logits[:1].amax(-1, keepdim=True)
        low = r[:1].masked_fill(~possible, 1.0).amin(-1)
        high = r[-1:].masked_fill(~possible, 0.0).amax(-1)
    else:
        w = _weights(logits, tau)
        low, high = (
            fractional_bounds(w[:1], w[1:], values.to(w.dtype), upper=upper).to(values.dtype)
            for values, upper in ((r[:1], False), (r[-1:], True))
        )
    return torch.cat([low, high]).clamp(0.0, 1.0)


def _weights(logits: Tensor, tau: float) -> Tensor:
    """Return bounds of weights, as far as they matter (up to a factor), ``(2, …, N)``, given those of logits within
    their limits."""
    if tau >= (iota.SMALL_TAU if logits.dtype == torch.float64 else iota.SMALL_TAU_OF_FLOAT32):
        return (logits / tau).exp()
    exponents = logits.double()
    exponents = (exponents - exponents[1:].amax(-1, keepdim=True)) / tau
    least = exponents.new_tensor(iota.LEAST_EXPONENTS).reshape(2, *[1] * (exponents.dim() - 1))
    return torch.maximum(exponents, least).exp()


def mixture_bounds(fits: Tensor, said: Tensor, value: int, tau: float) -> tuple[float, float]:
    """Return bounds of the probability of a value of the object meant (:func:`neptune.algebra.iota.mixture`).

    Parameters
    ----------
    fits
        Bounds of the description's logits, ``(2, N)``.
    said
        Bounds of the logits of each value at each object, ``(2, N, K)``.
    value
        Which of the K.
    tau
        The temperature of the description.
    """
    said = said.double().clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    own = torch.arange(said.shape[-1]) == value
    ends = torch.stack([torch.where(own, said[0], said[1]), torch.where(own, said[1], said[0])])
    low, high = _bounds(fits.double(), ends.softmax(-1)[..., value], tau).tolist()
    return low, high


def fractional_bounds(w_low: Tensor, w_high: Tensor, r: Tensor, *, upper: bool) -> Tensor:
    """Return the extreme of ``Σ w·r / Σ w`` over ``w_low ≤ w ≤ w_high``, along the last axis.

    The extreme of a linear-fractional function on a box lies at a vertex of threshold form: sorted by r, the weights
    on the better side of a threshold are at their upper end and the others at their lower end (Charnes and Cooper
    1962). All thresholds are tried: O(n log n).

    Parameters
    ----------
    w_low, w_high
        Unnormalised weights ≥ 0, shape ``(…, n)``; ``w_high`` is positive somewhere.
    r
        Values in [0, 1], shape ``(…, n)``.
    upper
        The maximum, else the minimum.
    """
    shape = (w_low + w_high + r).shape
    w_low, w_high, r = (t.expand(shape) for t in (w_low, w_high, r))
    n = r.shape[-1]
    if r.numel() > max(SLAB, n):
        rows = max(SLAB // n, 1)
        a, b, c = (t.reshape(-1, n) for t in (w_low, w_high, r))
        slabs = [slice(i, i + rows) for i in range(0, len(c), rows)]
        return torch.cat([fractional_bounds(a[s], b[s], c[s], upper=upper) for s in slabs]).reshape(shape[:-1])
    order = r.argsort(dim=-1, descending=upper)
    w_low, w_high, r = (t.gather(-1, order) for t in (w_low, w_high, r))
    zero = torch.zeros_like(r[..., :1])

    def running(t: Tensor) -> Tensor:
        return torch.cat([zero, t.cumsum(-1)], dim=-1)

    above_w, above_wr = running(w_high), running(w_high * r)
    below_w, below_wr = running(w_low), running(w_low * r)
    total = above_w + below_w[..., -1:] - below_w
    weighted = above_wr + below_wr[..., -1:] - below_wr
    ratios = weighted / total.clamp_min(torch.finfo(r.dtype).tiny)
    ratios = torch.where(total > 0, ratios, torch.full_like(ratios, 0.0 if upper else 1.0))
    return ratios.amax(-1) if upper else ratios.amin(-1)
