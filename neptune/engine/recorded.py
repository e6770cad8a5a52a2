"""What programs do between their needs, kept by their texts: a text that is run again is not interpreted again.

From one plain value that it needs to the next a program does the same on every scene. So a text is a tree of *steps*:
each holds the need (or the result) that the program came to, and leads on by the value that it was handed. A run
follows the tree, and pays the work that interpreting took; where the tree ends the program is interpreted, with the
values handed over so far, and its steps are added.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cachetools import LRUCache

import dsl
from dsl.check.checker import Checked
from dsl.limits import Limits
from dsl.plan import Describe, Node
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from dsl.work import Kind
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import Evaluator, Need, NeedKind

TEXTS_KEPT, MOST_CHARS = 2048, 2000
"""So many texts are kept, and no longer ones: a tree of its syntax takes many times the memory of a text."""
STEPS_KEPT = 200
"""Of one text. A program that decides much on its way is interpreted from there on."""

_FOLLOWED: frozenset[NeedKind] = frozenset(("truth", "number", "object", "text"))
"""Needs of few values: by the others, a probability say, the tree would hardly ever lead on."""

Spent = dict[Kind, int]


@dataclass(slots=True, eq=False)
class Step:
    """What a program came to.

    Parameters
    ----------
    spent
        The work of interpreting it so far, from its beginning.
    notes
        What was noted so far.
    need, line
        The plain value that it needs, and where; without one it is at its end.
    value, names, taken
        There: its result, its names for the variables of ∃ nodes, and the values that it described in passing.
    after
        Where each value leads.
    """

    spent: Spent
    notes: tuple[str, ...]
    need: Need | None = None
    line: int = 0
    value: Any = None
    names: Mapping[Node, str] = field(default_factory=dict)
    taken: tuple[Describe, ...] = ()
    after: dict[Hashable, Step] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Text:
    """A program's text, checked, and its steps.

    Parameters
    ----------
    checked
        What the checker made of it.
    sized
        Whether the program asked for the number of objects, on some way.
    first
        The first step; by the number of objects where it asks for that, else by ``None``.
    steps
        How many there are.
    """

    checked: Checked
    sized: bool = False
    first: dict[Hashable, Step] = field(default_factory=dict)
    steps: int = 0

    @property
    def followed(self) -> bool:
        """Whether its steps are kept: a program over regions asks what a scene is like all along its way."""
        return self.checked.program.dialect != "patches"

    def start(self, objects: int) -> tuple[dict[Hashable, Step], Hashable]:
        """Return where the first step of a run on so many objects is kept."""
        return self.first, objects if self.sized else None

    def keep(self, recorder: Recorder, end: Step, objects: int) -> None:
        """Add the steps of a run, as far as they are of few values and there is room."""
        if recorder.asked and not self.sized:
            # What was kept before may be of other numbers of objects.
            self.sized, self.first, self.steps = True, {}, 0
        where, key = self.start(objects)
        for step, value in [*recorder.came, (end, None)]:
            if (step.need is not None and step.need.kind not in _FOLLOWED) or self.steps >= STEPS_KEPT:
                return
            if key not in where:
                self.steps += 1
            where, key = where.setdefault(key, step).after, value


class Texts:
    """The texts of some conventions, each checked once. Threads may share it."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits, dialect: str) -> None:
        self._vocabulary, self._limits, self._dialect = vocabulary, limits, dialect
        self._texts: LRUCache[str, Text] = LRUCache(TEXTS_KEPT)
        self._lock = threading.Lock()

    def text(self, program: str) -> Text:
        """Return the text of a program.

        Raises
        ------
        dsl.ProgramError
            If it does not pass the checker.
        """
        with self._lock:
            found = self._texts.get(program)
        if found is None:
            words, limits, dialect = self._vocabulary, self._limits, self._dialect
            found = Text(dsl.check(program, vocabulary=words, limits=limits, dialect=dialect))
            if len(program) <= MOST_CHARS:
                with self._lock:
                    found = self._texts.setdefault(program, found)
        return found


@lru_cache(maxsize=16)
def texts_of(vocabulary: Vocabulary, limits: Limits, distinct_variables: str, semantics: int, dialect: str) -> Texts:
    """Return the texts of these conventions: engines that share them share what is known of programs."""
    return Texts(vocabulary, limits, dialect)


