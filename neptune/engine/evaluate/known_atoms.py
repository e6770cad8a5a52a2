"""The scores of atoms on one scene, as far as they are known."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from dsl.plan import Atom, Predicate, make
from neptune.algebra.arrays import Array, ArrayLogic
from neptune.algebra.late import torch
from neptune.engine.context import RunContext
from neptune.engine.evaluate.ends.arithmetic import Ends, ends_in, unasked, unasked_rows
from neptune.engine.evaluate.ends.axes import some
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table
from neptune.scene.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

_MISSING: Final[Any] = object()


@lru_cache(maxsize=4096)
def _general(predicate: Predicate) -> Atom:
    """Return the atom of a predicate whose places are all variables."""
    return make(Atom, predicate, tuple(f"@{k}" for k in range(predicate.arity)))


class KnownAtoms:
    """What is known of atoms on one scene: called with an atom, it gives the scores.

    Parameters
    ----------
    evidence
        What the oracle has said of the scene.
    context
        The words of questions, the calibration, the logic.
    """

    def __init__(self, evidence: Evidence, context: RunContext) -> None:
        self.evidence, self.context, self._objects = evidence, context, len(evidence.scene)
        self._plain: dict[str, bool] = {}
        self._tables: dict[Atom, Table] = {}
        self._read: dict[Atom, tuple[Table, bool, tuple[int | None, ...]]] = {}

    def table(self, atom: Atom) -> Table:
        """Return the evidence table of an atom."""
        found = self._tables.get(atom)
        if found is None:
            question = self.context.wording.question(atom.predicate)
            found = self._tables[atom] = self.evidence.table(question, atom.predicate.symmetric)
        return found

    def __call__(self, atom: Atom) -> Tensor:
        """Return an atom's carrier values over its variables, ``(1, N, …)``; where some are not asked, or of missing
        evidence, their lower and upper bounds, ``(2, N, …)``."""
        logic, table = self.context.logic, self.table(atom)
        index = tuple(t if isinstance(t, int) else slice(None) for t in atom.terms)
        # A pair of one object with itself is never asked and never used: guards decide it. Any number does.
        open_at = np.isnan(table.logits) & ~diagonal(len(self.evidence.scene), len(atom.terms))
        unknown = torch.from_numpy(np.asarray(open_at[index]))
        logits = torch.from_numpy(table.logits)[index].nan_to_num(nan=0.0).to(logic.dtype)
        logits = self.context.parameters.calibrate(logits, atom.predicate.name or "default")
        if not bool(unknown.any()):
            return logic.to_internal(logits.unsqueeze(0))
        rows = [logits.masked_fill(unknown, end) for end in (-torch.inf, torch.inf)]
        if table.bounds:
            name = atom.predicate.name or "default"
            rows = [torch.where(unknown, self._ends(table, k, index, name), row) for k, row in enumerate(rows)]
        return logic.to_internal(torch.stack(rows))

    def ends(self, atom: Atom) -> Ends:
        """Return lower and upper bounds of an atom's logits, over its variables in the order of its terms: float32
        arrays; the same one twice where all are known. Those of the scores as they are stay until more is asked."""
        found = self._read.get(atom)
        if found is None:
            given = tuple([t if isinstance(t, int) else None for t in atom.terms])
            plain = self._uncalibrated(atom.predicate.name or "default")
            found = self._read[atom] = self.table(atom), plain, given
        table, plain, given = found
        if table.bounds or not plain:
            first, *second = self(atom).numpy()
            return first, second[0] if second else first  # two views of one row would not be the same array
        if not table.writes:
            return unasked(self._objects, atom.terms)[0]
        key = "ends", given, table.writes
        rows = table.ready.get(key)
        if rows is None:
            rows = table.ready[key] = self._rows(table.logits, atom)
        return ends_in(rows)

    def _rows(self, logits: FloatArray, atom: Atom) -> FloatArray:
        """Return bounds of an atom's logits, ``(2, N, …)``; ``(1, N, …)`` where all are known. Read-only."""
        if len(atom.terms) > len(atom.free):
            logits = logits[tuple([t if isinstance(t, int) else slice(None) for t in atom.terms])]
        missing = np.isnan(logits)
        if some(missing):
            rows = np.where(missing, unasked_rows(self._objects, atom.terms), logits)
            if len(atom.terms) > 1 and not some(rows[0] != rows[-1]):
                rows = rows[:1]  # nothing but pairs of one object with itself
        else:
            rows = logits[None].copy()
        rows.flags.writeable = False
        return rows

    def _uncalibrated(self, name: str) -> bool:
        """Tell whether the logits of a predicate are those that the oracle gave."""
        parameters = self.context.parameters
        kind = parameters.kind_of(name)
        found = self._plain.get(kind)
        if found is None:
            found = self._plain[kind] = parameters.to_dict()["oracle"][kind] == {"T": 1.0, "b": 0.0}
        return found

    def array(self, predicate: Predicate, key: Hashable) -> Array | None:
        """Return the carrier values of a predicate at all tuples of objects, ``(1, N, …)``, which are kept; ``None``
        where not all were asked, or evidence is missing.

        Parameters
        ----------
        predicate
            The predicate.
        key
            Names the logic and the temperatures.
        """
        atom = _general(predicate)
        table = self.table(atom)
        if not (table.complete or predicate.boxes):
            return None
        found = table.ready.get((key, predicate.name), _MISSING)
        if found is _MISSING:
            found = table.ready[key, predicate.name] = self._whole(atom, table)
        return cast("Array | None", found)

    def _whole(self, atom: Atom, table: Table) -> Array | None:
        """Return what a call does of an atom of variables alone, ``(1, N, …)``; ``None`` where not all is known."""
        if table.bounds or not (
            self.context.logic.uses_logits and self._uncalibrated(atom.predicate.name or "default")
        ):
            values = self(atom)
            return values.numpy() if len(values) == 1 else None
        return self._where_known(table, [atom])

    def partly(self, predicate: Predicate, atoms: Sequence[Atom]) -> Array | None:
        """Return the carrier values of a predicate that is known where some atoms of it speak of given objects,
        ``(1, N, …)``, any number elsewhere; ``None`` where tensors have to be used. Nothing of it is kept."""
        table = self.table(_general(predicate))
        if table.bounds or not (self.context.logic.uses_logits and self._uncalibrated(predicate.name or "default")):
            return None
        return self._where_known(table, atoms)

    def _where_known(self, table: Table, atoms: Sequence[Atom]) -> Array | None:
        missing = np.isnan(table.logits)
        if missing.any():
            open_at = missing & ~diagonal(len(self.evidence.scene), table.logits.ndim)
            if any(open_at[tuple(t if isinstance(t, int) else slice(None) for t in a.terms)].any() for a in atoms):
                return None
        return np.nan_to_num(table.logits, nan=0.0)[None]

    def chances(self, predicate: Predicate, key: Hashable, logic: ArrayLogic) -> Array:
        """Return the probabilities of a predicate whose :meth:`array` is known, ``(1, N, …)`` float64, kept too."""
        table = self.table(_general(predicate))
        found = table.ready.get((key, predicate.name, "chances"))
        if found is None:
            array = self.array(predicate, key)
            assert array is not None
            found = logic.to_probability(array).astype(np.float64)
            table.ready[key, predicate.name, "chances"] = found
        return found

    def together(self, predicates: tuple[Predicate, ...], key: Hashable, make: Callable[[], Array]) -> Array:
        """Return what `make` makes of the whole tables of some predicates, kept by its name `key` with the first."""
        tables = [self.table(_general(predicate)) for predicate in predicates]
        ready, name = tables[0].ready, (key, predicates, sum([table.writes for table in tables]))
        found = ready.get(name)
        if found is None:
            found = ready[name] = make()
        return found

    def _ends(self, table: Table, end: int, index: tuple[int | slice, ...], name: str) -> Tensor:
        """Return the lower (0) or upper (1) ends of the logits of missing evidence, calibrated as logits are."""
        ends = np.full(table.logits.shape, (-np.inf, np.inf)[end], dtype=np.float32)
        for at, bounds in table.bounds.items():
            ends.reshape(-1)[at] = bounds[end]
        found = torch.from_numpy(np.asarray(ends[index])).to(self.context.logic.dtype)
        return self.context.parameters.calibrate(found, name)
