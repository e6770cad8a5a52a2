"""From a question in words to a concept of CLEVR: "is the object in the red box a ball?" asks for ``sphere``.

Oracles that know concepts by name (`scene`, `embedded`) use this; real vision-language models read the words.
Every word must be accounted for: a word that is neither a concept, a synonym nor a filler is an error that
names the concepts there are, never a guess. The synonyms are data: ``prompts/vocabulary/clevr-words.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from neptune.errors import OracleError, did_you_mean
from neptune.resources import prompts
from neptune.scene import ATTRIBUTES, RELATIONS
from neptune.scene.types import Question

CONVERSE = {"left": "right", "right": "left", "front": "behind", "behind": "front"}
"""``left(y, x)`` is ``right(x, y)``: exact in CLEVR, where objects never tie on an axis."""

_VALUE_OF = {value: attribute for attribute, values in ATTRIBUTES.items() for value in values}

_NOUN = r"(?:object|thing|item|entity|one)s?"
_MARKER = re.compile(
    rf"\b(?:(?:the|this|that) )?{_NOUN} (?:that is |which is )?(?:in|inside|within|marked by|enclosed by)"
    r" (?:(?:the|a) )?(red|green) (?:bounding )?box\b"
)
_FILLER_WORDS = (
    "a an the is are was were be been being it its this that there do does did has have having of one both"
    " they and also with as in at to made out from look looks like appear appears colored located placed"
    " positioned situated sitting standing lying kind type sized shaped"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
_QUESTION_WORDS = frozenset(["what", "which", "how", "name", "tell", "describe", "me", "whats"])
_FIRST, _SECOND = "<first>", "<second>"
_HINT = (
    "Use one of these words, or a real vision-language model: vlm_model_name 'openai' (any compatible"
    " server) or 'transformers'"
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that CLEVR's scenes say about objects.

    Parameters
    ----------
    name
        ``"sphere"``, ``"left"``, ``"same_color"``, ``"object"`` …
    arity
        1 or 2.
    kind
        ``"value"`` (of an attribute), ``"relation"``, ``"same"`` (the two objects share an attribute), or
        ``"object"`` (true of everything).
    attribute
        The attribute that a value or a ``same_*`` speaks of: ``"size"``, ``"color"``, ``"material"``,
        ``"shape"``; ``""`` for the rest.
    """

    name: str
    arity: int
    kind: str
    attribute: str = ""


CONCEPTS: Mapping[str, Concept] = {
    **{value: Concept(value, 1, "value", attribute) for value, attribute in _VALUE_OF.items()},
    **{name: Concept(name, 2, "relation") for name in RELATIONS},
    **{f"same_{name}": Concept(f"same_{name}", 2, "same", name) for name in ATTRIBUTES},
    "object": Concept("object", 1, "object"),
}
"""Every concept, by name."""


def concepts_of(question: Question) -> tuple[Concept, ...]:
    """Return the concepts that a yes/no question asks about.

    Several mean their conjunction ("is it a red ball?"). The question's `predicate` is read first where it is
    given and known, else its text.

    Raises
    ------
    OracleError
        If a word is unknown, or the arity does not fit.
    """
    return _concepts(question.text, question.arity, question.predicate)


def attribute_of(question: Question) -> str:
    """Return the attribute that an open question asks for.

    It is ``"size"``, ``"color"``, ``"material"`` or ``"shape"``.

    Raises
    ------
    OracleError
        If it asks for none of them, for several, or is not about one object.
    """
    return _attribute(question.text, question.arity, question.predicate)


@lru_cache(maxsize=4096)
def _concepts(text: str, arity: int, predicate: str) -> tuple[Concept, ...]:
    where = _where(text)
    hinted = vocabulary().get(_normal(predicate)) if predicate else None
    if hinted is not None and hinted in CONCEPTS:
        return _check_arity((CONCEPTS[hinted],), arity, where)
    names = _read(_tokens(text), _FILLERS, where)
    return _check_arity(_conclude(names, arity, where), arity, where)


def _conclude(names: list[tuple[int, str]], arity: int, where: str) -> tuple[Concept, ...]:
    """Make concepts of the words and markers read, given with their positions."""
    words = [name for _, name in names]
    attributes = {w for w in words if w in ATTRIBUTES}
    concepts = [CONCEPTS[w] for w in words if w in CONCEPTS and w != "object"]
    if "same" in words:
        # "is the colour of A the same as that of B?": the two words stand apart.
        attributes |= {c.attribute if c.kind == "same" else c.name for c in concepts}
        if len(attributes) != 1 or not attributes <= ATTRIBUTES.keys():
            raise OracleError(
                "'same' needs one attribute",
                where=where,
                expected="size, color, material or shape",
                hint="Ask, for example, 'does … have the same color as …?'",
            )
        return (CONCEPTS["same_" + attributes.pop()],)
    stray = attributes - {c.attribute for c in concepts}
    if stray:
        name = sorted(stray)[0]
        raise OracleError(
            f"'{name}' is an attribute, not something that is true or false",
            where=where,
            expected=f"one of its values ({', '.join(ATTRIBUTES[name])})",
            hint="Use query() to ask which value it is",
        )
    relations = [c for c in concepts if c.kind == "relation"]
    if relations:
        if len(concepts) > 1:
            raise OracleError(
                "The question mixes a relation with other concepts",
                where=where,
                expected="one relation alone",
                hint="Ask one question for each and combine them with 'and' in the program",
            )
        _check_arity((relations[0],), arity, where)
        return (CONCEPTS[_directed(names, where)],)
    if not concepts:
        if "object" in words:
            return (CONCEPTS["object"],)
        raise OracleError("The question names no concept", where=where, expected=_known(), hint=_HINT)
    return tuple(dict.fromkeys(concepts))


