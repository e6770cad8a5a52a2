"""Words that may be exchanged for each other, and the placeholders that stand for them in forms."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from dsl.builtins import BUILTINS
from dsl.vocabulary import Vocabulary
from dsl.vocabulary.facts import PredicateFacts
from dsl.vocabulary.sorts import Sort

MOST_WORDS = 24
"""Different conjunctions in one text, and different relations."""

PLACEHOLDER = r"some\d+a?|more\d+|than\d+(?:pair)?[ab]"
"""How placeholders are named."""
_SORT = "Placeholder"


def exchangeable(vocabulary: Vocabulary) -> tuple[frozenset[str], frozenset[str]]:
    """Return the values, and the relations, about which a vocabulary says the same.

    All that is known of the placeholders of :func:`with_placeholders` is known of each of them, and nothing more.
    """
    values = set()
    for sort in vocabulary.sorts.values():
        for word in sort.values if not sort.of_things else ():
            plain = vocabulary.value_named(word) == word and vocabulary.canonical(word, 1) == word
            more = word in vocabulary.predicates or word in BUILTINS or vocabulary.arities(word) != {1}
            if plain and not more and vocabulary.sort_named(word) is None and not vocabulary.is_vacuous(word):
                values.add(word)
    if vocabulary.containers or vocabulary.definitions:
        return frozenset(), frozenset()
    relations = set()
    for name in vocabulary.predicates:
        other = vocabulary.converse(name)
        if other is not None and other != name and all(_is_relation(vocabulary, w) for w in (name, other)):
            alike = _said(vocabulary.predicates[name]) == _said(vocabulary.predicates[other])
            if alike and vocabulary.converse(other) == name:
                relations.add(name)
    return frozenset(values), frozenset(relations)


def _is_relation(vocabulary: Vocabulary, name: str) -> bool:
    facts = vocabulary.predicates.get(name)
    if facts is None or name in BUILTINS or vocabulary.canonical(name, 2) != name or name.startswith("same_"):
        return False
    if vocabulary.sort_named(name) is not None or vocabulary.comparative(name) is not None:
        return False
    return _said(facts) in (_RELATIONS_OF_PAIRS, _RELATIONS_OF_ONE_TOO) and not vocabulary.is_vacuous(name)


def _said(facts: PredicateFacts) -> PredicateFacts:
    """Return what is known of a relation beside its name and words."""
    return replace(facts, converse=None, wording=None)


_RELATIONS_OF_PAIRS = PredicateFacts(frozenset({2}), of=("Object", "Object"))
_RELATIONS_OF_ONE_TOO = PredicateFacts(frozenset({1, 2}), of=("Object", "Object"))


@lru_cache(maxsize=32)
def with_placeholders(vocabulary: Vocabulary) -> Vocabulary:
    """Return a vocabulary with placeholders for values and relations beside its own words."""
    kinds = ("some{}", "some{}a", "more{}")
    values = tuple([kind.format(k) for k in range(MOST_WORDS) for kind in kinds])
    relations: dict[str, PredicateFacts] = {}
    for k in range(MOST_WORDS):
        for kind, facts in (("", _RELATIONS_OF_ONE_TOO), ("pair", _RELATIONS_OF_PAIRS)):
            for one, other in ("ab", "ba"):
                relations[f"than{k}{kind}{one}"] = replace(facts, converse=f"than{k}{kind}{other}")
    return Vocabulary(
        vocabulary.name,
        {**vocabulary.sorts, _SORT: Sort(_SORT, "placeholder", values)},
        {**vocabulary.predicates, **relations},
        vocabulary.synonyms,
        vocabulary.sort_synonyms,
        vocabulary.vacuous,
        vocabulary.superlatives,
        vocabulary.closed,
        vocabulary.definitions,
        vocabulary.geometry,
        vocabulary.presuppositions,
    )
