"""The most that a program can ask of a scene of N objects, whatever the oracle says; nothing is asked.

Wherever the program needs a plain value, every value that it may get is followed: both ways of a branch, every
count, every object. On each course the plans that it forces name the cells that they may ask: all tuples of
different objects, a given object where one is named. No schedule asks a cell that its plan does not name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import perm
from typing import TYPE_CHECKING, Any, TypeAlias

import dsl
from dsl import plan
from dsl.plan import Describe, Description, ExpectationOver, Node
from dsl.plan.guards import insert_guards
from dsl.syntax import ast
from neptune.engine.evaluate.evaluator import leaves
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import ByKind, needed

if TYPE_CHECKING:
    from neptune.engine import Engine

COURSES = 500
"""So many courses of a program are followed."""

Place: TypeAlias = int | None
"""A given object; ``None``: any."""

_Table: TypeAlias = tuple[str, int, bool]


@dataclass
class Cells:
    """Cells that may be asked of one scene.

    Parameters
    ----------
    objects
        The number of objects N.
    tables
        A question's words, its arity, and whether it is symmetric → the places that are asked.
    queries
        Open questions, each of given objects.
    """

    objects: int
    tables: dict[_Table, set[tuple[Place, ...]]] = field(default_factory=dict)
    queries: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)

    def add(self, other: Cells) -> None:
        """Take in what may be asked on another course, or by another program."""
        for table, asked in other.tables.items():
            self.tables.setdefault(table, set()).update(asked)
        self.queries |= other.queries

    def total(self, weight: Callable[[str], int] = lambda text: 1) -> int:
        """Return the number of cells at most, each times a weight of its question's words."""
        asked = sum(weight(table[0]) * self._size(table) for table in self.tables)
        return asked + sum(weight(text) for text, _ in self.queries)

    def _size(self, table: _Table) -> int:
        _, arity, symmetric = table
        whole = perm(self.objects, arity) // (2 if symmetric and arity == 2 else 1)
        return min(whole, sum(self._tuples(places) for places in self.tables[table]))

    def _tuples(self, places: tuple[Place, ...]) -> int:
        """Return how many tuples of different objects have the given ones at their places."""
        given = [p for p in places if p is not None]
        distinct = len(set(given)) == len(given)
        return perm(self.objects - len(given), len(places) - len(given)) if distinct else 0


@dataclass
class Worst:
    """The most that one program can ask.

    Parameters
    ----------
    cells
        All that any course asks.
    calls, characters, rounds
        The most of any one course: cells, characters of their questions, batches where each value that the program
        needs asks all its cells at once.
    followed
        Whether every course was followed; if not, the program may ask more.
    """

    cells: Cells
    calls: int = 0
    characters: int = 0
    rounds: int = 0
    followed: bool = True


def worst_case(engine: Engine, program: str | ast.Program, objects: int, most: int = COURSES) -> Worst:
    """Return the most that a program can ask of a scene of so many objects, in any schedule.

    Parameters
    ----------
    engine
        Its words, limits and conventions count; its oracle is not asked.
    program
        Program text, or a parsed program.
    objects
        N.
    most
        So many courses are followed at most.

    Raises
    ------
    dsl.ProgramError
        If the program does not pass the checker.
    """
    tree = dsl.check(program, vocabulary=engine.vocabulary, limits=engine.limits).program
    found = Worst(Cells(objects))
    trail: list[list[int]] = []
    for _ in range(most):
        course = _Course(engine, objects, trail)
        found.followed &= course.run(tree)
        found.cells.add(course.cells)
        found.calls = max(found.calls, course.cells.total())
        found.characters = max(found.characters, course.cells.total(len))
        found.rounds = max(found.rounds, course.rounds)
        while trail and trail[-1][0] + 1 == trail[-1][1]:
            trail.pop()
        if not trail:
            return found
        trail[-1][0] += 1
    found.followed = False
    return found


class _Unfollowed(Exception):
    """What the program does next depends on a value in more ways than are followed."""


def _unfollowed(*arguments: object) -> Any:
    raise _Unfollowed


class _Number(float):
    """Any number: a comparison of it goes both ways, what is computed from it is any number again."""

    course: _Course

    @classmethod
    def of(cls, course: _Course) -> _Number:
        """Make one."""
        made = cls(0.5)
        made.course = course
        return made

    def _either(self, *others: object) -> bool:
        return self.course.fork(2) == 1

    def _any(self, *others: object) -> _Number:
        return self.of(self.course)

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __bool__ = _either
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _any
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = _any
    __float__ = __int__ = __round__ = __trunc__ = __format__ = __hash__ = __str__ = _unfollowed
    __floordiv__ = __mod__ = __pow__ = __rpow__ = __divmod__ = _unfollowed


