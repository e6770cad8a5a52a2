"""What many finished runs looked like inside, at once: what :func:`~neptune.engine.analysis.inspection.inspect` says of
each, read off padded batches of their plans as written.

Questions answered in a batch have all their evidence, one decision, and no value taken on their way: what is shown of
them is laid out once a program, and its values are those of one evaluation for all programs of one shape.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

import numpy as np
from cachetools import LRUCache

from dsl import plan
from dsl.errors import LimitError
from dsl.plan import Atom, Count, CountTrue, Describe, Description, Node, Not, Predicate, make
from neptune.algebra.arrays import Array, ArrayLogic, any_logic, as_tensor
from neptune.algebra.convert import as_float
from neptune.algebra.late import no_grad
from neptune.engine.analysis.robustness import cell_limit
from neptune.engine.analysis.shown.parts import MOST_NODES, parts_of
from neptune.engine.compile import plan_cache as plans
from neptune.engine.context import RunContext
from neptune.engine.evaluate.arrays import settings_of
from neptune.engine.evaluate.batched_arrays import Group, Known, PaddedArrays
from neptune.engine.evaluate.stage import NotAlike, Stage
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.replies import MAX_LOGIT
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.schedule.stopping import MARGIN, Goal
from neptune.engine.session.batch_readings import Job
from neptune.engine.session.forms.forms import Filling, keeps_conjunctions
from neptune.engine.session.forms.words import PLACEHOLDER
from neptune.engine.session.precompiled import Precompiled
from neptune.engine.session.readout import GOALS

LAYOUTS_KEPT = 2048


@dataclass(slots=True)
class _Shown:
    """One line of what is shown: what is the same on every scene, and where its values are.

    Parameters
    ----------
    row
        Depth and text.
    node
        What it shows.
    truths
        Its truths among those of the layout.
    vars
        The variables of its scores, the one shown first.
    said
        What is said of these variables, after the scores.
    """

    row: dict[str, Any]
    node: Node
    truths: tuple[int, ...] = ()
    vars: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Layout:
    """What is shown of one program, whatever the scene."""

    shown: list[_Shown]
    stage: Stage
    goal: Goal
    line: int
    margin: float


class _AsShown(PaddedArrays[Job]):
    """Evaluates plans as written on the scores as they are shown: probabilities, which are calibrated already."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(replace(context, planner="naive"))
        self._context = context

    def _by_arrays(self) -> bool:
        return settings_of(self._context).logic is not None

    def _internal(self, predicates: list[list[Predicate]], rows: list[Job], n: int) -> Known:
        raw = self._said(predicates, rows, n)
        own = diagonal(n, raw.ndim - 2)
        raw = np.where(own, np.float32(-MAX_LOGIT), raw)  # never asked and never used: shown as false
        if settings_of(self.run).uncalibrated or len(self.run.parameters.oracle) == 1:
            return _carrier(self.run, self._logic, raw, "default"), None
        names = [[p.name or "default" for p in row] for row in predicates]
        each = [[_carrier(self.run, self._logic, x, name) for x, name in zip(*of)] for of in zip(raw, names)]
        return np.array(each), None


