"""What an annotation says of a declared world: values, predicates and relations by the names of its vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neptune.errors import OracleError, did_you_mean
from neptune.scene import Annotation
from neptune.scene.types import Question

_MARKER = re.compile(r"\bthe (?:object|thing|item) in the (red|green) (?:bounding )?box\b")
_FILLERS = frozenset(
    ["a", "an", "the", "is", "are", "do", "does", "did", "it", "this", "that", "there", "of", "to", "has", "have"]
    + ["in", "on", "at", "with", "and", "as", "than", "object", "thing"]
)
_FIRST, _SECOND = "<first>", "<second>"


class Words(Protocol):
    """What is needed of a :class:`dsl.Vocabulary`."""

    @property
    def name(self) -> str:
        """The world's name."""
        ...

    @property
    def sorts(self) -> Mapping[str, Any]:
        """Its sorts."""
        ...

    def canonical(self, name: str, arity: int) -> str:
        """Return the name that a name stands for."""
        ...

    def arities(self, name: str) -> Iterable[int]:
        """Return the numbers of arguments of a canonical name."""
        ...

    def knows(self, name: str, arity: int) -> bool:
        """Tell whether a name is known."""
        ...

    def words(self, arity: int | None = None) -> list[str]:
        """Return all words."""
        ...

    def is_vacuous(self, name: str) -> bool:
        """Tell whether a predicate is true of everything."""
        ...

    def symmetric(self, name: str) -> bool:
        """Tell whether the order of two objects does not matter."""
        ...

    def same(self, name: str) -> str | None:
        """Return the attribute that a predicate compares."""
        ...

    def converse(self, name: str) -> str | None:
        """Return the predicate with its arguments swapped."""
        ...

    def sort_named(self, name: str) -> str | None:
        """Return the sort of a name."""
        ...

    def sort_of_value(self, word: str) -> str | None:
        """Return the sort of a value."""
        ...

    def value_named(self, word: str) -> str | None:
        """Return the value of a word."""
        ...

    def attribute(self, sort: str) -> str:
        """Return the word of a sort."""
        ...


class World:
    """Reads questions by the words of a vocabulary, and answers them from annotations.

    Parameters
    ----------
    words
        The vocabulary.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        self.read = lru_cache(maxsize=4096)(self._read)

    def holds(
        self, annotation: Annotation, question: Question, at: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], bool]:
        """Return whether a question is true of annotated objects `at` ``(M, arity)``: shape ``(M,)``; and whether the
        order of the objects does not matter.

        Raises
        ------
        OracleError
            If the question has words that the world does not, or asks for what the annotation does not say.
        """
        names = self.read(question.text, question.arity, question.predicate)
        true = np.ones(len(at), dtype=np.bool_)
        if len(annotation):
            for name, swapped in names:
                true &= self._one(annotation, name, at[:, ::-1] if swapped else at)
        return true, question.arity == 2 and all(
            self.words.symmetric(name) or self.words.same(name) for name, _ in names
        )

    def attribute(self, question: Question) -> str:
        """Return the attribute that an open question asks for.

        Raises
        ------
        OracleError
            If it asks for none.
        """
        attributes = {s.attribute: s.attribute for s in self.words.sorts.values() if not s.of_things}
        said = [question.predicate, *re.findall(r"\w+", question.text.lower())]
        found = {attributes[w] for w in said if w in attributes}
        if question.arity != 1 or len(found) != 1:
            raise OracleError(
                "The question does not ask for one attribute of one object",
                where=f"question '{question.text}'",
                expected=f"one of {', '.join(attributes)}",
            )
        return str(found.pop())

    def _one(self, annotation: Annotation, name: str, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        words, arity = self.words, at.shape[1]
        sort = words.sort_of_value(name)
        if arity == 1 and sort is not None:
            values = np.array(annotation.attributes.get(words.attribute(sort), ()))
            return np.asarray(values[at[:, 0]] == words.value_named(name)) if len(values) else self._missing(name)
        if arity == 1 and words.is_vacuous(name):
            return np.ones(len(at), dtype=np.bool_)
        if arity == 1 and name in annotation.facts:
            return np.asarray(annotation.facts[name][at[:, 0]])
        same = words.same(name) if arity == 2 else None
        if same is not None and same in annotation.attributes:
            values = np.array(annotation.attributes[same])
            return np.asarray((values[at[:, 0]] == values[at[:, 1]]) & (values[at[:, 0]] != ""))
        if arity == 2 and name in annotation.relations:
            return np.asarray(annotation.relations[name][at[:, 0], at[:, 1]])
        converse = words.converse(name) if arity == 2 else None
        if converse is not None and converse in annotation.relations:
            return np.asarray(annotation.relations[converse][at[:, 1], at[:, 0]])
        return self._missing(name)

    def _missing(self, name: str) -> NDArray[np.bool_]:
        raise OracleError(
            f"The annotation does not say '{name}'",
            hint=f"Annotate it, or let the vocabulary '{self.words.name}' derive or define it",
        )

    def _read(self, text: str, arity: int, predicate: str) -> tuple[tuple[str, bool], ...]:
        """Return the names of a question, each with whether its two objects are swapped."""
        words = self.words
        name = words.canonical(predicate, arity) if predicate else ""
        if name and arity in words.arities(name):
            return ((name, False),)
        marked = _MARKER.sub(lambda m: f" {_FIRST if m[1] == 'red' else _SECOND} ", text.lower())
        tokens = re.findall(r"<first>|<second>|[^\W_]+", marked.replace("_", " "))
        found: list[tuple[str, bool]] = []
        unknown: list[str] = []
        order: list[str] = []
        at = 0
        while at < len(tokens):
            for length in range(min(5, len(tokens) - at), 0, -1):
                said = " ".join(tokens[at : at + length])
                if words.knows(said, arity) and words.sort_named(said) is None:
                    swapped = _SECOND in order and _FIRST not in order
                    found.append((words.canonical(said, arity), swapped))
                    at += length
                    break
            else:
                if tokens[at] in (_FIRST, _SECOND):
                    order.append(tokens[at])
                elif tokens[at] not in _FILLERS:
                    unknown.append(tokens[at])
                at += 1
        if unknown or not found or (arity == 2 and len(found) > 1):
            what = f"'{unknown[0]}' is no word" if unknown else "The question names no one thing"
            raise OracleError(
                f"{what} of the world '{words.name}'",
                where=f"question '{text}'",
                expected=f"words of its vocabulary about {arity} object(s)",
                hint=did_you_mean(unknown[0], words.words(arity)) if unknown else "",
            )
        return tuple(dict.fromkeys(found))
