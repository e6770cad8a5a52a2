"""The words of a world, from its vocabulary: what stands at each place of a question.

A vocabulary names values, predicates and synonyms; ``<its name>-words.json`` and ``<its name>-english.json`` beside it
may add words for them, and say how relations are put ("to the left of"). ``grammars/english.json`` has what is English
in any world: numbers, contractions, words for pictures.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

from dsl import resources
from dsl.vocabulary import Vocabulary
from neptune.errors import ConfigError
from neptune.writer.english.meaning import OBJECT, Holding

_WAYS = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\s]")
_PAUSES = frozenset(",;:.!?()–—…")
_IGNORED = frozenset("-\"“”„«»‘'`´*_¿¡")

PAUSE = "_SEP"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question, in lower case, and its columns there, from 1 (`end` is behind its last letter)."""

    text: str
    column: int
    end: int


class Lexicon:
    """The words of a world and of English.

    Parameters
    ----------
    vocabulary
        The world's words.
    words
        What ``<name>-words.json`` holds: a value, predicate or attribute → words for it.
    english
        What ``<name>-english.json`` holds: `nouns` (sorts whose values are nouns), `words` (as `words` above),
        `relations` (a predicate or definition of two → how it is put before a noun, ``of``; with "its", ``its``; of one
        object, ``alone``; of several that are so to each other, ``together``; as verbs, ``does`` and ``does_alone``),
        `superlatives`, `attributes` (a sort → nouns for it), `measures` (a definition that is a number → nouns for it),
        `things` (a sort of containers, a part of a sort, or a predicate of one object → nouns for what it is true of),
        `spellings` (a word → how it is meant to be written), `typos` (whether a word that is not known is read as the
        one known word that it is a slip from). ``{a|b}`` in a phrase stands for each of the two.
    """

    def __init__(
        self, vocabulary: Vocabulary, words: Mapping[str, Any] | None = None, english: Mapping[str, Any] | None = None
    ) -> None:
        self.vocabulary = vocabulary
        general = _general()
        english = english or {}
        self._spelled: Mapping[str, str] = general["contractions"] | general["spellings"] | english.get("spellings", {})
        self._typos = bool(english.get("typos", False))
        self._passed_over = frozenset(general["passed_over"])
        self._skipped = frozenset(general["skipped"])
        self._entries: dict[str, list[tuple[tuple[str, ...], str, Any]]] = {}
        for name, row in _entries(vocabulary, words or {}, english, general):
            for phrase in _each(name):
                self._enter(phrase, *row)

    def _enter(self, phrase: str, kind: str, meaning: Any) -> None:
        parts = tuple(phrase.lower().replace("-", " ").replace("_", " ").split())
        rows = self._entries.setdefault(parts[0], [])
        if (parts, kind, meaning) not in rows:
            rows.append((parts, kind, meaning))

    def known(self) -> list[str]:
        """Return the words that stand in an entry, for suggestions."""
        return sorted({part for rows in self._entries.values() for parts, _, _ in rows for part in parts})

    def notes(self, words: list[Word]) -> list[str]:
        """Return what is said of words that the grammar takes, but that change nothing."""
        passed = {word.text for word in words} & self._passed_over
        return [f"'{word}' was passed over: the plain relation is meant" for word in sorted(passed)]

    def mended(self, words: list[Word], unknown: list[Word], literal: frozenset[str]) -> tuple[list[Word], list[str]]:
        """Return the words with slips of writing undone, and what was done, one note a word.

        A slip is one letter too many, too few, another, or two swapped, in a word of four letters at least. A world
        says whether slips are undone; only where one known word is that near.
        """
        known = {*self.known(), *literal} if self._typos else set()
        meant: dict[Word, str] = {}
        for word in unknown:
            near = [word.text] if word.text in known else []
            if not near and len(word.text) > 3:
                near = sorted(_slips(word.text) & known)
            if len(near) == 1:
                meant[word] = near[0]
        notes = [f"'{word.text}' was read as '{text}'" for word, text in meant.items() if word.text != text]
        return [replace(word, text=meant[word]) if word in meant else word for word in words], notes

    def split(self, question: str) -> list[Word]:
        """Return the words of a question: lower case, contractions written out, hyphens and quotes dropped.

        Pauses (commas, semicolons, full stops) inside it are words; those at its ends are dropped.
        """
        text = unicodedata.normalize("NFKC", question).replace("’", "'").lower()
        found: list[Word] = []
        for match in _TOKEN.finditer(text):
            token, column, end = match.group(), match.start() + 1, match.end() + 1
            if token in _IGNORED or token in self._skipped:
                continue
            if token in _PAUSES:
                if found and found[-1].text != PAUSE:
                    found.append(Word(PAUSE, column, end))
                continue
            token = self._spelled.get(token, token)
            if token.endswith("'s"):
                token = f"{token[:-2]} 's"
            found += [Word(part, column, end) for part in token.replace("'", " '").replace("  '", " '").split()]
        while found and found[-1].text == PAUSE:
            found.pop()
        return found

    def edges(self, words: list[Word], literal: frozenset[str]) -> list[dict[str, list[tuple[int, Any]]]]:
        """Return for each place of a question what stands there: a word or its class → where it ends, what it means.

        Parameters
        ----------
        words
            The question's.
        literal
            The words that the grammar names.
        """
        texts = [word.text for word in words]
        edges: list[dict[str, list[tuple[int, Any]]]] = [{} for _ in range(len(words) + 1)]
        for place in range(len(words) - 1, -1, -1):
            here, text = edges[place], texts[place]
            if text == PAUSE:
                # a pause may be passed over: whatever comes behind it stands here, too
                here.update({kind: list(rows) for kind, rows in edges[place + 1].items()})
                here[PAUSE] = [(place + 1, None)]
                continue
            if text in literal:
                here[f"'{text}'"] = [(place + 1, None)]
            if text.isascii() and text.isdigit() and len(text) < 10:
                here.setdefault("NUM", []).append((place + 1, int(text)))
            for parts, kind, meaning in self._entries.get(text, ()):
                if tuple(texts[place : place + len(parts)]) == parts:
                    here.setdefault(kind, []).append((place + len(parts), meaning))
        return edges


