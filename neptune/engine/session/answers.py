"""A program runs at once on one scene, its result is read, and becomes an :class:`~neptune.answer.Answer`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dsl
from dsl.check.checker import Checked
from dsl.errors import LimitError, ProgramError
from dsl.plan import Const, Node
from dsl.syntax import ast
from dsl.syntax.spelling import PATCHES
from neptune.algebra import ProbabilisticTensor
from neptune.algebra.late import no_grad
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evidence.narrowed import NarrowedEvidence
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import (
    DescribedObject,
    Evaluator,
    Need,
    ObjectRef,
    Region,
    kind_name,
    needed,
    result_kind,
)
from neptune.engine.patches.interpreter import interpreter_for
from neptune.engine.recorded import Followed, Position, texts_of
from neptune.engine.schedule import cascade
from neptune.engine.session.forms.ready import Ready, ready
from neptune.engine.session.outside import Abstain
from neptune.engine.session.readout import Reading, answer
from neptune.engine.session.session import Session
from neptune.scene import Scene

MOST_ITEMS = 20_000

OUTSIDE = "out of domain"
"""Why an answer abstains (`Answer.why`) to a question about a picture that detector or oracle was not made for."""


@no_grad()
def run_program(context: RunContext, program: str | ast.Program, scene: Scene, budget: int | None = None) -> Answer:
    """Run a program on a scene; see :meth:`neptune.Engine.run`."""
    conventions = context.vocabulary, context.limits, context.distinct_variables, context.semantics
    made = ready(context, program, len(scene))
    if made is not None:
        try:
            return _run_ready(context, made, scene, budget)
        except ProgramError as error:
            if error.source is None:
                error.with_source(str(program))
            raise
    text = texts_of(*conventions, context.dialect).text(program) if isinstance(program, str) else None
    if text is None:
        checked = dsl.check(program, vocabulary=context.vocabulary, limits=context.limits, dialect=context.dialect)
    else:
        checked = text.checked
    session, evidence, said = _begun(context, scene, budget)
    if session is None:
        # Nothing is asked: what the networks say of such a picture means nothing, and a server would be paid for it.
        notes = tuple(checked.notes)
        return Answer(None, "nothing", abstained=True, settled=False, notes=notes, why=OUTSIDE, out_of_domain=said)
    context = session.context

    def interpreter(evaluator: Evaluator) -> Interpreter:
        made = interpreter_for(checked.program, evaluator, *conventions, context.inputs)
        made.notes.extend(checked.notes)
        if (
            not len(scene) and context.semantics > 1 and not (scene.views is not None and scene.views.times)
        ):  # earlier versions did not say so, and are replayed as they were
            made.note("no object was found in the picture")
        return made

    try:
        if text is None or not text.followed or context.inputs or not len(scene):
            answer = answer_of(interpreter(session), session, checked.program)
        else:
            answer = _answered(Followed(text, session, interpreter, len(scene)), session, checked.program.body[-1])
        return _ended(answer, session, evidence, said)
    except ProgramError as error:
        if isinstance(program, str) and error.source is None:
            error.with_source(program)
        raise


def _begun(context: RunContext, scene: Scene, budget: int | None) -> tuple[Session | None, Evidence, str]:
    """Return the session of a run, its evidence, and why the picture is out of domain; no session, if nothing is asked
    then."""
    evidence = context.evidence(scene)
    doubt = evidence.doubt(context.oracle)
    said = "" if doubt is None else str(doubt)
    if doubt is not None and context.out_of_domain == "abstain":
        return None, evidence, said
    if budget is not None and (context.budget is None or budget < context.budget):
        context = replace(context, budget=budget)
    if context.narrowing is not None:
        context, evidence = cascade.begin(context, evidence)
    session = Session(context, evidence, arrays=True)
    if context.watch is not None:
        context.watch(session)
    return session, evidence, said


def _ended(answer: Answer, session: Session, evidence: Evidence, said: str) -> Answer:
    """Return the answer of a run with what is to be said of it at the end."""
    if isinstance(evidence, NarrowedEvidence):
        answer = cascade.end(answer, session.context, evidence, session.goals)
    return replace(answer, out_of_domain=said) if said else answer


def _run_ready(context: RunContext, made: Ready, scene: Scene, budget: int | None) -> Answer:
    """Run a program that is made ready."""
    session, evidence, said = _begun(context, scene, budget)
    if session is None:
        return Answer(None, "nothing", abstained=True, settled=False, why=OUTSIDE, out_of_domain=said)
    session.foresee_plan(made.need.of, made.guarded, made.pushed)
    at = Position(())
    try:
        reading = _guessed(_of_need(made.need, at, session, made.line), at, session)
        return _ended(_concluded(reading, at, session, made.names), session, evidence, said)
    except Abstain as reason:
        return _ended(_abstained(at, session, reason), session, evidence, said)


def checked_once(context: RunContext, program: str | ast.Program) -> Checked:
    """Return a program, checked: a text that has been run here is not checked again.

    Raises
    ------
    dsl.ProgramError
        If it is wrong.
    """
    if isinstance(program, str):
        conventions = context.vocabulary, context.limits, context.distinct_variables, context.semantics
        return texts_of(*conventions, context.dialect).text(program).checked
    return dsl.check(program, vocabulary=context.vocabulary, limits=context.limits, dialect=context.dialect)


def is_over_regions(context: RunContext, program: str | ast.Program, objects: int) -> bool:
    """Tell whether a program is one over regions.

    Raises
    ------
    dsl.ProgramError
        If it is wrong.
    """
    return ready(context, program, objects) is None and checked_once(context, program).program.dialect == PATCHES


def truth_table(context: RunContext, formula: str, scene: Scene) -> ProbabilisticTensor:
    """Return the soft truth of a formula on a scene; see :meth:`neptune.Engine.table`."""
    checked = dsl.check(formula, vocabulary=context.vocabulary, limits=context.limits)
    session = Session(context, context.evidence(scene))
    run = Interpreter(session, context.vocabulary, context.limits, context.distinct_variables)
    return session.table(run.formula(run.run(checked.program), checked.program.body[-1]))


def answer_of(run: Interpreter, session: Session, program: ast.Program) -> Answer:
    """Run a checked program, and say what it returned.

    Parameters
    ----------
    run
        The interpreter; the session evaluates what it needs.
    session, program
        Where the run's needs are evaluated, and what is run.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong, or its result nothing that answers a question (a function, a sort, a variable).
    """
    return _answered(_Interpreted(run, program), session, program.body[-1])


def answer_of_value(value: Any, run: Interpreter, session: Session, last: ast.Stmt) -> Answer:
    """Say what a value answers that a program has returned, of which `last` is the last statement.

    Raises
    ------
    dsl.ProgramError
        If it is nothing that answers a question.
    """
    return _answered(_Given(run, value, last), session, last)


class _Given:
    """A run of a program that is over, with its result."""

    def __init__(self, at: Interpreter, value: Any, last: ast.Stmt) -> None:
        self.at, self._value, self._last = at, value, last

    def run(self) -> Any:
        """Return the result."""
        return self.at.result(self._value, self._last)


class _Interpreted:
    """A run of a program by an interpreter alone."""

    def __init__(self, at: Interpreter, program: ast.Program) -> None:
        self.at, self._program = at, program

    def run(self) -> Any:
        """Return the program's result."""
        return self.at.result(self.at.run(self._program), self._program.body[-1])


