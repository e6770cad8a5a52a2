"""Facts in plain words: the rationale of a sample, a sentence a fact, the answer last.

Objects have numbers in brackets, in the order in which they come up; where one comes up first, its place and its box
follow. Nothing is decided here: :mod:`neptune.learn.distil.check` holds each sentence against the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from neptune.learn.distil.facts import COMPARED, OTHER, Fact, Found, Literal, Trace


def rationale(trace: Trace) -> str:
    """Return the sentences of a trace, as one text."""
    told = _Told(trace)
    return " ".join(told.sentence(fact) for fact in trace.facts)


class _Told:
    """Puts facts into sentences, and remembers which objects have come up."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._number: dict[int, int] = {}

    def sentence(self, fact: Fact) -> str:
        """Return one sentence."""
        sure = f"{fact.hedge} " if fact.hedge else ""
        true = f"It is {sure}{'true' if fact.truth else 'false'} that"
        match fact.kind:
            case "scene":
                n = fact.numbers[0]
                return f"The picture shows {n} object{'s' * (n != 1)}."
            case "the":
                return f"The {self._meant(fact)} is {self._found(fact.found)}."
            case "count" if fact.found:
                described = self._meant(fact)
                return f"Counting each {described}: {fact.numbers[0]}, {self._found(fact.found)}."
            case "count":
                return f"Counting each {self._meant(fact)}: {sure}none."
            case "exists" if fact.truth:
                return f"There is an {self._meant(fact)}: {self._found(fact.found)}."
            case "exists":
                return f"There is {sure}no {self._meant(fact)}."
            case "every":
                return f"{true} every object {self._description(fact)}."
            case "compare":
                first, second = fact.numbers
                return f"{true} {first} {COMPARED[fact.operator]} {second}."
            case "attribute":
                (literal,) = fact.common
                return f"{self._object(fact.found[0].object)} {literal.verb} {sure}{self._words(literal)}."
            case "holds":
                return f"{true} {self._object(fact.found[0].object)} {self._description(fact)}."
            case "answer":
                value = self._object(fact.found[0].object) if fact.found else fact.value
                return f"So the answer is {sure}{value}."

    def _meant(self, fact: Fact) -> str:
        """Return "object that …", and first which ones are not meant: "object other than [1] that …"."""
        apart = [one for one in fact.common if one.words == OTHER and not one.negated]
        noun = " and ".join(self._words(one) for one in apart)
        described = self._description(replace(fact, common=tuple(one for one in fact.common if one not in apart)))
        return " ".join(filter(None, ["object", noun, described and f"that {described}"]))

    def _description(self, fact: Fact) -> str:
        said = self._said(fact.common)
        if not fact.groups:
            return said
        choice = "either " + " or ".join(self._said(group) for group in fact.groups)
        return f"{said}, and {choice}" if said else choice

    def _said(self, literals: Sequence[Literal]) -> str:
        clauses = []
        for (verb, negated), same in groupby(literals, lambda one: (one.verb, one.negated)):
            words = [self._words(one) for one in same]
            if negated:
                clauses += [f"{verb} not {each}" for each in words]
            else:
                listed = ", ".join(words[:-1])
                clauses.append(f"{verb} {listed} and {words[-1]}" if listed else f"{verb} {words[-1]}")
        return " and ".join(clauses)

    def _words(self, literal: Literal) -> str:
        if literal.other is None:
            return literal.words
        return literal.words.replace("{}", self._object(literal.other))

    def _found(self, found: Sequence[Found]) -> str:
        texts = [f"{one.hedge} {self._object(one.object)}".strip() for one in found]
        return ", and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))

    def _object(self, k: int) -> str:
        if k in self._number:
            return f"[{self._number[k]}]"
        number = self._number[k] = len(self._number) + 1
        box = ", ".join(str(v) for v in self._trace.boxes[k])
        return f"[{number}] {self._trace.place(k)} ({box})"
