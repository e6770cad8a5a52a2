"""The most that a program can ask of a scene of N objects, whatever the oracle says; nothing is asked.

Wherever the program needs a plain value, every value that it may get is followed: both ways of a branch, every
count, every object. On each path the plans that it needs name the ground atoms that they may ask: all tuples of
different objects, a given object where one is named. No schedule asks one that its plan does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, permutations
from math import perm
from typing import Any, TypeAlias

import dsl
from dsl import plan
from dsl.limits import Limits
from dsl.plan import Atom, ExpectationOver, Node
from dsl.plan.guards import insert_guards
from dsl.syntax import ast
from neptune.engine.analysis.region_bound import questions_of
from neptune.engine.context import RunContext
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import Need, needed
from neptune.engine.session.program_paths import Choices, Given, follow

PATHS = 500
"""So many paths through a program are followed."""

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
        """Take in what may be asked on another path, or by another program."""
        for table, asked in other.tables.items():
            self.tables.setdefault(table, set()).update(asked)
        self.queries |= other.queries

    def copy(self) -> Cells:
        """Return the same cells, to which others can be added."""
        return Cells(self.objects, {t: set(asked) for t, asked in self.tables.items()}, set(self.queries))

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
class CostBound:
    """The most that one program can ask.

    Parameters
    ----------
    cells
        All that any path asks.
    calls, characters, rounds
        The most of any one path: cells, characters of their questions, batches where each value that the program
        needs asks all its cells at once.
    followed
        Whether every path was followed; if not, the program may ask more.
    """

    cells: Cells
    calls: int = 0
    characters: int = 0
    rounds: int = 0
    followed: bool = True


def cost_bound(context: RunContext, program: str | ast.Program, objects: int, most: int = PATHS) -> CostBound:
    """Return the most that a program can ask of a scene of so many objects, in any schedule.

    Parameters
    ----------
    context
        Its words, limits and conventions count; its oracle is not asked.
    program
        Program text, or a parsed program.
    objects
        N.
    most
        So many paths are followed at most.

    Raises
    ------
    dsl.ProgramError
        If the program does not pass the checker.
    """
    tree = dsl.check(program, vocabulary=context.vocabulary, limits=context.limits).program
    if tree.dialect == "patches":
        return _of_regions(context, tree, objects)
    conventions = context.vocabulary, context.limits, context.distinct_variables
    found = CostBound(Cells(objects))
    open_ways: list[Iterator[_Path]] = [iter([_Path(Cells(objects))])]
    paths = 0
    while open_ways:
        path = next(open_ways[-1], None)
        if path is None:
            open_ways.pop()
            continue
        if paths == most:
            found.followed = False
            return found
        asked: list[Need] = []
        try:
            outcome = follow(
                tree, _AnyGiven(objects, path.choices, context.limits), *conventions, partial(_collect, into=asked)
            )
        except _UnfollowedError:
            found.followed = False
        else:
            if not outcome.done and outcome.need is not None:
                open_ways.append(path.forks(context, outcome.need))
                continue
            # Where the program is in error the real run ends too, unless it is because a value stands for any.
            found.followed &= outcome.error is None or not path.any_value
            for need in asked:
                path.ask(context, need.of)
        paths += 1
        found.cells.add(path.cells)
        found.calls = max(found.calls, path.cells.total())
        found.characters = max(found.characters, path.cells.total(len))
        found.rounds = max(found.rounds, path.rounds)
    return found


def _of_regions(context: RunContext, tree: ast.Program, objects: int) -> CostBound:
    """Return the bound of a program over regions, which is not followed."""
    scored, open_, all_known = questions_of(tree, context.vocabulary, context.limits)
    cells = Cells(objects)
    for text in scored:
        cells.tables[text, 1, False] = {(None,)}
        cells.tables[text, 0, False] = {()}
    cells.queries = {(text, at) for text in open_ for at in ((), *((i,) for i in range(objects)))}
    calls = cells.total()
    return CostBound(cells, calls, cells.total(len), calls, all_known and context.finder is None)


def _collect(run: Interpreter, value: Any, last: ast.Stmt, into: list[Need]) -> None:
    """Add what a program's result, or the items of the list that it returns, are read from."""
    value = run.result(value, last)
    need = needed(value)
    if need is not None:
        into.append(need)
    elif isinstance(value, list | tuple | set | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _collect(run, item, last, into)


@dataclass
class _Path:
    """One way through the program: the values taken, and what was asked for them.

    Parameters
    ----------
    any_value
        Whether one of the values stands for any.
    """

    cells: Cells
    choices: Choices = ()
    rounds: int = 0
    any_value: bool = False

    def forks(self, context: RunContext, need: Need) -> Iterator[_Path]:
        """Yield the ways on, one for each value that the need may have."""
        if need.kind == "query":
            text, attribute, given = need.of
            words = text or context.wording.query(attribute, len(given)).text
            self.rounds += (words, given) not in self.cells.queries
            self.cells.queries.add((words, given))
        elif isinstance(need.of, Node):
            self.ask(context, need.of)
        for value in _values(need, self.cells.objects):
            any_value = self.any_value or isinstance(value, type)
            yield _Path(self.cells.copy(), (*self.choices, (need, value)), self.rounds, any_value)

    def ask(self, context: RunContext, node: Node) -> None:
        """Count the cells that evaluating this formula may ask."""
        before = self.cells.total()
        guarded = insert_guards(node)
        for leaf in dict.fromkeys(plan.walk(guarded)):
            if not isinstance(leaf, Atom) or leaf.predicate.boxes is not None:  # read off the boxes, never asked
                continue
            question, symmetric = context.wording.question(leaf.predicate), leaf.predicate.symmetric
            places = [t if isinstance(t, int) else None for t in leaf.terms]
            if symmetric:
                places.sort(key=lambda p: -1 if p is None else p)
            table = question.key, question.arity, symmetric
            self.cells.tables.setdefault(table, set()).add(tuple(places))
        # An object that is pointed to is settled before what is said of it is asked.
        steps = {
            n.description
            for n in plan.walk(guarded)
            if isinstance(n, ExpectationOver) and n.pick and not n.description.free
        }
        self.rounds += (1 + len(steps)) * (self.cells.total() > before)


def _values(need: Need, objects: int) -> Iterator[Any]:
    """Yield every value that a need may have; a type of :class:`_AnyGiven` for one that stands for any."""
    match need.kind:
        case "truth":
            yield from (False, True)
        case "number":
            yield from range(len(need.of.bodies) + 1 if isinstance(need.of, plan.CountTrue) else objects + 1)
        case "object":
            yield from range(objects) if objects else (-1,)
        case "text":
            yield from need.of.values
        case "ranking":
            for order in permutations(range(objects)):
                yield [float(objects - 1 - order.index(i)) for i in range(objects)]
        case "probability":
            yield _AnyNumber
        case "query":
            yield _AnyText


class _UnfollowedError(Exception):
    """What the program does next depends on a value in more ways than are followed."""


def _unfollowed(*arguments: object) -> Any:
    raise _UnfollowedError


class _AnyGiven(Given):
    """Hands out the values of a path; each comparison of a value that stands for any is a need of its own."""

    def __init__(self, objects: int, choices: Choices, limits: Limits) -> None:
        super().__init__(objects, choices, limits)
        self._turns = count()

    def need(self, need: Need, line: int) -> Any:
        """Return the value of a need."""
        value = super().need(need, line)
        return value(self) if isinstance(value, type) else value

    def either(self) -> bool:
        """Decide a comparison, the next of the run."""
        return bool(self.need(Need("truth", next(self._turns)), 0))


class _AnyNumber(float):
    """Any number: a comparison of it goes both ways, what is computed from it is any number again."""

    given: _AnyGiven

    def __new__(cls, given: _AnyGiven) -> _AnyNumber:
        made = super().__new__(cls, 0.5)
        made.given = given
        return made

    def _either(self, *others: object) -> bool:
        return self.given.either()

    def _any(self, *others: object) -> _AnyNumber:
        return _AnyNumber(self.given)

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __bool__ = _either
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _any
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = _any
    __float__ = __int__ = __round__ = __trunc__ = __format__ = __hash__ = __str__ = _unfollowed
    __floordiv__ = __mod__ = __pow__ = __rpow__ = __divmod__ = _unfollowed


class _AnyText:
    """Any text, the answer to an open question: it may be equal to another or not, and be returned."""

    def __init__(self, given: _AnyGiven) -> None:
        self.given = given

    def __eq__(self, other: object) -> bool:
        return self.given.either()

    __hash__ = __bool__ = __str__ = _unfollowed