def _directed(names: list[tuple[int, str]], where: str) -> str:
    """Return the relation of first to second, given where the words and the two markers stand."""
    markers = [(p, n) for p, n in names if n in (_FIRST, _SECOND)]
    position, relation = next((p, n) for p, n in names if n in RELATIONS)
    if not markers:  # A bare relation, "left of": first to second.
        return relation
    if len(markers) != 2 or markers[0][1] == markers[1][1] or not markers[0][0] < position < markers[1][0]:
        raise OracleError(
            f"It is not clear what is {relation} of what",
            where=where,
            expected="'is the object in the red box left of the object in the green box?'",
            hint="Word the relation between its two objects",
        )
    return relation if markers[0][1] == _FIRST else CONVERSE[relation]


@lru_cache(maxsize=1024)
def _attribute(text: str, arity: int, predicate: str) -> str:
    where = _where(text)
    if arity != 1:
        raise OracleError(
            f"An open question about {arity} objects is not known here",
            where=where,
            expected="size, color, material or shape of one object",
            hint=_HINT,
        )
    name = vocabulary().get(_normal(predicate)) if predicate else None
    if name in ATTRIBUTES:
        return str(name)
    tokens = _tokens(text)
    names = _read(tokens, _FILLERS | _QUESTION_WORDS, where)
    how = "how" in tokens  # "how big is …?" asks for the size.
    asked = {_VALUE_OF.get(n, n) if how else n for _, n in names}
    attributes = asked & ATTRIBUTES.keys()
    if len(attributes) != 1 or asked - attributes - {"object", _FIRST, _SECOND}:
        raise OracleError(
            "The question does not ask for one attribute",
            where=where,
            expected="size, color, material or shape",
            hint="Ask, for example, 'what color is the object in the red box?'",
        )
    return attributes.pop()


def _check_arity(concepts: tuple[Concept, ...], arity: int, where: str) -> tuple[Concept, ...]:
    for concept in concepts:
        if concept.arity != arity:
            objects = "one object" if concept.arity == 1 else "two objects"
            raise OracleError(
                f"'{concept.name}' is about {objects}, but the question is about {arity}",
                where=where,
                expected=f"{concept.arity} object{'s' * (concept.arity > 1)}",
                hint=f"Call it with {concept.arity} argument{'s' * (concept.arity > 1)}",
            )
    return concepts


def _read(tokens: list[str], fillers: frozenset[str], where: str) -> list[tuple[int, str]]:
    """Split tokens by the longest phrases known: (position, name) of concepts and markers; else an error."""
    words = {**vocabulary(), _FIRST: _FIRST, _SECOND: _SECOND}
    longest = max(len(word.split()) for word in words)
    names: list[tuple[int, str]] = []
    unknown: list[str] = []
    at = 0
    while at < len(tokens):
        for length in range(min(longest, len(tokens) - at), 0, -1):
            name = _look_up(words, tokens[at : at + length])
            if name is not None:
                names.append((at, name))
                at += length
                break
        else:
            if tokens[at] not in fillers:
                unknown.append(tokens[at])
            at += 1
    if unknown:
        listed = ", ".join(f"'{word}'" for word in dict.fromkeys(unknown))
        hint = next((h for h in (did_you_mean(w, vocabulary()) for w in unknown if len(w) > 3) if h), "")
        raise OracleError(
            f"{listed} {'is' if len(set(unknown)) == 1 else 'are'} not known to this oracle",
            where=where,
            expected=_known(),
            hint=f"{hint} {_HINT}".strip(),
        )
    return names


def _look_up(words: Mapping[str, str], phrase: list[str]) -> str | None:
    """Return the concept of a phrase, its last word in the singular or the plural."""
    text = " ".join(phrase)
    candidates = [text]
    candidates += [text[: -len(end)] for end in ("s", "es") if text.endswith(end)]
    return next((words[c] for c in candidates if c in words), None)


def _tokens(text: str) -> list[str]:
    text = _normal(text)
    text = _MARKER.sub(lambda match: f" {_FIRST if match[1] == 'red' else _SECOND} ", text)
    return text.split()


def _normal(text: str) -> str:
    """Lower case, underscores and punctuation as spaces, one spelling of 'colour', no possessives."""
    text = re.sub(r"['’]s\b", "", text.lower().replace("_", " "))
    text = re.sub(r"[^\w\s]", " ", text)
    return " ".join(text.replace("colour", "color").split())


@cache
def vocabulary() -> Mapping[str, str]:
    """Return synonym → concept name, from ``prompts/vocabulary/clevr-words.json`` (normalised spelling).

    Raises
    ------
    OracleError
        If the file is missing, malformed, or gives one word two meanings.
    """
    path = prompts() / "vocabulary/clevr-words.json"
    known = {*CONCEPTS, *ATTRIBUTES, "same"}
    words: dict[str, str] = {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        for name, synonyms in entries.items():
            if name not in known:
                raise OracleError(
                    f"'{name}' is no concept", where=str(path), expected=_known(), hint=did_you_mean(name, known)
                )
            for word in (name, *synonyms):
                if words.setdefault(_normal(word), name) != name:
                    raise OracleError(
                        f"'{word}' stands for both '{words[_normal(word)]}' and '{name}'",
                        where=str(path),
                        expected="one meaning for each word",
                    )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OracleError(
            f"The vocabulary can not be read: {error}", where=str(path), expected='JSON, {"concept": ["synonym", …]}'
        ) from error
    return words


def _known() -> str:
    return "the concepts " + ", ".join(CONCEPTS)


def _where(question: str) -> str:
    text = " ".join(question.split())
    return f"question '{text if len(text) <= 120 else text[:119] + '…'}'"
