"""Loops and comprehensions over lists that are not decided yet, read as ∃ or as a count where the value is the same.

``for p in xs: if φ(p): return a`` and then ``return b`` asks whether there is one; a loop that adds 1 where φ holds
counts. Python decides item by item; here it becomes one formula, which is decided with as few questions as it needs.
It is read so only if φ is a formula at every candidate without anything being decided on the way, and only in a logic
that decides a conjunction by its parts: then the value is the same. What is read so is said in a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.errors import ProgramError
from dsl.plan import Const, CountTrue, Node, make
from dsl.syntax import ast
from neptune.engine.interpret.values import Formula, Members, Quantity, Scope
from neptune.engine.patches.members import NeedsAnswer, both, is_open

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

MOST_CANDIDATES = 1000
"""So many candidates, or tuples of them, are put in one formula; a larger loop runs as it is written."""

MOST_COUNTED = 32

_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Read:
    """What a loop was read as: it returns a value, or has bound its names and is done."""

    returns: bool
    value: Any = None


def read(run: Deciding, loop: ast.For, after: ast.Stmt | None) -> Read | None:
    """Run a loop as ∃ or as a count; ``None`` where it has to run as it is written."""
    action = _action(loop)
    if not action:
        return None
    kind = type(action[0])
    ends = loop.orelse[0] if len(loop.orelse) == 1 else after if not loop.orelse else None
    otherwise = _constant(ends.value) if isinstance(ends, ast.Return) and ends.value is not None else None
    returned = _constant(action[0].value) if isinstance(action[0], ast.Return) and action[0].value is not None else None
    if kind is ast.Return and (returned is None or otherwise is None or len(action) > 1):
        return None
    if kind is not ast.Return and (loop.orelse or run.reads_later(loop)):
        return None
    before = dict(run.scope.names)
    try:
        with run.foreseeing():
            if not run.looking.sight.by_parts:
                return None
            budget = [MOST_CANDIDATES]
            found = list(_cases(run, loop, budget))
    except (NeedsAnswer, ProgramError):
        return None
    finally:
        run.scope.names.clear()
        run.scope.names.update(before)
    if all(isinstance(f, Const) for f in found):
        return None
    if kind is ast.Return:
        assert returned is not None
        assert otherwise is not None
        return _returned(run, loop, found, returned[0], otherwise[0])
    if isinstance(action[0], ast.AugAssign):
        return _counted(run, loop, action[0], found, after)
    return _flagged(run, loop, action, found)


# --- shapes --------------------------------------------------------------------------------------


def _action(loop: ast.For) -> tuple[ast.Stmt, ...]:
    """Return what a loop does where its test holds: a return, a count of 1, a flag (and a break); none for another
    loop."""
    if not isinstance(loop.target, ast.Name) or not loop.body:
        return ()
    *first, last = loop.body
    if not all(isinstance(s, ast.Assign) and all(isinstance(t, ast.Name) for t in s.targets) for s in first):
        return ()
    if isinstance(last, ast.For):
        return () if last.orelse else _nested(last)
    if not isinstance(last, ast.If) or last.orelse:
        return ()
    if len(last.body) == 1 and isinstance(last.body[0], ast.If | ast.For):
        return _action(ast.For(loop.target, loop.iterable, last.body))
    return last.body if _is_action(last.body) else ()


def _nested(loop: ast.For) -> tuple[ast.Stmt, ...]:
    """Return the action of an inner loop; a break would leave that loop alone."""
    action = _action(loop)
    return action if len(action) == 1 else ()


def _is_action(body: tuple[ast.Stmt, ...]) -> bool:
    match body:
        case (ast.Return(),):
            return True
        case (ast.AugAssign(target=ast.Name(), op="+", value=ast.Number(value=1)),):
            return True
        case (ast.Assign(targets=(ast.Name(),), value=ast.Truth()),):
            return True
        case (ast.Assign(targets=(ast.Name(),), value=ast.Truth()), ast.Break()):
            return True
    return False


def _constant(node: ast.Expr) -> tuple[Any] | None:
    """Return the value of a literal, or of ``bool_to_yesno(True)``; ``None`` for anything else."""
    if isinstance(node, ast.Text | ast.Truth | ast.Number):
        return (node.value,)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "bool_to_yesno"
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Truth)
    ):
        return (_YES if node.args[0].value else _NO,)
    return None


def _cases(run: Deciding, loop: ast.For, budget: list[int]) -> Iterable[Node]:
    """Yield for each candidate the formula that it is a member and the test holds of it."""
    items = run.eval(loop.iterable)
    pairs = items.open if is_open(items) else [(i, plan.const(1.0)) for i in run.iterate(items, loop)]
    budget[0] -= len(pairs)
    if budget[0] < 0:
        raise NeedsAnswer
    for item, member in pairs:
        run.assign(loop.target, item)
        for case in _tested(run, loop.body, budget):
            yield both(member, case)


def _tested(run: Deciding, body: tuple[ast.Stmt, ...], budget: list[int]) -> Iterable[Node]:
    *first, last = body
    for statement in first:
        run.statement(statement)
    if isinstance(last, ast.For):
        yield from _cases(run, last, budget)
        return
    assert isinstance(last, ast.If)
    test = run.truth_node(run.eval(last.test), last.test)
    if len(last.body) == 1 and isinstance(last.body[0], ast.If | ast.For):
        for case in _tested(run, last.body, budget):
            yield both(test, case)
        return
    yield test


# --- what it comes to ----------------------------------------------------------------------------


def _returned(run: Deciding, loop: ast.For, found: list[Node], then: Any, otherwise: Any) -> Read:
    formula = run.made(plan.disjunction(found), loop)
    run.note(f"the loop at line {run.line(loop)} was read as: there is one of which the test is true")
    if then is True and otherwise is False:
        return Read(True, formula)
    if then is False and otherwise is True:
        return Read(True, Formula(plan.negation(formula.node)))
    return Read(True, then if run.truth(formula, loop.iterable) else otherwise)


def _counted(
    run: Deciding, loop: ast.For, action: ast.AugAssign, found: list[Node], after: ast.Stmt | None
) -> Read | None:
    assert isinstance(action.target, ast.Name)
    scope = run.scope.find(action.target.id)
    before = scope.names[action.target.id] if scope is run.scope else None
    if isinstance(before, Quantity) and isinstance(before.node, CountTrue):
        bodies = before.node.bodies
    elif isinstance(before, int) and not isinstance(before, bool) and 0 <= before <= MOST_COUNTED:
        bodies = (plan.const(1.0),) * before
    else:
        return None
    run.note(f"the loop at line {run.line(loop)} was read as a count")
    run.assign(action.target, Quantity(make(CountTrue, (*bodies, *found))))
    return Read(False)


def _flagged(run: Deciding, loop: ast.For, action: tuple[ast.Stmt, ...], found: list[Node]) -> Read | None:
    (assign, *_) = action
    assert isinstance(assign, ast.Assign)
    assert isinstance(assign.value, ast.Truth)
    (target,) = assign.targets
    assert isinstance(target, ast.Name)
    scope = run.scope.find(target.id)
    before = scope.names[target.id] if scope is run.scope else None
    if not isinstance(before, bool) or before == assign.value.value:
        return None
    formula = plan.disjunction(found)
    run.note(f"the loop at line {run.line(loop)} was read as: there is one of which the test is true")
    run.assign(target, run.made(formula if assign.value.value else plan.negation(formula), loop))
    return Read(False)


# --- comprehensions ------------------------------------------------------------------------------


def comprehended(run: Deciding, node: ast.Comprehension) -> Members | None:
    """Return ``[f(p) for p in xs if φ(p)]`` as a list that stays open; ``None`` where it has to be gone through."""
    if node.kind not in ("list", "generator") or len(node.clauses) != 1:
        return None
    (clause,) = node.clauses
    try:
        items = run.eval(clause.iterable)
        if not is_open(items) or not run.looking.sight.by_parts or len(items.open) > MOST_CANDIDATES:
            return None
        outer, run.scope = run.scope, Scope({}, run.scope)
        try:
            with run.foreseeing():
                return Members([*_kept(run, node, clause, items)], items.source)
        finally:
            run.scope = outer
    except (NeedsAnswer, ProgramError):
        return None


def _kept(run: Deciding, node: ast.Comprehension, clause: Any, items: Members) -> Iterable[tuple[Any, Node]]:
    for item, member in items.open or ():
        run.spend(1, node)
        run.assign(clause.target, item)
        for condition in clause.conditions:
            member = both(member, run.truth_node(run.eval(condition), condition))
        if member != plan.const(0.0):
            yield run.eval(node.element), member
