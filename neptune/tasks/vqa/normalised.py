"""Answers in words, made comparable as VQA's evaluation does: case, articles, numbers in words, punctuation."""

from __future__ import annotations

import re
from typing import Any

from neptune.answer import Answer
from neptune.tasks.base import plain

_DIGITS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = frozenset({"a", "an", "the"})
_APART = re.compile(r"[;/\[\]\"{}()=+\\_\-<>@`?!]|(?<!\d)[.,]|[.,](?!\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")


def normalised(text: str) -> str:
    """Return an answer without case, articles, punctuation and needless blanks; numbers to ten as digits.

    >>> normalised("The  Fire-hydrant."), normalised("Two dogs!"), normalised("1,000"), normalised("3.5")
    ('fire hydrant', '2 dogs', '1000', '3.5')
    """
    bare = _APART.sub(" ", _THOUSANDS.sub("", text.lower().replace("'", "")))
    words = (_DIGITS.get(word, word) for word in bare.split())
    return " ".join(word for word in words if word not in _ARTICLES)


def said(answer: Answer) -> str | None:
    """Return what an answer says in words, normalised; ``None`` where it says nothing of the kind."""
    if answer.abstained or answer.kind not in ("truth", "number", "text"):
        return None
    value: Any = plain(answer)
    return normalised(str(value))
