"""The scores that a run used, as one vector of numbers that may be moved: to ask what another score would change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.plan import Atom
from neptune.algebra.late import torch
from neptune.engine.context import RunContext
from neptune.engine.evaluate.ends.axes import Mask, some
from neptune.engine.evaluate.executor import AtomSource
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.replies import MAX_LOGIT
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table
from neptune.errors import OracleError
from neptune.scene.types import FloatArray, IntArray, QueryRequest, Question, ScoreRequest, Scores

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


class Silent:
    """An oracle that is never to be asked: what is not known yet stays unknown."""

    name = "silent"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Refuse."""
        raise OracleError("A finished run asked its oracle again", where=requests[0].question.text)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Refuse."""
        raise OracleError("A finished run asked its oracle again", where=requests[0].question.text)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The ground atoms of one question, each once: ``flat`` indices in its table, ``start`` the place of the first in
    the vector, ``places`` (shape of the table) the place of every cell in the vector, -1 for one object with itself."""

    question: Question
    symmetric: bool
    kind: str
    flat: IntArray
    start: int
    places: IntArray


class ScoreVector:
    """All scores that some atoms mention on one scene, as probabilities in one vector ``p``, shape ``(C,)``.

    Parameters
    ----------
    context
        The wording, calibration and logic of the run.
    evidence
        What the oracle said; NaN in `p` where it was not asked, or gave no evidence, or where no atom speaks of it.
    atoms
        The atoms.
    """

    def __init__(self, context: RunContext, evidence: Evidence, atoms: Sequence[Atom]) -> None:
        self.context, self.evidence = context, evidence
        self.columns: dict[tuple[str, int, bool, str], Column] = {}
        self._mentioned: dict[Atom, IntArray] = {}
        scores: list[tuple[str, FloatArray]] = []
        fixed: list[NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
        size = 0
        for atom in atoms:
            key = self._key(atom)
            if key in self.columns:
                continue
            question, symmetric, kind = context.wording.question(atom.predicate), key[2], key[3]
            table = evidence.table(question, symmetric)
            flat = table.normalised(None)
            places = np.full(table.logits.shape, -1, dtype=np.int64)
            places.reshape(-1)[flat] = size + np.arange(len(flat))
            if symmetric:
                places = np.maximum(places, places.T)
            self.columns[key] = Column(question, symmetric, kind, flat, size, places)
            scores.append((kind, table.logits.reshape(-1)[flat]))
            fixed.append(np.full(len(flat), question.boxes is not None))
            size += len(flat)
        self.fixed = np.concatenate(fixed)
        p = self._calibrated(scores)
        # What only other questions on the picture made known would let the same run be judged otherwise each time.
        spoken = np.zeros(size, dtype=np.bool_)
        for atom in atoms:
            spoken[self.mentioned(atom)] = True
        self.p: Floats = np.where(spoken, p, np.nan)
        self.skipped = int((np.isnan(p) & spoken).sum())
        """How many ground atoms that the atoms mention are not known."""

    def _calibrated(self, parts: Sequence[tuple[str, FloatArray]]) -> Floats:
        """Return the probabilities of logits, each with what it is calibrated by: NaN where unknown."""
        if len(self.context.parameters.oracle) == 1 and parts:  # all by the same
            parts = [(parts[0][0], np.concatenate([logits for _, logits in parts]))]
        found: list[Floats] = [np.zeros(0)]
        for kind, part in parts:
            logits = torch.from_numpy(part.astype(np.float64))
            calibrated = self.context.parameters.calibrate(logits.nan_to_num(nan=0.0), kind).detach()
            found.append(calibrated.masked_fill(logits.isnan(), math.nan).sigmoid().numpy())
        return np.concatenate(found)

    def _key(self, atom: Atom) -> tuple[str, int, bool, str]:
        predicate = atom.predicate
        question = self.context.wording.question(predicate)
        symmetric = predicate.symmetric and predicate.arity == 2
        return question.key, question.arity, symmetric, predicate.name or "default"

    def column(self, atom: Atom) -> Column:
        """Return the column of one of the atoms."""
        return self.columns[self._key(atom)]

    def has(self, atom: Atom) -> bool:
        """Tell whether an atom's question is in the vector."""
        return self._key(atom) in self.columns

    def asked(self, atom: Atom) -> tuple[Question, int, int]:
        """Return the question of one of the atoms, how many ground atoms it speaks of, and how many are known."""
        places = self.mentioned(atom)
        return self.column(atom).question, len(places), int((~np.isnan(self.p[places])).sum())

    def mentioned(self, atom: Atom) -> IntArray:
        """Return the places of the ground atoms that an atom speaks of, each once, ascending."""
        found = self._mentioned.get(atom)
        if found is None:
            index = tuple(t if isinstance(t, int) else slice(None) for t in atom.terms)
            places = np.unique(self.column(atom).places[index])
            found = self._mentioned[atom] = places[places >= 0]
        return found

    def ground_atom(self, place: int) -> tuple[Question, tuple[int, ...]]:
        """Return the question and the objects of a place in the vector."""
        for column in self.columns.values():
            if column.start <= place < column.start + len(column.flat):
                at = np.unravel_index(column.flat[place - column.start], column.places.shape)
                return column.question, tuple(map(int, at))
        raise IndexError(f"place {place} of {len(self.p)}")

    def reach(self, delta: float) -> tuple[Floats, Floats]:
        """Return how low and how high each score can be if it moves by at most `delta`, shape ``(C,)``: what is read
        off the boxes stays; NaN where unknown."""
        step = np.where(self.fixed, 0.0, delta)
        return np.clip(self.p - step, 0.0, 1.0), np.clip(self.p + step, 0.0, 1.0)

    def within(self, delta: float) -> AtomSource:
        """Return what gives atoms as intervals: every score known may move by `delta`, the others are anything."""
        unknown = np.isnan(self.p)
        low, high = (np.where(unknown, end, p) for end, p in zip((0.0, 1.0), self.reach(delta), strict=True))
        ends = logit(low), logit(high)
        known = delta == 0.0 and not unknown.any()
        return lambda atom: torch.stack([self._values(atom, end) for end in ends[: 1 if known else 2]])

    def known(self) -> KnownScores:
        """Return what gives atoms as intervals: what is known, as it is."""
        return KnownScores(self)

    def at(self, logits: Tensor) -> AtomSource:
        """Return what gives atoms with these logits, shape ``(C,)``, which may carry gradients."""
        return lambda atom: self._values(atom, logits).unsqueeze(0)

    def _values(self, atom: Atom, logits: Tensor) -> Tensor:
        """Return an atom's carrier values over its variables."""
        index = tuple(t if isinstance(t, int) else slice(None) for t in atom.terms)
        places = torch.from_numpy(np.asarray(self.column(atom).places[index]))
        # A pair of one object with itself is never used: guards decide it. Shown as false.
        own = places < 0
        cells = logits.index_select(0, places.clamp_min(0).reshape(-1)).reshape(places.shape)
        logic = self.context.logic
        return logic.to_internal(cells.masked_fill(own, -MAX_LOGIT).to(logic.dtype))

    def moved(self, p: Floats) -> Evidence:
        """Return evidence as if the oracle had given these scores, shape ``(C,)``; texts as they were."""
        evidence = self.evidence.unscored()
        # All tables are made before any is filled: a symmetric one begins with what is known of the same words.
        tables = [evidence.table(column.question, column.symmetric) for column in self.columns.values()]
        said = logit(p).double()
        for column, table in zip(self.columns.values(), tables, strict=True):
            here = said[column.start : column.start + len(column.flat)]
            # The inverse of the calibration, logit/T + b.
            zero, one = self.context.parameters.calibrate(torch.tensor([0.0, 1.0]), column.kind).detach().double()
            raw = ((here - zero) / (one - zero)).numpy()
            known = ~np.isnan(raw)
            table.write(column.flat[known], raw[known])
        return evidence


def uncalibrated(context: RunContext) -> bool:
    """Tell whether scores are taken as the oracle gave them, as logits."""
    plain = {"T": 1.0, "b": 0.0}
    return context.logic.uses_logits and all(of == plain for of in context.parameters.to_dict()["oracle"].values())


class _Seen(NamedTuple):
    """What has been seen of a table: bounds of its logits, where they are not known, and at how many ground atoms."""

    low: FloatArray
    high: FloatArray
    unknown: Mask
    missing: int


class SeenScores:
    """What a run has seen of the scores that some atoms mention, for showing it: as :class:`ScoreVector` and its
    :meth:`~ScoreVector.known`, for scores that are taken as the oracle gave them, and without tensors.

    Parameters
    ----------
    context, evidence, atoms
        As there.

    Attributes
    ----------
    skipped
        How many ground atoms that the atoms mention are not known.
    """

    def __init__(self, context: RunContext, evidence: Evidence, atoms: Iterable[Atom]) -> None:
        known = KnownAtoms(evidence, context)
        self._logic, self._objects = context.logic, len(evidence.scene)
        self._tables = {atom: known.table(atom) for atom in atoms}
        self._seen = self._looked_at(tuple(dict.fromkeys(self._tables.values())))
        self._cells: dict[Atom, tuple[int, int]] = {}
        mentioned: dict[tuple[Table, str], Mask | None] = {}
        for atom, table in self._tables.items():
            seen, key = self._seen[table], (table, atom.predicate.name)
            if len(atom.free) == len(atom.terms) < 3:
                cells, missing = len(table.normalised(None)), seen.missing
                mentioned[key] = None
            else:
                here = self._mentioned(atom, table)
                cells, missing = int(np.count_nonzero(here)), int(np.count_nonzero(seen.unknown & here))
                before = mentioned.get(key, here)
                mentioned[key] = None if before is None else before | here
            self._cells[atom] = cells, cells - missing
        self.skipped = 0
        for (table, _), within in mentioned.items():
            seen = self._seen[table]
            self.skipped += seen.missing if within is None else int(np.count_nonzero(seen.unknown & within))

    def _looked_at(self, tables: Sequence[Table]) -> dict[Table, _Seen]:
        """Return what has been seen of tables: computed of all at once."""
        if not tables:
            return {}
        raw = np.concatenate([table.logits.reshape(-1) for table in tables])
        with np.errstate(divide="ignore", over="ignore"):
            p = 1.0 / (1.0 + np.exp(-raw.astype(np.float64)))
            logits = np.log(p / (1.0 - p)).astype(np.float32)
        places, at = [], 0
        for table in tables:
            places.append(here := slice(at, at := at + table.logits.size))
            shape = table.logits.shape
            if len(shape) > 1:
                # A pair of one object with itself is never used: guards decide it. Shown as false.
                logits[here].reshape(shape)[diagonal(self._objects, len(shape))] = -MAX_LOGIT
        unknown = np.isnan(logits)
        low, high = (np.where(unknown, np.float32(end), logits) for end in (-np.inf, np.inf))
        found: dict[Table, _Seen] = {}
        for table, here in zip(tables, places, strict=True):
            shape, open_at = table.logits.shape, unknown[here]
            missing = int(np.count_nonzero(open_at)) // (1 + table.symmetric)
            found[table] = _Seen(low[here].reshape(shape), high[here].reshape(shape), open_at.reshape(shape), missing)
        return found

    def _mentioned(self, atom: Atom, table: Table) -> Mask:
        """Return where in a table the ground atoms are that an atom speaks of, each once."""
        here = np.zeros(table.logits.shape, dtype=np.bool_)
        here[tuple([t if isinstance(t, int) else slice(None) for t in atom.terms])] = True
        here &= ~diagonal(self._objects, len(atom.terms))
        return np.triu(here | here.T) if table.symmetric else here

    def known(self) -> SeenScores:
        """Return what gives atoms as intervals: what is known, as it is."""
        return self

    def has(self, atom: Atom) -> bool:
        """Tell whether an atom is among them."""
        return atom in self._cells

    def asked(self, atom: Atom) -> tuple[Question, int, int]:
        """Return the question of one of the atoms, how many ground atoms it speaks of, and how many are known."""
        return self._tables[atom].question, *self._cells[atom]

    def table(self, atom: Atom) -> Table:
        """Return the table of an atom's question."""
        return self._tables[atom]

    def __call__(self, atom: Atom) -> Tensor:
        """Return an atom's carrier values over its variables, or their bounds, ``(1 or 2, N, …)``."""
        low, high = self.ends(atom)
        return torch.from_numpy(np.stack([low] if low is high else [low, high])).to(self._logic.dtype)

    def ends(self, atom: Atom) -> tuple[FloatArray, FloatArray]:
        """Return bounds of an atom's logits over its variables, in the order of its terms."""
        seen = self._seen[self._tables[atom]]
        if len(atom.free) == len(atom.terms):
            return seen.low, seen.high if seen.missing else seen.low
        index = tuple([t if isinstance(t, int) else slice(None) for t in atom.terms])
        low = seen.low[index]
        return low, seen.high[index] if some(seen.unknown[index]) else low


class KnownScores:
    """What is known of the scores of a vector, atom by atom; for executors, as tensors or as arrays."""

    def __init__(self, scores: ScoreVector) -> None:
        self._scores, self._tensors = scores, scores.within(0.0)
        # A pair of one object with itself, at place -1, is never used: guards decide it. Shown as false.
        own, unknown = np.float32(-MAX_LOGIT), np.isnan(scores.p)
        low, high = (logit(np.where(unknown, end, scores.p)).float().numpy() for end in (0.0, 1.0))
        self._low, self._high, self._open = np.append(low, own), np.append(high, own), np.append(unknown, False)

    def __call__(self, atom: Atom) -> Tensor:
        """Return an atom's carrier values over its variables, or their bounds, ``(1 or 2, N, …)``."""
        return self._tensors(atom)

    def ends(self, atom: Atom) -> tuple[FloatArray, FloatArray]:
        """Return bounds of an atom's logits over its variables, in the order of its terms."""
        index = tuple(t if isinstance(t, int) else slice(None) for t in atom.terms)
        places = self._scores.column(atom).places[index]
        low = np.asarray(self._low[places])
        return low, np.asarray(self._high[places]) if self._open[places].any() else low

    def table(self, atom: Atom) -> Table:
        """Return the table of an atom's question."""
        column = self._scores.column(atom)
        return self._scores.evidence.table(column.question, column.symmetric)


def logit(p: Floats) -> Tensor:
    """Return the logits of probabilities, float64; ±∞ at 0 and 1, NaN stays."""
    return torch.logit(torch.from_numpy(np.asarray(p, dtype=np.float64)))
