"""Words read in a picture."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from neptune.scene.seen.masks import Place


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text in a picture.

    Parameters
    ----------
    text
        What it says, not empty.
    box
        Where it is; of turned text the box around it.
    confidence
        How sure the reader is of it, in [0, 1].
    """

    text: str
    box: Place
    confidence: float


STRICT = 3
"""The power of the share of letters that are right: of four, three are not enough for a yes, of eight, seven are."""

Reading: TypeAlias = tuple[TextLine, ...]
"""What is read in a picture, in reading order; empty where there is no text."""


def inside(reading: Sequence[TextLine], box: Place) -> Reading:
    """Return the lines whose middle lies in a box."""
    x0, y0, x1, y1 = box

    def is_inside(line: TextLine) -> bool:
        a, b, c, d = line.box
        return x0 <= (a + c) / 2 <= x1 and y0 <= (b + d) / 2 <= y1

    return tuple(line for line in reading if is_inside(line))


def in_order(lines: Iterable[TextLine]) -> Reading:
    """Return lines from top to bottom, those side by side from left to right."""
    rest = sorted(lines, key=lambda line: (line.box[1] + line.box[3], line.box[0]))
    ordered: list[TextLine] = []
    while rest:
        first = rest[0]
        middle, half = (first.box[1] + first.box[3]) / 2, (first.box[3] - first.box[1]) / 2
        row = [line for line in rest if abs((line.box[1] + line.box[3]) / 2 - middle) <= half]
        ordered += sorted(row, key=lambda line: line.box[0])
        rest = [line for line in rest if line not in row]
    return tuple(ordered)


def joined(reading: Sequence[TextLine]) -> str:
    """Return what lines say, as one text."""
    return " ".join(line.text for line in reading)


def letters(text: str) -> str:
    """Return a text as texts are compared: without case, accents, blanks and punctuation."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if c.isalnum())


def belief(reading: Sequence[TextLine], words: str) -> float:
    """Return how much lines say certain words, in [0, 1].

    It is the confidence of the lines in which they stand, times the third power of the share of letters that are right:
    where ``stop`` is asked, ``STOP`` has all of them, ``SHOP`` three quarters. Words may stand in one line, or run over
    several. Of no words: how sure it is that there is any text.
    """
    wanted = letters(words)
    if not wanted:
        return max((line.confidence for line in reading), default=0.0)
    best = 0.0
    for first in range(len(reading)):
        said, confidence = "", 1.0
        for line in reading[first:]:
            said, confidence = said + letters(line.text), min(confidence, line.confidence)
            best = max(best, confidence * _alike(wanted, said) ** STRICT)
            if len(said) > 2 * len(wanted):
                break
    return best


def _alike(wanted: str, said: str) -> float:
    """Return which share of the wanted letters a text has somewhere, in order and together."""
    if wanted in said:
        return 1.0
    best = 0.0
    for start in range(max(1, len(said) - len(wanted) + 1)):
        window = said[start : start + len(wanted)]
        same = sum(m.size for m in difflib.SequenceMatcher(None, wanted, window, False).get_matching_blocks())
        best = max(best, same / max(len(wanted), len(window)))
    return best
