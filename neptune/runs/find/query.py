"""What is looked for in a folder: a program, and what it comes to on a picture, as far as can be said beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import dsl
from dsl.plan import Const, Description, Exists, Node, make
from dsl.syntax import ast
from neptune.algebra.convert import as_float
from neptune.engine.analysis.cost_bound import cost_bound
from neptune.engine.context import RunContext
from neptune.engine.evaluate.outline import guarded
from neptune.engine.interpret.values import bound, needed
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.schedule.stopping import Goal
from neptune.engine.session.program_paths import Given, follow
from neptune.errors import ConfigError

Kind = Literal["truth", "number"]
"""What a picture is ranked by: how true the program is of it, in [0, 1]; or the number that it gives."""

TRIED = 5
"""A program is looked at beforehand as if a picture had so many objects."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be known of a picture.

    Parameters
    ----------
    kind
        What it is ranked by.
    node
        The plan, guarded, as the program has it: a closed formula, or a number.
    pushed
        The same with its quantifiers pushed inward, by which is asked.
    exact, decide
        What settles the value, and whether the picture matches.
    takes
        What the program takes for granted, closed formulas: where one is false, it says nothing of the picture; else a
        truth is as sure as they are.
    """

    kind: Kind
    node: Node
    pushed: Node
    exact: Goal
    decide: Goal
    takes: tuple[Node, ...]


class Query:
    """A program that is run on many pictures. Objects that it points to become whether there is one.

    Parameters
    ----------
    context
        What programs are run with.
    program
        Its text.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong.
    ConfigError
        If it gives neither a truth nor a number nor objects.
    """

    def __init__(self, context: RunContext, program: str) -> None:
        self.context, self.program = context, program
        checked = dsl.check(program, vocabulary=context.vocabulary, limits=context.limits, dialect=context.dialect)
        self._tree: ast.Program = checked.program
        self.notes: tuple[str, ...] = tuple(checked.notes)
        self._aims: dict[int, Aim | None] = {}
        self._costs: dict[int, int] = {}
        self.abstains = context.presuppositions != "answer"
        aim = self.aim(TRIED)
        self.kind: Kind = "truth" if aim is None else aim.kind

    def aim(self, objects: int) -> Aim | None:
        """Return what is to be known of a picture of so many objects; ``None`` where only running the program tells.

        Raises
        ------
        dsl.ProgramError
            If the program fails on every such picture.
        ConfigError
            If it gives neither a truth nor a number nor objects.
        """
        if objects not in self._aims:
            self._aims[objects] = self._aimed(objects)
        return self._aims[objects]

    def _aimed(self, objects: int) -> Aim | None:
        context = self.context
        if not objects or self._tree.dialect == "patches":
            return None
        conventions = context.vocabulary, context.limits, context.distinct_variables
        outcome = follow(self._tree, Given(objects, limits=context.limits), *conventions)
        if outcome.error is not None:
            raise outcome.error if outcome.error.source else outcome.error.with_source(self.program)
        if not outcome.done or outcome.takes:
            return None
        need = needed(outcome.value)
        if need is None:
            if isinstance(outcome.value, str | list | dict | tuple | set | type(None)):
                raise _no_rank()
            return None
        if need.kind == "text":
            raise _no_rank()
        kind: Kind = "number" if need.kind == "number" else "truth"
        node = cast(Node, need.of)
        if isinstance(node, Description):
            node = make(Exists, node.var, node.body)
        elif kind == "truth":
            node = bound(node)
        made = guarded(node)
        if made.picks or isinstance(made.node, Const):
            return None  # an object is chosen first: what is asked depends on which
        pushed = self._pushed(made.node)
        takes: list[Node] = []
        if self.abstains:
            takes += [make(Exists, description.var, description.body) for description, _ in made.presupposed]
            takes += [holds for _, holds in made.relative]
        decided: Literal["each", "decide"] = "each" if kind == "number" else "decide"
        exact = Goal("each" if kind == "number" else "exact", pushed)
        return Aim(kind, made.node, pushed, exact, Goal(decided, pushed), tuple(map(self._pushed, takes)))

    def _pushed(self, node: Node) -> Node:
        return push_down(node) if self._hard else node

    @cached_property
    def _hard(self) -> bool:
        """Whether quantifiers may be pushed inward: soft ones obey no such law."""
        return as_float(self.context.parameters.quantifier_tau) == 0.0

    def everything(self, objects: int) -> int:
        """Return how many ground atoms asking everything about a picture of so many objects would ask, at most."""
        if objects not in self._costs:
            self._costs[objects] = cost_bound(self.context, self._tree, objects).calls if objects else 0
        return self._costs[objects]


def _no_rank() -> ConfigError:
    return ConfigError(
        "The program gives a value by which pictures can not be ranked",
        where="query",
        expected="a truth, a number or objects",
        hint='e.g. "a red ball left of a cube", or "How many cubes are there?"',
    )
