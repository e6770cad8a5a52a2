"""Several programs for one question: which are the same, where they differ, and what they answer together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dsl
from dsl.builtins import BUILTINS
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.errors import ModelFailedError, NeptuneError
from neptune.writer.asking import binds

if TYPE_CHECKING:
    from neptune.answer import Answer

Examine = Callable[[str], Hashable]
"""Checks a program without an oracle and returns what it means: equal keys are one program. Raises ``ProgramError``."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program and its weight: the share of samples that meant it."""

    program: str
    weight: float = 1.0


def examine_text(
    vocabulary: Vocabulary | None = None, limits: Limits = DEFAULT_LIMITS, dialect: str | None = None
) -> Examine:
    """Return an :data:`Examine` that needs the language alone: the checked tree, up to names of variables.

    The engine has a better one, by plan (:func:`neptune.engine.analysis.equivalence.plan_key`).
    """

    def examine(program: str) -> Hashable:
        return canonical(dsl.check(program, vocabulary=vocabulary, limits=limits, dialect=dialect).program)

    return examine


def canonical(tree: ast.Program) -> str:
    """Return the program as printed, with the variables of lambdas, loops and assignments named in order."""
    names: dict[str, str] = {}
    bound = _bound(tree)
    text = dsl.print_program(tree)
    # Words of strings are left alone; a bound name is a whole word.
    out: list[str] = []
    for piece, is_word in _words(text):
        if is_word and piece in bound:
            out.append(names.setdefault(piece, f"v{len(names)}"))
        else:
            out.append(piece)
    return "".join(out)


def _bound(tree: ast.Program) -> set[str]:
    # A comprehension's variables keep their names: programs that differ in them alone count as two.
    return {name for node in ast.walk(tree) if not isinstance(node, ast.Clause) for name in binds(node)}


def _words(text: str) -> list[tuple[str, bool]]:
    pieces = re.findall(r'"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|[^A-Za-z_"]+|"', text)
    return [(p, p[0].isalpha() or p[0] == "_") for p in pieces]


def merge(programs: Sequence[tuple[str, Hashable]]) -> list[Candidate]:
    """Return the different ones of (program, key) pairs, the commonest first, with shares that add up to 1."""
    found: dict[Hashable, list[str]] = {}
    for program, key in programs:
        found.setdefault(key, []).append(program)
    groups = sorted(found.values(), key=len, reverse=True)  # stable: the first sample wins among equals
    return [Candidate(group[0], len(group) / len(programs)) for group in groups]


def predicates_in_order(program: str) -> list[str]:
    """Return the predicates that a program names, in the order of its text: ``left/2``, or a score's question."""
    out: list[str] = []
    try:
        tree = dsl.parse(program)
    except dsl.ProgramError:
        return out
    bound = _bound(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            if node.func.id in ("score", "query") and isinstance(first, ast.Text):
                out.append(json.dumps(first.value, ensure_ascii=False))
            elif node.func.id not in BUILTINS and node.func.id not in bound:
                out.append(f"{node.func.id}/{len(node.args)}")
    return out


def first_difference(one: str, other: str) -> str:
    """Return in words the first predicate on which two programs differ."""
    ours, theirs = predicates_in_order(one), predicates_in_order(other)
    for mine, yours in zip(ours, theirs):
        if mine != yours:
            return f"{mine} against {yours}"
    if len(ours) != len(theirs):
        longer = ours if len(ours) > len(theirs) else theirs
        return f"{longer[min(len(ours), len(theirs))]}, which only one of them has"
    return "no predicate: they join the same ones differently"


def answer_together(candidates: Sequence[Candidate], run: Callable[[str], Answer]) -> tuple[Answer, str]:
    """Run every candidate; return the answer with the largest weight, and the program that gave it.

    A program that fails, or abstains, has no say while another answers. Where answers differ, the notes say how the
    weights stand and the first predicate on which the programs differ.

    Raises
    ------
    dsl.ProgramError, NeptuneError
        The error of the first candidate, if all of them fail.
    ModelFailedError
        If the oracle or the detector fails, whatever it is asked.
    """
    if len(candidates) == 1:
        return run(candidates[0].program), candidates[0].program
    given: list[tuple[Candidate, Answer]] = []
    notes: list[str] = []
    fault: Exception | None = None
    for candidate in candidates:
        try:
            given.append((candidate, run(candidate.program)))
        except ModelFailedError:
            raise  # it would fail all of them
        except (dsl.ProgramError, NeptuneError) as error:
            fault = fault or error
            notes.append(f"a program of weight {candidate.weight:.2f} failed: {error.one_line()}")
    if not given:
        assert fault is not None
        raise fault
    voters = [(c, a) for c, a in given if not a.abstained] or given
    weights: dict[str, float] = {}
    for candidate, answer in voters:
        weights[_say(answer)] = weights.get(_say(answer), 0.0) + candidate.weight
    best = max(weights, key=lambda said: weights[said])  # the first of equals
    candidate, answer = next((c, a) for c, a in voters if _say(a) == best)
    notes.append(f"{len(candidates)} different programs were run")
    if len(weights) > 1:
        shares = ", ".join(f"{said}: {weight:.2f}" for said, weight in weights.items())
        other = next(c for c, a in voters if _say(a) != best)
        notes.append(f"the programs disagree ({shares})")
        notes.append(f"they differ first on {first_difference(candidate.program, other.program)}")
    return replace(answer, notes=(*answer.notes, *notes)), candidate.program


def _say(answer: Answer) -> str:
    value: Any = answer.value
    if answer.kind == "truth":
        return "yes" if value else "no"
    return json.dumps(value, default=str, ensure_ascii=False)