def lexicon_of(vocabulary: Vocabulary) -> Lexicon:
    """Return the lexicon of a vocabulary, with the files beside it that belong to its name; made once for each.

    Raises
    ------
    ConfigError
        If one of the files can not be read, or the vocabulary has no words.
    """
    if not vocabulary.sorts and not vocabulary.predicates:
        raise ConfigError(
            "The embedded writer reads questions about a world whose words it knows",
            expected="a vocabulary",
            hint="Name one (vocabulary: clevr), give a program, or let a language model write it (code_gen_provider)",
        )
    return _lexicon(vocabulary)


@lru_cache(maxsize=8)
def _lexicon(vocabulary: Vocabulary) -> Lexicon:
    return Lexicon(vocabulary, _beside(vocabulary, "words"), _beside(vocabulary, "english"))


def holding(vocabulary: Vocabulary) -> Mapping[str, Holding]:
    """Return for each sort of containers the relation by which it holds objects; those without one are left out."""
    found: dict[str, Holding] = {}
    for container in vocabulary.containers:
        for name, facts in vocabulary.predicates.items():
            kinds = [vocabulary.kind(sort) for sort in facts.of[:2]] if 2 in facts.arities else []
            if kinds in ([OBJECT, container], [container, OBJECT]):
                relation = Holding(name, kinds[0] == container)
                derived = facts.derived
                if (
                    derived is not None
                    and derived.kind == "geometry"
                    and derived.geometry.kind in ("inside", "contains")
                ):
                    found[container] = relation
                    break
                found.setdefault(container, relation)
    return found


def _beside(vocabulary: Vocabulary, kind: str) -> Mapping[str, Any]:
    if not re.fullmatch(r"[\w-]+", vocabulary.name):
        return {}
    try:
        path = resources.find("prompts", f"vocabulary/{vocabulary.name}-{kind}.json")
    except FileNotFoundError:
        return {}
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=1)
def _general() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(resources.find("grammars", "english.json").read_text(encoding="utf-8"))
    return data


_Entry = tuple[str, tuple[str, Any]]


def _entries(
    vocabulary: Vocabulary, words: Mapping[str, Any], english: Mapping[str, Any], general: Mapping[str, Any]
) -> Iterator[_Entry]:
    """Yield phrase → (class, meaning)."""
    plurals: Mapping[str, str] = general["plurals"]
    for word, number in general["numbers"].items():
        yield word, ("NUM", number)
    for word in general["pictures"]:
        yield word, ("PICTURE", None)
    called: dict[str, set[str]] = {}
    for source in (words, english.get("words", {})):
        for concept, phrases in source.items():
            called.setdefault(concept, set()).update(phrases)
    for word, concept in vocabulary.synonyms.items():
        called.setdefault(concept, set()).add(word)
    nouns = {v for sort in english.get("nouns", []) for v in vocabulary.values(sort)}
    yield from _things(vocabulary, called, english, plurals)
    for sort in vocabulary.sorts.values():
        if sort.of_things:
            continue
        for value in sort.values:
            for word in {value, *called.get(value, ())}:
                yield word, ("ADJ", value)
                if sort.ordered:
                    yield word, ("HOW_SORT", sort.name)
                if value in nouns:
                    yield from _noun(word, "NOUN", value, plurals)
        attribute = {sort.attribute, *english.get("attributes", {}).get(sort.name, ())}
        attribute |= {w for w in called.get(sort.attribute, ()) if " " not in w}
        attribute |= {w.lower() for w, s in vocabulary.sort_synonyms.items() if s == sort.name and w.lower() == w}
        for word in attribute:
            yield word, ("ATTR", sort.name)
            yield _plural(word, plurals), ("ATTR", sort.name)
            yield word + ("d" if word.endswith("e") else "ed"), ("ATTRED", sort.name)
    for name, nouns in english.get("measures", {}).items():
        for word in nouns:
            yield word, ("MEASURE", name)
            yield _plural(word, plurals), ("MEASURE", name)
    for thing in {*vocabulary.vacuous, *called.get("object", ()), *general["things"]}:
        yield from _noun(thing, "ANY_NOUN", None, plurals)
    yield from _relations(vocabulary, called, english)
    for name in vocabulary.superlatives:
        for word in {name, *english.get("superlatives", {}).get(name, ()), *called.get(name, ())}:
            yield word, ("SUP", name)


