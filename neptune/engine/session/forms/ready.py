"""Programs made ready for a schedule: those of one form are read, interpreted, guarded and pushed inward once.

Of a text only its words are read (:mod:`~neptune.engine.session.forms.forms`): they are filled in where the plans of
its form have placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import Any, cast

from cachetools import LRUCache

import dsl
from dsl.errors import ProgramError
from dsl.limits import Limits
from dsl.plan import Const, Node
from dsl.plan.guards import insert_guards
from dsl.syntax.spelling import PATCHES
from dsl.vocabulary import Vocabulary
from neptune.engine.context import RunContext
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.priors import Estimates
from neptune.engine.interpret.values import Need, needed
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.session.forms.forms import Forms, keeps_conjunctions, spells_placeholders
from neptune.engine.session.precompiled import told
from neptune.engine.session.program_paths import Given, follow

TEXTS_KEPT = 2048
MOST_OBJECTS = 64
"""Of a scene on which programs are not counted the work of interpreting them: far from all limits."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A program of one lazy value, the same on every scene with an object.

    Parameters
    ----------
    need, line
        What its result is read from, and the line of that.
    names
        The program's names for the variables of ∃ nodes.
    told
        As of :class:`~neptune.engine.session.precompiled.Precompiled`.
    guarded, pushed
        The need's plan, guarded; and its quantifiers pushed inward.
    """

    need: Need
    line: int
    names: Mapping[Node, str]
    told: int
    guarded: Node
    pushed: Node


class ReadyTexts:
    """Makes texts ready. Threads may share it."""

    def __init__(self, context: RunContext) -> None:
        self._forms, self._lock = Forms(context), Lock()
        self._context = replace(context, vocabulary=self._forms.vocabulary)
        self._of_forms: LRUCache[str, Ready | None] = LRUCache(TEXTS_KEPT)
        self._texts: LRUCache[str, Ready | None] = LRUCache(TEXTS_KEPT)

    def of(self, program: str) -> Ready | None:
        """Return a text made ready; ``None`` where it has to be checked and interpreted by itself."""
        with self._lock:
            if program not in self._texts:
                self._texts[program] = self._made(program)
            return self._texts[program]

    def _made(self, program: str) -> Ready | None:
        read = self._forms.read(program)
        if read is None:
            return None
        form, filling = read
        if form not in self._of_forms:
            with suppress(ProgramError):
                self._of_forms[form] = None
                self._of_forms[form] = self._form(form)
        like = self._of_forms[form]
        if like is None or not keeps_conjunctions((like.need.of, like.guarded, like.pushed), filling):
            return None
        return Ready(
            Need(like.need.kind, filling.node(like.need.of)),
            like.line,
            {filling.node(bound): name for bound, name in like.names.items()},
            like.told,
            filling.node(like.guarded),
            filling.node(like.pushed),
        )

    def _form(self, form: str) -> Ready | None:
        """Return a form made ready; ``None`` where its programs have to be interpreted one by one."""
        words, limits, dialect = self._context.vocabulary, self._context.limits, self._context.dialect
        checked = dsl.check(form, vocabulary=words, limits=limits, dialect=dialect)
        if checked.notes or checked.program.dialect == PATCHES:
            return None
        given = Given(None, limits=limits)
        outcome = follow(checked.program, given, words, limits, self._context.distinct_variables)
        need = needed(outcome.value) if outcome.done and outcome.error is None else None
        if need is None or outcome.takes or outcome.notes or isinstance(need.of, Const):
            return None
        if need.kind == "truth" and outcome.value.node.free:
            return None  # they are bound, which is noted
        guarded, line = insert_guards(need.of), outcome.line
        if any(map(spells_placeholders, (need.of, guarded))):
            return None
        return Ready(need, line, outcome.names, told(checked.program, line), guarded, push_down(guarded))


@lru_cache(maxsize=16)
def _texts_of(
    vocabulary: Vocabulary, limits: Limits, distinct_variables: str, semantics: int, dialect: str, given: _Given
) -> ReadyTexts:
    # Nothing of it that is one run's is held on to.
    lean = replace(given.context, oracle=cast("Any", None), kept=EvidenceKept(), estimates=Estimates(), watch=None)
    return ReadyTexts(replace(lean, finder=None, knowledge=None, views=None, narrowing=None))


class _Given:
    """A context that is no part of a key: any of the same conventions will do."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given)


def ready(context: RunContext, program: object, objects: int) -> Ready | None:
    """Return a program made ready for a run under a schedule on so many objects; ``None`` where it is none, or has to
    be interpreted."""
    if context.schedule is None or context.semantics == 1 or not isinstance(program, str):
        return None
    if not 0 < objects <= MOST_OBJECTS:
        return None
    conventions = context.vocabulary, context.limits, context.distinct_variables, context.semantics
    return _texts_of(*conventions, context.dialect, _Given(context)).of(program)
