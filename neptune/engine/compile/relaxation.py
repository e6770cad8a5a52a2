"""What a search for distinct objects asks of one block's tables: bounds, where they are reached, the joint table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsl.plan import And, Exists, Node
from dsl.rewrites.all_different import Block
from neptune.algebra.late import torch
from neptune.engine.compile import program

if TYPE_CHECKING:
    from torch import Tensor

Domains = NDArray[np.bool_]
Step = tuple[program.Vars, tuple[program.Register, ...]]
"""One elimination: the variables that it reduces, and the registers of what it joins."""


class RelaxedBlock:
    """A block of ∃ without its inequations, compiled.

    Parameters
    ----------
    block
        The block.
    compiled
        Computes the relaxation from one table for each group.
    steps
        The eliminations of `compiled`, the last first.

    Attributes
    ----------
    names, place
        Its bound variables, outermost first, then the free ones: they index assignments and domains.
    """

    def __init__(self, block: Block, compiled: program.Program, steps: Sequence[Step]) -> None:
        self.block, self.program, self.steps = block, compiled, steps
        self.names: program.Vars = (*block.variables, *block.free)
        self.place = {v: i for i, v in enumerate(self.names)}


class Relaxation:
    """The relaxation of a block over given tables.

    Parameters
    ----------
    relaxed
        The block.
    context, tables
        As for :meth:`neptune.engine.compile.assignment.Search.best`.
    """

    def __init__(self, relaxed: RelaxedBlock, context: program.ExecutionContext, tables: Sequence[Tensor]) -> None:
        self.relaxed, self.context, self.tables = relaxed, context, tables
        self._most: dict[int, NDArray[Any]] = {}

    def most(self, scene: int) -> NDArray[Any]:
        """Return how true the block can be at most with a variable at an object, ``(names, N)``: of the groups that
        speak of it, the least of their maxima."""
        found = self._most.get(scene)
        if found is None:
            relaxed, n = self.relaxed, self.context.size
            found = np.full((len(relaxed.names), n), self.context.logic.top)
            for table, scope in zip(self.tables, relaxed.block.scopes, strict=True):
                x = table[scene if len(table) > 1 else 0]
                for i, v in enumerate(scope):
                    rest = [j for j in range(len(scope)) if j != i]
                    at = relaxed.place[v]
                    found[at] = np.minimum(found[at], (x.amax(rest) if rest else x).numpy())
            self._most[scene] = found
        return found

    def solve(self, scenes: Sequence[int], domains: Domains) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return for each row of `domains` ``(R, names, N)`` the value of the relaxation, and where it is reached."""
        context, compiled = self.context, self.relaxed.program
        step = max(min(program.SEARCH_CELLS, context.cells) // max(context.size**compiled.axes, 1), 1)
        bounds, assigned = [], []
        for start in range(0, len(domains), step):
            allowed = torch.from_numpy(domains[start : start + step])
            at = torch.tensor(scenes[start : start + step])
            given = [t if len(t) == 1 else t[at] for t in self.tables]
            restricted = {v: allowed[:, i] for i, v in enumerate(self.relaxed.names)}
            part = program.ExecutionContext(
                context.logic, context.parameters, len(at), context.size, None, at[:, None], domains=restricted
            )
            registers = compiled.execute(part, given)
            slot, _ = compiled.outputs[0]
            bounds.append(registers[slot].expand(len(at)).numpy())
            assigned.append(self._read(part, registers))
        return np.concatenate(bounds), np.concatenate(assigned)

    def _read(self, context: program.ExecutionContext, registers: Sequence[Tensor]) -> NDArray[np.int64]:
        """Return an assignment that reaches the relaxation: each step's variables given those of the steps after."""
        relaxed = self.relaxed
        rows = torch.arange(context.batch)
        at = torch.zeros(context.batch, len(relaxed.names), dtype=torch.int64)
        for vars, operands in relaxed.steps:
            joint: Tensor | None = None
            for slot, have in operands:
                table = program.full(registers[slot], context.size)
                known = [v for v in have if v not in vars]
                loose = tuple(v for v in vars if v in have)
                table = table.permute(0, *(1 + have.index(v) for v in (*known, *loose)))
                index = rows if len(table) > 1 else torch.zeros_like(rows)
                cells = table[(index, *(at[:, relaxed.place[v]] for v in known))]
                cells = program.expand_axes(cells, program.missing_axes(loose, vars))
                joint = cells if joint is None else context.logic.and_(joint, cells)
            assert joint is not None
            joint = joint.expand(context.batch, *([context.size] * len(vars)))
            for v in vars:
                joint = joint.masked_fill(
                    ~program.expand_axes(context.domains[v], program.missing_axes((v,), vars)), context.logic.bottom
                )
            best = joint.reshape(context.batch, -1).argmax(1)
            for v in reversed(vars):
                at[:, relaxed.place[v]] = best % context.size
                best = best // context.size
        return at.numpy()

    def dense(self, scenes: range) -> Tensor:
        """Return the lowest best assignments by the joint table of all variables; see
        :meth:`neptune.engine.compile.assignment.Search.best`."""
        context, relaxed, block = self.context, self.relaxed, self.relaxed.block
        axes: program.Vars = (*block.free, *block.variables)
        logic, n = context.logic, context.size
        inside = slice(scenes.start, scenes.stop)
        joint: Tensor | None = None
        for table, scope in zip(self.tables, block.scopes, strict=True):
            ordered = tuple(v for v in axes if v in scope)
            table = program.full(table if len(table) == 1 else table[inside], n)
            table = table.permute(0, *(1 + scope.index(v) for v in ordered))
            table = program.expand_axes(table, program.missing_axes(ordered, axes))
            joint = table if joint is None else logic.and_(joint, table)
        assert joint is not None
        joint = joint.expand(len(scenes), *([n] * len(axes)))
        for a, b in block.apart:
            pair = tuple(v for v in axes if v in (a, b))
            joint = joint.masked_fill(
                program.expand_axes(context.eye(), program.missing_axes(pair, axes)), logic.bottom
            )
        if context.mask is not None:
            for v in axes:
                joint = joint.masked_fill(
                    ~program.expand_axes(context.mask[inside], program.missing_axes((v,), axes)), logic.bottom
                )
        flat = joint.reshape(len(scenes), n ** len(block.free), -1)
        value, best = flat.max(-1)
        out = torch.zeros(*best.shape, len(relaxed.names), dtype=torch.int64)
        cell = torch.arange(best.shape[1])
        for v in reversed(axes):
            bound = v in block.variables
            out[..., relaxed.place[v]] = best % n if bound else cell % n
            best, cell = (best // n, cell) if bound else (best, cell // n)
        return out.masked_fill((value == logic.bottom).unsqueeze(-1), -1)


def steps_of(node: Node, truth: Callable[[Node], program.Register]) -> Iterator[Step]:
    """Yield the eliminations of a relaxation, those that run last first.

    Parameters
    ----------
    node
        The relaxation, or a part of it.
    truth
        Gives the register of each formula in it.
    """
    if isinstance(node, And):
        for operand in node.operands:
            yield from steps_of(operand, truth)
    if not isinstance(node, Exists):
        return
    vars: list[str] = []
    body: Node = node
    while isinstance(body, Exists):
        vars.append(body.var)
        body = body.body
    joined = list(_conjuncts(body))
    yield tuple(vars), tuple(truth(o) for o in joined)
    for operand in joined:
        yield from steps_of(operand, truth)


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for operand in node.operands:
            yield from _conjuncts(operand)
    else:
        yield node
