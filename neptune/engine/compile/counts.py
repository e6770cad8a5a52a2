"""Compilation of descriptions (iota, expectations) and of counts and their comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dsl.plan import Compare, Count, CountTrue, Description, ExpectationOver, Node, Number
from neptune.algebra import iota
from neptune.algebra.convert import into_unit
from neptune.engine.compile.counted import compare
from neptune.engine.compile.program import Frame, Operation, Registers, Vars, cells_of, full, see, view

if TYPE_CHECKING:
    from neptune.engine.compile.compiler import Compiler


def over(compiler: Compiler, node: Description | Count) -> tuple[int, Vars]:
    """Return the body of a description or count, with an axis for its variable, which comes last."""
    slot, have = compiler.truth(node.body)
    rest = tuple(v for v in have if v != node.var)
    vars = (*rest, node.var)
    if have == vars:
        return slot, have
    vacuous = node.var not in have
    order = None if vacuous else [0, *(1 + have.index(v) for v in vars)]

    def make(out: int) -> Operation:
        def turned(frame: Frame, r: Registers) -> None:
            x = r[slot]
            r[out] = x.permute(order) if order else x.unsqueeze(-1).expand(*x.shape, frame.size)

        return turned

    return compiler.emit(vars, make)


def counted(compiler: Compiler, node: Node) -> tuple[int, Vars]:
    """Return what a count or tally counts, over its free variables and one last axis."""
    if isinstance(node, Count):
        slot, vars = over(compiler, node)
        return slot, (*vars[:-1], "#")
    assert isinstance(node, CountTrue)
    parts = [compiler.truth(b) for b in node.bodies]
    free = tuple(sorted({v for _, vars in parts for v in vars}))
    views = [(slot, view(vars, free)) for slot, vars in parts]

    def make(out: int) -> Operation:
        def stacked(frame: Frame, r: Registers) -> None:
            rows = [see(r[slot], index) for slot, index in views]
            shape = (frame.batch, *([frame.size] * len(free)))
            none = torch.zeros(frame.batch, 0, dtype=frame.logic.dtype)
            r[out] = torch.stack([row.expand(shape) for row in rows], -1) if rows else none

        return stacked

    return compiler.emit((*free, "#"), make)


def expect(compiler: Compiler, node: ExpectationOver) -> tuple[int, Vars]:
    """Return an atom about a described object: Σ w·atom, w the softmax of the description."""
    described, weights_vars = over(compiler, node.description)
    atom, atom_vars = compiler.truth(node.body)
    rest = tuple(sorted({*weights_vars[:-1], *atom_vars} - {node.var}))
    if node.var not in atom_vars:
        return atom, atom_vars
    number = {v: 1 + i for i, v in enumerate((*rest, node.var))}
    at_atom = [number[v] for v in atom_vars]
    at_weights = [*(number[v] for v in weights_vars[:-1]), number[node.var]]
    at_out = [number[v] for v in rest]
    mask_index = view((node.var,), (*weights_vars[:-1], node.var))
    pick = node.pick
    known = compiler.chances.get(atom)

    def make(out: int) -> Operation:
        def expected(frame: Frame, r: Registers) -> None:
            logic, cells = frame.logic, full(r[described], frame.size)
            keep = None
            if frame.mask is not None:
                cells = cells.expand(frame.batch, *cells.shape[1:])
                keep = see(frame.mask, mask_index).expand(cells.shape)
            tau = 0.0 if pick else frame.parameters.iota_tau
            w = iota.weights(logic.to_logits(logic.ranks(cells) if pick else cells), keep, tau)
            p = (logic.to_probability(r[atom]) if known is None else r[known]).double()
            w = w.double()
            if len(w) == 1 and len(p) == 1:
                summed = torch.einsum(p[0], at_atom, w[0], at_weights, at_out).unsqueeze(0)
            else:
                p, w = (x.expand(frame.batch, *x.shape[1:]) for x in (p, w))
                summed = torch.einsum(p, [0, *at_atom], w, [0, *at_weights], [0, *at_out])
            r[out] = into_unit(summed.to(cells.dtype))

        return expected

    chance, _ = compiler.emit(rest, make)

    def make_internal(out: int) -> Operation:
        def internal(frame: Frame, r: Registers) -> None:
            r[out] = frame.logic.from_probability(r[chance])

        return internal

    made = compiler.emit(rest, make_internal)
    compiler.chances[made[0]] = chance
    return made


def comparison(compiler: Compiler, node: Compare) -> tuple[int, Vars]:
    """Return how true a comparison of two counts, or of a count with a number, is."""
    left = counted(compiler, node.left)
    right: tuple[int, Vars] | float
    right = node.right.value if isinstance(node.right, Number) else counted(compiler, node.right)
    (slot, have), op = left, node.op
    free = set(have[:-1])
    padded = (isinstance(node.left, Count), isinstance(node.right, Count))
    if not isinstance(right, float):
        free |= set(right[1][:-1])
    vars = tuple(sorted(free))

    def make(out: int) -> Operation:
        def compared(frame: Frame, r: Registers) -> None:
            a = cells_of(frame, r[slot], padded[0])
            b = right if isinstance(right, float) else (cells_of(frame, r[right[0]], padded[1]), right[1])
            r[out] = compare(frame.logic, op, (a, have), b, vars)

        return compared

    return compiler.emit(vars, make)
