"""Programs made ready for batches: what a program asks for, where that does not depend on the scene.

Most programs branch on nothing: run without a scene they give one lazy value, which is kept with its plans. A program
that needs an answer on its way (a branch, a loop over objects, a nested choice) is run scene by scene instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import dsl
from dsl import plan
from dsl.plan import Atom, Count, Describe, Description, Exists, ExpectationOver, Node, make
from dsl.plan.guards import insert_guards
from neptune.engine.compile import plan_cache as plans
from neptune.engine.evaluate.fusion import Parts, fuse
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import (
    AttributeOf,
    ByKind,
    DescribedObject,
    DescribedValue,
    Formula,
    Quantity,
)

if TYPE_CHECKING:
    from neptune.engine import Engine

Answered = Literal["truth", "objects", "object", "number", "text"]


class Unprepared(Exception):
    """The program must be run scene by scene."""


class _NoScene(ByKind):
    """An evaluator that has no scene: whoever asks it anything can not be prepared."""

    def __getattr__(self, name: str) -> Any:
        raise Unprepared(name)


@dataclass(eq=False)
class Stage:
    """What is evaluated at once: truths, closed or over one variable, and the descriptions they presuppose.

    Parameters
    ----------
    truths
        Guarded formulas, the main ones first. Objects 0, 1, … in them are places to be filled.
    main
        How many of the truths are the value; the others are the bodies of the presupposed descriptions.
    presupposed
        Those descriptions, with their text.

    Attributes
    ----------
    shape, parts
        What is planned: the truths with conjunctions of atoms of one object fused, and what the fused ones stand for.
    leaves
        The atoms of the truths, as they are asked.
    """

    truths: tuple[Node, ...]
    main: int
    presupposed: tuple[tuple[Description, str], ...] = ()
    shape: plans.Template = field(init=False)
    parts: Parts = field(init=False)
    leaves: tuple[Atom, ...] = field(init=False)

    def __post_init__(self) -> None:
        fused, self.parts = fuse(self.truths)
        self.shape = plans.template(make(Describe, tuple(map(str, range(len(fused)))), fused))
        found = {n: None for t in self.truths for n in plan.walk(t) if isinstance(n, Atom)}
        self.leaves = tuple(found)

    @staticmethod
    def of(truths: tuple[Node, ...], whole: Node) -> Stage:
        """Return the stage of a resolved, guarded node `whole` whose value the truths are."""
        seen: dict[Description, str] = {}
        for inner in plan.walk(whole):
            if isinstance(inner, ExpectationOver):
                if inner.pick:
                    raise Unprepared("a choice within")
                if not inner.description.free:
                    seen.setdefault(inner.description, plan.show(inner.description))
        if any(iota.var not in iota.body.free for iota in seen):
            raise Unprepared("a description of nothing in particular")
        return Stage((*truths, *(iota.body for iota in seen)), len(truths), tuple(seen.items()))


@dataclass(eq=False)
class Prepared:
    """One program, ready for any scene of N ≥ 1 objects.

    Parameters
    ----------
    kind
        What it answers with.
    node
        The formula, description, number or described value, as the program made it; `text` is how it is shown.
    line, notes
        Of the last statement; what was normalised.
    pick
        The description whose object is needed first (place 0 of the main stage), and its own stage.
    stage
        The main stage.
    vars
        Of a chain of ∃: variables and their names in the program, outermost first. `chain`: the guarded formula.
    """

    kind: Answered
    node: Node
    text: str
    line: int
    notes: tuple[str, ...]
    pick: tuple[Description, Stage] | None
    stage: Stage
    vars: tuple[tuple[str, str], ...] = ()
    chain: Node | None = None
    later: dict[int, Stage] = field(default_factory=dict)
    picked: str = ""


def prepare(engine: Engine, program: str) -> Prepared:
    """Run a program without a scene.

    Raises
    ------
    Unprepared
        If it needs one.
    dsl.ProgramError
        If the program is wrong.
    """
    checked = dsl.check(program, vocabulary=engine.vocabulary, limits=engine.limits)
    run = Interpreter(_NoScene(), engine.vocabulary, engine.limits, engine.distinct_variables)
    run.notes.extend(checked.notes)
    value = run.run(checked.program)
    last = checked.program.body[-1]
    if isinstance(value, AttributeOf):
        value = run.attribute_value(value.sort, value.target, last)
    kind: Answered
    match value:
        case Formula():
            kind, node = "objects" if len(value.node.free) == 1 else "truth", value.node
            if len(node.free) > 1:
                run.note(
                    f"the formula returned has {len(node.free)} free variables; they were bound by 'exists'"
                )
        case DescribedObject():
            kind, node = "object", value.description
        case Quantity(node=Count()):
            kind, node = "number", value.node
        case DescribedValue():
            kind, node = "text", value.node
        case _:
            raise Unprepared("a plain value")
    if kind == "truth":
        for var in sorted(node.free, reverse=True):
            node = make(Exists, var, node)
    elif kind != "objects" and node.free:
        raise Unprepared("an open value")
    resolved, pick = _resolve(insert_guards(node))
    made = Prepared(
        kind, node, plan.show(node), run.line(last), tuple(run.notes), pick, _stage(engine, kind, resolved)
    )
    made.picked = plan.show(pick[0]) if pick else ""
    if kind == "truth":
        made.vars = tuple((v, run.variable_names.get(inner, v)) for v, inner in _chain(node))
        made.chain = resolved
        if len({v for v, _ in made.vars}) < len(made.vars):
            made.vars = ()
    return made


def _chain(node: Node) -> Iterator[tuple[str, Node]]:
    while isinstance(node, Exists):
        yield node.var, node
        node = node.body


def _resolve(node: Node) -> tuple[Node, tuple[Description, Stage] | None]:
    picks = [n for n in plan.walk(node) if isinstance(n, ExpectationOver) and n.pick]
    if not picks:
        return node, None
    iotas = {p.description for p in picks}
    if len(iotas) > 1 or any(p.description.free for p in picks):
        raise Unprepared("several choices")
    (iota,) = iotas
    if iota.var not in iota.body.free or any(
        isinstance(n, ExpectationOver) and n.pick for n in plan.walk(iota)
    ):
        raise Unprepared("a choice within a choice")
    if any(isinstance(n, Atom) and any(isinstance(t, int) for t in n.terms) for n in plan.walk(node)):
        raise Unprepared("given objects")

    def settled(current: Node) -> Node:
        if isinstance(current, ExpectationOver) and current.pick:
            return plan.substitute(current.body, {current.var: 0})
        return current

    stage = Stage((iota.body,), 1)
    return plan.transform(node, settled), (iota, stage)


def _stage(engine: Engine, kind: Answered, node: Node) -> Stage:
    truths: tuple[Node, ...]
    if isinstance(node, Description | Count):
        truths = (node.body,)
        if node.var not in node.body.free:
            raise Unprepared("a vacuous body")
    elif isinstance(node, Describe):
        truths = node.bodies
        if any(b.free for b in truths):
            raise Unprepared("an open value")
    elif kind == "truth" and isinstance(node, Exists) and node.var in node.body.free and _crisp(engine):
        truths = (node.body,)  # its largest cell is the value, and the witness
    else:
        truths = (node,)
    return Stage.of(truths, node)


def _crisp(engine: Engine) -> bool:
    return plans.laws_of(engine.logic, engine.parameters).crisp


def after(made: Prepared, fixed: int) -> Stage:
    """Return the stage that finds the next object of a witness: the variables before it are places 0 … `fixed` - 1."""
    found = made.later.get(fixed)
    if found is None:
        node: Node = made.chain if made.chain is not None else made.node
        for place in range(fixed + 1):
            if not isinstance(node, Exists) or node.var not in node.body.free:
                raise Unprepared("∃ over nothing")
            if place < fixed:
                node = plan.substitute(node.body, {node.var: place})
        assert isinstance(node, Exists)
        found = made.later[fixed] = Stage((node.body,), 1)
    return found
