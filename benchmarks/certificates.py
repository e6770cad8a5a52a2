"""Certificates: how few cells could have settled a program's decisions, had one known beforehand which to ask.

A *certificate* is a set of cells whose values alone settle every decision of a run, by the same sound bounds that
stop a schedule. It is found offline, with all scores at hand: no schedule is better than the smallest one. A set of
cells is a *flip* if other answers to just these cells change a decision: every certificate, and every schedule that is
right for certain, however it stops, holds one cell of each flip. So disjoint flips are counted as a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from dsl.plan import Atom, Count, CountTrue, Describe, Description, Predicate
from neptune.answer import Usage
from neptune.engine.context import RunContext
from neptune.engine.evaluate.bounds import settled_argmax
from neptune.engine.evaluate.executor import Executor, atoms_of
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evidence.store import Evidence
from neptune.engine.schedule import Estimates, Goal, Schedule
from neptune.engine.schedule.requests import Asker
from neptune.engine.schedule.stopping import settled
from neptune.scene import Scene
from neptune.scene.types import FloatArray, IntArray, Question

Mask = NDArray[np.bool_]
SURE = 50.0
"""The logit of an answer that is changed: as sure as evidence can be."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a program's decisions on one scene needed.

    Parameters
    ----------
    calls
        The size of the smallest certificate found.
    least
        The number of disjoint flips found: no schedule can ask fewer cells.
    """

    calls: int
    least: int


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """The cells of one question: their flat places ``(M,)`` in its table (and of their mirror images, if it is
    symmetric), their scores ``(M,)``, and the place of the first among all cells."""

    question: Question
    symmetric: bool
    flat: IntArray
    mirrored: IntArray
    logits: FloatArray
    start: int


class Cells:
    """All cells that some goals mention, on one scene, and what some of them settle.

    Parameters
    ----------
    goals
        The decisions, as an :class:`~neptune.engine.schedule.requests.Asker` collects those of a run.
    scene, context
        The scene, and what the program was run with: its oracle is asked for every cell.
    """

    def __init__(self, goals: Sequence[Goal], scene: Scene, context: RunContext) -> None:
        self.goals, self.scene = list(goals), scene
        self.context = replace(context, budget=None)
        self.full, self.partial = Evidence(scene), Evidence(scene)
        atoms: dict[tuple[str, int, bool], Atom] = {}
        for goal in goals:
            for leaf in atoms_of(goal.node):
                if leaf.predicate.boxes:  # known from the beginning
                    continue
                question = context.wording.question(leaf.predicate)
                atoms.setdefault((question.text, question.arity, leaf.predicate.symmetric), leaf)
        self.columns: list[_Column] = []
        self.size = 0
        for leaf in atoms.values():
            question, symmetric = context.wording.question(leaf.predicate), leaf.predicate.symmetric
            self.full.ask(context.oracle, [(question, symmetric, None)], Usage())
            table = self.full.table(question, symmetric)
            flat = table.normalised(None)
            n = len(scene)
            mirrored = flat % n * n + flat // n if symmetric and n else flat
            logits = table.logits.reshape(-1)[flat]
            self.columns.append(_Column(question, symmetric, flat, mirrored, logits, self.size))
            self.size += len(flat)
        self.evaluator = self._evaluator(self.partial)
        self.truth = self._decisions()

    def _evaluator(self, evidence: Evidence) -> Executor:
        context, known = self.context, KnownAtoms(evidence, self.context)
        return Executor(len(self.scene), context.logic, context.parameters, known, context.limits.tensor_cells)

    def settles(self, known: Mask) -> bool:
        """Tell whether the cells known, shape ``(size,)``, settle every goal."""
        self._fill(known, None)
        return all(settled(goal, self.evaluator) for goal in self.goals)

    def flips(self, changed: Mask) -> bool:
        """Tell whether other answers to just these cells, shape ``(size,)``, change a decision.

        All of them turned round, all yes, or all no are tried: more is not needed where each is used one way.
        """
        return any(self._decisions(changed, way) != self.truth for way in ("turned", "yes", "no"))

    def _decisions(self, changed: Mask | None = None, way: str = "") -> list[object]:
        self._fill(np.ones(self.size, dtype=np.bool_), changed, way)
        return [_decision(goal, self.evaluator) for goal in self.goals]

    def _fill(self, known: Mask, changed: Mask | None, way: str = "") -> None:
        self.evaluator.forget()
        for column in self.columns:
            here = slice(column.start, column.start + len(column.flat))
            logits = column.logits
            if changed is not None:
                signs = {"turned": np.where(logits > 0, -1.0, 1.0), "yes": np.ones(1), "no": -np.ones(1)}[way]
                logits = np.where(changed[here], SURE * signs, logits).astype(np.float32)
            logits = np.where(known[here], logits, np.nan).astype(np.float32)
            table = self.partial.table(column.question, column.symmetric)
            cells = table.logits.reshape(-1)
            cells[column.flat] = cells[column.mirrored] = logits
            table.writes += 1

    def clairvoyant(self, schedule: Schedule) -> Mask:
        """Return the cells that a schedule asks whose estimates are the true scores, shape ``(size,)``."""
        evidence = Evidence(self.scene)

        def told(_scene: Scene, predicate: Predicate, cells: IntArray) -> NDArray[np.float64] | None:
            table = self.full.table(self.context.wording.question(predicate), predicate.symmetric)
            logits = table.logits[tuple(cells.T)].astype(np.float64)
            # Other values of a sort are no part of the goals, and were not asked about.
            return None if np.isnan(logits).any() else np.asarray(1.0 / (1.0 + np.exp(-logits)))

        asker = Asker(evidence, replace(self.context, estimates=Estimates(None, told)), Usage())
        here = self._evaluator(evidence)
        for goal in self.goals:
            here.forget()
            asker.work_towards(goal, schedule, here)
        parts = [evidence.table(c.question, c.symmetric).asked.reshape(-1)[c.flat] for c in self.columns]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *parts])


def certificate(cells: Cells, seed: int = 0, packings: int = 3) -> Certificate:
    """Return a small certificate's size and a lower bound.

    Parameters
    ----------
    cells
        The cells of the goals.
    seed
        Of the order in which cells are tried.
    packings
        How often disjoint flips are packed, in another order each time; the most of them count.
    """
    rng = np.random.default_rng(seed)
    best = None
    for schedule in (Schedule("best-first", 4), Schedule()):
        for order in ("pairs first", "any"):
            kept = smallest(cells, cells.clairvoyant(schedule), rng, order == "pairs first")
            best = kept if best is None or kept.sum() < best.sum() else best
    assert best is not None
    least = max((len(disjoint_flips(cells, best, rng)) for _ in range(packings)), default=0)
    return Certificate(int(best.sum()), least)


def smallest(cells: Cells, known: Mask, rng: np.random.Generator, pairs_first: bool) -> Mask:
    """Drop cells of a certificate, as many as possible in one order, so that none of the rest could be dropped."""
    known = known.copy()
    order = rng.permutation(np.flatnonzero(known))
    if pairs_first:
        arity = np.concatenate([np.full(len(c.flat), c.question.arity) for c in cells.columns])
        order = order[np.argsort(-arity[order], kind="stable")]

    def drop(part: IntArray) -> None:
        known[part] = False
        if cells.settles(known):
            return
        known[part] = True
        if len(part) > 1:
            half = len(part) // 2
            drop(part[:half])
            drop(part[half:])

    for start, stop in pairwise([*range(0, len(order), 4), len(order)]):
        drop(order[start:stop])
    return known


def disjoint_flips(cells: Cells, known: Mask, rng: np.random.Generator) -> list[IntArray]:
    """Return disjoint flips, as indices of cells: each small, found by learning as much as leaves a goal open.

    Parameters
    ----------
    cells
        The cells of the goals.
    known
        A certificate, shape ``(size,)``: what lies outside it is learned first, so that flips are small.
    rng
        The order in which cells are learned.
    """
    used = np.zeros(cells.size, dtype=np.bool_)
    found: list[IntArray] = []
    while not cells.settles(used):
        learned = used.copy()
        outside = rng.permutation(np.flatnonzero(~learned & ~known))
        inside = rng.permutation(np.flatnonzero(~learned & known))
        for part in (outside, inside):
            _learn(cells, learned, part)
        flip = np.flatnonzero(~learned)
        changed = np.zeros(cells.size, dtype=np.bool_)
        changed[flip] = True
        if cells.flips(changed):
            found.append(flip)
        used[flip] = True
    return found


def _learn(cells: Cells, learned: Mask, part: IntArray) -> None:
    """Add as many of the cells as leave a goal open, by halves."""
    if not len(part):
        return
    learned[part] = True
    if not cells.settles(learned):
        return
    learned[part] = False
    if len(part) > 1:
        half = len(part) // 2
        _learn(cells, learned, part[:half])
        _learn(cells, learned, part[half:])


def _decision(goal: Goal, evaluator: Executor) -> object:
    node = goal.node
    if goal.kind == "argmax":
        assert isinstance(node, Description)
        low = evaluator.over(node).low.internal
        return settled_argmax(evaluator.logic, low, low)[0]
    if goal.kind == "choose":
        assert isinstance(node, Describe)
        low = torch.stack([evaluator.truth(b).low.internal.reshape(()) for b in node.bodies])
        return settled_argmax(evaluator.logic, low, low)[0]
    if isinstance(node, Count | CountTrue):
        return evaluator.number(node)
    if isinstance(node, Description):  # does anything fit?
        return bool(evaluator.over(node).low.decide().any())
    if isinstance(node, Describe):
        return any(bool(evaluator.truth(b).low.decide()) for b in node.bodies)
    value = evaluator.truth(node).low
    return tuple((value.internal if goal.kind == "exact" else value.decide()).flatten().tolist())
