"""From what a model said to a value: a verdict, one of some choices, a number, a marked answer; or *unreadable*.

Each reader has three outcomes, not two: a value, no answer in the text, or an answer that can not be told (both are
:data:`UNREADABLE`, which is counted apart and never taken for a value). Texts come cleaned, see
:mod:`neptune.servers.replies`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

from neptune.servers.replies import clean, unfenced


class Unreadable(Enum):
    """The third outcome of a reader."""

    UNREADABLE = "unreadable"

    def __bool__(self) -> bool:
        return False


UNREADABLE: Final = Unreadable.UNREADABLE

_PUNCTUATION = " \t\r\n.,;:!?*_`'\"“”‘’«»()[]{}"
_ANSWER_TAG = re.compile(r"<(answer|final_answer|verdict|output|result)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]{0,200}\}){0,400})\}")
_LABEL = re.compile(
    r"(?:^|\n|(?<=[.!?:;] )|(?<=[.!?:;]\n))[ \t#>*_-]{0,9}(?:so |therefore,? |thus,? |hence,? )?"
    r"(?:(?:my |the )?(?:final |overall |short )?(?:answer|verdict|judge?ment|conclusion|result|decision))"
    r"[ \t*_]{0,9}(?::|=|\bis\b:?)[ \t*_]{0,9}(?=\S)([^\n]{1,300})",
    re.IGNORECASE,
)
_KEYS = ("answer", "verdict", "judgement", "judgment", "result", "output", "value", "correct", "final_answer", "right")


def tagged(text: str) -> str | None:
    """Return what a text marks as its answer: in a tag, in ``\\boxed{}``, in JSON, after a label; ``None``: nothing.

    The last mark counts.

    >>> tagged("It is large. <answer>red</answer>"), tagged("So 1 + 1.\\nAnswer: **2**"), tagged('{"answer": "no"}')
    ('red', '2', 'no')
    >>> tagged("It is red.") is None
    True
    """
    text = text[-20_000:]
    found = [(m.start(), m[2]) for m in _ANSWER_TAG.finditer(text)] or [
        (m.start(), m[1]) for m in _BOXED.finditer(text)
    ]
    if not found:
        value = _of_json(text)
        if value is not None:
            return value
        found = [(m.start(), m[1]) for m in _LABEL.finditer(text)]
    if not found:
        return None
    _, inner = max(found)
    inner = re.sub(r"\A\\(?:text|mathrm|textbf)\{(.*)\}\Z", r"\1", inner.strip())
    return unfenced(inner)


def _of_json(text: str) -> str | None:
    """Return the answer in a text that is a JSON object or text, fenced or not."""
    bare = text.strip()
    if "{" not in bare[:200] or len(bare) > 5000:
        return None
    bare = re.sub(r"\A```[^\n`]*\n|\n?```\Z", "", bare).strip()
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, Mapping):
        return None
    lower = {str(key).lower(): item for key, item in value.items()}
    items = [lower[key] for key in _KEYS if key in lower] or (list(lower.values()) if len(lower) == 1 else [])
    return _plain(items[0]) if items else None


def _plain(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None


# --- yes or no ------------------------------------------------------------------------------------

_BOTH = re.compile(
    r"\byes\b\W{0,4}(?:or|/|\||and|vs)?\W{0,4}\bno\b(?=\W*(?:\?|question|answer|$))|\byes\s*(?:/|\||or)\s*no\b"
)
_WORD = re.compile(r"\b(yes|no)\b")
_GOES_ON = re.compile(
    r"(?:because|since|as|but|it|the|they|this|that|these|those|there|both|i|given|you|we|he|she|its|their|a|an)\b"
)
_NOT_BEFORE = re.compile(r"(?:\bnot|n['’]t|\bnever|\bneither|\bcannot|\bwithout)\b[^.;:!?\n]{0,24}$")
_QUOTED_BEFORE = re.compile(
    r"[\"“‘'«]$|\b(?:expected|given|correct|right|reference|other|first|second|their|its|its own|said)"
    r"(?: (?:answer|one|word))?(?: is| was| says?|:|,)*[ \"“‘'*]*$"
)
"""Before a yes or no that is spoken of, not said."""
_CONCLUDES = re.compile(
    r"(?:[.!?:;\n]|\b(?:so|therefore|thus|hence|then|is|overall|finally|conclusion)[,:]?|[=-]+>|→)[ \t*_#>-]*$"
)
_ALONE: Mapping[str, bool] = {
    **dict.fromkeys(("yes", "y", "true", "correct", "right", "same", "equivalent", "yeah", "yep"), True),
    **dict.fromkeys(("no", "n", "false", "incorrect", "wrong", "different", "not", "nope"), False),
}


def verdict(text: str) -> bool | Literal[Unreadable.UNREADABLE]:
    """Return what a text answers to a yes/no question.

    In this order: what it marks as its answer; a text that is one word; a verdict that it begins or ends with. "no"
    before a noun ("no difference") is no verdict, and neither is a word that is denied, or spoken of. Where a text says
    both, it is unreadable.

    >>> verdict("Yes. There is no difference in meaning."), verdict("They differ, so no."), verdict("No difference.")
    (True, False, <Unreadable.UNREADABLE: 'unreadable'>)
    """
    bare = clean(text)
    if bare.cut:
        return UNREADABLE
    marked = tagged(bare.text)
    if marked is not None and (found := _verdict(marked)) is not UNREADABLE:
        return found
    return _verdict(bare.text)


def _verdict(text: str) -> bool | Literal[Unreadable.UNREADABLE]:
    low = unfenced(text).lower()[:4000] if len(text) <= 4000 else (text[:2000] + "\n" + text[-2000:]).lower()
    word = low.strip(_PUNCTUATION)
    if word in _ALONE:
        return _ALONE[word]
    low = _BOTH.sub(" ", low)
    found: list[tuple[int, int, bool]] = []
    for match in _WORD.finditer(low):
        before, after = low[: match.start()], low[match.end() :]
        begins = not before.strip(_PUNCTUATION)
        if _NOT_BEFORE.search(before[-40:]) or (not begins and _QUOTED_BEFORE.search(before[-60:])):
            continue
        follows = re.match(r"[*_`'\"”’)\]]{0,4}[ \t]+(?=\w)", after)
        if follows is not None:
            rest = after[follows.end() :]
            starts = begins or before.rstrip(" \t*_`'\"“‘(")[-1:] in ".!?:;\n"
            goes_on = _GOES_ON.match(rest)
            if re.match(r"if\b|when\b", rest) or (not goes_on and (match[1] == "no" or not starts)):
                continue
        found.append((match.start(), match.end(), match[1] == "yes"))
    if not found:
        return UNREADABLE
    (start, _, first), (late, end, last) = found[0], found[-1]
    if len({value for *_, value in found}) == 1:
        return first
    begins = not low[:start].strip(_PUNCTUATION)
    ends = not low[end:].strip(_PUNCTUATION)
    if begins:  # what it says at once counts, unless it ends by saying the other as plainly
        plainly = ends and re.search(r"[.!?:;\n][ \t*_#>-]*$", low[:late])
        return UNREADABLE if plainly and first != last else first
    return last if ends and _CONCLUDES.search(low[:late]) else UNREADABLE


# --- one of some choices ---------------------------------------------------------------------------


def choice(text: str, choices: Sequence[str]) -> str | None:
    """Return what a text answers: one of the choices as it is spelt there, or without choices the text itself.

    What the text marks as its answer counts first. Of "blue" and "dark blue" the longer is meant; a choice that is
    denied ("not green") is not. ``None``: unreadable, for it names none, or several and begins with none of them.

    >>> choice("It is dark blue.", ("blue", "dark blue")), choice("Not green but red", ("red", "green"))
    ('dark blue', 'red')
    >>> choice("It is red or blue.", ("red", "blue")) is None, choice("**Red**", ())
    (True, 'Red')
    """
    bare = clean(text)
    if bare.cut:
        return None
    marked = tagged(bare.text)
    if not choices:
        return " ".join((bare.text if marked is None else marked).split()).strip(_PUNCTUATION) or None
    for part in (marked, bare.text):
        if part is not None and (found := _choice(part, choices)) is not None:
            return found
    return None


def _choice(text: str, choices: Sequence[str]) -> str | None:
    plain = " ".join(text[:2000].split()).strip(_PUNCTUATION)
    found: list[tuple[int, int, str]] = []
    for name in choices:
        words = r"[\s_-]+".join(re.escape(word) for word in name.replace("_", " ").split())
        found += [
            (at.start(), at.end(), name) for at in re.finditer(rf"(?<!\w){words}(?!\w)", plain, re.IGNORECASE) if words
        ]
    found = [one for one in found if not any(_covers(other, one) for other in found)]
    kept = [
        one
        for one in found
        if not re.search(r"\b(?:not|isn['’]t|no|never|nor|neither)(?: a| an| the)? ?$", plain[: one[0]], re.I)
    ]
    if not kept:
        return None
    first = min(kept)
    if len({name for *_, name in kept}) == 1 or first[0] == 0:
        between = plain[first[1] : min((one[0] for one in kept if one[2] != first[2]), default=len(plain))]
        alternative = re.fullmatch(r"\W*(?:or|and/or)?\W*", between) and first[1] + len(between) < len(plain)
        return None if alternative else first[2]
    rest = plain[first[1] :]
    return None if re.match(r"\W*(?:or|and/or|/)\W", rest) else first[2]


def _covers(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[0] <= other[0] and other[1] <= one[1] and (one[1] - one[0]) > (other[1] - other[0])


# --- a number --------------------------------------------------------------------------------------

_NUMBER_WORDS: Mapping[str, float] = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "none": 0, "nothing": 0,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?<![\w.])[-−+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,30})(?:\.\d{1,30})?(?:e[-+]?\d{1,3})?(?![\w]|\.\d)"
    rf"|\b(?:{'|'.join(_NUMBER_WORDS)})\b",
    re.IGNORECASE,
)

_BEFORE = re.compile(r"(?:\b(?:not|least|most|up to|than|over|under|minus|negative)\s*|(?<!\w)[-−])$", re.IGNORECASE)
_AFTER = re.compile(
    r"[\s-]*(?:(?:hundred|thousand|million|billion|dozen|half|and a)\b|or (?:more|less|fewer)\b|\+)", re.IGNORECASE
)
"""What stands at a number and makes it another one, or a bound: "three hundred", "two and a half", "at least 3"."""


def number(text: str) -> float | Literal[Unreadable.UNREADABLE]:
    """Return the number that a text gives as its answer; a whole one is an ``int``.

    What the text marks as its answer counts first; else all numbers in it must be one. "between 2 and 4", "at least 3"
    and "three hundred" are unreadable, and so is what is not finite.

    >>> number("There are three cubes."), number("**1,250**"), number("2 or 3"), number("Answer: -2.5")
    (3, 1250, <Unreadable.UNREADABLE: 'unreadable'>, -2.5)
    """
    bare = clean(text)
    if bare.cut:
        return UNREADABLE
    marked = tagged(bare.text)
    for part in (marked, bare.text):
        if part is not None and (found := _numbers(part)):
            return found.pop() if len(found) == 1 else UNREADABLE
    return UNREADABLE


def _numbers(text: str) -> set[float]:
    found: set[float] = set()
    for match in _NUMBER.finditer(text[:4000]):
        if _BEFORE.search(text[max(0, match.start() - 12) : match.start()]) or _AFTER.match(text, match.end()):
            return {0.0, 1.0}  # no one number
        word = match[0].lower()
        value = _NUMBER_WORDS.get(word)
        if value is None:
            value = float(word.replace(",", "").replace("−", "-"))
        if not math.isfinite(value):
            return {0.0, 1.0}  # no one number
        found.add(int(value) if value == int(value) else value)
    return found