def _answered(way: Followed | _Interpreted | _Given, session: Session, last: ast.Stmt) -> Answer:
    """Run a program the one way or the other, and say what it returned."""
    try:
        value = way.run()
        reading = _read(value, way.at, session, last)
        for described in way.at.taken:
            session.presuppose(described)
    except Abstain as reason:
        return _abstained(way.at, session, reason)
    made = _concluded(reading, way.at, session, way.at.variable_names)
    shown = way.at.shown(value)
    return replace(made, **shown) if shown else made


def _abstained(run: Interpreter | Position, session: Session, reason: Abstain) -> Answer:
    record = session.record
    return Answer(
        None,
        "nothing",
        trace=tuple(record.trace),
        usage=record.usage,
        abstained=True,
        settled=False,
        presuppositions=() if record.plain else (*record.presuppositions, *record.stand_ins),
        notes=(*run.notes, str(reason)),
        why="budget" if session.guessed else reason.why,
    )


def _concluded(reading: Reading, run: Interpreter | Position, session: Session, names: Mapping[Node, str]) -> Answer:
    context, notes = session.context, tuple(run.notes)
    tolerance, guessed = context.probability_tolerance, session.guessed
    policy, believed = context.presuppositions, context.parameters.believed
    return answer(reading, session.record, names, notes, policy, believed, tolerance, guessed)


