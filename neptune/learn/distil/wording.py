"""What the questions of a run say of an object, as literals: the words of its vocabulary, in either direction."""

from __future__ import annotations

import re

from dsl.plan import Predicate
from neptune.engine.evidence.questions import Wording
from neptune.learn.distil.facts import Literal
from neptune.resources import vocabulary_of

FIRST, SECOND = "the object in the red box", "the object in the green box"
_QUESTION = re.compile(rf"(is|does) {FIRST} (.+?)\??")
_DECLARED = re.compile(r"(.+) \(from the boxes\)")


class UntoldError(Exception):
    """A trace that has no plain sentences: why, in a few words that are counted."""


class Words:
    """What a question says of an object, and what the other way round.

    Parameters
    ----------
    vocabulary
        Of the run, by name or file; ``None``: any word, without converses.
    """

    def __init__(self, vocabulary: str | None) -> None:
        known = vocabulary_of(vocabulary)
        self._vocabulary, self._wording = known, Wording.load("default", known)

    def literal(self, question: str, negated: bool, other: int | None) -> Literal:
        """Return what a question asks of its first object.

        Raises
        ------
        UntoldError
            If it is in other words than questions about one or two objects.
        """
        match = _QUESTION.fullmatch(" ".join(question.split()))
        declared = _DECLARED.fullmatch(question)
        if match is None and declared is not None and other is None:
            return Literal("is", declared[1], negated)
        if match is None:
            raise UntoldError("a question in words of its own")
        verb, words = match[1], match[2].replace(SECOND, "{}")
        if verb == "does" and words.startswith("have "):
            verb, words = "has", words.removeprefix("have ")
        said = Literal(verb, words, negated, other)
        if words.count("{}") != (other is not None) or not words.endswith("{}") * (other is not None) + (other is None):
            raise UntoldError("a question in words of its own")
        if FIRST in words or not said.content:
            raise UntoldError("a question in words of its own")
        return said

    def apart(self, name: str) -> bool:
        """Tell whether a relation is known to be one of two: to the left of, but not of the same size as."""
        known = self._vocabulary
        return known is not None and known.canonical(name, 2) in known.predicates and known.same(name) is None

    def converse(self, name: str, question: str) -> str:
        """Return the question that is asked of the second object, where `question` asks a relation of the first.

        Raises
        ------
        UntoldError
            If the vocabulary knows none.
        """
        known = self._vocabulary
        if known is not None and known.symmetric(name):
            return question
        turned = known.converse(name) if known is not None else None
        if turned is None:
            raise UntoldError("a relation that has no converse")
        return self._wording.question(Predicate(turned, 2)).text
