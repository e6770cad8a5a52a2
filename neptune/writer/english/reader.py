"""From a question in words to its program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dsl
from dsl.vocabulary import Vocabulary
from neptune.writer.english import containers, faults
from neptune.writer.english.chart import Chart
from neptune.writer.english.compose import functions
from neptune.writer.english.grammar import load
from neptune.writer.english.lexicon import Lexicon, lexicon_of
from neptune.writer.english.render import Renderer
from neptune.writer.english.resolve import Resolver, Unresolved

PRONOUNS = frozenset({"it", "its", "they", "them", "their", "this", "that", "these", "those", "itself"})
MOST_WORDS = 150
"""The longest question that is read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A question's program, and what was decided on the way, in words."""

    program: str
    notes: tuple[str, ...] = ()


class Reader:
    """Reads questions about one world. Safe to use from many threads.

    Parameters
    ----------
    vocabulary
        The world's words.
    english
        How they are put in English, where no file beside the vocabulary says it: see
        :class:`~neptune.writer.english.lexicon.Lexicon`.

    Raises
    ------
    ConfigError
        If the vocabulary has no words.
    """

    def __init__(self, vocabulary: Vocabulary, english: Mapping[str, Any] | None = None) -> None:
        self._holds = holds = bool(vocabulary.containers)
        self._vocabulary, self._grammar = vocabulary, load(holds)
        self._lexicon = lexicon_of(vocabulary) if english is None else Lexicon(vocabulary, english=english)
        self._functions: dict[str, Callable[..., Any]] = dict(
            containers.functions(vocabulary) if holds else functions(vocabulary)
        )

    def read(self, question: str) -> Reading:
        """Return the program of a question: that of its cheapest reading.

        Raises
        ------
        NotUnderstoodError
            If a word is not known, or the words do not make a question.
        """
        if len(question) > faults.MOST_LETTERS:
            raise faults.too_long(question, f"{len(question):,} letters")
        words = self._lexicon.split(question)
        if not words:
            raise faults.empty(question)
        if len(words) > MOST_WORDS:
            raise faults.too_long(question, f"{len(words):,} words")
        edges = self._lexicon.edges(words, self._grammar.words)
        unknown = faults.unknown_words(words, edges)
        mended: list[str] = []
        if unknown:
            words, mended = self._lexicon.mended(words, unknown, self._grammar.words)
            edges = self._lexicon.edges(words, self._grammar.words) if mended else edges
            unknown = faults.unknown_words(words, edges)
        if unknown:
            raise faults.unknown(question, unknown, [*self._lexicon.known(), *self._grammar.words])
        notes = [*mended, *self._lexicon.notes(words)]
        chart = Chart(self._grammar, self._functions, edges)
        programs: list[tuple[int, Reading]] = []
        unresolved: Unresolved | None = None
        for cost, meaning in chart.readings():
            resolver, renderer = Resolver(), Renderer(self._vocabulary)
            try:
                program = renderer.program(resolver.question(meaning))
                if self._holds:
                    dsl.check(program, vocabulary=self._vocabulary)
            except Unresolved as error:
                unresolved = unresolved or error
                continue
            except dsl.ProgramError:  # what is said of a container that is true of objects only is no reading
                continue
            programs.append((cost, Reading(program, (*notes, *resolver.notes, *renderer.notes))))
        if not programs:
            if unresolved is not None:
                raise faults.points_to_nothing(question, unresolved.word, any(w.text in PRONOUNS for w in words))
            raise faults.not_a_question(question, words, chart)
        (cost, best), *others = programs
        rivals = [other.program for price, other in others if price <= cost + 1 and other.program != best.program]
        if rivals:
            return Reading(best.program, (*best.notes, f"it could also be read as {rivals[0]}"))
        return best


@lru_cache(maxsize=8)
def reader_of(vocabulary: Vocabulary) -> Reader:
    """Return the reader of a vocabulary; made once for each."""
    return Reader(vocabulary)
