"""Work: what a run has done so far, counted where it is done, against what it may do.

Every limit of :class:`dsl.Limits` holds for one thing: statements, nodes, cells of one table. Their product has a limit
of its own, so that no program can hang: each kind of work costs so many *units*, a unit being about a microsecond of a
processor of 2024. The count is the same on every machine and in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.span import Span
from dsl.syntax import ast

EXACT = 1000
"""Units are counted in thousandths: every kind's are a whole number of them, so that the sum of a run has the same bits
whichever way it was added up."""


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
    thousandths: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "thousandths", round(EXACT * self.units))


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

    __slots__ = ("_allowed", "_limits", "_objects", "_program", "_thousandths", "by_kind")

    def __init__(self, limits: Limits, objects: int = 0) -> None:
        self._limits, self._objects = limits, objects
        self._program: ast.Program | None = None
        self._allowed = EXACT * limits.work_units
        self._thousandths = 0
        self.by_kind: dict[Kind, int] = {}

    @property
    def units(self) -> float:
        """What has been done so far."""
        return self._thousandths / EXACT

    def renew(self) -> None:
        """Count from nothing again: what was done belongs to an earlier block of a conversation."""
        self._thousandths = 0
        self.by_kind.clear()

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
        self._thousandths += kind.thousandths * amount
        if self._thousandths > self._allowed:
            self._check(span)

    def afford(self, spent: Mapping[Kind, int]) -> bool:
        """Count work that was measured before, if there is certainly room for it; else count nothing and say no."""
        thousandths = sum([kind.thousandths * amount for kind, amount in spent.items()])
        if self._thousandths + thousandths > self._allowed:
            return False
        self._thousandths += thousandths
        for kind, amount in spent.items():
            self.by_kind[kind] = self.by_kind.get(kind, 0) + amount
        return True

    def take_back(self, spent: Mapping[Kind, int]) -> None:
        """Count some work no longer: it is done again."""
        for kind, amount in spent.items():
            self.by_kind[kind] -= amount
            self._thousandths -= kind.thousandths * amount

    def _check(self, span: Span | None) -> None:
        if self._program is not None:  # counted when it matters, once
            pairs = self._objects**2
            self._allowed += EXACT * PLANNED_SHARE * len(ast.walk(self._program)) * pairs
            self._program = None
        if self._thousandths <= self._allowed:
            return
        most = max(self.by_kind, key=lambda kind: kind.units * self.by_kind[kind])
        share = 100 * most.units * self.by_kind[most] / self.units
        raise LimitError(
            "work_units",
            self._allowed // EXACT,
            None,
            span,
            what="the run",
            hint=f"{share:.0f} % of it went into {self.by_kind[most]:,} {most.name}: ask for less in loops and lists, "
            "bind fewer variables at once, or raise the limit 'work_units' in the configuration",
        )
