"""Rules of counts and of comparisons of counts, with what bounds them.

What is counted is a table whose last axis, ``#``, is the objects (or the formulas) that count. How true a comparison is
follows from "at least k": godel's k-th largest value, or the tail of the Poisson-binomial distribution of independent
cells. "At least k" rises with every cell, so that each end of its bounds comes from that end of the cells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dsl.plan import Compare, Count, CountTrue, Description, Node, Number
from neptune.algebra import counting
from neptune.algebra.arrays import Array
from neptune.algebra.convert import into_unit
from neptune.algebra.late import torch
from neptune.engine.compile import program
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.connectives import constant_of

if TYPE_CHECKING:
    from torch import Tensor

COMPARISONS: dict[str, Any] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def over(compiler: Compiler, node: Description | Count) -> program.Register:
    """Return the body of a description or count, with an axis for its variable, which comes last."""
    slot, have = compiler.value(node.body)
    vars = (*(v for v in have if v != node.var), node.var)
    if have == vars:
        return slot, have
    order = [0, *(1 + have.index(v) for v in vars)] if node.var in have else None

    def turned(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        x = r[slot]
        return x.permute(order) if order else x.unsqueeze(-1).expand(*x.shape, context.size)

    def turned_array(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        return r[slot].transpose(order) if order else np.repeat(r[slot][..., None], context.size, -1)

    return compiler.emit(vars, turned, arrays=turned_array)


def count(compiler: Compiler, node: Count) -> program.Register:
    """How many objects fit the body."""
    slot, vars = over(compiler, node)
    return slot, (*vars[:-1], "#")


def count_true(compiler: Compiler, node: CountTrue) -> program.Register:
    """How many of finitely many formulas are true."""
    parts = [compiler.value(b) for b in node.bodies]
    free = tuple(sorted({v for _, vars in parts for v in vars}))
    places = [(slot, program.missing_axes(vars, free)) for slot, vars in parts]

    def stacked(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        if not places:
            return torch.zeros(1, 0, dtype=context.logic.dtype)
        tables = [program.expand_axes(r[slot], index) for slot, index in places]
        shape = (max(len(t) for t in tables), *([context.size] * len(free)))
        return torch.stack([t.expand(shape) for t in tables], -1)

    views = [(slot, program.array_axes(vars, free)) for slot, vars in parts]

    def stacked_arrays(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        if not views:
            return np.zeros((1, 0), dtype=context.logic.dtype)
        tables = [r[slot] if at is None else r[slot][at] for slot, at in views]
        shape = (max(map(len, tables)), *([context.size] * len(free)))
        return np.stack([np.broadcast_to(x, shape) for x in tables], -1)

    axes = len(free) + (not compiler.as_written)
    return compiler.emit((*free, "#"), stacked, axes=axes, arrays=stacked_arrays)


def comparison(compiler: Compiler, node: Compare) -> program.Register:
    """How true a comparison of two counts, or of a count with a number, is."""
    left, right, op = node.left, node.right, node.op
    if isinstance(right, Number):
        if isinstance(left, Number):
            return constant_of(compiler, float(COMPARISONS[op](left.value, right.value)))
        return _with_number(compiler, op, left, right.value)
    (sa, (*rest_a, _)), (sb, (*rest_b, _)) = compiler.value(left), compiler.value(right)
    vars = tuple(sorted({*rest_a, *rest_b}))
    ia, ib = program.missing_axes(tuple(rest_a), vars), program.missing_axes(tuple(rest_b), vars)
    of_objects = isinstance(left, Count), isinstance(right, Count)

    def compared(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        a, b = (
            program.expand_axes(program.counted_cells(context, r[slot]) if objects else r[slot], index)
            for slot, objects, index in ((sa, of_objects[0], ia), (sb, of_objects[1], ib))
        )
        if op in ("==", "!="):
            return _negated(context, _equal(context, a, b), op == "!=")
        # a ≥ b is ¬(b > a), and a ≤ b is ¬(a > b).
        more = _more(context, a, b) if op in (">", "<=") else _more(context, b, a)
        return _negated(context, more, op in (">=", "<="))

    xa, xb = (program.array_axes((*rest, "#"), (*vars, "#")) for rest in (rest_a, rest_b))

    def compared_arrays(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        if not context.logic.uses_logits:
            return context.by_tensors(compared, r)
        a, b = (
            at_least_each(cells if axes is None else cells[axes])
            for cells, axes in (
                (_counted(context, r[sa], of_objects[0]), xa),
                (_counted(context, r[sb], of_objects[1]), xb),
            )
        )
        if op in ("==", "!="):
            first, second = (np.minimum(x[..., :-1], -x[..., 1:]) for x in (a, b))
            size = min(first.shape[-1], second.shape[-1])
            found: Array = np.minimum(first[..., :size], second[..., :size]).max(-1)
            return -found if op == "!=" else found
        more = _more_array(a, b) if op in (">", "<=") else _more_array(b, a)
        return -more if op in (">=", "<=") else more

    return compiler.emit(vars, compared, arrays=compared_arrays)


def _with_number(compiler: Compiler, op: str, left: Node, value: float) -> program.Register:
    slot, vars = compiler.value(left)
    of_objects = isinstance(left, Count)
    never = value != int(value) and op in ("==", "!=")
    # A count is never a fraction: the neighbour that keeps the comparison's meaning.
    k = math.floor(value) if op in (">", "<=") else math.ceil(value)
    # a ≤ k is ¬(a ≥ k + 1), and a < k is ¬(a ≥ k).
    least = k + 1 if op in (">", "<=") else k

    def compared(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        cells = program.counted_cells(context, r[slot]) if of_objects else r[slot]
        if never:
            hard = context.logic.top if op == "!=" else context.logic.bottom
            return torch.full(cells.shape[:-1], hard, dtype=context.logic.dtype)
        if op in ("==", "!="):
            return _negated(context, _exactly(context, cells, k), op == "!=")
        return _negated(context, _at_least(context, cells, least), op in ("<", "<="))

    def compared_arrays(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        if never or not context.logic.uses_logits:
            return context.by_tensors(compared, r)
        each = at_least_each(_counted(context, r[slot], of_objects))
        last = each.shape[-1] - 1
        if op in ("==", "!="):
            one, two = (each[..., min(max(j, 0), last)] for j in (k, k + 1))
            found: Array = np.minimum(one, -two)
            return -found if op == "!=" else found
        more: Array = each[..., min(max(least, 0), last)]
        return -more if op in ("<", "<=") else more

    return compiler.emit(vars[:-1], compared, arrays=compared_arrays)


def _counted(context: program.ArrayContext, x: Array, of_objects: bool) -> Array:
    """Return the cells that are counted: where they are objects, every axis of full length, and padding is false."""
    whole = (len(x), *([context.size] * (x.ndim - 1)))
    if not of_objects:
        return x
    x = x if x.shape == whole else np.broadcast_to(x, whole)
    last = (slice(None), *([None] * (x.ndim - 2)), slice(None))
    return context.kept(x, [last], context.logic.bottom)


def at_least_each(cells: Array) -> Array:
    """Return :func:`neptune.algebra.counting.at_least_each` of logits."""
    ends = np.full((*cells.shape[:-1], 1), np.inf, dtype=cells.dtype)
    return np.concatenate([ends, -np.sort(-cells, axis=-1), -ends], -1)


def _more_array(a: Array, b: Array) -> Array:
    """Return :func:`neptune.algebra.counting.greater_godel` of arrays."""
    a, b = a[..., 1:-1], b[..., 1:]
    if b.shape[-1] < a.shape[-1]:
        fill = np.full((*b.shape[:-1], a.shape[-1] - b.shape[-1]), -np.inf, dtype=b.dtype)
        b = np.concatenate([b, fill], -1)
    found: Array = np.minimum(a, -b[..., : a.shape[-1]]).max(-1, initial=-np.inf)
    return found


def _negated(context: program.ExecutionContext, x: Tensor, really: bool) -> Tensor:
    return context.logic.not_(context.opposite(x)) if really else x


def _distribution(cells: Tensor) -> Tensor:
    return counting.distribution(cells, 1.0 - cells)


def _at_least(context: program.ExecutionContext, cells: Tensor, k: int) -> Tensor:
    """Return how true "at least k" is, in any logic."""
    if context.logic.uses_logits:
        each = counting.at_least_each(cells, None)
        return each[..., min(max(k, 0), each.shape[-1] - 1)]
    return counting.tail(_distribution(cells), k)


def _exactly(context: program.ExecutionContext, cells: Tensor, k: int) -> Tensor:
    """Return how true "exactly k" is: "at least k" rises with the cells, "at least k + 1" is the opposite way."""
    logic = context.logic
    if not logic.uses_logits and not context.is_open(cells):
        chances = _distribution(cells)
        return chances[..., k] if 0 <= k < chances.shape[-1] else torch.zeros_like(chances[..., 0])
    least, more = _at_least(context, cells, k), context.opposite(_at_least(context, cells, k + 1))
    return logic.and_(least, logic.not_(more)) if logic.uses_logits else (least - more).clamp(0.0, 1.0)


def _more(context: program.ExecutionContext, a: Tensor, b: Tensor) -> Tensor:
    """Return how true "more a than b" is, which rises with a and falls with b."""
    b = context.opposite(b)
    if context.logic.uses_logits:
        each = (counting.at_least_each(cells, None) for cells in (a, b))
        return counting.greater_godel(context.logic, *each)
    return counting.greater_distribution(_distribution(a), _distribution(b))


def _equal(context: program.ExecutionContext, a: Tensor, b: Tensor) -> Tensor:
    """Return how true "as many a as b" is: godel's ``maxₖ min(a₌ₖ, b₌ₖ)``, else ``Σₖ P(a=k)·P(b=k)``.

    Where evidence is missing, "exactly k" lies between "at least k" and "not at least k + 1" at opposite ends of the
    cells' bounds, and equality rises with each ``a₌ₖ`` and ``b₌ₖ``.
    """
    logic = context.logic
    if not logic.uses_logits and not context.is_open(a, b):
        return counting.equal_distribution(_distribution(a), _distribution(b))
    exact = []
    for cells in (a, b):
        if logic.uses_logits:
            least = counting.at_least_each(cells, None)
            exact.append(logic.and_(least[..., :-1], logic.not_(context.opposite(least)[..., 1:])))
        else:
            least = _distribution(cells).double().flip(-1).cumsum(-1).flip(-1)
            least = torch.cat([least, torch.zeros_like(least[..., :1])], -1)
            exact.append((least[..., :-1] - context.opposite(least)[..., 1:]).clamp(0.0, 1.0))
    size = min(x.shape[-1] for x in exact)
    first, second = (x[..., :size] for x in exact)
    if logic.uses_logits:
        return logic.exists(logic.and_(first, second), -1)
    return into_unit((first * second).sum(-1)).to(logic.dtype)
