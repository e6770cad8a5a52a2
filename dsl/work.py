"""Work: what a run has done so far, counted where it is done, against what it may do.

Every limit of :class:`dsl.Limits` holds for one thing: statements, nodes, cells of one table. Their product has a limit
of its own, so that no program can hang: each kind of work costs so many *units*, a unit being about a microsecond of a
processor of 2024. The count is the same on every machine and in every run.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.span import Span
from dsl.syntax import ast


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work.

    Parameters
    ----------
    name
        In words, many of them.
    units
        What one costs, or, where one is cheaper than a unit, as a fraction.
    """

    name: str
    units: float


STEPS = Kind("steps of the interpreter", 4)
NODES = Kind("nodes of formulas built", 30)
DECISIONS = Kind("values decided on the way", 2000)
PLANNED = Kind("nodes of formulas planned", 200)
QUESTIONS = Kind("open questions asked", 150)
CELLS = Kind("cells of tables", 1 / 250)
ATOMS = Kind("ground atoms looked up", 1 / 8)
PLANNED_SHARE = 2
"""Units that a run may do beyond its limit for each node of the program and each pair of objects: what a formula of
pairs costs as planned, which is known before the run."""


class Work:
    """The work of one run.

    Parameters
    ----------
    limits
        ``limits.work_units`` is what any run may do.
    objects
        The number of objects; more pairs of them allow more work.
    """

    __slots__ = ("_allowed", "_limits", "_objects", "_program", "by_kind", "units")

    def __init__(self, limits: Limits, objects: int = 0) -> None:
        self._limits, self._objects = limits, objects
        self._program: ast.Program | None = None
        self._allowed = limits.work_units
        self.by_kind: dict[Kind, int] = {}
        self.units = 0.0

    def begin(self, program: ast.Program) -> None:
        """Name the program that is run: the larger it is and the more objects there are, the more it may do."""
        self._program = program

    def spend(self, kind: Kind, amount: int, span: Span | None = None) -> None:
        """Count some work.

        Raises
        ------
        LimitError
            If the run has done more than it may; it names what most of the work was.
        """
        self.by_kind[kind] = self.by_kind.get(kind, 0) + amount
        self.units += kind.units * amount
        if self.units > self._allowed:
            self._check(span)

    def _check(self, span: Span | None) -> None:
        if self._program is not None:  # counted when it matters, once
            pairs = self._objects**2
            self._allowed += int(PLANNED_SHARE * len(ast.walk(self._program)) * pairs)
            self._program = None
        if self.units <= self._allowed:
            return
        most = max(self.by_kind, key=lambda kind: kind.units * self.by_kind[kind])
        share = 100 * most.units * self.by_kind[most] / self.units
        raise LimitError(
            "work_units",
            self._allowed,
            None,
            span,
            what="the run",
            hint=f"{share:.0f} % of it went into {self.by_kind[most]:,} {most.name}: ask for less in loops and lists, "
            "bind fewer variables at once, or raise the limit 'work_units' in the configuration",
        )
