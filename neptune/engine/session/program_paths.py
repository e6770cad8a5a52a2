"""Every way through a program: where it needs a plain value on its way, each value it may have is one way on.

A program that branches on nothing has one path, the same for every scene. A path is named by the plain values that
were taken so far, and what the program does next on it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dsl
from dsl.plan import Describe, Description, Node
from dsl.syntax import ast
from neptune.engine.compile.plan_cache import Cache
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.values import ByKind, Need, NeedKind

if TYPE_CHECKING:
    from neptune.engine import Engine

PATHS_KEPT = 50_000


Choices = tuple[tuple[Need, Any], ...]
"""The plain values taken so far, in order."""


class _Needed(Exception):
    def __init__(self, need: Need) -> None:
        self.need = need


class _Given(ByKind):
    """An evaluator that hands out the values of a path, and stops the run at the first that is not given."""

    def __init__(self, objects: int, choices: Choices) -> None:
        self._objects, self._given = objects, dict(choices)
        self.sized = False

    @property
    def objects(self) -> int:
        self.sized = True
        return self._objects

    def _value(self, kind: NeedKind, of: Any) -> Any:
        need = Need(kind, of)
        if need not in self._given:
            raise _Needed(need)
        return self._given[need]

    def truth(self, node: Node, line: int) -> bool:
        return bool(self._value("truth", node))

    def probability(self, node: Node, line: int) -> float:
        return float(self._value("probability", node))

    def number(self, node: Node, line: int) -> int:
        return int(self._value("number", node))

    def object(self, iota: Description, line: int) -> int:
        return int(self._value("object", iota))

    def ranking(self, node: Node, line: int) -> list[float]:
        return list(self._value("ranking", node))

    def value(self, node: Describe, line: int) -> str:
        return str(self._value("text", node))

    def query(self, text: str, attribute: str, objects: tuple[int, ...], line: int) -> str:
        return str(self._value("query", (text, attribute, objects)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a path leads: to a value still needed, to the program's result, or to an error of the program."""

    need: Need | None = None
    value: Any = None
    error: dsl.ProgramError | None = None


class Paths:
    """Follows paths through programs for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._trees = Cache(PATHS_KEPT)
        self._outcomes = Cache(PATHS_KEPT)

    def follow(self, program: str | ast.Program, objects: int, choices: Choices) -> Outcome:
        """Return what the program does on a scene of so many objects, given the plain values taken so far.

        Raises
        ------
        dsl.ProgramError
            If the program does not pass the checker.
        """
        for size in (None, objects):
            found: Outcome | None = self._outcomes.get((program, size, choices))
            if found is not None:
                return found
        given = _Given(objects, choices)
        outcome = self._run(program, given)
        self._outcomes.put((program, objects if given.sized else None, choices), outcome)
        return outcome

    def _run(self, program: str | ast.Program, given: _Given) -> Outcome:
        engine = self._engine
        tree = self._trees.get(program)
        if tree is None:
            tree = dsl.check(program, vocabulary=engine.vocabulary, limits=engine.limits).program
            self._trees.put(program, tree)
        run = Interpreter(given, engine.vocabulary, engine.limits, engine.distinct_variables)
        try:
            value = run.result(run.run(tree), tree.body[-1])
        except _Needed as stop:
            return Outcome(stop.need)
        except dsl.ProgramError as error:
            return Outcome(
                error=error.with_source(program) if isinstance(program, str) and not error.source else error
            )
        return Outcome(value=value)
