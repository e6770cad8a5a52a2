"""What is evaluated at once: the unit of a padded batch.

Conjunctions of atoms of one object count as one atom, so that more programs have one shape. "A red cube", "a small red
cube" and "a cube" differ only in how many atoms of one object are joined. Fused, they run in one batch: the conjunction
of each row is made beforehand, from its own atoms.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from dsl import plan
from dsl.plan import And, Atom, Describe, Description, ExpectationOver, Node, Predicate, Term, make
from neptune.engine.compile import plan_cache as plans

Parts = dict[Predicate, tuple[Predicate, ...]]
"""What a fused predicate is the conjunction of."""


class NotAlike(Exception):
    """A text is not what its form would make of it."""


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

    def filled(
        self, node: Callable[[Node], Node], meant: Callable[[Predicate], tuple[Predicate, ...]], swapped: frozenset[str]
    ) -> Stage:
        """Return the stage of a text of which this is the form's, without looking at its formulas again.

        Parameters
        ----------
        node
            Gives the formula that one of the form stands for.
        meant
            Gives the predicates that one of the form stands for, joined by "and".
        swapped
            The names of those of the form whose two places are swapped.

        Raises
        ------
        NotAlike
            If two of its predicates are one then: it would be planned otherwise.
        """
        parts: Parts = {}
        predicates: list[Predicate] = []
        template, turned = self.template, []
        for k, predicate in enumerate(template.predicates):
            if predicate.name in swapped:
                turned.append(f"P{k}")
            names = tuple([p for own in self.parts.get(predicate, (predicate,)) for p in meant(own)])
            if len(names) == 1:
                predicates.append(names[0])
                continue
            fused = joined(names)
            parts[fused] = names
            predicates.append(fused)
        if len(set(predicates)) < len(predicates) or any(len(set(names)) < len(names) for names in parts.values()):
            raise NotAlike
        made = copy.copy(self)
        made.__dict__.pop("leaves", None)
        made.truths = tuple(map(node, self.truths))
        described = [cast(Description, node(of)) for of, _ in self.presupposed]
        made.presupposed = tuple([(of, plan.show(of)) for of in described])
        node_of = template.node if not turned else plans.turned(template.node, tuple(turned))
        made.template = plans.Template(node_of, tuple(predicates), template.objects)
        made.parts = parts
        return made

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


def fuse(truths: Sequence[Node]) -> tuple[tuple[Node, ...], Parts]:
    """Return the formulas with atoms of one object fused in every conjunction, and what was fused.

    Valid in every logic: "and" is associative and commutative.
    """
    parts: Parts = {}

    def fused(node: Node) -> Node:
        return _joined(node, parts) if isinstance(node, And) else node

    return plan.transform_all(truths, fused), parts


def _joined(node: And, parts: Parts) -> Node:
    atoms: dict[Term, list[Atom]] = {}
    for operand in node.operands:
        if isinstance(operand, Atom) and len(operand.terms) == 1:
            atoms.setdefault(operand.terms[0], []).append(operand)
    if all(len(of) < 2 for of in atoms.values()):
        return node
    operands: list[Node] = []
    for operand in node.operands:
        if not (isinstance(operand, Atom) and len(operand.terms) == 1):
            operands.append(operand)
            continue
        # At its object's first atom, and only there: an atom said twice is one node, met twice.
        of = atoms.pop(operand.terms[0], [])
        if len(of) == 1:
            operands.append(operand)
        elif of:
            names = tuple(p for leaf in of for p in parts.get(leaf.predicate, (leaf.predicate,)))
            fused = joined(names)
            parts[fused] = names
            operands.append(make(Atom, fused, of[0].terms))
    return plan.conjunction(operands)


def joined(names: tuple[Predicate, ...]) -> Predicate:
    """Return what stands for the conjunction of predicates of one object."""
    return Predicate("", 1, " ∧ ".join([repr((p.name, p.text)) for p in names]))
