"""What would follow if: a score, what the oracle said in words, or a word of the program is changed, and it runs again.

The evidence is a copy, which goes its own way; nothing is asked, and what is not known is missing evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import dsl
from dsl.plan import Atom, Exists
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.session.answers import run_program
from neptune.engine.session.session import Session
from neptune.errors import ConfigError, OracleError
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

_CELL = re.compile(r"\s*(\w+)\s*\(\s*(\d+(?:\s*,\s*\d+)*)\s*\)\s*\Z")
_NAMES = ("x", "y", "z", "u", "v", "w")


@dataclass(frozen=True)
class Changes:
    """What is changed.

    Parameters
    ----------
    scores
        ``"red(2)"`` or ``"left(0, 1)"`` → a probability in [0, 1], or ``None``: evidence is missing.
    words
        Words of the program → what stands for them, whole words only.
    """

    scores: Mapping[str, float | None] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


class _Nobody:
    """An oracle that is not there: what is not known stays so."""

    name = "nobody"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [Scores.of(np.full(len(r.objects), np.nan)) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        raise OracleError("The program asks what was not asked before", hint="Change it so that it asks nothing new")


def run_edited(context: RunContext, program: str, scene: Scene, changes: Changes) -> Answer:
    """Run a program again with something changed; nothing is asked.

    Parameters
    ----------
    context
        What it is run with; its evidence of the scene stays as it is.
    program, scene
        What was run, on what.
    changes
        What is changed.

    Raises
    ------
    ConfigError
        If a change names no single question, an object that is not there, no probability, or no word of the program.
    dsl.ProgramError
        If the changed program is wrong.
    OracleError
        If it asks an open question that was not asked before.
    """
    for word, other in changes.words.items():
        changed = re.sub(rf"\b{re.escape(word)}\b", lambda _, other=other: other, program)  # type: ignore[misc]
        if changed == program:
            raise ConfigError(f"'{word}' is no word of the program", where="words")
        program = changed
    evidence = context.evidence(scene).copy()
    for cell, chance in changes.scores.items():
        _change(context, evidence, cell, chance)
    own = replace(context, oracle=_Nobody(), kept=EvidenceKept.only(evidence), budget=None, narrowing=None)
    return run_program(own, program, scene)


def _change(context: RunContext, evidence: Evidence, cell: str, chance: float | None) -> None:
    found = _CELL.match(cell)
    if found is None:
        raise ConfigError(f"'{cell}' names no score", where="scores", expected="red(2), or left(0, 1)")
    objects = [int(k) for k in found[2].split(",")]
    n = len(evidence.scene)
    if max(objects) >= n or len(set(objects)) < len(objects) or len(objects) > len(_NAMES):
        raise ConfigError(
            f"'{cell}' names no objects of the scene", where="scores", expected=f"0 to {n - 1}, each once"
        )
    if chance is not None and not 0.0 <= chance <= 1.0:
        raise ConfigError(f"the score of '{cell}' is {chance}", where="scores", expected="a probability in [0, 1]")
    formula = f"{found[1]}({', '.join(_NAMES[: len(objects)])})"
    for name in reversed(_NAMES[: len(objects)]):
        formula = f"exists(Object, lambda {name}: {formula})"
    atom, bound = _atom(context, evidence, formula, cell)
    at = dict(zip(bound, objects, strict=True))
    question = context.wording.question(atom.predicate)
    if question.boxes is not None:
        raise ConfigError(f"'{cell}' is read off the boxes", where="scores", hint="It follows from where they are")
    table = evidence.table(question, atom.predicate.symmetric)
    row = np.array([[at[str(t)] for t in atom.terms]], dtype=np.int64)
    logit = math.nan if chance is None else _logit(chance)
    evidence._record(question, table.normalised(row), np.array([logit], dtype=np.float32))


def _logit(chance: float) -> float:
    if chance in (0.0, 1.0):
        return LOGIT_LIMIT if chance else -LOGIT_LIMIT
    return math.log(chance / (1.0 - chance))


def _atom(context: RunContext, evidence: Evidence, formula: str, cell: str) -> tuple[Atom, list[str]]:
    """Return the one question that a formula asks, as the vocabulary has it, and its variables, outermost first."""
    checked = dsl.check(formula, vocabulary=context.vocabulary, limits=context.limits)
    session = Session(context, evidence)
    run = Interpreter(session, context.vocabulary, context.limits, context.distinct_variables)
    node: Any = run.formula(run.run(checked.program), checked.program.body[-1])
    bound: list[str] = []
    while isinstance(node, Exists):
        bound.append(node.var)
        node = node.body
    if not isinstance(node, Atom):
        raise ConfigError(
            f"'{cell}' is no single question", where="scores", hint="Change the scores that it is made of"
        )
    return node, bound
