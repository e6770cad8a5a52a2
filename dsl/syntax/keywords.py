"""A pattern of names that excludes given words without lookaround, for grammars that have none."""

from __future__ import annotations

from collections.abc import Iterable

from dsl.syntax.lexer import NOT_IN_LANGUAGE

#: Words that are no names: those of the language, and those of Python that it leaves out.
KEYWORDS = frozenset(NOT_IN_LANGUAGE) | {
    "and", "break", "continue", "def", "elif", "else", "for", "if", "in", "is", "lambda", "not", "or", "pass",
    "return", "True", "False", "None",
}  # fmt: skip

STRICT_NAME = "STRICT_NAME"
"""The terminal of `generate` that is any name but a keyword."""

STRICT_WORDS = KEYWORDS | {"sort"}
"""Words that no STRICT_NAME is: what ``items.sort(…)`` gives is nothing, so that `generate` has it as a line alone."""

_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_REST = "0123456789" + _FIRST
_ANY = "[0-9A-Z_a-z]"


def name_pattern(words: Iterable[str] = STRICT_WORDS) -> str:
    """Return a regular expression for all names but `words`.

    Matched greedily it takes the longest such name. Constrained decoding has no lexer that tells keywords apart: it is
    given this pattern where the grammar says ``STRICT_NAME``.
    """
    return _after(frozenset(words), first=True)


def _after(rests: frozenset[str], *, first: bool) -> str:
    """Return the pattern of what may follow a prefix whose forbidden continuations are `rests`."""
    heads = sorted({r[0] for r in rests if r})
    if not heads:
        return f"{_ANY}+"
    ways = [head + _after(frozenset(r[1:] for r in rests if r[:1] == head), first=False) for head in heads]
    others = [c for c in (_FIRST if first else _REST) if c not in heads]
    ways.append(f"{_ranges(others)}{_ANY}*")
    return f"({'|'.join(ways)})" + ("" if first or "" in rests else "?")


def _ranges(chars: list[str]) -> str:
    out, i = [], 0
    while i < len(chars):
        j = i
        while j + 1 < len(chars) and ord(chars[j + 1]) == ord(chars[j]) + 1:
            j += 1
        out.append("".join(chars[i : j + 1]) if j - i < 3 else f"{chars[i]}-{chars[j]}")
        i = j + 1
    return f"[{''.join(out)}]"
