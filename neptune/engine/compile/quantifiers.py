"""Rules of ∃ and ∀. Both rise with their body, so that bounds need nothing; a search finds each bound by itself."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache, cached

from dsl.plan import And, Exists, Forall, Node, Or, conjunction, disjunction
from dsl.rewrites.all_different import Block, block_of, collected_block
from dsl.rewrites.elimination import by_scope
from neptune.algebra.arrays import Array
from neptune.algebra.late import torch
from neptune.algebra.quantifiers import quantify
from neptune.engine.compile import program
from neptune.engine.compile.assignment import Search
from neptune.engine.compile.compiler import Compiler
from neptune.engine.compile.connectives import constant_of, fold, is_guard, join, junction
from neptune.engine.compile.kernels import contract
from neptune.engine.compile.relaxation import steps_of

if TYPE_CHECKING:
    from torch import Tensor

JOINT_CELLS = 1 << 16
"""A joint table of arrays of at most so many cells is made whole."""
BATCH_CELLS = 1 << 18
"""So many of a batch at once: 1 MB in float32."""


def quantified(compiler: Compiler, node: Exists | Forall) -> program.Register:
    """∃x φ or ∀x φ."""
    kind, universal = type(node), isinstance(node, Forall)
    if compiler.empty:
        return constant_of(compiler, float(universal))
    if compiler.searched:
        if compiler.as_written:
            search = search_of(node)
        else:
            block = block_of(node)
            search = None if block is None else searching(block)
        if search is not None:
            return _searched(compiler, search)
    if compiler.as_written or not compiler.searched:
        return reduce(compiler, compiler.value(node.body), [node.var], universal)
    vars: list[str] = []
    body: Node = node
    while isinstance(body, kind) and not compiler.is_compiled(body):
        vars.append(body.var)
        body = body.body
    if isinstance(body, Or if universal else And) and not compiler.is_compiled(body):
        groups = by_scope(body.operands)
        if len(groups) == 2 and not any(is_guard(g[0], universal) for g in groups if len(g) == 1):
            a, b = (fold(compiler, g, universal) for g in groups)
            return _contract(compiler, a, b, vars, universal)
    return reduce(compiler, compiler.value(body), vars, universal)


def reduce(compiler: Compiler, body: program.Register, gone: Sequence[str], universal: bool) -> program.Register:
    """Return ∃ (`universal`: ∀) over the variables `gone` of a register."""
    slot, have = body
    gone = [v for v in have if v in gone]
    if not gone:
        return body
    vars = tuple(v for v in have if v not in gone)
    dims = [1 + have.index(v) for v in gone]
    masks = [(v, program.missing_axes((v,), have)) for v in gone]

    def run(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        x, logic = r[slot], context.logic
        keep = program.mask(context, masks)
        if keep is not None and len(x) < context.batch:
            x = program.all_rows(x, context.batch)
        if isinstance(context.tau, float) and context.tau == 0.0:
            return logic.forall(x, dims, keep) if universal else logic.exists(x, dims, keep)
        return quantify(logic, x, dims, keep, context.tau, "max", universal)

    extreme, axes = (np.minimum if universal else np.maximum), tuple(dims)
    indices = [program.array_axes((v,), have) or () for v in gone]

    def arrays(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        x = context.kept(r[slot], indices, context.logic.top if universal else context.logic.bottom)
        found: Array = extreme.reduce(x, axis=axes)
        return found

    return compiler.emit(vars, run, arrays=arrays)


def _contract(
    compiler: Compiler, a: program.Register, b: program.Register, gone: Sequence[str], universal: bool
) -> program.Register:
    """Join and reduce at once; what only one operand mentions is reduced beforehand."""
    a = reduce(compiler, a, [v for v in gone if v not in b[1]], universal)
    b = reduce(compiler, b, [v for v in gone if v not in a[1]], universal)
    (sa, va), (sb, vb) = a, b
    shared = [v for v in gone if v in va and v in vb]
    if not shared:
        return join(compiler, a, b, universal)
    both = [v for v in va if v in vb and v not in shared]
    rows, columns = [v for v in va if v not in vb], [v for v in vb if v not in va]
    order_a = [0, *(1 + va.index(v) for v in (*both, *rows, *shared))]
    order_b = [0, *(1 + vb.index(v) for v in (*both, *columns, *shared))]
    made = (*both, *rows, *columns)
    vars: program.Vars = tuple(sorted(made))
    order_out = [0, *(1 + made.index(v) for v in vars)]
    masks = [(v, program.missing_axes((v,), (*both, *rows, *shared))) for v in shared]
    counts = len(both), len(rows), len(columns)

    def product(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        logic, n = context.logic, context.size
        x, y = r[sa].permute(order_a), r[sb].permute(order_b)
        keep = program.mask(context, masks)
        if keep is not None:  # Enough on one side: false ∧ φ is false.
            x = program.all_rows(x, context.batch).masked_fill(~keep, logic.top if universal else logic.bottom)
        x, y = program.full(x, n), program.full(y, n)
        k, i, j = (n**c for c in counts)
        batch = max(len(x), len(y))
        if len(x) != len(y) and k > 1:
            x, y = program.all_rows(x, batch), program.all_rows(y, batch)
        cells = contract(logic, x.reshape(len(x) * k, i, -1), y.reshape(len(y) * k, j, -1), universal)
        return cells.reshape(batch, *([n] * len(made))).permute(order_out)

    view_a, view_b = program.array_view(va, (*vars, *shared)), program.array_view(vb, (*vars, *shared))
    extreme = np.minimum if universal else np.maximum
    last = tuple(range(-len(shared), 0))
    indices = [program.array_axes((v,), (*vars, *shared)) or () for v in shared]

    def arrays(context: program.ArrayContext, r: program.ArrayRegisters) -> Array:
        cells = context.size ** (len(vars) + len(shared))
        if cells > JOINT_CELLS:
            return context.by_tensors(product, r)
        x, y = view_a(r[sa]), view_b(r[sb])
        x = context.kept(x, indices, context.logic.top if universal else context.logic.bottom)
        join = context.logic.or_ if universal else context.logic.and_
        rows, step = max(len(x), len(y)), BATCH_CELLS // cells
        if rows <= step:
            found: Array = extreme.reduce(join(x, y), axis=last)
            return found
        return np.concatenate(
            [
                extreme.reduce(join(*(p if len(p) == 1 else p[at : at + step] for p in (x, y))), axis=last)
                for at in range(0, rows, step)
            ]
        )

    return compiler.emit(vars, product, arrays=arrays)


# --- blocks of variables that must all differ ----------------------------------------------------


def _searched(compiler: Compiler, search: Search) -> program.Register:
    """A block of distinct variables, by relaxing, checking and branching. The best distinct objects at the lower bounds
    of the factors give the lower bound of the block, and those at the upper bounds the upper one."""
    block = search.block
    gather = disjunction if block.universal else conjunction
    parts = [
        compiler.value(gather(group)) if group else constant_of(compiler, 1.0 - float(block.universal))
        for group in block.groups
    ]
    places = [
        (slot, program.missing_axes(vars, scope)) for (slot, vars), scope in zip(parts, block.scopes, strict=True)
    ]
    compiler.program.searches.append(len(search.names))
    compiler.program.axes = max(compiler.program.axes, search.program.axes)

    def run(context: program.ExecutionContext, r: program.Registers) -> Tensor:
        tables = [program.full(program.expand_axes(r[slot], index), context.size) for slot, index in places]
        if not context.is_open(*tables):
            return search.run(context, tables)
        low, high = ([t[end : end + 1] if len(t) > 1 else t for t in tables] for end in (0, 1))
        return torch.cat([search.bound(context, low, upper=False), search.bound(context, high, upper=True)])

    return compiler.emit(block.free, run)


def searching(block: Block) -> Search:
    """Return the search for a block, its relaxation compiled."""
    compiler = Compiler({And: junction, Exists: quantified}, as_written=False, searched=True)
    compiled = compiler.finish(block.atoms(), [block.relaxed])
    return Search(block, compiled, list(steps_of(block.relaxed, compiler.value)))


@cached(LRUCache(20_000), lock=Lock())
def search_of(node: Node) -> Search | None:
    """Return the search for the block of distinct variables that a formula starts with, its variables by the names
    that they have there, from the cache if it is there; ``None`` if it starts with none."""
    block = collected_block(node)
    return None if block is None else searching(block)
