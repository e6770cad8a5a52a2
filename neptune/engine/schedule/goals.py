"""What a run needs to know of a formula: the kinds of decision that a schedule works towards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dsl.plan import ExpectationOver, Node, walk

Kind = Literal["decide", "argmax", "choose", "each", "exact"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A decision to settle.

    Parameters
    ----------
    kind
        ``decide``: is the closed formula true? ``argmax``: which object is a closed
        :class:`dsl.plan.Description` about?
        ``choose``: which value of a closed :class:`dsl.plan.Describe` is truest? ``each``: at which objects is
        the formula (or the body of a count) true? ``exact``: the values themselves.
    node
        The formula, guarded and without unresolved pointing.
    """

    kind: Kind
    node: Node

    @property
    def soft(self) -> bool:
        """Whether its values come out of sums: a description's expectation inside."""
        return any(isinstance(n, ExpectationOver) and not n.pick for n in walk(self.node))
