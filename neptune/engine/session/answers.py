"""What a program returned becomes an :class:`~neptune.answer.Answer`."""

from __future__ import annotations

import math
from typing import Any

import torch

from dsl.errors import LimitError, ProgramError
from dsl.plan import Const, Node
from dsl.syntax import ast
from neptune.answer import Answer
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import (
    DescribedObject,
    DescribedValue,
    Formula,
    ObjectRef,
    Quantity,
    kind_name,
)
from neptune.engine.session.session import Session

MOST_ITEMS = 20_000


def answer_of(value: Any, run: Interpreter, session: Session, program: ast.Program) -> Answer:
    """Force a program's result and say what it is.

    Raises
    ------
    dsl.ProgramError
        If the result is nothing that answers a question (a function, a sort, a variable).
    """
    last = program.body[-1]
    line = run.line(last)
    value = run.result(value, last)
    match value:
        case Formula() if len(value.node.free) == 1:
            return _objects(value.node, run, session, line)
        case Formula(node=Const(value=p)) if p in (0.0, 1.0):
            return _plain_truth(p == 1.0, run, session)
        case Formula():
            return _truth(value.node, run, session, line)
        case DescribedObject():
            return _object(value, run, session, line)
        case Quantity():
            total = session.count(value.node, line)
            if total.low != total.high:
                run.note(f"the number is between {total.low} and {total.high}")
            return _answer(
                run,
                session,
                (total.low + total.high) // 2,
                "number",
                total.probability,
                scores=total.scores,
                objects=total.objects,
                settled=total.low == total.high,
            )
        case DescribedValue():
            choice = session.choose(value.node, line)
            if not choice.matched:
                return _answer(run, session, None, "nothing")
            p = choice.scores[choice.index]
            name = value.node.values[choice.index]
            return _answer(run, session, name, "text", p, bounds=choice.bounds, settled=choice.settled)
        case bool():
            return _plain_truth(value, run, session)
        case float() if not math.isfinite(value):
            raise ProgramError(f"The program returned {value:g}", last.span, expected="a finite number")
        case int() | float():
            return _answer(run, session, value, "number")
        case str():
            return _answer(run, session, value, "text")
        case ObjectRef():
            one_hot = tuple(float(i == value.index) for i in range(session.objects))
            return _answer(run, session, value.index, "object", None, scores=one_hot, objects=(value.index,))
        case None:
            return _answer(run, session, None, "nothing")
        case list() | tuple() | set() | dict():
            return _collection(value, run, session, last)
    raise ProgramError(
        f"The program returned {kind_name(value)}",
        last.span,
        expected="a truth, a number, a text or an object",
    )


def _answer(
    run: Interpreter,
    session: Session,
    value: Any,
    kind: Any,
    probability: float | None = None,
    *,
    bounds: tuple[float, float] | None = None,
    scores: tuple[float, ...] | None = None,
    objects: tuple[int, ...] = (),
    witness: tuple[tuple[str, int], ...] = (),
    settled: bool = True,
) -> Answer:
    if probability is not None and bounds is None:
        bounds = (probability, probability)
    if bounds is not None and bounds[0] != bounds[1]:
        close = bounds[1] - bounds[0] <= session.context.probability_tolerance
        probability = sum(bounds) / 2 if close else None
    guessed = session.guessed
    if guessed:
        run.note(
            f"the budget of {session.context.budget} oracle calls was spent: this is the best answer so far"
        )
    given = settled or guessed
    return Answer(
        value if given else None,
        kind,
        probability if given else None,
        bounds,
        scores,
        objects if given else (),
        witness,
        tuple(session.trace),
        session.usage,
        session.ties,
        not given,
        settled and not guessed,
        tuple(session.failed_presuppositions),
        tuple(run.notes),
    )


def _plain_truth(value: bool, run: Interpreter, session: Session) -> Answer:
    """Answer with a truth that is no formula: certain, unless soft scores were decided on the way to it."""
    return _answer(run, session, value, "truth", None if session.trace else 1.0)


def _truth(node: Node, run: Interpreter, session: Session, line: int) -> Answer:
    if len(node.free) > 1:
        run.note(f"the formula returned has {len(node.free)} free variables; they were bound by 'exists'")
    decision = session.decide(node, line)
    low, high = (decision.low, decision.high) if decision.yes else (1 - decision.high, 1 - decision.low)
    probability = low if low == high else None
    return _answer(
        run,
        session,
        decision.yes,
        "truth",
        probability,
        bounds=(low, high),
        objects=tuple(dict.fromkeys(index for _, index in decision.witness)),
        witness=decision.witness,
        settled=decision.settled,
    )


def _object(value: DescribedObject, run: Interpreter, session: Session, line: int) -> Answer:
    choice = session.point(value.description, line)
    if choice.index < 0:
        return _answer(run, session, None, "nothing")
    return _answer(
        run,
        session,
        choice.index,
        "object",
        choice.scores[choice.index],
        bounds=choice.bounds,
        scores=choice.scores,
        objects=(choice.index,),
        settled=choice.settled,
    )


def _objects(node: Node, run: Interpreter, session: Session, line: int) -> Answer:
    interval = session.table(node, line, "each")
    if not interval.low.values.dim():  # the same for every object, such as left(x, x)
        every = bool(interval.low.decide())
        chosen = tuple(range(session.objects)) if every else ()
        same_scores = (float(interval.low.values),) * session.objects if interval.exact else None
        return _answer(
            run, session, list(chosen), "objects", scores=same_scores, objects=chosen,
            settled=bool(interval.high.decide()) == every,
        )  # fmt: skip
    low, high = interval.low.decide(), interval.high.decide()
    settled = bool(torch.equal(low, high))
    likely = low if settled else interval.low.values + interval.high.values > 1.0
    chosen = tuple(int(i) for i in likely.nonzero().flatten())
    scores = tuple(float(v) for v in interval.low.values) if interval.exact else None
    return _answer(run, session, list(chosen), "objects", scores=scores, objects=chosen, settled=settled)


def _collection(value: Any, run: Interpreter, session: Session, last: ast.Stmt) -> Answer:
    run.weigh(value, last)
    if len(value) > MOST_ITEMS:
        raise LimitError("iterations", MOST_ITEMS, len(value), last.span, what="the list returned")
    if isinstance(value, dict):
        items: Any = {_shown(run.key(k, last)): _plain(v, run, session, last) for k, v in value.items()}
        return _answer(run, session, items, "list")
    members = sorted(value, key=str) if isinstance(value, set) else list(value)
    if members and all(isinstance(m, ObjectRef | DescribedObject) for m in members):
        indices = tuple(run.pointed(m, last) for m in members)
        return _answer(run, session, list(indices), "objects", objects=indices)
    return _answer(run, session, [_plain(m, run, session, last) for m in members], "list")


def _shown(key: Any) -> str:
    """Return a dict's key as a text: an object by its index."""
    if isinstance(key, tuple):
        return f"({', '.join(map(_shown, key))})"
    return f"object {key.index}" if isinstance(key, ObjectRef) else str(key)


def _plain(value: Any, run: Interpreter, session: Session, last: ast.Stmt) -> Any:
    answer = answer_of(value, run, session, ast.Program((last,)))
    return answer.value
