"""The scores of atoms on one scene, as far as they are known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dsl.plan import Atom
from neptune.engine.context import RunContext
from neptune.engine.evidence.indexing import diagonal
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table


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
        self.evidence, self.context = evidence, context

    def table(self, atom: Atom) -> Table:
        """Return the evidence table of an atom."""
        return self.evidence.table(self.context.wording.question(atom.predicate), atom.predicate.symmetric)

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

    def _ends(self, table: Table, end: int, index: tuple[int | slice, ...], name: str) -> Tensor:
        """Return the lower (0) or upper (1) ends of the logits of missing evidence, calibrated as logits are."""
        ends = np.full(table.logits.shape, (-np.inf, np.inf)[end], dtype=np.float32)
        for at, bounds in table.bounds.items():
            ends.reshape(-1)[at] = bounds[end]
        found = torch.from_numpy(np.asarray(ends[index])).to(self.context.logic.dtype)
        return self.context.parameters.calibrate(found, name)