def _relations(
    vocabulary: Vocabulary, called: Mapping[str, Iterable[str]], english: Mapping[str, Any]
) -> Iterator[_Entry]:
    put: Mapping[str, Mapping[str, list[str]]] = english.get("relations", {})
    defined = [d.name for d in vocabulary.definitions.values() if d.gives == "truth" and d.name not in vocabulary.sorts]
    for name in dict.fromkeys((*vocabulary.predicates, *defined)):
        if vocabulary.same(name) is not None:
            continue
        ways, arities = {name, *called.get(name, ())}, vocabulary.arities(name)
        if 2 in arities:
            derived = vocabulary.derived(name, 2)
            compares = derived is not None and derived.kind in ("greater", "less")
            for word in ways | {*put.get(name, {}).get("of", ())}:
                yield (f"{word} than" if compares and not word.endswith("than") else word), ("REL", name)
            together = {*put.get(name, {}).get("together", ())}
            for way in (*ways, *put.get(name, {}).get("of", ()), *put.get(name, {}).get("does", ())):
                together |= {f"{way} each other", f"{way} one another"}
            for word in sorted(together):
                yield word, ("EACH_OTHER", name)
            for word in put.get(name, {}).get("does", ()):
                yield word, ("RELATES", name)
            for word in put.get(name, {}).get("its", ()):
                yield word, ("ITS_SIDE", name)
        if 1 in arities:
            for word in put.get(name, {}).get("does_alone", ()):
                yield word, ("RELATES_ALONE", name)
            alone = put.get(name, {}).get("alone", ())
            for word in alone if 2 in arities else {*ways, *alone}:
                yield word, ("ALONE" if word in alone else "ADJ", name)


def _things(
    vocabulary: Vocabulary, called: Mapping[str, Iterable[str]], english: Mapping[str, Any], plurals: Mapping[str, str]
) -> Iterator[_Entry]:
    """Yield the nouns for containers and parts, and for what a predicate of one object is true of."""
    given: Mapping[str, list[str]] = english.get("things", {})
    for sort in vocabulary.sorts.values():
        if not sort.of_things:
            continue
        holder, part = vocabulary.kind(sort.name), sort.name.lower() if sort.of else None
        kind, meaning = ("HOLDER", (holder, part)) if holder in vocabulary.containers else ("NOUN", part)
        for word in {sort.name.lower(), *called.get(sort.name, ()), *given.get(sort.name, ())}:
            yield from _noun_each(word, kind, meaning, plurals)
    for name, nouns in given.items():
        for word in nouns if name not in vocabulary.sorts else ():
            yield from _noun_each(word, "NOUN", name, plurals)


def _slips(word: str) -> set[str]:
    """Return all words that one slip makes of a word."""
    cuts = [(word[:k], word[k:]) for k in range(len(word) + 1)]
    letters = "abcdefghijklmnopqrstuvwxyz"
    fewer = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return fewer | swapped | {a + c + rest for a, b in cuts for c in letters for rest in (b, b[1:])}


def _each(phrase: str) -> Iterator[str]:
    """Yield a phrase in all its ways: ``the {top|bottom}`` is ``the top`` and ``the bottom``."""
    ways = _WAYS.split(phrase)
    parts = [part.split("|") if place % 2 else [part] for place, part in enumerate(ways)]
    return (" ".join("".join(chosen).split()) for chosen in product(*parts))


def _noun_each(word: str, kind: str, meaning: Any, plurals: Mapping[str, str]) -> Iterator[_Entry]:
    for each in _each(word):
        yield from _noun(each, kind, meaning, plurals)


def _noun(word: str, kind: str, meaning: Any, plurals: Mapping[str, str]) -> Iterator[_Entry]:
    yield word, (kind, (meaning, False))
    yield _plural(word, plurals), (kind, (meaning, True))


def _plural(word: str, irregular: Mapping[str, str]) -> str:
    before, _, last = word.rpartition(" ")
    if last in irregular:
        return f"{before} {irregular[last]}".strip()
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
