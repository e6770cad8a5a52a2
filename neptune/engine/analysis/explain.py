"""What a program will do, before any oracle is asked: stages of planning, order, sizes. See :meth:`Engine.explain`."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import perm
from typing import Any

import dsl
from dsl import plan
from dsl.plan import Atom, Describe, Description, ExpectationOver, Node, Predicate
from dsl.plan.guards import insert_guards
from dsl.rewrites import Step, steps
from dsl.rewrites.reductions import Reduction, order_of
from dsl.syntax import ast
from neptune.engine.analysis.region_bound import made_sight
from neptune.engine.compile import plan_cache as plans
from neptune.engine.context import RunContext
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import AttributeOf, needed
from neptune.engine.session.program_paths import Given, follow
from neptune.html import CODE, QUIET


@dataclass(frozen=True, slots=True)
class Part:
    """One value that the program needs.

    Parameters
    ----------
    what, line
        What is needed, in words, and at which line of the program.
    formula
        It as the program made it.
    stages
        Every stage of planning, by name, with its law and what it did; empty where there is nothing to plan.
    order
        The reductions, in the order in which they run.
    width
        The number of variables of the largest table.
    peak_cells, dense_cells
        Cells of the largest table of the plan, and of the plan as written.
    oracle_cells
        The most cells that the oracle is asked.
    dense
        Why no law allows to eliminate variables, or ``""``.
    """

    what: str
    line: int
    formula: str
    stages: tuple[Step, ...]
    order: tuple[Reduction, ...]
    width: int
    peak_cells: int
    dense_cells: int
    oracle_cells: int
    dense: str = ""

    def __str__(self) -> str:
        lines = [f"line {self.line}, {self.what}: {self.formula}"]
        lines += [f"  {i}. {step}" for i, step in enumerate(self.stages, 1)]
        if self.dense:
            lines.append(f"  runs dense because {self.dense}")
        lines += [f"  order {i}: {reduction}" for i, reduction in enumerate(self.order, 1)]
        lines.append(
            f"  width {self.width}; largest table {self.peak_cells:,} cells (as written {self.dense_cells:,}); "
            f"at most {self.oracle_cells:,} oracle calls"
        )
        return "\n".join(lines)

    def html(self) -> str:
        """Return the value as a notebook shows it: its formula and sizes, the stages folded away."""
        stages = "".join(f"<li>{escape(str(stage))}</li>" for stage in self.stages)
        order = "".join(f"<li>{escape(str(reduction))}</li>" for reduction in self.order)
        dense = f'<div style="{QUIET}">runs dense because {escape(self.dense)}</div>' if self.dense else ""
        return (
            f'<div style="margin-top:6px"><b>line {self.line}, {escape(self.what)}</b>'
            f'<div style="{CODE}">{escape(self.formula)}</div>{dense}'
            f'<div style="{QUIET}">width {self.width} · largest table {self.peak_cells:,} cells (as written '
            f"{self.dense_cells:,}) · at most {self.oracle_cells:,} oracle calls</div>"
            f'<details><summary style="{QUIET}">{len(self.stages)} stages, {len(self.order)} reductions</summary>'
            f'<ol style="{CODE}">{stages}</ol><ol style="{CODE}">{order}</ol></details></div>'
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a program will do; ``str()`` of it is for reading.

    Parameters
    ----------
    logic, planner, schedule
        Of the engine.
    n_objects
        For how many objects cells are counted.
    parts
        What is needed, in order.
    notes
        What was normalised, and where the explanation ends because what follows depends on an answer.
    """

    logic: str
    planner: str
    schedule: str
    n_objects: int
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"logic {self.logic}, planner {self.planner}, schedule {self.schedule}, {self.n_objects} objects"
        return "\n".join([head, *map(str, self.parts), *(f"note: {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        head = f"logic {self.logic} · planner {self.planner} · schedule {self.schedule} · {self.n_objects} objects"
        notes = "".join(f'<div style="{QUIET}">note: {escape(n)}</div>' for n in self.notes)
        parts = "".join(part.html() for part in self.parts)
        return f'<div><span style="{QUIET}">{escape(head)}</span>{parts}{notes}</div>'


_WAITS = {
    "truth": "a decision that the program waits for",
    "number": "a number that the program waits for",
    "object": "an object that the program waits for",
    "text": "a value that the program waits for",
    **dict.fromkeys(("probability", "ranking"), "scores that the program waits for"),
    "query": "an open question",
    "region_query": "an open question",
    "find": "what a detector finds",
    "knowledge": "what a language model knows",
    "percept": "a number or a text read off the picture",
    "missing": "something that is not there",
}
_ANSWERS = {
    "objects": "the objects that fit",
    "truth": "a truth",
    "object": "an object",
    "number": "a number",
    "text": "a value",
}


def explain(context: RunContext, program: str | ast.Program, n_objects: int) -> Explanation:
    """Explain a program up to its first need; see :meth:`neptune.Engine.explain`."""
    checked = dsl.check(program, vocabulary=context.vocabulary, limits=context.limits)
    conventions = context.vocabulary, context.limits, context.distinct_variables
    sight = made_sight(n_objects)
    outcome = follow(checked.program, Given(n_objects, limits=context.limits, sight=sight), *conventions, _valued)
    if outcome.error is not None:
        if isinstance(program, str) and outcome.error.source is None:
            outcome.error.with_source(program)
        raise outcome.error
    notes = [*checked.notes, *(note for note in outcome.notes if note not in checked.notes)]
    need = needed(outcome.value) if outcome.done else outcome.need
    what = "" if need is None else (_ANSWERS if outcome.done else _WAITS)[need.kind]
    if not outcome.done:
        notes.append(f"{what} at line {outcome.line}: what follows depends on the answer")
    elif need is None:
        notes.append("the program's result is a plain value: there is nothing to plan")
    planned = need is not None and isinstance(need.of, Node)
    if checked.program.dialect == "patches":
        notes.append("the places of the objects are made up: a row from left to right")
    parts = tuple(_parts(context, what, need.of, outcome.line, n_objects)) if need and planned else ()
    if context.schedule is not None:
        notes.append("schedule lazy: cells are asked in rounds, and bounds decide when to stop")
    schedule = "all" if context.schedule is None else "lazy"
    return Explanation(context.logic.name, context.planner, schedule, n_objects, parts, tuple(notes))


def _valued(run: Interpreter, value: Any, last: ast.Stmt) -> Any:
    """Return a result, an attribute made a value; what nothing binds is explained all the same."""
    return run.attribute_value(value.sort, value.target, last) if isinstance(value, AttributeOf) else value


def _parts(context: RunContext, what: str, node: Node, line: int, n: int) -> list[Part]:
    """Return the choices of objects that come first, innermost first, and the value itself."""
    chosen: dict[Description, Part] = {}

    def settled(current: Node) -> Node:
        if not isinstance(current, ExpectationOver) or not current.pick or current.description.free:
            return current
        if current.description not in chosen:
            what = f"object {len(chosen)}, chosen first"
            chosen[current.description] = _part(context, what, current.description, line, n)
        return plan.substitute(current.body, {current.var: list(chosen).index(current.description)})

    whole = plan.transform(node, settled)
    return [*chosen.values(), _part(context, what, whole, line, n)]


def _part(context: RunContext, what: str, node: Node, line: int, n: int) -> Part:
    laws = plans.laws_of(context.logic, context.parameters)
    guarded = insert_guards(node)
    dense = n**guarded.width
    calls = sum(_cells(p, n) for p in {leaf.predicate for leaf in plan.walk(guarded) if isinstance(leaf, Atom)})
    shown = plan.show(node)
    if context.planner == "naive":
        reason = "planner is 'naive': the formula is computed as written"
        return Part(what, line, shown, (), (), guarded.width, dense, dense, calls, reason)
    target = node.body if isinstance(node, Description) else node
    done = tuple(steps(target, laws))
    after = done[-1].node
    kind: plans.Kind = "parts" if isinstance(node, Describe) else "cells"
    if what == "a truth" or not isinstance(node, Description | Describe | plan.Count | plan.CountTrue):
        kind = "truth"
    code = plans.plan(plans.template(guarded).node, kind, laws)
    skipped = next((s.skipped for s in done if s.name == "eliminate variables"), "")
    return Part(
        what,
        line,
        shown,
        done,
        tuple(order_of(after, laws.crisp)),
        code.axes,
        code.peak_cells(n, limit=context.limits.tensor_cells),
        dense,
        calls,
        skipped,
    )


def _cells(predicate: Predicate, n: int) -> int:
    """Return the cells of a predicate that can be asked: never one object with itself, a symmetric pair once, and none
    of what is read off the boxes."""
    if predicate.boxes is not None:
        return 0
    return perm(n, predicate.arity) // (2 if predicate.arity == 2 and predicate.symmetric else 1)
