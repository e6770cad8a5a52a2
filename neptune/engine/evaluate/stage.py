"""What is evaluated at once: the unit of a padded batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from dsl import plan
from dsl.plan import Atom, Describe, Description, ExpectationOver, Node, make
from neptune.engine.compile import plan_cache as plans
from neptune.engine.evaluate.fusion import Parts, fuse


class NotBatchable(Exception):
    """What is to be evaluated depends on the scene, or on what is evaluated before: it has to be run by itself."""


@dataclass(eq=False)
class Stage:
    """Truths, closed or over one variable, and the descriptions that they presuppose.

    Parameters
    ----------
    truths
        Guarded formulas, the main ones first. Objects 0, 1, … in them are places to be filled.
    main
        How many of the truths are the value; then come the bodies of the presupposed descriptions, then what those that
        speak of variables around them take for granted.
    presupposed
        Those descriptions, with their text.
    relative
        The texts of the others.

    Attributes
    ----------
    template, parts
        What is planned: the truths with conjunctions of atoms of one object fused, and what the fused ones stand for.
    """

    truths: tuple[Node, ...]
    main: int
    presupposed: tuple[tuple[Description, str], ...] = ()
    relative: tuple[str, ...] = ()
    template: plans.Template = field(init=False)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        fused, self.parts = fuse(self.truths)
        self.template = plans.template(make(Describe, tuple(map(str, range(len(fused)))), fused, False))

    @cached_property
    def leaves(self) -> tuple[Atom, ...]:
        """The atoms of the truths, as they are asked."""
        return atoms_of(self.truths)

    @staticmethod
    def of(truths: tuple[Node, ...], whole: Node) -> Stage:
        """Return the stage of a settled, guarded node `whole` whose value the truths are.

        Raises
        ------
        NotBatchable
            If it speaks of an object that is chosen first, or describes nothing in particular.
        """
        seen: dict[Description, str] = {}
        for inner in plan.walk(whole):
            if isinstance(inner, ExpectationOver):
                if inner.pick:
                    raise NotBatchable("a choice within")
                if not inner.description.free:
                    seen.setdefault(inner.description, plan.show(inner.description))
        if any(described.var not in described.body.free for described in seen):
            raise NotBatchable("a description of nothing in particular")
        bodies, relative = [described.body for described in seen], plan.relative_presuppositions(whole)
        texts = tuple(map(plan.show, relative))
        return Stage((*truths, *bodies, *relative.values()), len(truths), tuple(seen.items()), texts)


def atoms_of(truths: tuple[Node, ...]) -> tuple[Atom, ...]:
    """Return the distinct atoms of formulas, in order of first occurrence."""
    return tuple({n: None for t in truths for n in plan.walk(t) if isinstance(n, Atom)})
