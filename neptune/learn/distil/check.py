"""Holds a rationale against the trace: what says more, or other things, than the trace does is refused.

Whoever wrote the text, the template or a language model, it is taken apart again, without the template: objects, boxes,
places, numbers, words for how sure something is, negations, and the words of the questions that the oracle was asked.
Each sentence has to say what one fact of the trace says, all of it, of the same objects. A word that neither belongs to
the trace nor says nothing (:data:`neptune.learn.distil.facts.STOP`) is refused: a closed world. So a rewriting may
change the order of what is said, and leave sentences out, and not add to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from neptune.learn.distil.facts import COMPARED, HEDGES, PLACES, STOP, Box, Fact, Found, Trace, content

_HEDGES = frozenset(word for _, word in HEDGES)
_PLACES = sorted((place for row in PLACES for place in row), key=len, reverse=True)
_OPERATORS = {content(words): operator for operator, words in COMPARED.items()}
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_NUMBERS = {word: n for n, word in enumerate(_WORDS.split())} | {"none": 0}
_TOKEN = re.compile(
    r"\[(?P<tag>\d+)\]"
    r"|\((?P<box>\s*-?\d+(?:\s*,\s*-?\d+){3}\s*)\)"
    rf"|(?P<place>\b(?:{'|'.join(_PLACES)})\b)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[^\W\d_]+(?:['-][^\W\d_]+)*)"
    r"|(?P<quiet>[\s,:])"
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")


class RefusedError(Exception):
    """A rationale says what the trace does not: what, in a few words that are counted, and where."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{reason}: {where}" if where else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


_Literal = tuple[tuple[str, ...], bool, Box | None]
"""The words, whether negated, and the other object."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a sentence says, whatever its order."""

    common: tuple[_Literal, ...] = ()
    groups: tuple[tuple[_Literal, ...], ...] = ()
    found: tuple[tuple[Box, str], ...] = ()
    numbers: tuple[int, ...] = ()
    truth: bool | None = None
    loose: tuple[str, ...] = ()
    operator: str = ""
    every: bool = False


def check(text: str, trace: Trace) -> int:
    """Check a rationale against a trace.

    Parameters
    ----------
    text
        The rationale.
    trace
        What the record says.

    Returns
    -------
    int
        How many sentences it has.

    Raises
    ------
    RefusedError
        If it says more than the trace, or anything else, or does not say the answer.
    """
    reader = _Checker(trace)
    sentences = [s.strip().rstrip(".!?;").strip() for s in _SENTENCE.split(text.strip())]
    answered = False
    for sentence in filter(None, sentences):
        answered = reader.sentence(sentence) or answered
    if not answered:
        raise RefusedError("no answer")
    return len(sentences)


