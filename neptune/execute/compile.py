"""Compilation: a rewritten plan becomes a flat list of tensor operations on raw numbers.

Everything that depends on the formula alone is decided here, once for each shape of program: the order of the axes,
which views are needed, which quantifier takes part in which join. What is left to run is one closure for each tensor
operation. A batch of scenes is one more axis, the first; a mask says which objects a scene has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dsl.elimination import by_scope
from dsl.plan import (
    And,
    Compare,
    Const,
    Count,
    Exists,
    Expect,
    Forall,
    Iota,
    Leaf,
    Node,
    Not,
    Number,
    Or,
    Same,
    Tally,
    Xor,
)
from neptune.algebra import Logic, LogicParameters, iota
from neptune.algebra.convert import into_unit
from neptune.algebra.quantifiers import quantify
from neptune.execute.counted import compare
from neptune.execute.kernels import contract

Vars = tuple[str, ...]
Index = tuple[int, ...]
BATCH = " batch"
"""The name of the first axis of every table; no variable is called so."""


class Frame:
    """One execution: what operations may look at beside their operands.

    Parameters
    ----------
    logic, parameters
        The t-norm and the temperatures.
    batch, size
        B scenes of at most N objects.
    mask
        Booleans ``(B, N)``, False where a scene has fewer objects; ``None`` where all have N.
    objects
        ``(B, K)`` int64: the given objects that the plan's terms 0 … K-1 stand for.
    """

    __slots__ = ("_eyes", "batch", "logic", "mask", "objects", "parameters", "size", "tau")

    def __init__(
        self,
        logic: Logic,
        parameters: LogicParameters,
        batch: int,
        size: int,
        mask: Tensor | None,
        objects: Tensor,
    ) -> None:
        self.logic, self.parameters, self.batch, self.size = logic, parameters, batch, size
        self.mask, self.objects, self.tau = mask, objects, parameters.quantifier_tau
        self._eyes: Tensor | None = None

    def eye(self) -> Tensor:
        """Return where two objects are the same: booleans ``(1, N, N)``."""
        if self._eyes is None:
            self._eyes = _eye(self.size)
        return self._eyes


_eyes: dict[int, Tensor] = {}


def _eye(size: int) -> Tensor:
    if size not in _eyes:
        if len(_eyes) > 256:
            _eyes.clear()
        _eyes[size] = torch.eye(size, dtype=torch.bool).unsqueeze(0)
    return _eyes[size]


Registers = list[Any]
Operation = Callable[[Frame, Registers], None]


@dataclass
class Code:
    """A compiled plan.

    Parameters
    ----------
    leaves
        The atoms whose tables are its inputs: table k, over the batch and the atom's variables in order, goes to
        register k.
    operations
        Run in order.
    outputs
        Registers of the results, with the variables of each.
    chances
        For an outcome that is an expectation, the register of its probability: what it is before it becomes an
        internal number.
    axes
        The number of variables of the largest table held.
    """

    leaves: list[Leaf] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    outputs: list[tuple[int, Vars]] = field(default_factory=list)
    chances: list[int | None] = field(default_factory=list)
    registers: int = 0
    axes: int = 0

    def peak_cells(self, size: int, batch: int = 1) -> int:
        """Return the cells of the largest table held, known before anything is run."""
        return int(batch * size**self.axes)

    def _execute(self, frame: Frame, inputs: Sequence[Tensor]) -> Registers:
        values: Registers = [*inputs, *([None] * (self.registers - len(inputs)))]
        for operation in self.operations:
            operation(frame, values)
        return values

    def run(self, frame: Frame, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs, each ``(B, N, …)``, as internal numbers of the logic (counts: int64)."""
        values = self._execute(frame, inputs)
        return [_whole(values[slot], frame) for slot, _ in self.outputs]

    def run_chances(self, frame: Frame, inputs: Sequence[Tensor]) -> list[tuple[Tensor, bool]]:
        """Return each output, and whether it is a probability (else an internal number)."""
        values = self._execute(frame, inputs)
        return [
            (_whole(values[slot if chance is None else chance], frame), chance is not None)
            for (slot, _), chance in zip(self.outputs, self.chances, strict=True)
        ]


