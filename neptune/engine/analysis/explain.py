"""What a program will do, before any oracle is asked: stages of planning, order, sizes. See :meth:`Engine.explain`."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, cast

import dsl
from dsl import plan
from dsl.plan import Atom, Describe, Description, ExpectationOver, Node, Predicate
from dsl.plan.guards import insert_guards
from dsl.rewrites import Step, steps
from dsl.rewrites.elimination import width
from dsl.rewrites.reductions import Reduction, order_of
from dsl.syntax import ast
from neptune.engine.compile import plan_cache as plans
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import AttributeOf, ByKind, Evaluator, needed
from neptune.html import CODE, QUIET

if TYPE_CHECKING:
    from neptune.engine import Engine


@dataclass(frozen=True, slots=True)
class Part:
    """One value that the program forces.

    Parameters
    ----------
    what, line
        What is forced, in words, and at which line of the program.
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
        What is forced, in order.
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
        head = (
            f"logic {self.logic}, planner {self.planner}, schedule {self.schedule}, {self.n_objects} objects"
        )
        return "\n".join([head, *map(str, self.parts), *(f"note: {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        head = (
            f"logic {self.logic} · planner {self.planner} · schedule {self.schedule} · "
            f"{self.n_objects} objects"
        )
        notes = "".join(f'<div style="{QUIET}">note: {escape(n)}</div>' for n in self.notes)
        parts = "".join(part.html() for part in self.parts)
        return f'<div><span style="{QUIET}">{escape(head)}</span>{parts}{notes}</div>'


class _Forced(Exception):
    """The program needs an answer before it can go on."""


class _Recorder(ByKind):
    """An evaluator that answers nothing: it keeps what is forced, and stops the program there."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.node: tuple[str, Node, int] | None = None
        self.line = 0

    def _stop(self, what: str) -> Any:
        def forced(*arguments: Any) -> Any:
            self.line = int(arguments[-1])
            if isinstance(arguments[0], Node):
                self.node = what, arguments[0], self.line
            raise _Forced(what)

        return forced

    def __getattr__(self, name: str) -> Any:
        return self._stop(
            {
                "truth": "a decision that the program waits for",
                "number": "a number that the program waits for",
                "object": "an object that the program waits for",
                "value": "a value that the program waits for",
                "query": "an open question",
            }.get(name, "scores that the program waits for")
        )


def explain(engine: Engine, program: str | ast.Program, n_objects: int) -> Explanation:
    """Explain a program; see :meth:`neptune.Engine.explain`."""
    checked = dsl.check(program, vocabulary=engine.vocabulary, limits=engine.limits)
    recorder = _Recorder(n_objects)
    run = Interpreter(cast(Evaluator, recorder), engine.vocabulary, engine.limits, engine.distinct_variables)
    run.notes.extend(checked.notes)
    last = checked.program.body[-1]
    forced: tuple[str, Node, int] | None
    notes: list[str] = []
    try:
        value = run.run(checked.program)
        if isinstance(value, AttributeOf):
            value = run.attribute_value(value.sort, value.target, last)
        forced = _answered(value, run.line(last))
        if forced is None:
            notes.append("the program's result is a plain value: there is nothing to plan")
    except _Forced as reason:
        forced = recorder.node
        notes.append(f"{reason} at line {recorder.line}: what follows depends on the answer")
    except dsl.ProgramError as error:
        if isinstance(program, str) and error.source is None:
            error.with_source(program)
        raise
    parts = tuple(_parts(engine, *forced, n_objects)) if forced is not None else ()
    if engine.schedule == "lazy":
        notes.append("schedule lazy: cells are asked in rounds, and bounds decide when to stop")
    return Explanation(
        engine.logic.name, engine.planner, engine.schedule, n_objects, parts, (*run.notes, *notes)
    )


_ANSWERED = {
    "objects": "the objects that fit",
    "truth": "a truth",
    "object": "an object",
    "number": "a number",
    "text": "a value",
}


def _answered(value: Any, line: int) -> tuple[str, Node, int] | None:
    need = needed(value)
    return (_ANSWERED[need.kind], need.of, line) if need is not None else None


def _parts(engine: Engine, what: str, node: Node, line: int, n: int) -> list[Part]:
    """Return the choices of objects that come first, innermost first, and the value itself."""
    chosen: dict[Description, Part] = {}

    def settled(current: Node) -> Node:
        if not isinstance(current, ExpectationOver) or not current.pick or current.description.free:
            return current
        if current.description not in chosen:
            what = f"object {len(chosen)}, chosen first"
            chosen[current.description] = _part(engine, what, current.description, line, n)
        return plan.substitute(current.body, {current.var: list(chosen).index(current.description)})

    whole = plan.transform(node, settled)
    return [*chosen.values(), _part(engine, what, whole, line, n)]


def _part(engine: Engine, what: str, node: Node, line: int, n: int) -> Part:
    laws = plans.laws_of(engine.logic, engine.parameters)
    guarded = insert_guards(node)
    dense = n ** width(guarded)
    calls = sum(
        _cells(p, n) for p in {leaf.predicate for leaf in plan.walk(guarded) if isinstance(leaf, Atom)}
    )
    shown = plan.show(node)
    if engine.planner == "naive":
        reason = "planner is 'naive': the formula is computed as written"
        return Part(what, line, shown, (), (), width(guarded), dense, dense, calls, reason)
    target = node.body if isinstance(node, Description) else node
    done = tuple(steps(target, laws))
    after = done[-1].node
    kind: plans.Kind = "parts" if isinstance(node, Describe) else "cells"
    if what == "a truth" or not isinstance(node, Description | Describe | plan.Count | plan.CountTrue):
        kind = "truth"
    code = plans.plan(plans.shape(guarded).node, kind, laws).code
    skipped = next((s.skipped for s in done if s.name == "eliminate variables"), "")
    return Part(
        what,
        line,
        shown,
        done,
        tuple(order_of(after, laws.crisp)),
        code.axes,
        code.peak_cells(n, limit=engine.limits.tensor_cells),
        dense,
        calls,
        skipped,
    )


def _cells(predicate: Predicate, n: int) -> int:
    """Return the cells of a predicate that can be asked: never one object with itself, a symmetric pair once, and none
    of what is read off the boxes."""
    if predicate.boxes:
        return 0
    if predicate.arity == 2 and predicate.symmetric:
        return n * (n - 1) // 2
    cells = 1
    for place in range(predicate.arity):
        cells *= max(n - place, 0)
    return cells
