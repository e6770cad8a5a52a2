"""The program in a model's reply: the one place that takes away what models write around it, and says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

import dsl

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>\s*|\A.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_LABEL = re.compile(r"\A\s*(?:program|answer|code|output|python)\s*:[ \t]*", re.IGNORECASE)
_MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Extracted:
    """A program's text, and a note for each thing that was left out."""

    program: str
    notes: tuple[str, ...] = ()


def extract(reply: str) -> Extracted:
    """Return the program in a reply.

    In this order: thoughts between ``<think>`` tags are left out; a text that parses is the program; else the last
    code fence that parses; else the longest run of whole lines that parses and calls something, after a label such as
    ``Program:``. A reply in which nothing parses is handed on as it is (or its only fence), so that the parser's
    error speaks of it. The words of a program are never changed.
    """
    notes: list[str] = []
    text = reply.replace("\r\n", "\n").replace("\r", "\n")
    if (bare := _THOUGHT.sub("", text)) != text:
        text = bare
        notes.append("left out the model's thoughts")
    text = text.strip("\n").rstrip()
    if _parses(text) and "```" not in text:
        return Extracted(text, tuple(notes))
    fences = [body.strip("\n").rstrip() for body in _FENCE.findall(text)]
    fences = [body for body in fences if body.strip()]
    if fences:
        good = [body for body in fences if _parses(body)]
        notes.append("took the program from a code fence")
        if len(fences) > 1:
            notes.append(f"the reply has {len(fences)} code fences; took the last that is a program")
        return Extracted((good or fences)[-1], tuple(notes))
    if (unlabelled := _LABEL.sub("", text)) != text:
        notes.append("left out the label before the program")
        text = unlabelled
        if _parses(text):
            return Extracted(text, tuple(notes))
    lines = text.split("\n")
    if 1 < len(lines) <= _MOST_LINES and (found := _longest_run(lines)):
        return Extracted(found, (*notes, "left out the prose around the program"))
    return Extracted(text, tuple(notes))


def _longest_run(lines: list[str]) -> str:
    """Return the longest run of whole lines that is a program with a call in it; the last one of equals."""
    for length in range(len(lines) - 1, 0, -1):
        for start in range(len(lines) - length, -1, -1):
            run = lines[start : start + length]
            if not run[0].strip() or not run[-1].strip() or not any("(" in line for line in run):
                continue
            text = _LABEL.sub("", "\n".join(run)).strip("`").rstrip()
            if _parses(text):
                return text
    return ""


def _parses(text: str) -> bool:
    if not text.strip():
        return False
    try:
        dsl.parse(text)
    except dsl.ProgramError:
        return False
    return True