class _Checker:
    """What is said is looked up among what the facts say."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._said = {_said(fact, trace.boxes) for fact in trace.facts if fact.kind != "answer"}
        self._answers = [fact for fact in trace.facts if fact.kind == "answer"]
        self._phrases = {one.content for fact in trace.facts for one in fact.literals}
        self._related = {one.content for fact in trace.facts for one in fact.literals if one.other is not None}
        self._longest = max(map(len, [*self._phrases, *_OPERATORS]), default=1)
        self._box: dict[str, Box] = {}

    def sentence(self, text: str) -> bool:
        """Check one sentence; tell whether it says the answer."""
        tokens = [t for t in _tokens(text) if t.kind != "word" or t.text not in STOP]
        tokens = self._with_boxes(tokens, text)
        if any(t == _Token("word", "answer") for t in tokens):
            self._answer([t for t in tokens if t != _Token("word", "answer")], text)
            return True
        if self._read(tokens, text) not in self._said:
            raise RefusedError("a sentence that the trace does not say", text)
        return False

    def _with_boxes(self, tokens: Sequence[_Token], text: str) -> list[_Token]:
        """Check what follows each object, its place and its box, and leave these out."""
        found: list[_Token] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            if token.kind in ("place", "box"):
                raise RefusedError(f"a {token.kind} of nothing", text)
            found.append(token)
            if token.kind != "tag":
                continue
            said_place = None
            if at < len(tokens) and tokens[at].kind == "place":
                said_place = tokens[at].text
                at += 1
            if at < len(tokens) and tokens[at].kind == "box":
                numbers = [int(n) for n in tokens[at].text.split(",")]
                box = (numbers[0], numbers[1], numbers[2], numbers[3])
                at += 1
                if box not in self._trace.boxes or self._box.get(token.text, box) != box:
                    raise RefusedError("a box that the trace does not have", text)
                if box in {b for tag, b in self._box.items() if tag != token.text}:
                    raise RefusedError("an object of two numbers", text)
                self._box[token.text] = box
            if token.text not in self._box:
                raise RefusedError("an object that was not introduced", text)
            if said_place is not None:
                k = self._trace.boxes.index(self._box[token.text])
                if self._trace.place(k) != said_place:
                    raise RefusedError("a place where the object is not", text)
        return found

    def _answer(self, tokens: Sequence[_Token], text: str) -> None:
        hedges = [t.text for t in tokens if t.kind == "word" and t.text in _HEDGES]
        rest = [t for t in tokens if t.kind != "word" or t.text not in _HEDGES]
        for fact in self._answers:
            if hedges != [fact.hedge] * bool(fact.hedge):
                continue
            if fact.found:
                box = self._trace.boxes[fact.found[0].object]
                if [t.kind for t in rest] == ["tag"] and self._box[rest[0].text] == box:
                    return
            elif [t.text for t in rest] == [t.text for t in _tokens(fact.value.lower()) if t.text not in STOP]:
                return
        raise RefusedError("another answer", text)

    def _read(self, tokens: Sequence[_Token], text: str) -> _Said:
        """Return what a sentence says."""
        groups: list[list[_Literal]] = [[]]
        common: list[_Literal] | None = None
        found: list[tuple[Box, str]] = []
        numbers: list[int] = []
        loose: list[str] = []
        operator, every, negated, no, pending = "", False, False, False, ""
        truth: bool | None = None
        there = False
        at = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            word = token.text if token.kind == "word" else ""
            if token.kind == "tag":
                found.append((self._box[token.text], pending))
                pending = ""
            elif token.kind == "number" or word in _NUMBERS:
                numbers.append(_number(token, text))
            elif word in _HEDGES:
                loose += [pending] if pending else []
                pending = word
            elif word == "not":
                if negated:
                    raise RefusedError("a negation of nothing", text)
                negated = True
            elif word == "no":  # "there is no …"
                if negated or no:
                    raise RefusedError("a negation of nothing", text)
                no = True
            elif word in ("there", "true", "false"):
                if truth is not None or (negated and word != "there"):
                    raise RefusedError("a sentence that the trace does not say", text)
                truth, negated = (word != "false") != negated, False
                there = word == "there"
                if pending and not there:  # "it is clearly true that [1] …"
                    loose, pending = [*loose, pending], ""
            elif word == "either" and common is None and len(groups) == 1:
                common, groups = groups[0], [[]]
            elif word == "or" and common is not None:
                groups.append([])
            elif word == "every" and not every:
                every = True
            else:
                at -= 1
                size, phrase = self._phrase(tokens[at:], text)
                at += size
                if phrase in _OPERATORS and phrase not in self._phrases:
                    if operator or negated:
                        raise RefusedError("a sentence that the trace does not say", text)
                    operator = _OPERATORS[phrase]
                    continue
                other = None
                if phrase in self._related and at < len(tokens) and tokens[at].kind == "tag":
                    other = self._box[tokens[at].text]
                    at += 1
                groups[-1].append((phrase, negated, other))
                negated = False
        if negated or (no and not (there and truth)):
            raise RefusedError("a negation of nothing", text)
        truth = False if no else truth
        loose += [pending] if pending else []
        whole = groups[0] if common is None else common
        choices = [] if common is None else groups
        return _Said(
            _sorted(whole),
            tuple(_sorted(group) for group in choices),
            tuple(sorted(found)),
            tuple(numbers),
            truth,
            tuple(loose),
            operator,
            every,
        )

    def _phrase(self, tokens: Sequence[_Token], text: str) -> tuple[int, tuple[str, ...]]:
        """Return how many tokens say something that the trace asks about, and in which words."""
        words: list[str] = []
        for token in tokens[: self._longest]:
            if token.kind != "word":
                break
            words.append(token.text)
        for size in range(len(words), 0, -1):
            phrase = tuple(words[:size])
            if phrase in self._phrases or phrase in _OPERATORS:
                return size, phrase
        raise RefusedError(
            "a word that the trace does not have", f"{words[0] if words else tokens[0].text!r} in {text}"
        )


def _said(fact: Fact, boxes: Sequence[Box]) -> _Said:
    """Return what a sentence has to say of a fact."""

    def literals(of: Sequence[object]) -> tuple[_Literal, ...]:
        return _sorted([(one.content, one.negated, None if one.other is None else boxes[one.other]) for one in of])  # type: ignore[attr-defined]

    def box(one: Found) -> tuple[Box, str]:
        return boxes[one.object], one.hedge

    return _Said(
        literals(fact.common),
        tuple(literals(group) for group in fact.groups),
        tuple(sorted(map(box, fact.found))),
        fact.numbers,
        fact.truth,
        (fact.hedge,) if fact.hedge else (),
        fact.operator,
        fact.kind == "every",
    )


def _sorted(literals: Sequence[_Literal]) -> tuple[_Literal, ...]:
    return tuple(sorted(literals, key=lambda one: (one[0], one[1], one[2] or ())))


def _tokens(text: str) -> list[_Token]:
    """Take a sentence apart.

    Raises
    ------
    RefusedError
        If it has a sign that says nothing known.
    """
    found: list[_Token] = []
    at, low = 0, text.lower()
    while at < len(low):
        match = _TOKEN.match(low, at)
        if match is None:
            raise RefusedError("a sign that the trace does not have", f"{text[at]!r} in {text}")
        at = match.end()
        kind = str(match.lastgroup)
        if kind != "quiet":
            found.append(_Token(kind, match[kind].strip()))
    return found


def _number(token: _Token, text: str) -> int:
    if token.text in _NUMBERS:
        return _NUMBERS[token.text]
    value = float(token.text)
    if not value.is_integer():
        raise RefusedError("a number that the trace does not have", text)
    return int(value)
