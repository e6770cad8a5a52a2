"""The same question in other words, and its negation; the patterns are data, ``grammars/rewordings.json``.

In a world that the reader of questions knows (:mod:`neptune.writer.english`) a rewording is one only if it is read as
the same plan, and a negation only if as the plan's negation. A question that the reader does not understand is
reworded by the patterns alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any

import dsl
from dsl.resources import find
from dsl.vocabulary import Vocabulary
from neptune.engine.analysis.equivalence import plan_key
from neptune.errors import NeptuneError
from neptune.runs.direct.task import asks_yes_or_no
from neptune.writer.english.reader import reader_of

REWORDED, NEGATED = "reworded", "negated"
KINDS = (REWORDED, NEGATED)

Read = Callable[[str], str | None]
"""Question → its program; ``None`` where it is not understood."""


@cache
def _patterns() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(find("grammars", "rewordings.json").read_text(encoding="utf-8"))
    return {kind: [(re.compile(p, re.IGNORECASE), said) for p, said in data[kind]] for kind in KINDS} | {
        "words": [tuple(pair) for pair in data["words"]]
    }


def variants(question: str, vocabulary: Vocabulary | None) -> dict[str, str]:
    """Return a question's variants by kind: ``reworded``, and of a question of yes or no ``negated``.

    Parameters
    ----------
    question
        The question.
    vocabulary
        The world that it is about; ``None``: no word has a known meaning.

    Returns
    -------
    dict
        A kind is missing where no pattern gives one.
    """
    read = _reading(vocabulary)
    program = read(question)
    found = {}
    for kind in KINDS if asks_yes_or_no(question) else (REWORDED,):
        for text in _candidates(question, kind):
            if _means(text, kind, program, read, vocabulary):
                found[kind] = text
                break
    return found


def _reading(vocabulary: Vocabulary | None) -> Read:
    def read(question: str) -> str | None:
        try:
            return None if vocabulary is None else reader_of(vocabulary).read(question).program
        except (NeptuneError, dsl.ProgramError):
            return None

    return read


def _means(text: str, kind: str, program: str | None, read: Read, vocabulary: Vocabulary | None) -> bool:
    """Tell whether a variant means what it should, as far as the reader knows."""
    if program is None or vocabulary is None:
        return True
    other = read(text)
    if other is None:
        return False
    if kind == REWORDED:
        return _key(other, vocabulary) == _key(program, vocabulary)
    return _key(other, vocabulary) in {_key(opposite, vocabulary) for opposite in _opposites(program)}


_COMPARED = ((" == ", " != "), (" != ", " == "), (" > ", " <= "), (" < ", " >= "), (" >= ", " < "), (" <= ", " > "))


def _opposites(program: str) -> Iterator[str]:
    """Yield ways in which the negation of a program of yes or no may be written."""
    yield f"not ({program})"
    for one, other in _COMPARED:
        if program.count(one) == 1:
            yield program.replace(one, other)


def _key(program: str, vocabulary: Vocabulary) -> Hashable:
    try:
        return plan_key(program, vocabulary) or ("text", program)
    except dsl.ProgramError:
        return ("text", program)


def _candidates(question: str, kind: str) -> Iterator[str]:
    """Yield what the patterns make of a question, the first pattern first; with its mark as it had one."""
    words = " ".join(question.split())
    bare, mark = words.rstrip("?. "), "?" if words.endswith("?") else ""
    for before, clause in _clauses(bare):
        for pattern, said in _patterns()[kind]:
            match = pattern.fullmatch(clause)
            if match is not None:
                text = said.format(**match.groupdict())
                yield _begun(before, text) + mark
    if kind == REWORDED:
        for one, other in _patterns()["words"]:
            text, count = re.subn(rf"\b{one}\b", other, bare)
            if count:
                yield text + mark


def _clauses(text: str) -> Iterator[tuple[str, str]]:
    """Yield a question as one clause, and, where it has several, its last clause with what stands before it."""
    yield "", text
    at = max(text.rfind("; "), text.rfind(". "))
    if at >= 0:
        yield text[: at + 2], text[at + 2 :]


def _begun(before: str, clause: str) -> str:
    first = clause[:1]
    return before + (first.lower() if before.endswith("; ") else first.upper()) + clause[1:]
