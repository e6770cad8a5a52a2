"""What a search for distinct objects asks of one block's tables: bounds, where they are reached, the joint table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsl.plan import And, Exists, Node
from neptune.engine.compile.program import SEARCH_CELLS, Frame, Vars, full, see, view

if TYPE_CHECKING:
    from neptune.engine.compile.assignment import Search

Domains = NDArray[np.bool_]
Step = tuple[Vars, tuple[tuple[int, Vars], ...]]
"""One elimination: the variables that it reduces, and the registers, with variables, of what it joins."""


class Relaxation:
    """A block of ∃ without its inequations, over given tables.

    Parameters
    ----------
    search
        The search that asks.
    frame, tables
        As for :meth:`Search.best`.
    """

    def __init__(self, search: Search, frame: Frame, tables: Sequence[Tensor]) -> None:
        self.search, self.frame, self.tables = search, frame, tables
        self._most: dict[int, NDArray[Any]] = {}

    def most(self, scene: int) -> NDArray[Any]:
        """Return how true the block can be at most with a variable at an object, ``(names, N)``: of the groups that
        speak of it, the least of their maxima."""
        found = self._most.get(scene)
        if found is None:
            search, n = self.search, self.frame.size
            found = np.full((len(search.names), n), self.frame.logic.top)
            for table, scope in zip(self.tables, search.block.scopes, strict=True):
                x = table[scene if len(table) > 1 else 0]
                for i, v in enumerate(scope):
                    rest = [j for j in range(len(scope)) if j != i]
                    at = search.place[v]
                    found[at] = np.minimum(found[at], (x.amax(rest) if rest else x).numpy())
            self._most[scene] = found
        return found

    def solve(self, scenes: Sequence[int], domains: Domains) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return for each row of `domains` ``(R, names, N)`` the value of the relaxation, and where it is reached."""
        frame = self.frame
        step = max(min(SEARCH_CELLS, frame.cells) // max(frame.size**self.search.code.axes, 1), 1)
        bounds, assigned = [], []
        for start in range(0, len(domains), step):
            allowed = torch.from_numpy(domains[start : start + step])
            at = torch.tensor(scenes[start : start + step])
            given = [t if len(t) == 1 else t[at] for t in self.tables]
            restricted = {v: allowed[:, i] for i, v in enumerate(self.search.names)}
            part = Frame(
                frame.logic, frame.parameters, len(at), frame.size, None, at[:, None], domains=restricted
            )
            registers = self.search.code.execute(part, given)
            slot, _ = self.search.code.outputs[0]
            bounds.append(registers[slot].expand(len(at)).numpy())
            assigned.append(self._read(part, registers))
        return np.concatenate(bounds), np.concatenate(assigned)

    def _read(self, frame: Frame, registers: Sequence[Tensor]) -> NDArray[np.int64]:
        """Return an assignment that reaches the relaxation: each step's variables given those of the steps after."""
        rows = torch.arange(frame.batch)
        at = torch.zeros(frame.batch, len(self.search.names), dtype=torch.int64)
        for vars, operands in self.search.steps:
            joint: Tensor | None = None
            for slot, have in operands:
                table = full(registers[slot], frame.size)
                known = [v for v in have if v not in vars]
                loose = tuple(v for v in vars if v in have)
                table = table.permute(0, *(1 + have.index(v) for v in (*known, *loose)))
                index = rows if len(table) > 1 else torch.zeros_like(rows)
                cells = table[(index, *(at[:, self.search.place[v]] for v in known))]
                cells = see(cells, view(loose, vars))
                joint = cells if joint is None else frame.logic.and_(joint, cells)
            assert joint is not None
            joint = joint.expand(frame.batch, *([frame.size] * len(vars)))
            for v in vars:
                joint = joint.masked_fill(~see(frame.domains[v], view((v,), vars)), frame.logic.bottom)
            best = joint.reshape(frame.batch, -1).argmax(1)
            for v in reversed(vars):
                at[:, self.search.place[v]] = best % frame.size
                best = best // frame.size
        return at.numpy()

    def dense(self, scenes: range) -> Tensor:
        """Return the lowest best assignments by the joint table of all variables; see :meth:`Search.best`."""
        axes: Vars = (*self.search.block.free, *self.search.block.variables)
        frame = self.frame
        logic, n = frame.logic, frame.size
        inside = slice(scenes.start, scenes.stop)
        joint: Tensor | None = None
        for table, scope in zip(self.tables, self.search.block.scopes, strict=True):
            ordered = tuple(v for v in axes if v in scope)
            table = full(table if len(table) == 1 else table[inside], n)
            table = table.permute(0, *(1 + scope.index(v) for v in ordered))
            table = see(table, view(ordered, axes))
            joint = table if joint is None else logic.and_(joint, table)
        assert joint is not None
        joint = joint.expand(len(scenes), *([n] * len(axes)))
        for a, b in self.search.block.apart:
            pair = tuple(v for v in axes if v in (a, b))
            joint = joint.masked_fill(see(frame.eye(), view(pair, axes)), logic.bottom)
        if frame.mask is not None:
            for v in axes:
                joint = joint.masked_fill(~see(frame.mask[inside], view((v,), axes)), logic.bottom)
        flat = joint.reshape(len(scenes), n ** len(self.search.block.free), -1)
        value, best = flat.max(-1)
        out = torch.zeros(*best.shape, len(self.search.names), dtype=torch.int64)
        cell = torch.arange(best.shape[1])
        for v in reversed(axes):
            bound = v in self.search.block.variables
            out[..., self.search.place[v]] = best % n if bound else cell % n
            best, cell = (best // n, cell) if bound else (best, cell // n)
        return out.masked_fill((value == logic.bottom).unsqueeze(-1), -1)


def steps_of(node: Node, truth: Callable[[Node], tuple[int, Vars]]) -> Iterator[Step]:
    """Yield the eliminations of a relaxation, those that run last first.

    Parameters
    ----------
    node
        The relaxation, or a part of it.
    truth
        Gives the register and variables of each formula in it.
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