class _Text:
    """Any text, the answer to an open question: it may be equal to another or not, and be returned."""

    def __init__(self, course: _Course) -> None:
        self.course = course

    def __eq__(self, other: object) -> bool:
        return self.course.fork(2) == 1

    __hash__ = __bool__ = __str__ = _unfollowed


class _Course(ByKind):
    """An evaluator that takes one value after the other from a trail, and the first one where the trail ends."""

    def __init__(self, engine: Engine, objects: int, trail: list[list[int]]) -> None:
        self.engine, self.objects, self.trail = engine, objects, trail
        self.cells = Cells(objects)
        self.rounds = 0
        self._turn = 0
        self._open = False
        self._given: dict[tuple[str, Any], Any] = {}

    def run(self, tree: ast.Program) -> bool:
        """Follow the course to its end; tell whether it could be followed."""
        engine, last = self.engine, tree.body[-1]
        run = Interpreter(self, engine.vocabulary, engine.limits, engine.distinct_variables)
        try:
            self._answer(run.run(tree), run, last)
        except _Unfollowed:
            return False
        except dsl.ProgramError:
            # The real run ends here too, unless the mistake is that a value stands for any.
            return not self._open
        return True

    def fork(self, ways: int) -> int:
        """Return which of several ways is taken here."""
        if self._turn == len(self.trail):
            self.trail.append([0, ways])
        self._turn += 1
        return self.trail[self._turn - 1][0]

    # --- what the interpreter asks for -----------------------------------------------------------

    def truth(self, node: Node, line: int) -> bool:
        return bool(self._once("truth", node, lambda: self.fork(2) == 1))

    def number(self, node: Node, line: int) -> int:
        most = len(node.bodies) if isinstance(node, plan.CountTrue) else self.objects
        return int(self._once("number", node, lambda: self.fork(most + 1)))

    def object(self, iota: Description, line: int) -> int:
        return int(self._once("object", iota, lambda: self.fork(self.objects) if self.objects else -1))

    def value(self, node: Describe, line: int) -> str:
        return str(self._once("value", node, lambda: node.values[self.fork(len(node.values))]))

    def ranking(self, node: Node, line: int) -> list[float]:
        def order() -> list[float]:
            left, scores = list(range(self.objects)), [0.0] * self.objects
            while left:
                scores[left.pop(self.fork(len(left)))] = float(len(left))
            return scores

        return list(self._once("ranking", node, order))

    def probability(self, node: Node, line: int) -> float:
        number: float = self._once("probability", node, self._any_number)
        return number

    def query(self, text: str, attribute: str, objects: tuple[int, ...], line: int) -> Any:
        words = text or self.engine.wording.query(attribute, len(objects)).text
        if (words, objects) not in self.cells.queries:
            self.cells.queries.add((words, objects))
            self.rounds += 1
        self._open = True
        return _Text(self)

    def _any_number(self) -> _Number:
        self._open = True
        return _Number.of(self)

    def _once(self, kind: str, node: Node, decide: Callable[[], Any]) -> Any:
        if (kind, node) not in self._given:
            self.ask(node)
            self._given[kind, node] = decide()
        return self._given[kind, node]

    # --- what is asked ---------------------------------------------------------------------------

    def ask(self, node: Node) -> None:
        """Count the cells that a force of this formula may ask."""
        before = self.cells.total()
        guarded = insert_guards(node)
        for leaf in leaves(guarded):
            if leaf.predicate.boxes:  # read off the boxes, never asked
                continue
            question, symmetric = self.engine.wording.question(leaf.predicate), leaf.predicate.symmetric
            places = [t if isinstance(t, int) else None for t in leaf.terms]
            if symmetric:
                places.sort(key=lambda p: -1 if p is None else p)
            table = question.text, question.arity, symmetric
            self.cells.tables.setdefault(table, set()).add(tuple(places))
        # An object that is pointed to is settled before what is said of it is asked.
        steps = {
            n.description
            for n in plan.walk(guarded)
            if isinstance(n, ExpectationOver) and n.pick and not n.description.free
        }
        self.rounds += (1 + len(steps)) * (self.cells.total() > before)

    def _answer(self, value: Any, run: Interpreter, last: ast.Stmt) -> None:
        """Count what the program's result asks, as :func:`neptune.engine.session.answers.answer_of` forces it."""
        value = run.result(value, last)
        need = needed(value)
        if need is not None:
            self.ask(need.of)
        elif isinstance(value, list | tuple | set | dict):
            for item in value.values() if isinstance(value, dict) else value:
                self._answer(item, run, last)
