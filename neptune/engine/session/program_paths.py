"""A program runs to its next need: the one way to drive a program without evaluating anything on the spot.

A path is named by the plain values that the program was handed so far. Where the program needs one more, it stops; who
drives it evaluates the needs of many programs together, and lets each go on, on one path (a hard answer) or on several
(a soft one, a bound of the cost). A program that branches on nothing has one path, the same for every scene.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cachetools import LRUCache

import dsl
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.plan import Node
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from dsl.work import Work
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import Need, Sight
from neptune.engine.patches.interpreter import interpreter_for

PATHS_KEPT = 50_000

Choices = tuple[tuple[Need, Any], ...]
"""The plain values taken so far, in order."""


class Stop(Exception):
    """The program needs a plain value that it was not handed; without a need, the number of objects."""

    def __init__(self, need: Need | None, line: int = 0) -> None:
        self.need, self.line = need, line


class Given:
    """An evaluator that hands out the values of a path, and stops the run at the first need that is not among them.

    Parameters
    ----------
    objects
        The number of objects; ``None``: not known, and a program that asks for it stops too.
    choices
        The values of the path.
    limits
        What the program may use.
    sight
        What a program over regions sees, where it is not among the choices.

    Attributes
    ----------
    sized
        Whether the program asked for the number of objects.
    """

    def __init__(
        self, objects: int | None, choices: Choices = (), limits: Limits = DEFAULT_LIMITS, sight: Sight | None = None
    ) -> None:
        self._sight = sight
        self._objects, self._given, self.work = objects, dict(choices), Work(limits, objects or 0)
        self.sized = False

    @property
    def objects(self) -> int:
        """The number of objects."""
        self.sized = True
        if self._objects is None:
            raise Stop(None)
        return self._objects

    def need(self, need: Need, line: int) -> Any:
        """Return the value of a need."""
        if need.kind == "sight" and self._sight is not None:
            return self._sight
        if need not in self._given:
            raise Stop(need, line)
        return self._given[need]

    def foresee(self, formulas: Sequence[Node], every: bool) -> None:
        """Ask nothing: the values are given."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a path leads: to a value still needed, to the program's result, or to an error of the program.

    Parameters
    ----------
    done
        Whether the program came to its end, or to the error; if not, `need` is what it needs (``None``: the number of
        objects).
    line
        Of the need, or of the last statement.
    value
        The result, lazy or plain.
    notes, names
        What was normalised so far; the names that the program has for the variables of its ∃.
    takes
        Whether a formula takes for granted that a value fits what it describes: a run looks at that at its end.
    """

    done: bool
    need: Need | None = None
    line: int = 0
    value: Any = None
    error: dsl.ProgramError | None = None
    notes: tuple[str, ...] = ()
    names: Mapping[Node, str] = field(default_factory=dict)
    takes: bool = False


def follow(
    tree: ast.Program,
    given: Given,
    vocabulary: Vocabulary,
    limits: Limits,
    distinct_variables: str = "auto",
    result: Callable[[Interpreter, Any, ast.Stmt], Any] = Interpreter.result,
) -> Outcome:
    """Return what a checked program does, given the plain values taken so far.

    Parameters
    ----------
    tree, given
        The program, and the values.
    vocabulary, limits, distinct_variables
        See :class:`~neptune.engine.interpret.interpreter.Interpreter`.
    result
        What is made of the value that the program returned, in need of plain values too.
    """
    run, last = interpreter_for(tree, given, vocabulary, limits, distinct_variables), tree.body[-1]
    try:
        value = result(run, run.run(tree), last)
    except Stop as stop:
        return Outcome(False, stop.need, stop.line, notes=tuple(run.notes))
    except dsl.ProgramError as error:
        return Outcome(True, error=error, notes=tuple(run.notes))
    return Outcome(True, None, run.line(last), value, None, tuple(run.notes), run.variable_names, bool(run.taken))


class Paths:
    """Follows paths through programs, and keeps where each led. Threads may share it."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits, distinct_variables: str) -> None:
        self._conventions = vocabulary, limits, distinct_variables
        self._trees: LRUCache[Any, ast.Program] = LRUCache(PATHS_KEPT)
        self._outcomes: LRUCache[Any, Outcome] = LRUCache(PATHS_KEPT)
        self._lock = threading.Lock()

    def follow(self, program: str | ast.Program, objects: int, choices: Choices) -> Outcome:
        """Return what the program does on a scene of so many objects, given the plain values taken so far.

        Raises
        ------
        dsl.ProgramError
            If the program does not pass the checker.
        """
        with self._lock:
            for size in (None, objects):
                found = self._outcomes.get((program, size, choices))
                if found is not None:
                    return found
            tree = self._trees.get(program)
        vocabulary, limits, distinct_variables = self._conventions
        if tree is None:
            tree = dsl.check(program, vocabulary=vocabulary, limits=limits).program
        given = Given(objects, choices, limits)
        outcome = follow(tree, given, vocabulary, limits, distinct_variables)
        if outcome.error is not None and isinstance(program, str) and not outcome.error.source:
            outcome.error.with_source(program)
        with self._lock:
            self._trees[program] = tree
            self._outcomes[program, objects if given.sized else None, choices] = outcome
        return outcome


@lru_cache(maxsize=16)
def paths_of(vocabulary: Vocabulary, limits: Limits, distinct_variables: str) -> Paths:
    """Return the paths of these conventions: engines that share them share what is known of programs."""
    return Paths(vocabulary, limits, distinct_variables)