class Insides:
    """Looks inside runs that were made in one context, and keeps how their programs are laid out."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._padded = _AsShown(context)
        self._layouts: LRUCache[Precompiled, _Layout | None] = LRUCache(LAYOUTS_KEPT)

    @no_grad()
    def of(self, jobs: Sequence[Job]) -> list[dict[str, Any] | None]:
        """Return the fields of records that show the insides of runs; ``None`` where a run is looked at by itself.

        Those are runs that chose an object first or bound names, plans too large to be evaluated as written, and
        decisions within rounding of a tie.
        """
        found: dict[int, dict[str, Any]] = {}
        members = [(at, job, layout) for at, job in enumerate(jobs) if (layout := self._layout(job)) is not None]
        if members:
            place = {id(job): (at, layout) for at, job, layout in members}
            atoms = _AtomScores(self._context)
            atoms.foresee((job, line.node) for _, job, layout in members for line in layout.shown)
            try:
                groups = self._padded.evaluate([job for _, job, _ in members], [m.stage for _, _, m in members])
            except LimitError:
                groups = []
            for group in groups:
                values = _Values(group)
                for b, job in enumerate(group.rows):
                    at, layout = place[id(job)]
                    if _is_clear(layout, values, b):
                        nodes = [_line(shown, values, b, job, atoms) for shown in layout.shown]
                        nodes[0]["line"] = layout.line
                        found[at] = {"plan": nodes, "lines": [], "skipped": 0}
        return [found.get(at) for at in range(len(jobs))]

    def _layout(self, job: Job) -> _Layout | None:
        """Return how a run's program is laid out, if its scene is small enough for the plan as written."""
        made = job.made
        if made not in self._layouts:
            self._layouts[made] = self._filled(*made.form) if made.form is not None else None
            if self._layouts[made] is None:
                self._layouts[made] = _laid_out(self._context, made)
        layout = self._layouts[made]
        if layout is None:
            return None
        program = plans.plan(layout.stage.template.node, "parts", None)
        return layout if program.peak_cells(len(job.scene)) <= cell_limit(self._context) else None

    def _filled(self, like: Precompiled, words: Filling) -> _Layout | None:
        """Return how a form is laid out with these words; ``None`` where a program is laid out by itself."""
        if like not in self._layouts:
            self._layouts[like] = _laid_out(self._context, like)
        layout = self._layouts[like]
        if layout is None or not keeps_conjunctions((layout.goal.node, *layout.stage.truths), words):
            return None
        shown: list[_Shown] = []
        for line in layout.shown:
            placed = _PLACED.fullmatch(line.row["text"])
            if placed is None:
                shown.append(line)
                continue
            atom = cast(Atom, _atom(line.node))
            for p in words.meant(atom.predicate):
                terms = placed[3].split(", ")
                if atom.predicate.name in words.swapped:
                    atom, terms = make(Atom, atom.predicate, atom.terms[::-1]), terms[::-1]
                text, own = f"{placed[1]}{p}({', '.join(terms)})", make(Atom, p, atom.terms)
                said = {**line.said, "question": self._context.wording.question(p).text}
                node = own if isinstance(line.node, Atom) else make(Not, own)
                shown.append(_Shown({**line.row, "text": text}, node, (), line.vars, said))
        if len(shown) >= MOST_NODES or len(layout.shown) >= MOST_NODES:
            return None  # not all of it is shown
        try:
            stage = layout.stage.filled(words.node, words.meant, words.swapped)
        except NotAlike:
            return None
        return replace(layout, shown=shown, stage=stage)


_PLACED = re.compile(rf"(.*?)({PLACEHOLDER})\((.*)\)")
"""The line of an atom of a form."""


def _laid_out(context: RunContext, made: Precompiled) -> _Layout | None:
    if made.choice or made.told < 0:
        return None
    soft_quantifiers = as_float(context.parameters.quantifier_tau) != 0.0
    root = made.settled if soft_quantifiers else push_down(made.settled)
    truths: dict[Node, int] = {}
    names: dict[str, str] = {}
    shown: list[_Shown] = []
    for depth, node, label in parts_of(root, 0, names, set()):
        if len(shown) >= MOST_NODES:
            break
        line = _Shown({"depth": depth, "text": label}, node)
        shown.append(line)
        match node:
            case plan.Number() | plan.Const():
                continue
            case Describe() | CountTrue():
                of: tuple[Node, ...] = node.bodies
            case Description() | Count():
                of, line.vars = (node.body,), (node.var, *sorted(node.free))
            case _:
                of, line.vars = (node,), tuple(sorted(node.free))
        if line.vars:
            line.said["over"] = names.get(line.vars[0], line.vars[0])
        if line.vars[1:]:
            line.said["best"] = [names.get(v, v) for v in line.vars[1:]]
        atom = _atom(node)
        if atom is None:
            line.truths = tuple(truths.setdefault(truth, len(truths)) for truth in of)
        elif len(set(atom.free)) < len(atom.terms):
            return None  # it speaks of a given object, or twice of one
        else:
            line.said["question"] = context.wording.question(atom.predicate).text
    goal = Goal(GOALS[made.need.kind], root)
    if not shown[0].truths:
        return None
    margin = MARGIN if goal.soft or not context.logic.uses_logits else 0.0
    return _Layout(shown, Stage(tuple(truths), len(truths)), goal, made.told, margin)


