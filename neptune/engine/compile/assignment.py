"""Relax, check, branch: the best assignment of distinct objects to the variables of a block, without a joint table.

The relaxation (:mod:`dsl.rewrites.all_different`) leaves inequations out and is one contraction of small width. Its
best assignment is read off from the last step to the first. If it gives one object to two variables that must differ,
the block is split by who may have the object: one of them, or none. Best first, many branches to a batch; the search
ends when a valid assignment reaches the best bound that is left, so that the value is exact. A small block runs dense
instead, and so does one that does not end within :data:`MOST_BRANCHES`, if the cell limit allows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsl.errors import LimitError
from dsl.rewrites.all_different import Block
from neptune.algebra.late import torch
from neptune.engine.compile.program import SEARCH_CELLS, ExecutionContext, Program
from neptune.engine.compile.relaxation import Domains, Relaxation, RelaxedBlock, Step

if TYPE_CHECKING:
    from torch import Tensor

MOST_BRANCHES = 1 << 13
"""The most branches whose bound is computed for one cell of the outcome."""
SPECULATION = 4
"""Nodes expanded at once where there is a single cell: a contraction of a few rows costs little more than of one."""


@dataclass
class _Root:
    """The search for one cell of the outcome: the open branches, and the best assignment so far."""

    scene: int
    value: float
    found: NDArray[np.int64] | None = None
    heap: list[tuple[float, int, int, Domains, NDArray[np.int64]]] = field(default_factory=list)
    branches: int = 0

    @property
    def most(self) -> float:
        """How true an assignment can be at most."""
        return max(self.value, -self.heap[0][0]) if self.heap else self.value


class Search(RelaxedBlock):
    """Finds best assignments for one block, by its relaxation."""

    def __init__(self, block: Block, program: Program, steps: Sequence[Step]) -> None:
        super().__init__(block, program, steps)
        k = len(self.names)
        self._apart = np.zeros((k, k), dtype=np.bool_)
        for a, b in self.block.apart:
            i, j = self.place[a], self.place[b]
            self._apart[i, j] = self._apart[j, i] = True
        self._clique = _clique(self._apart)

    # --- the outcome -----------------------------------------------------------------------------

    def run(self, context: ExecutionContext, tables: Sequence[Tensor]) -> Tensor:
        """Return the value of the block over its free variables, ``(B, N, …)``.

        Parameters
        ----------
        context
            Where it runs; its quantifiers are max and min.
        tables
            Carrier values of each group, ``(B, N, …)`` (or B = 1), axes as in its scope. Gradients flow to the
            cells at the best assignment.

        Raises
        ------
        dsl.LimitError
            If the search does not end, and the dense table is larger than `context.cells`.
        """
        logic, universal = context.logic, self.block.universal
        with torch.no_grad():
            found = self.best(context, [logic.not_(t.detach()) if universal else t.detach() for t in tables])
        missing = found[..., 0] < 0
        at = found.clamp_min(0)
        rows = torch.arange(len(found)).unsqueeze(1)
        out: Tensor | None = None
        for table, scope in zip(tables, self.block.scopes, strict=True):
            row = rows if len(table) > 1 else torch.zeros_like(rows)
            cells = table[(row, *(at[..., self.place[v]] for v in scope))]
            out = cells if out is None else logic.or_(out, cells) if universal else logic.and_(out, cells)
        assert out is not None
        out = out.expand(missing.shape).masked_fill(missing, logic.top if universal else logic.bottom)
        return out.reshape(len(found), *([context.size] * len(self.block.free)))

    def best(self, context: ExecutionContext, tables: Sequence[Tensor]) -> Tensor:
        """Return a best assignment for each scene and cell: int64 ``(B, N^free, names)``, -1 where all are false.

        `tables` are those of an ∃ block (for ∀: negated).
        """
        relaxation = Relaxation(self, context, tables)
        batch = context.batch if context.mask is not None else max(len(t) for t in tables)
        n, k = context.size, len(self.names)
        if n**k <= min(SEARCH_CELLS, context.cells):
            step = max(SEARCH_CELLS // n**k, 1)
            parts = [relaxation.dense(range(b, min(b + step, batch))) for b in range(0, batch, step)]
            return torch.cat(parts)
        roots = self._roots(relaxation, batch)
        given_up = self._drain(relaxation, roots)
        out = np.full((len(roots), k), -1, dtype=np.int64)
        for i, root in enumerate(roots):
            if root.found is not None:
                out[i] = root.found
        done = torch.from_numpy(out).reshape(batch, -1, k)
        for b in sorted(given_up):
            if n**k > context.cells:
                raise LimitError(
                    "tensor_cells",
                    context.cells,
                    n**k,
                    what=f"a choice of {len(self.block.variables)} different objects, not found in "
                    f"{MOST_BRANCHES:,} branches,",
                )
            context.peak = max(context.peak, n**k)
            done[b] = relaxation.dense(range(b, b + 1))[0]
        return done

    def bound(self, context: ExecutionContext, tables: Sequence[Tensor], upper: bool) -> Tensor:
        """Return a lower (`upper`: an upper) bound of the block on one scene, ``(1, N, …)``, without gradient: its
        value, unless the search takes more than the branches that the context allows. Parameters as for
        :meth:`run`."""
        logic, universal, n = context.logic, self.block.universal, context.size
        if n ** len(self.names) <= min(SEARCH_CELLS, context.cells):
            return self.run(context, tables)
        relaxation = Relaxation(self, context, [logic.not_(t) if universal else t for t in tables])
        roots = self._roots(relaxation, 1)
        self._drain(relaxation, roots, context.branches + context.branches_allowed)
        ends = [root.most if upper != universal else root.value for root in roots]
        out = torch.tensor(ends, dtype=logic.dtype).reshape(1, *([n] * len(self.block.free)))
        return logic.not_(out) if universal else out

    def lowest(self, context: ExecutionContext, tables: Sequence[Tensor]) -> dict[str, int] | None:
        """Return, for one scene and no free variable, the lowest tuple (variables outermost first) that reaches the
        value; ``None`` where all are false. Parameters as for :meth:`best`."""
        relaxation = Relaxation(self, context, tables)
        first = self.best(context, tables)[0, 0].numpy()
        if first[0] < 0:
            return None
        domains = self._domains(context, 0, ())
        fixed = np.zeros((1, len(self.names), context.size), dtype=np.bool_)
        fixed[0, np.arange(len(self.names)), first] = True
        value = float(relaxation.solve([0], fixed)[0][0])
        for place in range(len(self.names)):
            lower = [o for o in range(int(first[place])) if domains[place, o]]
            roots = [_Root(0, float(np.nextafter(value, -np.inf))) for _ in lower]
            self._open(relaxation, roots, [(i, self._given(domains, place, o)) for i, o in enumerate(lower)])
            for root in roots:
                if root.found is None and root.heap:
                    self._drain(relaxation, [root])  # given up: the one that was found is as true
                if root.found is not None:
                    first = root.found
                    break
            domains = self._given(domains, place, int(first[place]))
        return {v: int(first[i]) for i, v in enumerate(self.names)}

    # --- branch and bound ------------------------------------------------------------------------

    def _domains(self, context: ExecutionContext, scene: int, cell: tuple[int, ...]) -> Domains:
        whole = np.ones(context.size, dtype=np.bool_) if context.mask is None else context.mask[scene].numpy()
        domains = np.repeat(whole[None], len(self.names), 0)
        for i, at in enumerate(cell):
            domains[len(self.block.variables) + i] = whole & (np.arange(context.size) == at)
        return domains

    def _roots(self, relaxation: Relaxation, batch: int) -> list[_Root]:
        """Start the search for each scene and cell."""
        context = relaxation.context
        cells = [
            (b, self._domains(context, b, cell))
            for b in range(batch)
            for cell in np.ndindex(*([context.size] * len(self.block.free)))
        ]
        roots = [_Root(b, context.logic.bottom) for b, _ in cells]
        self._open(relaxation, roots, [(i, domains) for i, (_, domains) in enumerate(cells)])
        return roots

    def _drain(self, relaxation: Relaxation, roots: list[_Root], until: int | None = None) -> set[int]:
        """Search until nothing open is better than what was found, or the context counts `until` branches; return the
        scenes of which one took too many."""
        given_up: set[int] = set()
        live = [i for i, root in enumerate(roots) if root.heap]
        while live and (until is None or relaxation.context.branches < until):
            born: list[tuple[int, Domains]] = []
            for i in live:
                root = roots[i]
                for _ in range(SPECULATION if len(live) == 1 else 1):
                    if root.heap and -root.heap[0][0] > root.value:
                        *_, domains, at = heapq.heappop(root.heap)
                        born += [(i, child) for child in self._branches(domains, at)]
                    else:
                        root.heap.clear()
                        break
            self._open(relaxation, roots, born)
            for i in live:
                if roots[i].heap and roots[i].branches > MOST_BRANCHES:
                    given_up.add(roots[i].scene)
                    roots[i].heap.clear()
            live = [i for i in live if roots[i].heap]
        return given_up

    def _open(self, relaxation: Relaxation, roots: list[_Root], born: Sequence[tuple[int, Domains]]) -> None:
        """Bound new branches: the valid ones are answers, the others are kept where they can still be better."""
        if not born:
            return
        relaxation.context.branches += len(born)
        scenes = [roots[i].scene for i, _ in born]
        bounds, assigned = relaxation.solve(scenes, np.stack([d for _, d in born]))
        pairs = np.argwhere(np.triu(self._apart))
        clash = (assigned[:, pairs[:, 0]] == assigned[:, pairs[:, 1]]).any(1)
        order = np.argsort(clash, kind="stable")  # answers first: they close branches
        for row in order.tolist():
            i, domains = born[row]
            root, bound = roots[i], float(bounds[row])
            root.branches += 1
            if bound <= root.value:
                continue
            if clash[row]:
                bound = self._matched(relaxation.most(root.scene), domains, bound)
                if bound <= root.value:
                    continue
                given = int((domains.sum(1) == 1).sum())
                heapq.heappush(root.heap, (-bound, -given, root.branches, domains, assigned[row]))
            else:
                root.value, root.found = bound, assigned[row]

    def _branches(self, domains: Domains, at: NDArray[np.int64]) -> Iterator[Domains]:
        """Split by who has the object that two variables share: at most one of those that must all differ."""
        i, j = next((i, j) for i, j in np.argwhere(np.triu(self._apart)).tolist() if at[i] == at[j])
        shared = [i, j]
        for v in range(len(self.names)):
            if v not in shared and at[v] == at[i] and all(self._apart[v, s] for s in shared):
                shared.append(v)
        nobody = domains.copy()
        nobody[shared, at[i]] = False
        children = [nobody, *(self._given(domains, s, int(at[i])) for s in shared)]
        return (child for child in children if self._possible(child))

    def _given(self, domains: Domains, place: int, item: int) -> Domains:
        given = domains.copy()
        given[place] = False
        given[place, item] = True
        given[self._apart[place], item] = False
        return given

    def _matched(self, most: NDArray[Any], domains: Domains, bound: float) -> float:
        """Return a bound of a branch that knows of inequations: the variables that must all differ have different
        objects (a bottleneck assignment), each no truer than its object allows. At most `bound`."""
        rows = np.where(domains, most, -np.inf)[self._clique]

        def enough(least: float) -> bool:
            return _matches([np.flatnonzero(row).tolist() for row in (rows >= least) & domains[self._clique]])

        if enough(bound):
            return bound
        levels = np.unique(rows[rows < bound])
        # levels[low] does (or nothing is known to), what is above `high` does not.
        low, high = -1, len(levels) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if enough(float(levels[middle])) else (low, middle - 1)
        return float(levels[low]) if low >= 0 else -np.inf

    def _possible(self, domains: Domains) -> bool:
        """Return whether every variable has an object left, and those that must all differ enough between them."""
        return bool(domains.any(1).all()) and int(domains[self._clique].any(0).sum()) >= len(self._clique)


def _clique(apart: Domains) -> list[int]:
    """Return variables that must all differ: a large set of them, found greedily."""
    chosen: list[int] = []
    for v in np.argsort(-apart.sum(1), kind="stable").tolist():
        if all(apart[v, c] for c in chosen):
            chosen.append(v)
    return chosen


def _matches(choices: Sequence[Sequence[int]]) -> bool:
    """Return whether each variable can have an object of its own (augmenting paths; Berge 1957)."""
    owner: dict[int, int] = {}

    def place(v: int, seen: set[int]) -> bool:
        for item in choices[v]:
            if item not in seen:
                seen.add(item)
                if item not in owner or place(owner[item], seen):
                    owner[item] = v
                    return True
        return False

    return all(place(v, set()) for v in range(len(choices)))