class Recorder:
    """The evaluator of an interpreter whose steps are kept: hands out the values that are known, then asks another.

    Parameters
    ----------
    evaluator
        Who gives the values that are not known yet.
    given
        The values handed over so far, in order.

    Attributes
    ----------
    came
        The needs that the program came to, each with the value that it was handed.
    asked
        Whether the program asked for the number of objects; `other`: for anything else that a scene may have.
    """

    def __init__(self, evaluator: Evaluator, given: list[Any]) -> None:
        self._evaluator, self._given, self.work = evaluator, given, evaluator.work
        self.came: list[tuple[Step, Any]] = []
        self.asked = self.other = False
        self._notes: list[str] = []
        self._spent: Spent = {}
        self._mark: Spent = dict(self.work.by_kind)

    @property
    def objects(self) -> int:
        """The number of objects."""
        self.asked = True
        return self._evaluator.objects

    def __getattr__(self, name: str) -> Any:
        self.other = True
        return getattr(self._evaluator, name)

    def begin(self, notes: list[str]) -> None:
        """Name where the program's notes are written."""
        self._notes = notes

    def need(self, need: Need, line: int) -> Any:
        """Return the plain value; `line` is the line of the program that needs it."""
        step, at = self.step(need, line), len(self.came)
        value = self._given[at] if at < len(self._given) else self._evaluator.need(need, line)
        self._mark = dict(self.work.by_kind)
        self.came.append((step, value))
        return value

    def step(self, need: Need | None = None, line: int = 0) -> Step:
        """Return what the program has come to, with the work of interpreting it so far."""
        for kind, amount in self.work.by_kind.items():
            more = amount - self._mark.get(kind, 0)
            if more:
                self._spent[kind] = self._spent.get(kind, 0) + more
        self._mark = dict(self.work.by_kind)
        return Step(dict(self._spent), tuple(self._notes), need, line)


class Position:
    """Where a run stands that follows the steps of its text: what is asked of it as of an interpreter.

    Parameters
    ----------
    notes
        What was noted so far.
    variable_names, taken
        The names in the program of the variables that quantifier nodes bind; the values described in passing.
    """

    def __init__(self, notes: Sequence[str]) -> None:
        self.notes = list(notes)
        self.variable_names: Mapping[Node, str] = {}
        self.taken: Iterable[Describe] = ()

    def note(self, text: str) -> None:
        """Report something that was normalised, once."""
        if text not in self.notes:
            self.notes.append(text)

    def line(self, node: ast.Node) -> int:
        """Return the line of a node, for the trace."""
        return node.span.line if node.span is not None else 0

    def shown(self, value: Any) -> dict[str, Any]:
        """Return what else an answer shows: nothing."""
        return {}

    def result(self, value: Any, last: ast.Stmt) -> Any:
        """Return what the program returned: a step holds it as the interpreter's `result` made it."""
        return value


class Followed:
    """A run of a text: by its steps as far as they are known, then by an interpreter.

    Parameters
    ----------
    text
        The text.
    evaluator
        Gives the plain values that the program needs.
    interpreter
        Makes an interpreter of the program around an evaluator.

    Attributes
    ----------
    at
        Where the run stands: the interpreter, if there is need of one.
    """

    def __init__(
        self, text: Text, evaluator: Evaluator, interpreter: Callable[[Evaluator], Interpreter], objects: int
    ) -> None:
        self._text, self._evaluator, self._interpreter, self._objects = text, evaluator, interpreter, objects
        self.at: Interpreter | Position = Position(text.checked.notes)

    def run(self) -> Any:
        """Return the program's result, possibly still lazy.

        Raises
        ------
        dsl.ProgramError
            As the interpreter.
        """
        program, position, work = self._text.checked.program, self.at, self._evaluator.work
        assert isinstance(position, Position)
        work.begin(program)
        given: list[Any] = []
        paid: Spent = {}
        where, key = self._text.start(self._objects)
        while True:
            step = where.get(key)
            more = {} if step is None else _beyond(step.spent, paid)
            if step is None or not work.afford(more):
                work.take_back(paid)
                return self._interpret(given)
            paid, position.notes = step.spent, list(step.notes)
            if step.need is None:
                position.variable_names, position.taken = step.names, step.taken
                return step.value
            value = self._evaluator.need(step.need, step.line)
            given.append(value)
            where, key = step.after, value

    def _interpret(self, given: list[Any]) -> Any:
        """Run the program from its beginning, the values given that it was handed before, and keep its steps."""
        text, recorder = self._text, Recorder(self._evaluator, given)
        self.at = run = self._interpreter(recorder)
        recorder.begin(run.notes)
        last = text.checked.program.body[-1]
        value = run.result(run.run(text.checked.program), last)
        if not recorder.other and not isinstance(value, list | tuple | set | dict):
            end = recorder.step()
            end.value, end.names, end.taken = value, run.variable_names, tuple(run.taken)
            text.keep(recorder, end, self._objects)
        return value


def _beyond(spent: Spent, paid: Spent) -> Spent:
    return {kind: amount - paid.get(kind, 0) for kind, amount in spent.items()} if paid else spent
