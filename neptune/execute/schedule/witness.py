"""Best-first: follow the likeliest way to settle a decision, cell by cell."""

from __future__ import annotations

import numpy as np

from dsl.plan import Leaf
from neptune.execute.schedule.goals import Goal
from neptune.execute.schedule.view import Mask, View


class Witness:
    """Chooses among demanded cells those of the likeliest witness.

    Parameters
    ----------
    view
        What is known.
    wanted
        The cells that can still change the decision, as found by :class:`Demand`.
    exact
        Whether values, and not only decisions, are wanted.
    """

    def __init__(self, view: View, wanted: dict[Leaf, Mask], exact: bool) -> None:
        self.view, self.wanted, self.exact = view, wanted, exact

    def choose(self, goal: Goal, batch: int):  # type: ignore[no-untyped-def]
        """Return up to `batch` cells."""
        raise NotImplementedError
