"""What a rewrite is: a named law, where it holds, and a function from plan to plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dsl.plan import Node, transform

IDEMPOTENT, CRISP = "a ∧ a = a (godel)", "quantifiers that are max and min"


@dataclass(frozen=True, slots=True)
class Laws:
    """What a rewrite may rely on.

    Parameters
    ----------
    logic
        The logic's name, for messages.
    idempotent
        ``a ∧ a = a``, and with it distributivity, ∃ over ∨ and ∀ over ∧: godel only.
    crisp
        ∃ and ∀ are max and min: no temperature, no noisy-or.
    """

    logic: str = "godel"
    idempotent: bool = True
    crisp: bool = True

    @staticmethod
    def named(logic: str, quantifier_tau: float = 0.0) -> Laws:
        """Return the laws of a logic by its name (``frank:0`` is godel)."""
        return Laws(logic, logic in ("godel", "frank:0"), quantifier_tau == 0.0)

    def missing(self, needs: tuple[str, ...]) -> str:
        """Return why a rewrite with these needs does not apply, or ``""``."""
        if IDEMPOTENT in needs and not self.idempotent:
            return f"in {self.logic}, a ∧ a is not a"
        if CRISP in needs and not self.crisp:
            return "soft quantifiers do not distribute over the connectives"
        return ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite: keeps the value of every plan on N ≥ 1 objects, terminates, and applied twice does what it
    does once.

    Parameters
    ----------
    name, law
        In words and as an equation.
    needs
        :data:`IDEMPOTENT`, :data:`CRISP`, both, or nothing: valid in every logic.
    apply
        The function. It may use less than its laws allow where :class:`Laws` says so.
    """

    name: str
    law: str
    apply: Callable[[Node, Laws], Node]
    needs: tuple[str, ...] = ()

    def __call__(self, node: Node, laws: Laws) -> Node:
        """Return the rewritten plan, or the plan itself where the law does not hold."""
        return node if laws.missing(self.needs) else self.apply(node, laws)


_Function = Callable[[Node, Laws], Node]


def of_plans(name: str, law: str, *needs: str) -> Callable[[_Function], Rewrite]:
    """Make a :class:`Rewrite` of a function that rewrites a whole plan."""
    return lambda function: Rewrite(name, law, function, needs)


def of_nodes(name: str, law: str, *needs: str) -> Callable[[_Function], Rewrite]:
    """Make a :class:`Rewrite` of a function that rewrites one node, whose children are rewritten already."""
    return lambda function: Rewrite(
        name, law, lambda plan, laws: transform(plan, lambda node: function(node, laws)), needs
    )
