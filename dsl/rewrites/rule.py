"""What a rewrite is: a named law, where it holds, and a function from plan to plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dsl.plan import Node, transform


@dataclass(frozen=True, slots=True)
class Laws:
    """What a rewrite may rely on.

    Parameters
    ----------
    logic
        Its name.
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


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite: keeps the value of every plan on N ≥ 1 objects, terminates, and applied twice does what it
    does once.

    Parameters
    ----------
    name, law
        In words and as an equation.
    crisp
        Whether it holds only where quantifiers are max and min.
    apply
        The function. It holds in every logic, and may do more in one that is idempotent.
    """

    name: str
    law: str
    apply: Callable[[Node, Laws], Node]
    crisp: bool = False

    def __call__(self, node: Node, laws: Laws) -> Node:
        """Return the rewritten plan, or the plan itself where the law does not hold."""
        return node if self.missing(laws) else self.apply(node, laws)

    def missing(self, laws: Laws) -> str:
        """Return why it does not apply, or ``""``."""
        if self.crisp and not laws.crisp:
            return "soft quantifiers do not distribute over the connectives"
        return ""


_Function = Callable[[Node, Laws], Node]


def of_plans(name: str, law: str, *, crisp: bool = False) -> Callable[[_Function], Rewrite]:
    """Make a :class:`Rewrite` of a function that rewrites a whole plan."""
    return lambda function: Rewrite(name, law, function, crisp)


def of_nodes(name: str, law: str, *, crisp: bool = False) -> Callable[[_Function], Rewrite]:
    """Make a :class:`Rewrite` of a function that rewrites one node, whose children are rewritten already."""
    return lambda function: Rewrite(
        name, law, lambda plan, laws: transform(plan, lambda node: function(node, laws)), crisp
    )
