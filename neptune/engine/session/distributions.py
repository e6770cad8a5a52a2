"""What is wanted of a plan, softly: a distribution over its answers, for many scenes at once, with gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from dsl import plan
from dsl.plan import (
    Atom,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Node,
    Number,
    make,
)
from dsl.plan.guards import insert_guards
from neptune.algebra import counting, iota
from neptune.algebra.convert import clamp_logit
from neptune.engine.compile.plan_cache import Cache
from neptune.engine.context import RunContext
from neptune.engine.evaluate.atom_tensors import AtomTensors
from neptune.engine.evaluate.batched import Group, Padded
from neptune.engine.evaluate.stage import Stage
from neptune.scene import Scene

Kind = Literal["truth", "objects", "number", "object", "text"]

CHOSEN = " chosen"
"""The variable of the description that is chosen from; it sorts before every variable of a program."""

Values = tuple[Any, ...]


@dataclass(eq=False)
class Target:
    """A distribution that is wanted: of a truth, of a truth at each object, a count, an object or a value.

    Parameters
    ----------
    kind, node
        What is wanted of which plan.
    truths
        Guarded formulas that are evaluated: those of the value itself, and last the body of `chosen`.
    var
        The variable that the value ranges over (that is counted, described, or left free); else ``None``.
    chosen
        The description whose object the value is about (``describe(Color, iota(…))``), or ``None``.
    stage
        The truths made ready for batches; ``None`` where there are none.
    """

    kind: Kind
    node: Node
    truths: tuple[Node, ...] = field(init=False)
    var: str | None = field(init=False, default=None)
    chosen: Description | None = field(init=False)
    stage: Stage | None = field(init=False)
    leaves: tuple[Atom, ...] = field(init=False)

    def __post_init__(self) -> None:
        node = self.node
        if self.kind == "truth":
            for var in sorted(node.free, reverse=True):
                node = make(Exists, var, node)
        node, self.chosen = _chosen(insert_guards(node))
        if isinstance(node, Count | Description):
            self.truths, self.var = (node.body,), node.var
        elif isinstance(node, CountTrue | Describe):
            self.truths = node.bodies
        elif isinstance(node, Number):
            self.truths = ()
        else:
            self.truths = (node,)
            self.var = next(iter(self.node.free)) if self.kind == "objects" else None
        if self.chosen is not None:
            self.truths = (*self.truths, self.chosen.body)
        found = {n: None for t in self.truths for n in plan.walk(t) if isinstance(n, Atom)}
        self.leaves = tuple(found)
        self.stage = Stage(self.truths, len(self.truths)) if self.truths else None


def _chosen(node: Node) -> tuple[Node, Description | None]:
    """Free the variable of the outermost closed description that is chosen from; others weigh their objects."""
    picks = [n for n in plan.walk(node) if isinstance(n, ExpectationOver) and n.pick]
    main = next((p.description for p in picks if not p.description.free), None)

    def rule(current: Node, _: None, visit: plan.Visit[None]) -> Node:
        made = plan.rebuild(current, [visit(child, None) for child in current.children])
        if not isinstance(made, ExpectationOver) or not made.pick:
            return made
        if isinstance(current, ExpectationOver) and current.description is main:
            return plan.substitute(made.body, {made.var: CHOSEN})
        return make(ExpectationOver, made.var, made.description, made.body, False)

    if not picks:
        return node, None
    found = plan.descend(main, None, rule) if main is not None else None
    return plan.descend(node, None, rule), found if isinstance(found, Description) else None


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    at: int
    scene: Scene
    objects: range


Soft = tuple[Values, Tensor] | None
"""The values, and the probability of each, ``(K,)`` float64; ``None`` where evidence is missing."""


class Targets:
    """Evaluates targets on scenes for one engine."""

    def __init__(self, context: RunContext, scores: AtomTensors) -> None:
        self._context, self._scores = context, scores
        self._padded: Padded[_Row] = Padded(context, scores)

    def evaluate(self, wanted: Sequence[tuple[Scene, Kind, Node]]) -> list[Soft]:
        """Return the distribution of each (scene, kind, node); all atoms are asked in one round.

        Raises
        ------
        LimitError
            If a plan needs more cells than the engine's limits allow.
        """
        targets = [target(kind, node) for _, kind, node in wanted]
        self._scores.ask(
            (scene, leaf.predicate)
            for (scene, _, _), t in zip(wanted, targets, strict=True)
            for leaf in t.leaves
        )
        found: list[Soft] = [None] * len(wanted)
        batches: dict[Any, list[_Row]] = defaultdict(list)
        for at, ((scene, kind, node), t) in enumerate(zip(wanted, targets, strict=True)):
            if not t.truths:
                number = int(node.value) if isinstance(node, Number) else 0
                found[at] = (number,), torch.ones(1, dtype=torch.float64)
            else:
                batches[kind, t.var, t.chosen is None].append(_Row(at, scene, range(len(scene))))
        for rows in batches.values():
            stages = [targets[row.at].stage for row in rows]
            for group in self._padded.evaluate(rows, stages):  # type: ignore[arg-type]
                self._group(group, targets, found)
        return found

    def _group(self, group: Group[_Row], targets: Sequence[Target], found: list[Soft]) -> None:
        first, logic = targets[group.rows[0].at], self._context.logic
        tables = [
            (x, logic.to_probability(x) if p is None else p, have)
            for x, p, have in zip(group.internal, group.chances, group.vars, strict=True)
        ]
        chances = self._distribution(first, tables, group.frame.batch, group.frame.size, group.keep)
        for row, missing, chance in zip(group.rows, group.missing, chances.unbind(0), strict=True):
            if not missing:
                found[row.at] = _cut(targets[row.at], chance, len(row.scene))

    def _distribution(
        self,
        t: Target,
        tables: Sequence[tuple[Tensor, Tensor, tuple[str, ...]]],
        batch: int,
        size: int,
        keep: Tensor | None,
    ) -> Tensor:
        """Return the distribution of a target, ``(B, K)`` float64, from its truths: internal numbers, probabilities
        and variables of each."""
        logic, tau = self._context.logic, self._context.parameters.iota_tau
        chosen = () if t.chosen is None else (CHOSEN,)
        over = (*chosen, *(() if t.var is None else (t.var,)))
        main = tables[: len(tables) - len(chosen)]
        internal = [_spread(x, have, over, batch, size) for x, _, have in main]
        true = [_spread(p, have, over, batch, size).double() for _, p, have in main]
        false = [logic.to_probability(logic.not_(x)).double() for x in internal]
        wide = None
        if keep is not None and t.var is not None:
            wide = (keep.unsqueeze(1) if chosen else keep).expand(true[0].shape)
        match t.kind:
            case "truth":
                out = torch.stack([false[0], true[0]], -1)
            case "objects":
                out = true[0] if wide is None else true[0].masked_fill(~wide, 0.0)
            case "number" if isinstance(t.node, CountTrue):
                out = counting.distribution(torch.stack(true, -1), torch.stack(false, -1))
            case "number":
                p, q = true[0], false[0]
                if wide is not None:
                    p, q = p.masked_fill(~wide, 0.0), q.masked_fill(~wide, 1.0)
                out = counting.distribution(p, q)
            case "object":
                out = iota.weights(logic.to_logits(internal[0]).double(), wide, tau)
            case "text":
                logits = logic.to_logits(torch.stack(internal, -1)).double()
                out = clamp_logit(logits).softmax(-1)
        if t.chosen is None:
            return out
        x, _, have = tables[-1]
        cells = logic.to_logits(_spread(x, have, (t.chosen.var,), batch, size)).double()
        weights = iota.weights(cells, keep, tau)
        return torch.einsum("bn,bnk->bk", weights, out)


def _spread(x: Tensor, have: tuple[str, ...], want: tuple[str, ...], batch: int, size: int) -> Tensor:
    """Return a table ``(B, …)`` over `have` as one over `want` (which sorts as `have` does)."""
    index = (slice(None), *(slice(None) if v in have else None for v in want))
    return x[index].expand(batch, *([size] * len(want)))


def _cut(t: Target, chance: Tensor, n: int) -> Soft:
    """Return the values of a target on a scene of n objects with their probabilities, padding cut off."""
    match t.kind:
        case "truth":
            return (False, True), chance
        case "objects" | "object":
            return tuple(range(n)), chance[:n]
        case "number":
            most = len(t.node.bodies) if isinstance(t.node, CountTrue) else n
            return tuple(range(most + 1)), chance[: most + 1]
    assert isinstance(t.node, Describe)
    return t.node.values, chance


_targets = Cache(20_000)


def target(kind: Kind, node: Node) -> Target:
    """Return the target of a plan, from the cache if it is there."""
    found: Target | None = _targets.get((kind, node))
    if found is None:
        found = Target(kind, node)
        _targets.put((kind, node), found)
    return found