def _atom(node: Node) -> Atom | None:
    """Return the atom that a line shows, negated or not."""
    inner = node.body if isinstance(node, Not) else node
    return inner if isinstance(inner, Atom) else None


def _carrier(context: RunContext, logic: ArrayLogic, raw: Array, name: str) -> Array:
    """Return carrier values of raw logits, through the probabilities that are shown."""
    exact = raw.astype(np.float64)
    if not settings_of(context).uncalibrated:
        exact = context.parameters.calibrate(as_tensor(exact), name).detach().numpy()
    with np.errstate(divide="ignore", over="ignore"):
        p = 1.0 / (1.0 + np.exp(-exact))
        logits = np.log(p / (1.0 - p))
    return logic.to_internal(logits.astype(logic.dtype))


class _Values:
    """The truths of a group's plans as lists of numbers: one for each object of the first variable wanted, the others
    bound by ∃."""

    def __init__(self, group: Group[Job]) -> None:
        self.group = group
        self._kept: dict[tuple[int, tuple[str, ...]], Any] = {}

    def scores(self, k: int, vars: tuple[str, ...], b: int) -> Any:
        """Return the k-th truth of a row: a number where there are no variables."""
        found = self._kept.get((k, vars))
        if found is None:
            found = self._kept[k, vars] = self._over(k, vars).tolist()
        return found[b][: len(self.group.rows[b].scene)] if vars else found[b]

    def _over(self, k: int, vars: tuple[str, ...]) -> Array:
        group, x, have = self.group, self.group.chances[k].astype(np.float64), self.group.vars[k]
        for var in vars:
            if var not in have:  # a description of nothing in particular
                x, have = np.repeat(x[..., None], group.size, -1), (*have, var)
        x = x.transpose(0, *(1 + have.index(v) for v in vars))
        for axis in range(2, 1 + len(vars)):
            if group.keep is not None:
                shape = [len(group.rows), *([1] * len(vars))]
                shape[axis] = group.size
                x = np.where(group.keep.reshape(shape), x, -1.0)
        found: Array = x.max(tuple(range(2, 1 + len(vars)))) if len(vars) > 1 else x
        return found

    def decided(self, k: int, b: int) -> int:
        """Return how many cells of the k-th truth of a row are true."""
        key = (k, ("#",))
        if key not in self._kept:
            hits = self.group.decided(k)
            self._kept[key] = (hits.sum(1) if hits.ndim > 1 else hits).tolist()
        return int(self._kept[key][b])

    def best(self, of: tuple[int, ...], b: int) -> int:
        """Return which of some closed truths of a row is the truest, the first among equals."""
        key = (-1, tuple(map(str, of)))
        if key not in self._kept:
            cells = np.stack([self.group.internal[k] for k in of], 1)
            self._kept[key] = self.group.logic.ranks(cells).argmax(1).tolist()
        return int(self._kept[key][b])


def _is_clear(layout: _Layout, values: _Values, b: int) -> bool:
    """Whether the run's decision is settled beyond rounding: else its plan is evaluated as it was before quantifiers
    were pushed inward."""
    if not layout.margin:
        return True
    root, margin = layout.shown[0], layout.margin
    found: list[float] = []
    for k in root.truths:
        scores = values.scores(k, root.vars, b)
        found += scores if isinstance(scores, list) else [scores]
    if layout.goal.kind in ("argmax", "choose"):
        best = max(range(len(found)), key=found.__getitem__)
        others = [p for i, p in enumerate(found) if i != best]
        return not others or found[best] > max(others) + margin
    return all(p > 0.5 + margin or p < 0.5 - margin for p in found)


