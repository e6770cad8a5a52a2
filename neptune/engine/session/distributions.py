"""What is wanted of a plan, softly: a distribution over its answers, for many scenes at once, with gradients."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from cachetools import LRUCache, cached

from dsl import plan
from dsl.plan import Count, CountTrue, Describe, Description, ExpectationOver, Node, Number, Predicate, make
from dsl.plan.guards import insert_guards
from neptune.algebra import counting, iota
from neptune.algebra.convert import clamp_logit
from neptune.algebra.late import torch
from neptune.answer import Usage
from neptune.engine.context import RunContext
from neptune.engine.evaluate.atom_tensors import AtomTensors
from neptune.engine.evaluate.batched import PaddedTensors, TensorGroup
from neptune.engine.evaluate.stage import Stage
from neptune.engine.interpret.values import Need, NeedKind
from neptune.engine.session.readout import presumed
from neptune.scene import Scene
from neptune.scene.types import Question

if TYPE_CHECKING:
    from torch import Tensor

Values = tuple[Any, ...]

Soft: TypeAlias = "tuple[Values, Tensor] | None"
"""The values, and the probability of each, ``(K,)`` float64; ``None`` where evidence is missing."""

CHOSEN = " chosen"
"""The variable of the description that is chosen from; it sorts before every variable of a program."""

_ALIKE: dict[str, NeedKind] = {"probability": "truth", "ranking": "objects"}
"""Needs that are read off the distribution of another."""


@dataclass(eq=False)
class SoftPlan:
    """What the distribution over a need's values is computed from.

    Parameters
    ----------
    need
        A need of a plan, no open question.

    Attributes
    ----------
    kind
        ``truth``, ``objects`` (a truth at each object), ``number``, ``object`` or ``text``.
    truths
        Guarded formulas that are evaluated: those of the value itself (the first `main`), the bodies of the
        descriptions that they presuppose to fit something, what those presuppose that speak of variables around them
        (`relative` of them), and last the body of `chosen`.
    var
        The variable that the value ranges over (that is counted, described, or left free); else ``None``.
    chosen
        The description whose object the value is about (``describe(Color, iota(…))``), or ``None``.
    stage
        The truths made ready for batches; ``None`` where there are none: the number is given.
    """

    need: Need
    kind: NeedKind = field(init=False)
    truths: tuple[Node, ...] = field(init=False)
    var: str | None = field(init=False, default=None)
    chosen: Description | None = field(init=False)
    main: int = field(init=False)
    presupposed: tuple[Description, ...] = field(init=False)
    relative: int = field(init=False)
    stage: Stage | None = field(init=False)

    def __post_init__(self) -> None:
        self.kind = _ALIKE.get(self.need.kind, self.need.kind)
        node, self.chosen = _chosen(insert_guards(self.need.of))
        if isinstance(node, Count | Description):
            self.truths, self.var = (node.body,), node.var
        elif isinstance(node, CountTrue | Describe):
            self.truths = node.bodies
        elif isinstance(node, Number):
            self.truths = ()
        else:
            self.truths = (node,)
            # A formula of no variable, such as left(x, x), is ranked too: all objects alike.
            self.var = next(iter(self.need.of.free), "x") if self.kind == "objects" else None
        self.main = len(self.truths)
        wholes = [node] if self.chosen is None else [node, self.chosen]
        found = dict.fromkeys(d for whole in wholes for d in plan.descriptions(whole))
        self.presupposed = tuple(d for d in found if not d.free)
        holds = dict.fromkeys(h for whole in wholes for h in plan.relative_presuppositions(whole).values())
        self.relative = len(holds)
        self.truths = (*self.truths, *(d.body for d in self.presupposed), *holds)
        if self.chosen is not None:
            self.truths = (*self.truths, self.chosen.body)
        self.stage = Stage(self.truths, len(self.truths)) if self.truths else None


@cached(LRUCache(20_000), lock=threading.Lock())
def soft_plan(need: Need) -> SoftPlan:
    """Return the soft plan of a need, kept for the latest ones."""
    return SoftPlan(need)


def _chosen(node: Node) -> tuple[Node, Description | None]:
    """Free the variable of the closed description that a value is about, or of the outermost one that is chosen from;
    others weigh their objects."""
    picks = [n for n in plan.walk(node) if isinstance(n, ExpectationOver) and n.pick]
    main = next((p.description for p in picks if not p.description.free), None)
    about = node.about if isinstance(node, Describe) else None
    if isinstance(node, Describe) and about is not None and not about[1].free:
        picks, main = [b for b in node.bodies if isinstance(b, ExpectationOver)], about[1]

    def rule(current: Node, _: None, visit: plan.Visit[None]) -> Node:
        made = plan.rebuild(current, [visit(child, None) for child in current.children])
        if not isinstance(made, ExpectationOver):
            return made
        if isinstance(current, ExpectationOver) and current.description is main and (current.pick or about is not None):
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


class Distributions:
    """Computes the distributions over the values of needs, on many scenes at once.

    Parameters
    ----------
    context
        Its logic, temperatures and limits, and its oracle for open questions.
    scores
        Where the scores of atoms come from.
    """

    def __init__(self, context: RunContext, scores: AtomTensors) -> None:
        self._context, self._scores = context, scores
        self._padded: PaddedTensors[_Row] = PaddedTensors(context, scores.raw)

    def evaluate(self, wanted: Sequence[tuple[Scene, Need]]) -> list[Soft]:
        """Return the distribution over each need's values; all atoms are asked in one round.

        Raises
        ------
        LimitError
            If a plan needs more cells than the limits allow.
        """
        found: list[Soft] = [None] * len(wanted)
        plans: dict[int, SoftPlan] = {}
        batches: dict[Any, list[tuple[_Row, Stage]]] = defaultdict(list)
        asked: list[tuple[Scene, Predicate]] = []
        for at, (scene, need) in enumerate(wanted):
            if need.kind == "query":
                found[at] = self._said(scene, need)
                continue
            made = plans[at] = soft_plan(need)
            if made.stage is None:  # a number, or how many hold of no formulas
                found[at] = sure(int(need.of.value) if isinstance(need.of, Number) else 0)
                continue
            batches[made.kind, made.var, made.chosen is None].append((_Row(at, scene, range(len(scene))), made.stage))
            asked += [(scene, leaf.predicate) for leaf in made.stage.leaves]
        self._scores.ask(asked)
        for batch in batches.values():
            for group in self._padded.evaluate([row for row, _ in batch], [stage for _, stage in batch]):
                chances = self._distribution(plans[group.rows[0].at], group)
                for row, missing, chance in zip(group.rows, group.missing, chances.unbind(0), strict=True):
                    if not missing:
                        found[row.at] = _cut(plans[row.at], chance, len(row.scene))
        return found

    def _said(self, scene: Scene, need: Need) -> Soft:
        text, attribute, objects = need.of
        context, n = self._context, len(objects)
        question = Question(text, n, attribute) if text else context.wording.query(attribute, n)
        cells = np.array([objects], dtype=np.int64).reshape(1, n)
        (said,) = context.evidence(scene).query(context.oracle, question, cells, Usage())
        return None if said is None else sure(said)

    def _distribution(self, t: SoftPlan, group: TensorGroup[_Row]) -> Tensor:
        """Return the distribution of each row of a group, ``(B, K)`` float64."""
        logic, tau = self._context.logic, self._context.parameters.iota_tau
        chosen = () if t.chosen is None else (CHOSEN,)
        over = (*chosen, *(() if t.var is None else (t.var,)))
        main = t.main
        internal = [_spread(group, x, k, over) for k, x in enumerate(group.internal[:main])]
        true = [_spread(group, p, k, over).double() for k, p in enumerate(group.chances[:main])]
        false = [logic.to_probability(logic.not_(x)).double() for x in internal]
        wide, keep = None, group.keep
        if keep is not None and t.var is not None:
            wide = (keep.unsqueeze(1) if chosen else keep).expand(true[0].shape)
        match t.kind:
            case "truth":
                out = torch.stack([false[0], true[0]], -1)
            case "objects":
                out = true[0] if wide is None else true[0].masked_fill(~wide, 0.0)
            case "number" if isinstance(t.need.of, CountTrue):
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
        if t.chosen is not None:
            cells = logic.to_logits(_spread(group, group.internal[-1], -1, (t.chosen.var,))).double()
            weights = iota.weights(cells, keep, tau)
            out = torch.einsum("bn,bnk->bk", weights, out)
        if t.need.kind in _ALIKE:
            return out
        return out * self._fitting(t, group).unsqueeze(-1)

    def _fitting(self, t: SoftPlan, group: TensorGroup[_Row]) -> Tensor:
        """Return how sure it is that something fits all descriptions, ``(B,)`` float64: else there is no answer."""
        described = [(t.main + k, d.var) for k, d in enumerate(t.presupposed)]
        if t.chosen is not None:
            described.append((len(group.chances) - 1, t.chosen.var))
        elif t.kind == "object":
            described.append((0, t.need.of.var))
        sure = torch.ones(group.frame.batch, dtype=torch.float64)
        presumption = torch.as_tensor(self._context.parameters.presumption).double()
        for k, var in described:
            if not group.frame.size:
                return torch.zeros_like(sure)
            chances = _spread(group, group.chances[k], k, (var,)).double()
            most = (chances if group.keep is None else chances.masked_fill(~group.keep, 0.0)).amax(1)
            sure = sure * presumed(most, presumption)
        start = t.main + len(t.presupposed)
        for holds in group.chances[start : start + t.relative]:
            sure = sure * presumed(holds.double(), presumption)
        if t.kind == "text" and t.need.of.presupposes and t.chosen is None:
            sure = sure * presumed(torch.stack([c.double() for c in group.chances[: t.main]]).amax(0), presumption)
        return sure


def _spread(group: TensorGroup[_Row], x: Tensor, k: int, want: tuple[str, ...]) -> Tensor:
    """Return a table ``(B, …)`` of the k-th truth as one over `want`, which sorts as its variables do."""
    index = (slice(None), *(slice(None) if v in group.vars[k] else None for v in want))
    return x[index].expand(group.frame.batch, *([group.frame.size] * len(want)))


def sure(value: Any) -> tuple[Values, Tensor]:
    """Return the distribution of a value that is certain."""
    return (value,), torch.ones(1, dtype=torch.float64)


def _cut(t: SoftPlan, chance: Tensor, n: int) -> Soft:
    """Return the values of a need on a scene of n objects with their probabilities, padding cut off."""
    match t.kind:
        case "truth":
            return (False, True), chance
        case "objects" | "object":
            return tuple(range(n)), chance[:n]
        case "number":
            most = len(t.need.of.bodies) if isinstance(t.need.of, CountTrue) else n
            return tuple(range(most + 1)), chance[: most + 1]
    return t.need.of.values, chance
