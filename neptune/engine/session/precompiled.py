"""Programs made ready for batches: what a program asks for, where that does not depend on the scene.

Most programs branch on nothing: run without a scene they come to one lazy value, which is kept with its plans. A
program that needs an answer on its way (a branch, a loop over objects, a nested choice) is run scene by scene instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dsl
from dsl import plan
from dsl.plan import Atom, Count, Describe, Description, Exists, ExpectationOver, Node
from dsl.plan.guards import insert_guards
from dsl.syntax import ast
from neptune.engine.context import RunContext
from neptune.engine.evaluate.arrays import settings_of
from neptune.engine.evaluate.stage import NotBatchable, Stage
from neptune.engine.interpret.values import Need, needed
from neptune.engine.session.program_paths import Given, follow


@dataclass(eq=False)
class Precompiled:
    """One program, ready for any scene of N ≥ 1 objects.

    Parameters
    ----------
    need
        What its result is read from; `text` is how its plan is shown.
    line, notes, names
        Of the last statement; what was normalised; the program's names for the variables of ∃ nodes.
    choice
        The description whose object is needed first (place 0 of the main stage), as text, and its own stage.
    stage
        The main stage.
    told
        Of a program of one statement that binds no names, the line that is told of its decision: 0 for an expression
        alone. -1 for other programs.
    chain
        Of a chain of ∃ with distinct variables: its nodes, outermost first. `settled`: the guarded formula.
    form
        The form that it was filled in from, with its words (:mod:`neptune.engine.session.forms`), if it was.
    """

    need: Need
    text: str
    line: int
    notes: tuple[str, ...]
    names: Mapping[Node, str]
    choice: tuple[str, Stage] | None
    stage: Stage
    settled: Node
    told: int = -1
    chain: tuple[Exists, ...] = ()
    form: tuple[Precompiled, Any] | None = None
    _after: dict[int, Stage] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is asked and evaluated, in order: the choice, if there is one, and the main stage."""
        return (self.choice[1], self.stage) if self.choice else (self.stage,)

    def after(self, fixed: int) -> Stage:
        """Return the stage that finds the next object of a witness: the variables before it are places 0 … `fixed` - 1.

        Raises
        ------
        NotBatchable
            If the formula is no such chain, or a variable does not matter.
        """
        found = self._after.get(fixed)
        if found is None:
            node = self.settled
            for place in range(fixed + 1):
                if not isinstance(node, Exists) or node.var not in node.body.free:
                    raise NotBatchable("∃ over nothing")
                if place < fixed:
                    node = plan.substitute(node.body, {node.var: place})
            assert isinstance(node, Exists)
            found = self._after[fixed] = Stage((node.body,), 1)
        return found


def precompile(context: RunContext, program: str) -> Precompiled:
    """Run a program without a scene.

    Raises
    ------
    NotBatchable
        If it needs one.
    dsl.ProgramError
        If the program is wrong.
    """
    checked = dsl.check(program, vocabulary=context.vocabulary, limits=context.limits, dialect=context.dialect)
    if checked.dialect == "patches":
        raise NotBatchable("it is run with what its sample gives it")
    conventions = context.vocabulary, context.limits, context.distinct_variables
    outcome = follow(checked.program, Given(None, limits=context.limits), *conventions)
    if outcome.error is not None:
        raise outcome.error
    need = needed(outcome.value) if outcome.done else None
    if need is None or (need.kind == "number" and not isinstance(need.of, Count)):
        raise NotBatchable("a value needed on the way, or a plain one")
    if outcome.takes:
        raise NotBatchable("a value that is described in passing")
    notes = [*checked.notes, *(note for note in outcome.notes if note not in checked.notes)]
    free = len(outcome.value.node.free) if need.kind == "truth" else 0
    if free > 1:
        notes.append(f"the formula returned has {free} free variables; they were bound by 'exists'")
    settled, choice = _settled(insert_guards(need.of))
    stage = _stage(context, need, settled)
    line = outcome.line
    made = Precompiled(need, plan.show(need.of), line, tuple(notes), outcome.names, choice, stage, settled)
    made.told = told(checked.program, line)
    node, chain = need.of, []
    while need.kind == "truth" and isinstance(node, Exists):
        chain.append(node)
        node = node.body
    if len({link.var for link in chain}) == len(chain):
        made.chain = tuple(chain)
    return made


_BINDING = ast.Assign | ast.AugAssign | ast.For | ast.FunctionDef | ast.If | ast.Comprehension


def told(program: ast.Program, line: int) -> int:
    """Return the line that is told of the decision of a program of one statement, at `line`, that binds no names but
    those of its lambdas: 0 for an expression alone; of other programs -1."""
    only, *more = program.body
    if more or program.dialect == "patches" or any(isinstance(node, _BINDING) for node in ast.walk(program)):
        return -1
    return 0 if isinstance(only, ast.ExprStatement) else line


def _settled(node: Node) -> tuple[Node, tuple[str, Stage] | None]:
    """Put place 0 for the object that a plan chooses first, if it chooses one."""
    choices = [n for n in plan.walk(node) if isinstance(n, ExpectationOver) and n.pick]
    if not choices:
        return node, None
    described = {c.description for c in choices}
    if len(described) > 1 or any(c.description.free for c in choices):
        raise NotBatchable("several choices")
    (description,) = described
    if description.var not in description.body.free or any(
        isinstance(n, ExpectationOver) and n.pick for n in plan.walk(description)
    ):
        raise NotBatchable("a choice within a choice")
    if any(isinstance(n, Atom) and any(isinstance(t, int) for t in n.terms) for n in plan.walk(node)):
        raise NotBatchable("given objects")

    def settle(current: Node) -> Node:
        if isinstance(current, ExpectationOver) and current.pick:
            return plan.substitute(current.body, {current.var: 0})
        return current

    return plan.transform(node, settle), (plan.show(description), Stage((description.body,), 1))


def _stage(context: RunContext, need: Need, node: Node) -> Stage:
    hard = settings_of(context).laws.crisp
    if isinstance(node, Description | Count):
        if node.var not in node.body.free:
            raise NotBatchable("a vacuous body")
        return Stage.of((node.body,), node)
    if isinstance(node, Describe) and node.about is not None:
        # What is said of each object, too: its values are mixed by the weights of the objects.
        each = tuple(body.body for body in node.bodies if isinstance(body, ExpectationOver))
        if any(node.about[0] not in body.free for body in each):
            raise NotBatchable("a value that does not depend on the object")
        return Stage.of((*node.bodies, *each), node)
    if isinstance(node, Describe):
        return Stage.of(node.bodies, node)
    if need.kind == "truth" and isinstance(node, Exists) and node.var in node.body.free and hard:
        return Stage.of((node.body,), node)  # its largest ground atom is the value, and the witness
    return Stage.of((node,), node)
