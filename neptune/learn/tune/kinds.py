"""Which predicates share a temperature: one kind for each sort of values, for relations, and for ``same_…``."""

from __future__ import annotations

from typing import Literal

from dsl.vocabulary import Vocabulary

Per = Literal["all", "kind", "predicate"]
"""What has a temperature and a shift of its own: nothing (one for all), each kind, or each predicate."""

RELATION, SAME = "relation", "same"


def kinds_of(vocabulary: Vocabulary, per: Per) -> dict[str, tuple[str, ...]]:
    """Return kind → the predicates of it, by a vocabulary.

    The values of a sort (``Color: red, blue …``) are one kind, named as the sort; so are all ``same_…`` (``same``), and
    all other predicates of two objects (``relation``). With ``predicate`` each name is a kind; with ``all`` there are
    none, and every predicate is of the kind ``default``, as are words that the vocabulary does not know and
    questions in free words.
    """
    if per == "all":
        return {}
    kinds = {sort.name: tuple(sort.values) for sort in vocabulary.sorts.values() if sort.values}
    for name, facts in vocabulary.predicates.items():
        derived = facts.derived
        if name == "same_object" or (derived and all(derived.tells(a) for a in facts.arities)):  # never asked
            continue
        if facts.same is not None:
            kinds[SAME] = (*kinds.get(SAME, ()), name)
        elif 2 in facts.arities:
            kinds[RELATION] = (*kinds.get(RELATION, ()), name)
    if per == "predicate":
        return {name: (name,) for names in kinds.values() for name in names}
    return kinds
