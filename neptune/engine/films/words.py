"""What a question about a film says of time, in words: the rest is a question about one picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import dsl
from dsl.limits import Limits
from dsl.patches.dialect import dialect_of
from dsl.syntax import ast
from dsl.syntax.printer import print_expression
from dsl.syntax.spelling import PATCHES
from neptune.engine.films.temporal import FilmProgram, joined, over_frames

_UNIT = r"(?:frame|frames|moment|moments|time|times|point|points)"
_SOME = (
    rf"(?:in|at|during) (?:some|any|a|one|at least one) {_UNIT}",
    r"at some point in time",
    r"(?:ever|sometimes|once|at some stage)",
)
_EVERY = (
    rf"(?:in|at|during) (?:every|each|all|all the|every single) {_UNIT}",
    r"(?:always|all the time|the whole time|throughout|the entire time)",
)
_FILM = r"(?:in|of|during|throughout|over) (?:the|this) (?:film|video|clip|movie|recording)"
_WORDS = [("every_frame", p) for p in _EVERY] + [("some_frame", p) for p in _SOME]


@dataclass(frozen=True, slots=True)
class Timed:
    """A question about a film, taken apart.

    Parameters
    ----------
    word
        ``some_frame``, ``every_frame``, ``before`` or ``until``.
    parts
        The questions about one picture that it joins.
    said
        Whether the question itself says so; else ``some_frame`` is taken.
    """

    word: str
    parts: tuple[str, ...]
    said: bool = True


def timed(question: str) -> Timed:
    """Take a question apart.

    >>> timed("Is the red ball left of the cube in some frame?")
    Timed(word='some_frame', parts=('Is the red ball left of the cube?',), said=True)
    >>> timed("Is there a cube before there is a red ball?").parts
    ('Is there a cube?', 'there is a red ball?')
    """
    text = " ".join(question.split())
    whole = _without(text, _FILM)
    said_whole = whole != text and re.search(r"\bthroughout (?:the|this)\b", text, re.I) is not None
    for joint, word in ((" before ", "before"), (" after ", "before"), (" until ", "until")):
        first, found, last = whole.partition(joint)
        if found and re.search(r"\b(?:is|are|was|were)\b", last):
            parts = (_ended(last), _ended(first)) if joint == " after " else (_ended(first), _ended(last))
            return Timed(word, parts)
    for word, pattern in _WORDS:
        rest = _without(whole, pattern)
        if rest != whole:
            return Timed(word, (_ended(rest),))
    return Timed("every_frame" if said_whole else "some_frame", (_ended(whole),), said_whole)


def _without(text: str, pattern: str) -> str:
    """Return a text without the words of a pattern, nor the comma beside them."""
    return " ".join(re.sub(rf",?\s*\b{pattern}\b\s*,?", " ", text, count=1, flags=re.I).split())


def _ended(text: str) -> str:
    """Return a part as a question of its own."""
    return text.strip(" ,;.?!") + "?"


def film_program(question: str, write: Callable[[str], str], limits: Limits) -> tuple[str, FilmProgram]:
    """Return the program of a question about a film, as text and as it is run.

    Parameters
    ----------
    question
        The question in words.
    write
        Writes the program of a question about one picture.
    limits
        What a program may use.

    Raises
    ------
    dsl.ProgramError, NeptuneError
        If there is no program for a part of the question.
    """
    found = timed(question)
    programs = [write(part) for part in found.parts]
    said = () if found.said else ("the question says nothing of time: asked is whether some frame fits",)
    formulas = [_formula(program, limits) for program in programs]
    if None not in formulas:
        text = f"{found.word}({', '.join(map(str, formulas))})"
        read = over_frames(text, limits)
    else:
        read = joined(found.word, programs)
        text = "\n".join([f"# {found.word}, of a frame:", *programs])
    return text, FilmProgram(read.over_frames, read.seen, (*said, *read.notes))


def _formula(program: str, limits: Limits) -> str | None:
    """Return a program that is one expression as such; ``None``: it is more."""
    tree = dsl.parse(program, limits=limits)
    (*before, last) = tree.body
    value = last.value if isinstance(last, ast.Return | ast.ExprStatement) else None
    return print_expression(value) if not before and value is not None and dialect_of(tree) != PATCHES else None