def _read(value: Any, run: Interpreter | Position, session: Session, last: ast.Stmt) -> Reading:
    """Evaluate what a result, or an item of it, needs, and read it."""
    return _guessed(_reading(run.result(value, last), run, session, last), run, session)


def _guessed(reading: Reading, run: Interpreter | Position, session: Session) -> Reading:
    """Return a reading, and note if the budget was spent before it was settled."""
    if session.guessed:
        run.note(f"the budget of {session.context.budget} oracle calls was spent: this is the best answer so far")
    return reading


def _reading(value: Any, run: Interpreter | Position, session: Session, last: ast.Stmt) -> Reading:
    need = needed(value)
    if need is not None and isinstance(need.of, Const) and need.of.value in (0.0, 1.0):
        value, need = need.of.value == 1.0, None
    if need is not None:
        free = len(value.node.free) if need.kind == "truth" else 0
        if free > 1:
            run.note(f"the formula returned has {free} free variables; they were bound by 'exists'")
        return _of_need(need, run, session, run.line(last))
    kind = result_kind(value)
    match value:
        case Region():
            box = [round(x, 2) for x in value.box]
            return Reading("region", box, session.record.of_plain())
        case bool():
            # Certain, but for what was decided on the way to it.
            certain = not (session.record.trace or session.record.decided)
            return Reading("truth", value, 1.0 if certain else session.record.of_plain())
        case float() if not math.isfinite(value):
            raise ProgramError(f"The program returned {value:g}", last.span, expected="a finite number")
        case ObjectRef():
            one_hot = tuple(float(i == value.index) for i in range(session.objects))
            sure = session.record.of_plain()
            return Reading("object", value.index, sure, scores=one_hot, objects=(value.index,))
        case list() | tuple() | set() | dict():
            assert isinstance(run, Interpreter)  # a step holds no list, which others may change
            return _collection(value, run, session, last)
    if kind is None:
        raise ProgramError(
            f"The program returned {kind_name(value)}", last.span, expected="a truth, a number, a text or an object"
        )
    # A number that was made of a probability has none of its own.
    return Reading(kind, value, session.record.of_plain())


def _of_need(need: Need, run: Interpreter | Position, session: Session, line: int) -> Reading:
    reading = session.evaluate(need, line)
    if need.kind == "number" and not reading.settled:
        run.note(f"the number is between {reading.shown.replace('to', 'and')}")
    return reading


def _collection(value: Any, run: Interpreter, session: Session, last: ast.Stmt) -> Reading:
    run.weigh(value, last)
    if len(value) > MOST_ITEMS:
        raise LimitError("iterations", MOST_ITEMS, len(value), last.span, what="the list returned")

    def plain(item: Any) -> Any:
        reading = _read(item, run, session, last)
        if needed(item) is not None:
            session.record.decide(needed(item), reading)
        return reading.value if reading.settled or session.guessed else None

    if isinstance(value, dict):
        items = {_shown(run.key(k, last)): plain(v) for k, v in value.items()}
        return Reading("list", items, session.record.of_plain())
    members = sorted(value, key=str) if isinstance(value, set) else list(value)
    if members and all(isinstance(m, ObjectRef | DescribedObject) for m in members):
        indices = tuple(run.pointed(m, last) for m in members)
        return Reading("objects", list(indices), session.record.of_plain(), objects=indices)
    listed = [plain(m) for m in members]
    return Reading("list", listed, session.record.of_plain())


def _shown(key: Any) -> str:
    """Return a dict's key as a text: an object by its index."""
    if isinstance(key, tuple):
        return f"({', '.join(map(_shown, key))})"
    return f"object {key.index}" if isinstance(key, ObjectRef) else str(key)
