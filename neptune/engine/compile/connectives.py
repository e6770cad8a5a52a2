"""Rules of constants, identity and connectives. Where evidence is missing their values are bounds, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dsl.plan import And, Atom, Const, Node, Not, Or, Same, Xor
from neptune.algebra import Logic
from neptune.algebra.arrays import Array, ArrayLogic
from neptune.algebra.late import torch
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.program import (
    ArrayContext,
    ArrayRegisters,
    ExecutionContext,
    Register,
    Registers,
    Vars,
    array_axes,
    expand_axes,
    missing_axes,
)

if TYPE_CHECKING:
    from torch import Tensor


def constant(compiler: Compiler, node: Const) -> Register:
    """A truth value known beforehand."""
    return constant_of(compiler, node.value)


def constant_of(compiler: Compiler, value: float) -> Register:
    """Return a register of one probability, without axes."""

    def run(context: ExecutionContext, r: Registers) -> Tensor:
        return context.logic.from_probability(torch.full((1,), value, dtype=context.logic.dtype))

    def arrays(context: ArrayContext, r: ArrayRegisters) -> Array:
        return context.logic.from_probability(np.full(1, value, dtype=context.logic.dtype))

    return compiler.emit((), run, arrays=arrays)


def identity(compiler: Compiler, node: Same) -> Register:
    """Whether two objects are the same: of two variables, or of a variable and a given object."""
    a, b = node.terms
    if isinstance(a, str) and isinstance(b, str):
        return compiler.emit(
            tuple(sorted((a, b))),
            lambda context, r: _hard(context.logic, context.eye()),
            arrays=lambda context, r: context.logic.hard(context.eye()),
        )
    var, place = (a, b) if isinstance(a, str) else (b, a)
    assert isinstance(var, str)
    assert isinstance(place, int)

    def given(context: ExecutionContext, r: Registers) -> Tensor:
        return _hard(context.logic, context.objects[:, place : place + 1] == torch.arange(context.size))

    def given_array(context: ArrayContext, r: ArrayRegisters) -> Array:
        same = np.arange(context.size) == context.objects[place]
        return context.logic.hard(same.reshape(-1, context.size))

    return compiler.emit((var,), given, arrays=given_array)


def negation(compiler: Compiler, node: Not) -> Register:
    """¬φ: its lower bound comes from the upper one of φ."""
    slot, vars = compiler.value(node.body)
    return compiler.emit(
        vars,
        lambda context, r: context.logic.not_(context.opposite(r[slot])),
        arrays=lambda context, r: context.logic.not_(r[slot]),
    )


def exclusive(compiler: Compiler, node: Xor) -> Register:
    """(φ ∧ ¬ψ) ∨ (¬φ ∧ ψ), which neither rises nor falls with φ."""

    def xor(context: ExecutionContext, a: Tensor, b: Tensor) -> Tensor:
        logic = context.logic
        if not context.is_open(a, b):
            return logic.xor(a, b)
        if not logic.uses_logits:
            # It may be least inside the box (|a − b| for łukasiewicz): bound it part by part.
            first = logic.and_(a, logic.not_(context.opposite(b)))
            return logic.or_(first, logic.and_(logic.not_(context.opposite(a)), b))
        # For godel it is monotone in each of a and b, which way depends on the other: the extremes are at corners.
        corners = torch.stack([logic.xor(a, b), logic.xor(a, context.opposite(b))])
        return torch.stack([corners.amin((0, 1)), corners.amax((0, 1))])

    left, right = compiler.value(node.left), compiler.value(node.right)
    return joined(compiler, left, right, xor, lambda logic, a, b: logic.xor(a, b))


def junction(compiler: Compiler, node: And | Or) -> Register:
    """φ ∧ ψ ∧ … or φ ∨ ψ ∨ …, which rise with each operand: bounds need nothing."""
    return fold(compiler, node.operands, isinstance(node, Or))


def fold(compiler: Compiler, operands: Sequence[Node], universal: bool) -> Register:
    """Return the conjunction (`universal`: the disjunction) of the operands; unless as written, small tables first."""
    guards: list[Node] = []
    if compiler.as_written:
        parts = [compiler.value(o) for o in operands]
    else:
        parts, guards = _guarded_parts(compiler, operands, universal)
        parts.sort(key=lambda p: len(p[1]))
    done = parts[0]
    for part in parts[1:]:
        done = join(compiler, done, part, universal)
    for guard in guards:
        done = _fill_diagonal(compiler, done, tuple(sorted(guard.free)), universal)
    return done


def join(compiler: Compiler, a: Register, b: Register, universal: bool) -> Register:
    """Return a ∧ b (`universal`: a ∨ b)."""
    if universal:
        return joined(
            compiler, a, b, lambda context, x, y: context.logic.or_(x, y), lambda logic, x, y: logic.or_(x, y)
        )
    return joined(compiler, a, b, lambda context, x, y: context.logic.and_(x, y), lambda logic, x, y: logic.and_(x, y))


def joined(
    compiler: Compiler,
    a: Register,
    b: Register,
    both: Callable[[ExecutionContext, Tensor, Tensor], Tensor],
    arrays: Callable[[ArrayLogic, Array, Array], Array],
) -> Register:
    """Return what `both` (of tensors) or `arrays` makes of two tables, cell by cell, over the variables of both."""
    (sa, va), (sb, vb) = a, b
    vars = tuple(sorted({*va, *vb}))
    ia, ib = missing_axes(va, vars), missing_axes(vb, vars)
    xa, xb = array_axes(va, vars), array_axes(vb, vars)

    def joined_arrays(context: ArrayContext, r: ArrayRegisters) -> Array:
        x, y = r[sa], r[sb]
        return arrays(context.logic, x if xa is None else x[xa], y if xb is None else y[xb])

    return compiler.emit(
        vars, lambda context, r: both(context, expand_axes(r[sa], ia), expand_axes(r[sb], ib)), arrays=joined_arrays
    )


# --- guards: u ≠ v ∧ φ ---------------------------------------------------------------------------


def is_guard(node: Node, universal: bool) -> bool:
    """Tell whether a conjunct is u ≠ v (`universal`: a disjunct u = v) of two variables."""
    if not universal:
        if not isinstance(node, Not):
            return False
        node = node.body
    return isinstance(node, Same) and len(node.free) == 2


def _guarded_parts(compiler: Compiler, operands: Sequence[Node], universal: bool) -> tuple[list[Register], list[Node]]:
    """Return the tables of the operands, those guards that a table carries filled in, and the other guards."""
    guards = [o for o in operands if is_guard(o, universal)]
    tables = [o for o in operands if not is_guard(o, universal)]
    if not tables:
        return [compiler.value(o) for o in guards], []
    parts, left = [], list(guards)
    for node in tables:
        guard = next((g for g in guards if g.free == node.free), None)
        if guard is not None and isinstance(node, Atom) and len(node.terms) == 2:
            parts.append(_guarded_atom(compiler, node, universal))
            left = [g for g in left if g.free != guard.free]
        else:
            parts.append(compiler.value(node))
    return parts, left


def _guarded_atom(compiler: Compiler, atom: Atom, universal: bool) -> Register:
    """Return an atom with its diagonal filled: once for all atoms of the same table."""
    key = compiler.inputs[atom], universal
    if key not in compiler.filled:
        compiler.filled[key], _ = _fill_diagonal(compiler, (key[0], ("0", "1")), ("0", "1"), universal)
    return compiler.sorted_axes(compiler.filled[key], tuple(str(t) for t in atom.terms))


def _fill_diagonal(compiler: Compiler, done: Register, pair: Vars, universal: bool) -> Register:
    """``u ≠ v ∧ φ`` (``u = v ∨ φ``): for a hard u ≠ v the same in every logic."""
    slot, have = done
    vars = tuple(sorted({*have, *pair}))
    spread, diagonal = missing_axes(have, vars), missing_axes(pair, vars)
    wider = not set(pair) <= set(have)

    def fill(context: ExecutionContext, r: Registers) -> Tensor:
        x = expand_axes(r[slot], spread)
        if wider:
            x = x.expand(-1, *([context.size] * len(vars)))
        value = context.logic.top if universal else context.logic.bottom
        return x.masked_fill(expand_axes(context.eye(), diagonal), value)

    spread_array, diagonal_array = array_axes(have, vars), array_axes(pair, vars)

    def fill_array(context: ArrayContext, r: ArrayRegisters) -> Array:
        x, own = r[slot], context.eye()
        x, own = (
            (x if spread_array is None else x[spread_array]),
            (own if diagonal_array is None else own[diagonal_array]),
        )
        return np.where(own, context.logic.top if universal else context.logic.bottom, x)

    return compiler.emit(vars, fill, arrays=fill_array)


def _hard(logic: Logic, true: Tensor) -> Tensor:
    """Return the carrier values of booleans."""
    return torch.full(true.shape, logic.bottom, dtype=logic.dtype).masked_fill(true, logic.top)