def _whole(x: Tensor, frame: Frame) -> Tensor:
    return x if len(x) == frame.batch else x.expand(frame.batch, *x.shape[1:])


def view(have: Vars, want: Vars) -> Index:
    """Return where to insert axes of length 1 so that a table over `have` (a subsequence) fits the axes `want`."""
    return tuple(1 + i for i, v in enumerate(want) if v not in have)


def _see(x: Tensor, index: Index) -> Tensor:
    for axis in index:
        x = x.unsqueeze(axis)
    return x


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
        self._chances: dict[int, int] = {}

    def finish(self, leaves: Sequence[Leaf], outputs: Sequence[Node]) -> Code:
        """Return the code that computes the outputs from the leaves (all atoms that occur in them)."""
        self.code.leaves = list(leaves)
        self.code.registers = len(leaves)
        for slot, leaf in enumerate(leaves):
            self._leaf(slot, leaf)
        self.code.outputs = [self.output(node) for node in outputs]
        self.code.chances = [self._chances.get(slot) for slot, _ in self.code.outputs]
        return self.code

    def output(self, node: Node) -> tuple[int, Vars]:
        """Return the register and variables of an output: a truth, or the cells that a count counts."""
        return self.counted(node) if isinstance(node, Count | Tally) else self.truth(node)

    def emit(self, vars: Vars, make: Callable[[int], Operation]) -> tuple[int, Vars]:
        """Add an operation that fills a new register over these variables."""
        slot = self.code.registers
        self.code.registers += 1
        self.code.operations.append(make(slot))
        self.code.axes = max(self.code.axes, len(vars))
        return slot, vars

    def _leaf(self, slot: int, leaf: Leaf) -> None:
        have = tuple(t for t in leaf.terms if isinstance(t, str))
        want = tuple(sorted(have))
        self.code.axes = max(self.code.axes, len(have))
        if have == want:
            self._memo[leaf] = slot, have
            return
        order = [0, *(1 + have.index(v) for v in want)]

        def make(out: int) -> Operation:
            def turn(frame: Frame, r: Registers) -> None:
                r[out] = r[slot].permute(order)

            return turn

        self._memo[leaf] = self.emit(want, make)

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
            case Expect():
                return self._expect(node)
            case Compare():
                return self._compare(node)
        raise TypeError(f"{type(node).__name__} is no truth of a compiled plan")

    def _const(self, value: float) -> tuple[int, Vars]:
        def make(out: int) -> Operation:
            def constant(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.from_probability(torch.full((1,), value))

            return constant

        return self.emit((), make)

    def _same(self, node: Same) -> tuple[int, Vars]:
        a, b = node.terms
        if isinstance(a, str) and isinstance(b, str):
            vars: Vars = tuple(sorted((a, b)))

            def make(out: int) -> Operation:
                def same(frame: Frame, r: Registers) -> None:
                    eye = frame.eye()
                    crisp = torch.full(eye.shape, frame.logic.bottom)
                    r[out] = crisp.masked_fill(eye, frame.logic.top)

                return same

            return self.emit(vars, make)
        var, k = (a, b) if isinstance(a, str) else (b, a)
        assert isinstance(var, str)
        assert isinstance(k, int)

        def make_one(out: int) -> Operation:
            def one(frame: Frame, r: Registers) -> None:
                hit = frame.objects[:, k : k + 1] == torch.arange(frame.size)
                r[out] = torch.full(hit.shape, frame.logic.bottom).masked_fill(hit, frame.logic.top)

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
        parts = sorted(
            (self.truth(o) for o in operands if not _is_guard(o, universal)), key=lambda p: len(p[1])
        )
        if not parts:
            parts, guards = [self.truth(o) for o in guards], []
        done = parts[0]
        for part in parts[1:]:
            done = self._join(done, part, universal)
        for guard in guards:
            done = self._guard(done, tuple(sorted(guard.free)), universal)
        return done

    def _join(self, a: tuple[int, Vars], b: tuple[int, Vars], universal: bool) -> tuple[int, Vars]:
        (sa, va), (sb, vb) = a, b
        vars = tuple(sorted({*va, *vb}))
        ia, ib = view(va, vars), view(vb, vars)

        def make(out: int) -> Operation:
            def both(frame: Frame, r: Registers) -> None:
                join = frame.logic.or_ if universal else frame.logic.and_
                r[out] = join(_see(r[sa], ia), _see(r[sb], ib))

            return both

        return self.emit(vars, make)

    def _guard(self, done: tuple[int, Vars], pair: Vars, universal: bool) -> tuple[int, Vars]:
        """``u ≠ v ∧ φ`` (``u = v ∨ φ``): fill the diagonal; for crisp u ≠ v the same in every logic."""
        slot, have = done
        vars = tuple(sorted({*have, *pair}))
        spread, diagonal = view(have, vars), view(pair, vars)

        def make(out: int) -> Operation:
            def fill(frame: Frame, r: Registers) -> None:
                x = _see(r[slot], spread)
                if len(pair) > len(set(pair) & set(have)):
                    x = x.expand(-1, *([frame.size] * len(vars)))
                value = frame.logic.top if universal else frame.logic.bottom
                r[out] = x.masked_fill(_see(frame.eye(), diagonal), value)

            return fill

        return self.emit(vars, make)

    def _xor(self, node: Xor) -> tuple[int, Vars]:
        (sa, va), (sb, vb) = self.truth(node.left), self.truth(node.right)
        vars = tuple(sorted({*va, *vb}))
        ia, ib = view(va, vars), view(vb, vars)

        def make(out: int) -> Operation:
            def xor(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.xor(_see(r[sa], ia), _see(r[sb], ib))

            return xor

        return self.emit(vars, make)

    # --- quantifiers -----------------------------------------------------------------------------

    def _quantified(self, node: Exists | Forall) -> tuple[int, Vars]:
        kind = type(node)
        if not self.crisp:
            return self.reduce(self.truth(node.body), [node.var], kind is Forall)
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

    def reduce(self, body: tuple[int, Vars], gone: Sequence[str], universal: bool) -> tuple[int, Vars]:
        """Return ∃ (`universal`: ∀) over the variables `gone` of a register."""
        slot, have = body
        gone = [v for v in have if v in gone]
        if not gone:
            return body
        vars = tuple(v for v in have if v not in gone)
        dims = [1 + have.index(v) for v in gone]
        masks = [view((v,), have) for v in gone]

        def make(out: int) -> Operation:
            def quantified(frame: Frame, r: Registers) -> None:
                x, logic = r[slot], frame.logic
                mask = _mask(frame, masks)
                if mask is not None and len(x) < frame.batch:
                    x = x.expand(frame.batch, *x.shape[1:])
                if isinstance(frame.tau, float) and frame.tau == 0.0:
                    r[out] = logic.forall(x, dims, mask) if universal else logic.exists(x, dims, mask)
                else:
                    r[out] = quantify(logic, x, dims, mask, frame.tau, "max", universal)

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
        masks = [view((v,), (*both, *rows, *shared)) for v in shared]
        counts = len(both), len(rows), len(columns)

        def make(out: int) -> Operation:
            def product(frame: Frame, r: Registers) -> None:
                x, y, n = r[sa].permute(order_a), r[sb].permute(order_b), frame.size
                mask = _mask(frame, masks)
                if mask is not None:  # Enough on one side: false ∧ φ is false.
                    x = x.expand(frame.batch, *x.shape[1:])
                    x = x.masked_fill(~mask, frame.logic.top if universal else frame.logic.bottom)
                x, y = _full(x, n), _full(y, n)
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

    # --- descriptions and counts -----------------------------------------------------------------

    def over(self, node: Iota | Count) -> tuple[int, Vars]:
        """Return the body of a description or count, with an axis for its variable, which comes last."""
        slot, have = self.truth(node.body)
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

        return self.emit(vars, make)

    def counted(self, node: Node) -> tuple[int, Vars]:
        """Return what a count or tally counts, over its free variables and one last axis."""
        if isinstance(node, Count):
            slot, vars = self.over(node)
            return slot, (*vars[:-1], "#")
        assert isinstance(node, Tally)
        parts = [self.truth(b) for b in node.bodies]
        free = tuple(sorted({v for _, vars in parts for v in vars}))
        views = [(slot, view(vars, free)) for slot, vars in parts]

        def make(out: int) -> Operation:
            def stacked(frame: Frame, r: Registers) -> None:
                rows = [_see(r[slot], index) for slot, index in views]
                shape = (frame.batch, *([frame.size] * len(free)))
                r[out] = (
                    torch.stack([row.expand(shape) for row in rows], -1)
                    if rows
                    else torch.zeros(frame.batch, 0)
                )

            return stacked

        return self.emit((*free, "#"), make)

    def _expect(self, node: Expect) -> tuple[int, Vars]:
        described, weights_vars = self.over(node.iota)
        atom, atom_vars = self.truth(node.body)
        rest = tuple(sorted({*weights_vars[:-1], *atom_vars} - {node.var}))
        if node.var not in atom_vars:
            return atom, atom_vars
        number = {v: 1 + i for i, v in enumerate((*rest, node.var))}
        at_atom = [number[v] for v in atom_vars]
        at_weights = [*(number[v] for v in weights_vars[:-1]), number[node.var]]
        at_out = [number[v] for v in rest]
        mask_index = view((node.var,), (*weights_vars[:-1], node.var))
        pick = node.pick
        known = self._chances.get(atom)

        def make(out: int) -> Operation:
            def expected(frame: Frame, r: Registers) -> None:
                logic, cells = frame.logic, _full(r[described], frame.size)
                keep = None
                if frame.mask is not None:
                    cells = cells.expand(frame.batch, *cells.shape[1:])
                    keep = _see(frame.mask, mask_index).expand(cells.shape)
                tau = 0.0 if pick else frame.parameters.iota_tau
                w = iota.weights(logic.to_logits(cells), keep, tau)
                p = (logic.to_probability(r[atom]) if known is None else r[known]).double()
                w = w.double()
                if len(w) == 1 and len(p) == 1:
                    summed = torch.einsum(p[0], at_atom, w[0], at_weights, at_out).unsqueeze(0)
                else:
                    p, w = (x.expand(frame.batch, *x.shape[1:]) for x in (p, w))
                    summed = torch.einsum(p, [0, *at_atom], w, [0, *at_weights], [0, *at_out])
                r[out] = into_unit(summed.to(cells.dtype))

            return expected

        chance, _ = self.emit(rest, make)

        def make_internal(out: int) -> Operation:
            def internal(frame: Frame, r: Registers) -> None:
                r[out] = frame.logic.from_probability(r[chance])

            return internal

        made = self.emit(rest, make_internal)
        self._chances[made[0]] = chance
        return made

    def _compare(self, node: Compare) -> tuple[int, Vars]:
        left = self.counted(node.left)
        right: tuple[int, Vars] | float
        right = node.right.value if isinstance(node.right, Number) else self.counted(node.right)
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

        return self.emit(vars, make)


def cells_of(frame: Frame, x: Tensor, objects: bool) -> Tensor:
    """Return the cells that a count counts, ``(B, …, N)``: padding never counts."""
    x = _full(x, frame.size) if objects else x
    if frame.mask is None or not objects:
        return x
    index = (slice(None), *([None] * (x.dim() - 2)), slice(None))
    return x.expand(frame.batch, *x.shape[1:]).masked_fill(~frame.mask[index], frame.logic.bottom)


def _full(x: Tensor, size: int) -> Tensor:
    """Return the table with axes of full length (an atom that misses a variable was spread by length 1)."""
    return x if all(n == size for n in x.shape[1:]) else x.expand(-1, *([size] * (x.dim() - 1)))


def _mask(frame: Frame, indices: Sequence[Index]) -> Tensor | None:
    if frame.mask is None:
        return None
    out: Tensor | None = None
    for index in indices:
        one = _see(frame.mask, index)
        out = one if out is None else out & one
    return out


def _is_guard(node: Node, universal: bool) -> bool:
    if not universal:
        if not isinstance(node, Not):
            return False
        node = node.body
    return isinstance(node, Same) and len(node.free) == 2
