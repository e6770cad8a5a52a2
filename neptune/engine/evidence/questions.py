"""From a predicate's name to the question asked: ``sphere(x)`` asks "is the object in the red box a sphere?".

A question in free words is asked as it stands. For a name, a template is chosen by what the name is (a noun,
a relation, ``same_…``) and filled with its phrase; underscores read as spaces. Templates, phrases and nouns
are data: ``prompts/wording/<name>.json``. So ``sphere(x)`` and
``score("is the object in the red box a sphere?")`` ask the same question, once.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from dsl.plan import Predicate
from neptune.errors import ConfigError, one_of
from neptune.resources import prompts
from neptune.scene.types import Place, Question

if TYPE_CHECKING:
    from dsl.percepts import Percept
    from dsl.vocabulary import Vocabulary
    from dsl.vocabulary.geometry import Geometry

_NO_NOUN = frozenset(["a", "an", "the", "in", "on", "at", "near", "made", "not", "part"])
"""Words with which no noun begins."""
_NO_THING = _NO_NOUN | {"wearing", "holding", "of", "to", "by", "with", "without", "under", "over"}
_PLACES = ("first", "second", "third", "fourth", "fifth")
_TEMPLATES: Mapping[str, frozenset[str]] = {
    "adjective": frozenset({"first", "phrase"}),
    "noun": frozenset({"first", "phrase"}),
    "relation": frozenset({"first", "second", "phrase"}),
    "same": frozenset({"first", "second", "phrase"}),
    "tuple": frozenset({"first", "rest", "phrase"}),
    "picture": frozenset({"phrase"}),
    "picture_noun": frozenset({"phrase"}),
    "query": frozenset({"first", "phrase"}),
    "query_picture": frozenset({"phrase"}),
}
"""Template → the fields that it must have; it may also have ``{article}``."""


class Wording:
    """Words questions, each predicate once.

    Parameters
    ----------
    data
        The content of a wording file: ``objects``, ``templates``, ``questions``, ``phrases``, ``a``, ``an``,
        ``nouns``, ``plural_nouns``.
    vocabulary
        Resolves synonyms in names, or ``None``: names are worded as they are.
    where
        The file, for errors.

    Raises
    ------
    ConfigError
        If a template is missing, unknown, or lacks a field.
    """

    def __init__(self, data: Mapping[str, Any], vocabulary: Vocabulary | None = None, where: str = "") -> None:
        _check(data, where)
        self.vocabulary = vocabulary
        self._objects = tuple(data["objects"])
        self._templates: Mapping[str, str] = data["templates"]
        self._questions: Mapping[str, str] = data.get("questions", {})
        self._phrases: Mapping[str, str] = data.get("phrases", {})
        self._nouns = frozenset(data.get("nouns", ()))
        self._plurals = frozenset(data.get("plural_nouns", ()))
        self._adjectives = frozenset(data.get("adjectives", ()))
        self._endings = tuple(data.get("adjective_endings", ()))
        self._a, self._an = tuple(data.get("a", ())), tuple(data.get("an", ()))
        self._worded: dict[Predicate, Question] = {}
        self._queries: dict[tuple[str, int], Question] = {}

    @staticmethod
    def load(name: str = "default", vocabulary: Vocabulary | None = None) -> Wording:
        """Read ``prompts/wording/<name>.json``.

        Raises
        ------
        ConfigError
            If there is no such file (with the names there are), or it is malformed.
        """
        return Wording(_read(name), vocabulary, str(prompts() / f"wording/{name}.json"))

    def question(self, predicate: Predicate) -> Question:
        """Return the yes/no question of a predicate: its own text, or a template filled with its name."""
        found = self._worded.get(predicate)
        if found is None:
            name, arity = predicate.name, predicate.arity
            if name and self.vocabulary is not None:
                name = self.vocabulary.canonical(name, arity)
            text = " ".join(predicate.text.split()) or self._text(name, arity if _is_whole(predicate.region) else 1)
            boxes = cast("Geometry | None", predicate.boxes)
            if boxes is not None:  # nobody is asked, and whoever asks in these words does ask
                text = f"{_words(name)} (from the boxes)"
            percept = cast("Percept | None", predicate.percept)
            if percept is not None:
                text = percept.question
            contained = name and self.vocabulary is not None and self.vocabulary.containers
            of = self.vocabulary.of(name, arity) if contained and self.vocabulary is not None else ()
            found = self._worded[predicate] = Question(text, arity, name, boxes, of, predicate.region, percept)
        return found

    def query(self, attribute: str, arity: int = 1) -> Question:
        """Return the open question for an attribute: "what color is the object in the red box?".

        ``arity`` 0 asks about the whole picture.
        """
        key = (attribute, arity)
        if key not in self._queries:
            template = self._templates["query" if arity else "query_picture"]
            text = template.format(phrase=_words(attribute), **self._named(arity))
            self._queries[key] = Question(text, arity, attribute.lower())
        return self._queries[key]

    def _text(self, name: str, arity: int) -> str:
        words = _words(name)
        fields = self._named(arity)
        declared = self.vocabulary.wording(name) if self.vocabulary is not None else None
        if declared is not None and "{" in declared:
            return " ".join(declared.format(**fields).split())
        if declared is not None:
            kind = self._kind(words, declared, arity)
            if kind != "tuple":
                return " ".join(self._templates[kind].format(phrase=declared, article="", **fields).split())
        whole = self._questions.get(f"{words}/{arity}")
        if whole is not None:
            return whole.format(**fields)
        phrase = self._phrases.get(f"{words}/{arity}", words)
        kind = self._kind(words, phrase, arity)
        if kind == "same":
            phrase = words.removeprefix("same ")
        if kind == "tuple":
            fields["rest"] = _listed([fields[p] for p in self._place_names(arity)[1:]])
        text = self._templates[kind].format(phrase=phrase, article=self._article(phrase), **fields)
        return " ".join(text.split())

    def _kind(self, words: str, phrase: str, arity: int) -> str:
        noun = phrase == words and self.is_noun(words)
        if arity == 0:
            return "picture_noun" if noun else "picture"
        if arity == 1:
            return "noun" if noun else "adjective"
        if arity == 2:
            return "same" if words.startswith("same ") else "relation"
        return "tuple"

    def is_noun(self, words: str) -> bool:
        """Tell whether the words, or the last of several ("wine glass"), are a known noun without an article."""
        first, _, rest = words.partition(" ")
        if rest and first in _NO_NOUN:
            return False
        last = words.rsplit(" ", 1)[-1]
        return words in self._nouns or words in self._plurals or last in self._nouns or last in self._plurals

    def is_adjective(self, word: str) -> bool:
        """Tell whether a word is a known adjective, or ends like one and is no known noun."""
        if word in self._adjectives:
            return True
        return not self.is_noun(word) and len(word) > 4 and word.endswith(self._endings)

    def noun(self, name: str) -> str | None:
        """Return a predicate's name as the words of a noun, or ``None``: ``fireHydrant`` → "fire hydrant".

        A word that is in no list is taken for a noun unless it looks like an adjective: a detector that looks for
        one word too many finds a box too many, one that looks for too few misses what is asked about.
        """
        words = _words(name)
        first, last = words.split(" ")[0], words.rsplit(" ", 1)[-1]
        if not words or first in _NO_THING:
            return None
        known = self.is_noun(words)
        return words if known or not (self.is_adjective(first) or self.is_adjective(last)) else None

    def _article(self, phrase: str) -> str:
        if phrase in self._plurals or phrase.rsplit(" ", 1)[-1] in self._plurals:
            return ""
        if phrase.startswith(self._an):
            return "an"
        return "a" if phrase.startswith(self._a) or phrase[:1] not in tuple("aeiou") else "an"

    def _place_names(self, arity: int) -> list[str]:
        return [_PLACES[k] if k < len(_PLACES) else f"place{k + 1}" for k in range(arity)]

    def _named(self, arity: int) -> dict[str, str]:
        known = len(self._objects)
        return {
            place: self._objects[k] if k < known else f"the object in box {k + 1}"
            for k, place in enumerate(self._place_names(arity))
        }


def _is_whole(region: tuple[float, ...] | None) -> bool:
    """Tell whether a question is about a picture, not about a box in it."""
    return region is None or (isinstance(region, Place) and region.whole)


def _words(name: str) -> str:
    """Return a name as words: ``leftOf`` and ``left_of`` read "left of"."""
    spaced = "".join(f" {c}" if c.isupper() and i and name[i - 1].islower() else c for i, c in enumerate(name))
    return " ".join(spaced.replace("_", " ").lower().split())


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


@cache
def _read(name: str) -> Mapping[str, Any]:
    path = prompts() / f"wording/{name}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(p.stem for p in path.parent.glob("*.json"))
        raise ConfigError(f"There is no wording '{name}'", where=str(path), **one_of(name, known)) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"The wording can not be read: {error}", where=str(path), expected="JSON") from error
    if not isinstance(data, dict):
        raise ConfigError("The wording is malformed", where=str(path), expected="a JSON object")
    return data


def _check(data: Mapping[str, Any], where: str) -> None:
    templates = data.get("templates")
    if not isinstance(templates, dict) or not isinstance(data.get("objects"), list) or not data["objects"]:
        raise ConfigError(
            "The wording is malformed", where=where, expected="the fields 'objects' (a list) and 'templates'"
        )
    for kind, needed in _TEMPLATES.items():
        if kind not in templates:
            raise ConfigError(f"The wording has no template '{kind}'", where=where, expected=", ".join(_TEMPLATES))
        _check_fields(kind, str(templates[kind]), needed, needed | {"article"}, where)
    for kind, text in data.get("questions", {}).items():
        arity = kind.rpartition("/")[2]
        places = _PLACES[: int(arity)] if arity.isdigit() else ()
        _check_fields(kind, str(text), frozenset(), frozenset(places), where)


def _check_fields(kind: str, text: str, needed: frozenset[str], allowed: frozenset[str], where: str) -> None:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ConfigError(f"The template '{kind}' is malformed: {error}", where=where) from error
    if not needed <= fields <= allowed:
        raise ConfigError(
            f"The template '{kind}' has the fields {sorted(fields)}",
            where=where,
            expected=", ".join(f"{{{name}}}" for name in sorted(needed or allowed)),
        )
