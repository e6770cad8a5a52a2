"""Compilation: a rewritten plan becomes a flat list of tensor operations on raw numbers.

Everything that depends on the formula alone is decided here, once for each shape of program: the order of the axes,
which views are needed, which quantifier takes part in which join. What is left to run is one closure for each tensor
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dsl.plan import (
    And,
    Atom,
    Compare,
    Const,
    Count,
    CountTrue,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    Same,
    Xor,
)
from dsl.rewrites.all_different import Block, block_of
from dsl.rewrites.elimination import by_scope
from neptune.algebra import Logic
from neptune.algebra.quantifiers import quantify
from neptune.engine.compile.assignment import Search
from neptune.engine.compile.counts import comparison, counted, expect
from neptune.engine.compile.kernels import contract
from neptune.engine.compile.program import (
    Code,
    Frame,
    Operation,
    Registers,
    Vars,
    cells_of,
    full,
    mask,
    see,
    view,
)
from neptune.engine.compile.relaxation import steps_of

__all__ = ["Code", "Compiler", "Frame", "cells_of"]


class Compiler:
    """Compiles the outputs of one plan; nodes that outputs share are computed once.

    Parameters
    ----------
    crisp
        Quantifiers are max and min; else (a temperature) each runs alone, on the dense table of its body.
    """

    def __init__(self, crisp: bool = True) -> None:
        self.crisp = crisp
        self.code = Code()
        self._memo: dict[Node, tuple[int, Vars]] = {}
        self._raw: dict[Atom, int] = {}
        self._filled: dict[tuple[int, bool], int] = {}
        self.chances: dict[int, int] = {}

    def finish(self, leaves: Sequence[Atom], outputs: Sequence[Node]) -> Code:
        """Return the code that computes the outputs from the leaves (all atoms that occur in them)."""
        # One input for all atoms that differ in the names of variables only.
        tables: dict[tuple[Any, ...], list[Atom]] = {}
        for leaf in leaves:
            key = leaf.predicate, tuple(t if isinstance(t, int) else None for t in leaf.terms)
            tables.setdefault(key, []).append(leaf)
        self.code.leaves = [named[0] for named in tables.values()]
        self.code.registers = len(tables)
        for slot, named in enumerate(tables.values()):
            for leaf in named:
                self._raw[leaf] = slot
                self._memo[leaf] = self._leaf(slot, leaf)
        self.code.outputs = [self.output(node) for node in outputs]
        self.code.chances = [self.chances.get(slot) for slot, _ in self.code.outputs]
        return self.code

    def output(self, node: Node) -> tuple[int, Vars]:
        """Return the register and variables of an output: a truth, or the cells that a count counts."""
        return counted(self, node) if isinstance(node, Count | CountTrue) else self.truth(node)

    def emit(self, vars: Vars, make: Callable[[int], Operation]) -> tuple[int, Vars]:
        """Add an operation that fills a new register over these variables."""
        slot = self.code.registers
        self.code.registers += 1
        self.code.operations.append(make(slot))
        self.code.axes = max(self.code.axes, len(vars))
        return slot, vars

    def _leaf(self, slot: int, leaf: Atom) -> tuple[int, Vars]:
        """Return the table of an atom in register `slot`, its axes in the order of its variables' names."""
        have = tuple(t for t in leaf.terms if isinstance(t, str))
        want = tuple(sorted(have))
        self.code.axes = max(self.code.axes, len(have))
        if have == want:
            return slot, have
        order = [0, *(1 + have.index(v) for v in want)]

        def make(out: int) -> Operation:
            def turn(frame: Frame, r: Registers) -> None:
                r[out] = r[slot].permute(order)

            return turn

        return self.emit(want, make)

    def truth(self, node: Node) -> tuple[int, Vars]:
        """Return the register and variables of a formula."""
        found = self._memo.get(node)
        if found is None:
            found = self._memo[node] = self._truth(node)
        return found

    def _truth(self, node: Node) -> tuple[int, Vars]:
        match node:
            case Const():
                return self._const(node.value)
            case Same():
                return self._same(node)
            case Not():
                return self._not(node)
            case And() | Or():
                return self.fold(node.operands, isinstance(node, Or))
            case Xor():
                return self._xor(node)
            case Exists() | Forall():
                return self._quantified(node)
            case ExpectationOver():
                return expect(self, node)
            case Compare():
                return comparison(self, node)
        raise TypeError(f"{type(node).__name__} is no truth of a compiled plan")

    def _const(self, value: float) -> tuple[int, Vars]:
        def make(out: int) -> Operation:
            def constant(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.from_probability(torch.full((1,), value, dtype=frame.logic.dtype))

            return constant

        return self.emit((), make)

    def _same(self, node: Same) -> tuple[int, Vars]:
        a, b = node.terms
        if isinstance(a, str) and isinstance(b, str):
            vars: Vars = tuple(sorted((a, b)))

            def make(out: int) -> Operation:
                def same(frame: Frame, r: Registers) -> None:
                    eye = frame.eye()
                    r[out] = _crisp(frame.logic, eye)

                return same

            return self.emit(vars, make)
        var, k = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(var, str)
        assert isinstance(k, int)

        def make_one(out: int) -> Operation:
            def one(frame: Frame, r: Registers) -> None:
                hit = frame.objects[:, k : k + 1] == torch.arange(frame.size)
                r[out] = _crisp(frame.logic, hit)

            return one

        return self.emit((var,), make_one)

    def _not(self, node: Not) -> tuple[int, Vars]:
        slot, vars = self.truth(node.body)

        def make(out: int) -> Operation:
            def negate(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.not_(r[slot])

            return negate

        return self.emit(vars, make)

    # --- connectives -----------------------------------------------------------------------------

    def fold(self, operands: Sequence[Node], universal: bool) -> tuple[int, Vars]:
        """Return the conjunction (`universal`: the disjunction) of the operands, small tables first."""
        guards = [o for o in operands if _is_guard(o, universal)]
        tables = [o for o in operands if not _is_guard(o, universal)]
        if not tables:
            tables, guards = guards, []
        parts, left = [], list(guards)
        for node in tables:
            guard = next((g for g in guards if g.free == node.free), None)
            if guard is not None and isinstance(node, Atom) and len(node.terms) == 2:
                parts.append(self._guarded_leaf(node, universal))
                left = [g for g in left if g.free != guard.free]
            else:
                parts.append(self.truth(node))
        parts.sort(key=lambda p: len(p[1]))
        done = parts[0]
        for part in parts[1:]:
            done = self._join(done, part, universal)
        for guard in left:
            done = self._guard(done, tuple(sorted(guard.free)), universal)
        return done

    def _guarded_leaf(self, leaf: Atom, universal: bool) -> tuple[int, Vars]:
        """Return an atom with its diagonal filled: once for all atoms of the same table."""
        key = self._raw[leaf], universal
        if key not in self._filled:
            self._filled[key], _ = self._guard((key[0], ("0", "1")), ("0", "1"), universal)
        return self._leaf(self._filled[key], leaf)

    def _join(self, a: tuple[int, Vars], b: tuple[int, Vars], universal: bool) -> tuple[int, Vars]:
        (sa, va), (sb, vb) = a, b
        vars = tuple(sorted({*va, *vb}))
        ia, ib = view(va, vars), view(vb, vars)

        def make(out: int) -> Operation:
            def both(frame: Frame, r: Registers) -> None:
                join = frame.logic.or_ if universal else frame.logic.and_
                r[out] = join(see(r[sa], ia), see(r[sb], ib))

            return both

        return self.emit(vars, make)

    def _guard(self, done: tuple[int, Vars], pair: Vars, universal: bool) -> tuple[int, Vars]:
        """``u ≠ v ∧ φ`` (``u = v ∨ φ``): fill the diagonal; for crisp u ≠ v the same in every logic."""
        slot, have = done
        vars = tuple(sorted({*have, *pair}))
        spread, diagonal = view(have, vars), view(pair, vars)

        def make(out: int) -> Operation:
            def fill(frame: Frame, r: Registers) -> None:
                x = see(r[slot], spread)
                if len(pair) > len(set(pair) & set(have)):
                    x = x.expand(-1, *([frame.size] * len(vars)))
                value = frame.logic.top if universal else frame.logic.bottom
                r[out] = x.masked_fill(see(frame.eye(), diagonal), value)

            return fill

        return self.emit(vars, make)

    def _xor(self, node: Xor) -> tuple[int, Vars]:
        (sa, va), (sb, vb) = self.truth(node.left), self.truth(node.right)
        vars = tuple(sorted({*va, *vb}))
        ia, ib = view(va, vars), view(vb, vars)

        def make(out: int) -> Operation:
            def xor(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.xor(see(r[sa], ia), see(r[sb], ib))

            return xor

        return self.emit(vars, make)

    # --- quantifiers -----------------------------------------------------------------------------

    def _quantified(self, node: Exists | Forall) -> tuple[int, Vars]:
        kind = type(node)
        if not self.crisp:
            return self.reduce(self.truth(node.body), [node.var], kind is Forall)
        block = block_of(node)
        if block is not None:
            return self._searched(block)
        vars: list[str] = []
        body: Node = node
        while isinstance(body, kind) and body not in self._memo:
            vars.append(body.var)
            body = body.body
        universal = kind is Forall
        connective = Or if universal else And
        if isinstance(body, connective) and body not in self._memo:
            groups = by_scope(body.operands)
            if len(groups) == 2 and not any(_is_guard(g[0], universal) for g in groups if len(g) == 1):
                a, b = (self.fold(g, universal) for g in groups)
                return self._contract(a, b, vars, universal)
        return self.reduce(self.truth(body), vars, universal)

    def _searched(self, block: Block) -> tuple[int, Vars]:
        """Return a block of distinct variables, by relaxing, checking and branching."""
        parts = [
            self.fold(group, block.universal) if group else self._const(1.0 - float(block.universal))
            for group in block.groups
        ]
        views = [(slot, view(vars, scope)) for (slot, vars), scope in zip(parts, block.scopes, strict=True)]
        search = searching(block)
        self.code.searches.append(len(search.names))
        self.code.axes = max(self.code.axes, search.code.axes)

        def make(out: int) -> Operation:
            def searched(frame: Frame, r: Registers) -> None:
                r[out] = search.run(frame, [full(see(r[slot], index), frame.size) for slot, index in views])

            return searched

        return self.emit(block.free, make)

    def reduce(self, body: tuple[int, Vars], gone: Sequence[str], universal: bool) -> tuple[int, Vars]:
        """Return ∃ (`universal`: ∀) over the variables `gone` of a register."""
        slot, have = body
        gone = [v for v in have if v in gone]
        if not gone:
            return body
        vars = tuple(v for v in have if v not in gone)
        dims = [1 + have.index(v) for v in gone]
        masks = [(v, view((v,), have)) for v in gone]

        def make(out: int) -> Operation:
            def quantified(frame: Frame, r: Registers) -> None:
                x, logic = r[slot], frame.logic
                keep = mask(frame, masks)
                if keep is not None and len(x) < frame.batch:
                    x = x.expand(frame.batch, *x.shape[1:])
                if isinstance(frame.tau, float) and frame.tau == 0.0:
                    r[out] = logic.forall(x, dims, keep) if universal else logic.exists(x, dims, keep)
                else:
                    r[out] = quantify(logic, x, dims, keep, frame.tau, "max", universal)

            return quantified

        return self.emit(vars, make)

    def _contract(
        self, a: tuple[int, Vars], b: tuple[int, Vars], gone: Sequence[str], universal: bool
    ) -> tuple[int, Vars]:
        """Join and reduce at once; what only one operand mentions is reduced beforehand."""
        a = self.reduce(a, [v for v in gone if v not in b[1]], universal)
        b = self.reduce(b, [v for v in gone if v not in a[1]], universal)
        (sa, va), (sb, vb) = a, b
        shared = [v for v in gone if v in va and v in vb]
        if not shared:
            return self._join(a, b, universal)
        both = [v for v in va if v in vb and v not in shared]
        rows, columns = [v for v in va if v not in vb], [v for v in vb if v not in va]
        order_a = [0, *(1 + va.index(v) for v in (*both, *rows, *shared))]
        order_b = [0, *(1 + vb.index(v) for v in (*both, *columns, *shared))]
        made = (*both, *rows, *columns)
        vars: Vars = tuple(sorted(made))
        order_out = [0, *(1 + made.index(v) for v in vars)]
        masks = [(v, view((v,), (*both, *rows, *shared))) for v in shared]
        counts = len(both), len(rows), len(columns)

        def make(out: int) -> Operation:
            def product(frame: Frame, r: Registers) -> None:
                x, y, n = r[sa].permute(order_a), r[sb].permute(order_b), frame.size
                keep = mask(frame, masks)
                if keep is not None:  # Enough on one side: false ∧ φ is false.
                    x = x.expand(frame.batch, *x.shape[1:])
                    x = x.masked_fill(~keep, frame.logic.top if universal else frame.logic.bottom)
                x, y = full(x, n), full(y, n)
                k, i, j = (n**c for c in counts)
                if len(x) != len(y) and k > 1:
                    x, y = x.expand(frame.batch, *x.shape[1:]), y.expand(frame.batch, *y.shape[1:])
                out_batch = max(len(x), len(y))
                cells = contract(
                    frame.logic, x.reshape(len(x) * k, i, -1), y.reshape(len(y) * k, j, -1), universal
                )
                r[out] = cells.reshape(out_batch, *([n] * len(made))).permute(order_out)

            return product

        return self.emit(vars, make)


def searching(block: Block) -> Search:
    """Return the search for a block, its relaxation compiled."""
    compiler = Compiler()
    code = compiler.finish(block.atoms(), [block.relaxed])
    return Search(block, code, list(steps_of(block.relaxed, compiler.truth)))


def _crisp(logic: Logic, true: Tensor) -> Tensor:
    """Return the internal numbers of booleans."""
    return torch.full(true.shape, logic.bottom, dtype=logic.dtype).masked_fill(true, logic.top)


def _is_guard(node: Node, universal: bool) -> bool:
    if not universal:
        if not isinstance(node, Not):
            return False
        node = node.body
    return isinstance(node, Same) and len(node.free) == 2