def _line(shown: _Shown, values: _Values, b: int, job: Job, atoms: _AtomScores) -> dict[str, Any]:
    """Return one line of what is shown of a run."""
    node, row = shown.node, dict(shown.row)
    atom = _atom(node)
    if atom is not None:
        scores, cells = atoms.of(job, atom, node is not atom)
        row |= {"scores" if shown.vars else "p": scores, **shown.said}
        return row | {"cells": cells, "known": cells}
    if not shown.truths:
        return row
    if isinstance(node, Describe):
        return row | {"value": node.values[values.best(shown.truths, b)]}
    if isinstance(node, CountTrue):
        return row | {"n": sum(values.decided(k, b) for k in shown.truths)}
    (k,) = shown.truths
    found = values.scores(k, shown.vars, b)
    row |= {"scores": [round(p, 3) for p in found], **shown.said} if shown.vars else {"p": round(found, 3)}
    if isinstance(node, Count) and not node.free:
        # A body that does not speak of the variable holds of every object or of none.
        row["n"] = values.decided(k, b) * (1 if node.var in node.body.free else len(job.scene))
    return row


class _AtomScores:
    """The scores of atoms as they are shown: the same for all questions on a picture."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._kept: dict[_Shape, tuple[Any, int]] = {}
        self._tables: dict[tuple[Evidence, Predicate], Table] = {}

    def _table(self, job: Job, predicate: Predicate) -> Table:
        found = self._tables.get((job.evidence, predicate))
        if found is None:
            found = job.evidence.table(self._context.wording.question(predicate), predicate.symmetric)
            self._tables[job.evidence, predicate] = found
        return found

    def _shape(self, job: Job, atom: Atom, negated: bool) -> _Shape:
        order = _order(atom)
        return self._table(job, atom.predicate), atom.predicate.name or "default", negated, order

    def foresee(self, shown: Iterable[tuple[Job, Node]]) -> None:
        """Compute the scores of the atoms that lines show in one go."""
        wanted: dict[_Shape, int] = {}
        for job, node in shown:
            atom = _atom(node)
            if atom is not None:
                wanted.setdefault(self._shape(job, atom, node is not atom), len(job.scene))
        self._compute(wanted)

    def of(self, job: Job, atom: Atom, negated: bool) -> tuple[Any, int]:
        """Return an atom's scores over the first of its variables, the others bound by ∃ (a number where it has none),
        and how many ground atoms it speaks of."""
        shape = self._shape(job, atom, negated)
        if shape not in self._kept:
            self._compute({shape: len(job.scene)})
        return self._kept[shape]

    def _compute(self, wanted: dict[_Shape, int]) -> None:
        """Add scores: tables of one calibration and sign are converted as one."""
        context, alike = self._context, defaultdict[tuple[str, bool], list[_Shape]](list)
        single = settings_of(context).uncalibrated or len(context.parameters.oracle) == 1
        for shape in wanted:
            alike["" if single else shape[1], shape[2]].append(shape)
        logic = any_logic(context.logic)
        own_cell = logic.to_internal(np.array(-MAX_LOGIT, dtype=logic.dtype))
        for (name, negated), shapes in alike.items():
            raw = np.concatenate([table.logits.reshape(-1) for table, _, _, _ in shapes])
            x = _carrier(context, logic, np.where(np.isnan(raw), np.float32(0.0), raw), name or "default")
            of_pairs = [diagonal(wanted[shape], len(shape[3])).reshape(-1) for shape in shapes]
            x = np.where(np.concatenate(of_pairs), own_cell, x)
            p = logic.to_probability(logic.not_(x) if negated else x).astype(np.float64)
            at = 0
            for shape in shapes:
                table, _, _, order = shape
                cells: Array = p[at : at + table.logits.size].reshape(table.logits.shape)
                at += table.logits.size
                if len(order) > 1:
                    cells = cells.transpose(order).max(axis=tuple(range(1, len(order))))
                scores = [round(v, 3) for v in cells.tolist()] if order else round(float(cells), 3)
                self._kept[shape] = scores, len(table.normalised(None))


_Shape: TypeAlias = tuple[Table, str, bool, tuple[int, ...]]
"""A table, the name that it is calibrated by, whether it is negated, and its axes in the order shown."""


def _order(atom: Atom) -> tuple[int, ...]:
    """Return the places of an atom's terms in the order of their names."""
    terms = atom.terms
    if len(terms) < 2:
        return (0,) if terms else ()
    return tuple(sorted(range(len(terms)), key=lambda place: str(terms[place])))
