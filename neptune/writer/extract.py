"""The program in a model's reply: the one place that takes away what models write around it, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dsl
from dsl.syntax import ast
from neptune.servers.replies import FENCE, clean, unfenced
from neptune.writer.asking import asks, asks_text, texts_in

_LABEL = re.compile(
    r"\A\s*[#*_]{0,4}(?:the |my )?(?:final )?(?:program|answer|code|output|python|solution)[*_]{0,4}\s*:[*_ \t]{0,9}",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\A\s*(?:[-*•–]|>>>|\d{1,2}[.)]|\(\d{1,2}\))[ \t]+(?=\S)")
_TRAILING = re.compile(r"[ \t]*[,;.`]+\s*\Z")
_OUTPUT = re.compile(
    r"\A\s*(?:text|plaintext|txt|output|out|console|bash|sh|shell|log|result|results|markdown|md)\b", re.I
)
"""Words after a fence's mark that name no program."""
_MENDED = re.compile(
    r"\b(?:better|corrected|correct(?:ion)?|fixed|final(?:ly)?|instead|improved|revised|actually|wait|rather|mistake)\b",
    re.I,
)
"""Words before a further program that take the earlier one back."""

_MOST_LINES, _MOST_CHARACTERS = 60, 200_000
"""Lines of prose in which a program is looked for, and characters that are tried in all."""

_KEYS = ("program", "code", "answer", "final_answer", "output", "result", "solution")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A program's text, and a note for each thing that was left out."""

    program: str
    notes: tuple[str, ...] = ()


def extract(reply: str) -> Extracted:
    """Return the program in a reply.

    In this order: thoughts and control tokens are left out; a text that parses is the program; else a code fence that
    parses and asks something, the first one, unless the words before a later one take it back; else the longest run of
    whole lines that parses and calls something, after a label such as ``Program:``. Around a program a bullet, quotes,
    a list or an object of JSON (``{"program": "…"}``) and a comma at its end are taken away. A reply in which nothing
    parses is handed on as it is (or its only fence), so that the parser's error speaks of it. The words of a program
    are never changed.
    """
    notes: list[str] = []
    bare = clean(reply)
    if bare.thought:
        notes.append("left out the model's thoughts")
    if bare.cut:
        return Extracted("", tuple(notes))
    text = bare.text.strip("\n").rstrip()
    found = _unwrapped(text)
    if found is not None and "```" not in text and "~~~" not in text:
        return Extracted(found, (*notes, *_said(text, found)))
    fences = [m for m in FENCE.finditer(text) if m["body"].strip()]
    if fences:
        notes.append("took the program from a code fence")
        chosen, remark = _of_fences(text, fences)
        return Extracted(chosen, (*notes, *remark))
    if (unlabelled := _LABEL.sub("", text)) != text:
        notes.append("left out the label before the program")
        text = unlabelled
        found = _unwrapped(text)
        if found is not None:
            return Extracted(found, (*notes, *_said(text, found)))
    lines = text.split("\n")
    if 1 < len(lines) <= _MOST_LINES and (found := _longest_run(lines)):
        return Extracted(found, (*notes, "left out the prose around the program"))
    return Extracted(text, tuple(notes))


def _said(text: str, found: str) -> Iterator[str]:
    if found != text:
        yield "left out what stood around the program"


def _of_fences(text: str, fences: Sequence[re.Match[str]]) -> tuple[str, list[str]]:
    """Return the program of several code fences, and what to say of the choice."""
    good: list[tuple[int, str, bool]] = []
    for place, fence in enumerate(fences):
        body = fence["body"].strip("\n").rstrip()
        found = _unwrapped(body)
        if found is None and (unlabelled := _LABEL.sub("", body)) != body:
            found = _unwrapped(unlabelled)
        if found is not None:
            shown = text[fence.start() + 3 : fence.start("body")]
            good.append((place, found, _parsed_asks(found) and not _OUTPUT.match(shown)))
    best = [(place, found) for place, found, asking in good if asking] or [(p, f) for p, f, _ in good]
    if not best:
        return fences[-1]["body"].strip("\n").rstrip(), _count(fences, "")
    chosen = best[0]
    for place, found in best[1:]:
        before = text[fences[place - 1].end() : fences[place].start()]
        if _MENDED.search(before):
            chosen = place, found
    which = "first" if chosen == best[0] and len(best) > 1 else "last" if len(best) > 1 else "one"
    return chosen[1], _count(fences, f"; took the {which} that is a program")


def _count(fences: Sequence[re.Match[str]], choice: str) -> list[str]:
    return [f"the reply has {len(fences)} code fences{choice}"] if len(fences) > 1 else []


def _unwrapped(text: str, depth: int = 3) -> str | None:
    """Return a text that parses without what stands around its program; ``None`` where nothing in it parses."""
    text = text.strip("\n").rstrip()
    tree = _parse(text)
    if depth:
        held = None if tree is None else _held(tree)
        if held is not None:
            return _unwrapped(held, depth - 1) or held
        # A dash is a bullet, not a sign; a comma makes no tuple: where a program stands, that is what is meant.
        for stripped in (_BULLET.sub("", text), _TRAILING.sub("", text), unfenced(text)):
            found = _unwrapped(stripped, depth - 1) if len(stripped) < len(text) else None
            if found is not None and (tree is None or asks_text(found)):
                return found
    return None if tree is None else text


def _held(tree: ast.Program) -> str | None:
    """Return the one program in texts that a value is made of: ``"…"``, ``["…"]``, ``{"program": "…"}``."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.ExprStatement):
        return None
    value = tree.body[0].value
    if isinstance(value, ast.DictDisplay):
        named = {key.value.lower(): item for key, item in zip(value.keys, value.values) if isinstance(key, ast.Text)}
        value = next((named[key] for key in _KEYS if key in named), value)
    programs = [text.value for text in texts_in(value) if asks_text(text.value)]
    return programs[0] if len(programs) == 1 else None


def _longest_run(lines: list[str]) -> str:
    """Return the longest run of whole lines that is a program with a call in it; the last one of equals."""
    left = _MOST_CHARACTERS
    for length in range(len(lines) - 1, 0, -1):
        for start in range(len(lines) - length, -1, -1):
            run = lines[start : start + length]
            if not run[0].strip() or not run[-1].strip() or not any("(" in line for line in run):
                continue
            text = _LABEL.sub("", "\n".join(run)).strip("`").rstrip()
            left -= len(text)
            if left < 0:
                return ""
            if (found := _unwrapped(text)) is not None:
                return found
    return ""


def _parse(text: str) -> ast.Program | None:
    if not text.strip():
        return None
    try:
        return dsl.parse(text)
    except dsl.ProgramError:
        return None


def _parsed_asks(text: str) -> bool:
    tree = _parse(text)
    return tree is not None and asks(tree)
