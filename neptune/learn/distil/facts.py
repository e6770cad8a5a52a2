"""What a recorded trace says, fact by fact: what a rationale may say, and nothing besides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as Choice

Box = tuple[int, int, int, int]
"""``x0 y0 x1 y1`` in whole pixels, y down."""

Kind = Choice["scene", "the", "count", "exists", "every", "compare", "attribute", "holds", "answer"]

HEDGES = ((0.9, "clearly"), (0.7, "probably"), (0.0, "perhaps"))
"""From this probability on, a decision is told of with this word."""

_STOP = """
a an the is are has have does do it its that of to in on at as by with which and so than
object objects picture image shows each counting
"""
STOP = frozenset(_STOP.split())
"""Words that say nothing of a picture."""

OTHER = "other than {}"
"""Of an object: that it is not a certain one."""

COMPARED = {
    "<": "is less than",
    ">": "is more than",
    "==": "is equal to",
    "!=": "differs from",
    "<=": "is at most",
    ">=": "is at least",
}

PLACES = (
    ("at the upper left", "at the top", "at the upper right"),
    ("at the left", "in the middle", "at the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)
"""Thirds of the picture, from the top down and from left to right."""


def hedge(p: float | None) -> str:
    """Return the word for how sure a decision is, of its probability in [½, 1]; ``""`` where none is known."""
    return "" if p is None else next(word for least, word in HEDGES if p >= least)


def place(box: Sequence[float], size: Sequence[float]) -> str:
    """Return in which third of the picture the middle of a box lies, in words."""
    column = (box[0] + box[2]) / 2 / max(size[0], 1) * 3
    row = (box[1] + box[3]) / 2 / max(size[1], 1) * 3
    return PLACES[min(2, max(0, int(row)))][min(2, max(0, int(column)))]


def content(words: str) -> tuple[str, ...]:
    """Return the words that say something, in small letters."""
    return tuple(w for w in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", words.lower()) if w not in STOP)


@dataclass(frozen=True, slots=True)
class Literal:
    """What is said of an object: ``is`` + ``large``, ``is`` + ``to the left of {}``, ``has`` + ``the same size as {}``.

    Parameters
    ----------
    verb, words
        In English, from the question that the oracle was asked; ``{}`` at the end is another object.
    negated
        Whether it is said that it is not so.
    other
        The other object, as an index; ``None`` where there is none.
    """

    verb: str
    words: str
    negated: bool = False
    other: int | None = None

    @property
    def content(self) -> tuple[str, ...]:
        """The words by which a text is known to say this."""
        return content(self.words.replace("{}", ""))


@dataclass(frozen=True, slots=True)
class Found:
    """An object, as an index, and how sure it is that it is one of those meant (``""``: nothing is said of that)."""

    object: int
    hedge: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that the trace says.

    Parameters
    ----------
    kind
        ``scene`` (how many objects there are), ``the`` (which object is meant), ``count``, ``exists``, ``every``,
        ``compare`` (of two numbers), ``attribute`` (what the object asked about is), ``holds`` (of given objects),
        ``answer``.
    common, groups
        The description that objects are sought by: all of `common` and one of `groups`.
    found
        The objects.
    numbers
        In order.
    truth
        Of what is said; ``None`` where nothing is true or false.
    hedge
        How sure all of it is, where that is not said of single objects.
    operator
        Of a comparison.
    value
        The answer's words.
    """

    kind: Kind
    common: tuple[Literal, ...] = ()
    groups: tuple[tuple[Literal, ...], ...] = ()
    found: tuple[Found, ...] = ()
    numbers: tuple[int, ...] = ()
    truth: bool | None = None
    hedge: str = ""
    operator: str = ""
    value: str = ""

    @property
    def literals(self) -> tuple[Literal, ...]:
        """All literals, in the order in which they are told."""
        return (*self.common, *(one for group in self.groups for one in group))


@dataclass(frozen=True, slots=True)
class Trace:
    """What a record says: its facts in the order in which they were found, the answer last.

    Parameters
    ----------
    facts
        The facts.
    boxes, size
        Of the objects, in whole pixels; width and height of the picture.
    """

    facts: tuple[Fact, ...]
    boxes: tuple[Box, ...]
    size: tuple[float, float]

    def place(self, k: int) -> str:
        """Return where an object is, in words."""
        return place(self.boxes[k], self.size)
