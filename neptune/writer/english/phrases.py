"""The meaning of a phrase from the meanings of its parts: nouns, what is said of them, how many.

One function for each name in ``grammars/english.lark``; those of questions are in ``compose.py``.
A function raises :class:`Rejected` where the parts do not go together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dsl.vocabulary import Vocabulary
from neptune.writer.english import meaning as m


class Rejected(Exception):
    """The parts do not go together: this is no reading."""


IT, THEY = m.Phrase("it"), m.Phrase("they")
Owned = tuple[str, m.Phrase]
"""A sort and whose it is: "the ball's color"."""


class _Phrases:
    """The functions of phrases, which know the sorts of values and the predicates that compare them."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._same: dict[str | None, str] = {
            facts.same: name for name, facts in vocabulary.predicates.items() if facts.same
        }

    # --- words and parts handed on ---

    def first(self, part: Any, *_: Any) -> Any:
        return part

    def second(self, _: Any, part: Any) -> Any:
        return part

    def last(self, *given: Any) -> Any:
        return given[-1]

    # --- nominals ---

    def noun(self, word: tuple[str, bool]) -> m.Nominal:
        return m.Nominal((m.Is(word[0]),), word[0], word[1])

    def thing(self, word: tuple[None, bool]) -> m.Nominal:
        return m.Nominal((), None, word[1])

    def one_word(self) -> m.Nominal:
        return m.Nominal((), m.SAME_NOUN)

    def thing_else(self) -> m.Nominal:
        return m.Nominal((), None, True, other=True)

    def core(self, condition: m.Condition, nominal: m.Nominal) -> m.Nominal:
        plain, other = _without_other(condition)
        return replace(nominal, conditions=(*plain, *nominal.conditions), other=nominal.other or other)

    def core_headless(self, condition: m.Condition) -> m.Nominal:
        return self.core(condition, m.Nominal())

    def nominal_that(self, nominal: m.Nominal, condition: m.Condition) -> m.Nominal:
        return nominal.that(*parts(condition))

    def either_nominal(self, *nominals: m.Nominal) -> m.Nominal:
        if any(n.other for n in nominals):
            raise Rejected
        ways = tuple(way for n in nominals for way in _ways(n))
        return m.Nominal((m.Any(ways),), None, True)

    # --- conditions ---

    def is_adj(self, *words: Any) -> m.Condition:
        return m.Is(words[0])

    def is_adj_first(self, value: str, *sorts: str) -> m.Condition:
        if sorts and self._vocabulary.sort_of_value(value) != sorts[0]:
            raise Rejected
        return m.Is(value)

    def is_adj_last(self, sort: str, value: str) -> m.Condition:
        return self.is_adj_first(value, sort)

    def is_not_adj(self, value: str) -> m.Condition:
        return m.Not(m.Is(value))

    def is_either(self, *values: str) -> m.Condition:
        found = self.is_one_of(*values)
        return replace(found, open=True)

    def is_one_of(self, *values: str) -> m.Any:
        # "the cube or tiny things" is no "cube or tiny" thing
        if len({self._vocabulary.sort_of_value(v) for v in values}) > 1:
            raise Rejected
        return m.Any(tuple(m.Is(v) for v in values))

    def is_each(self, *values: str) -> m.Condition:
        return m.All(tuple(m.Is(v) for v in values))

    def is_noun(self, word: tuple[str, bool]) -> m.Condition:
        return m.Is(word[0])

    def is_noun_last(self, _: str, word: tuple[str, bool]) -> m.Condition:
        return m.Is(word[0])

    def is_adj_noun(self, value: str, word: tuple[str, bool]) -> m.Condition:
        return m.Is(word[0]) if value == word[0] else m.All((m.Is(value), m.Is(word[0])))

    def is_sup(self, name: str, *_: Any) -> m.Condition:
        return m.Is(name)

    def is_sup_of(self, name: str, nominal: m.Nominal) -> m.Condition:
        return m.All((*nominal.conditions, m.Is(name)))

    modifier_sup = is_sup

    def is_one(self, nominal: m.Nominal) -> m.Condition:
        if nominal.other or nominal.head == m.SAME_NOUN:
            raise Rejected
        return all_of(nominal.conditions)

    def is_kind(self, nominal: m.Nominal, more: m.Condition) -> m.Condition:
        # "are cubes and balls": each is one of them
        if not nominal.plural:
            raise Rejected
        return m.Any((self.is_one(nominal), *alternatives(more)))

    def other(self) -> m.Condition:
        return m.Apart(IT)

    def anything(self, *_: Any) -> m.Condition:
        return m.ALWAYS

    def conjoined(self, *conditions: m.Condition) -> m.Condition:
        return all_of(conditions)

    def disjoined(self, *conditions: m.Condition) -> m.Condition:
        return m.Any(tuple(way for c in conditions for way in alternatives(c)))

    def alternative(self, *conditions: m.Condition) -> m.Condition:
        return m.Any(tuple(way for c in conditions for way in alternatives(c)), open=True)

    def neither(self, *conditions: m.Condition) -> m.Condition:
        return all_of(m.Not(way) for c in conditions for way in alternatives(c))

    def nor_more(self, first: m.Condition, more: m.Condition) -> m.Condition:
        return m.Any((first, *alternatives(more)))

    def negated(self, condition: m.Condition) -> m.Condition:
        return condition.of if isinstance(condition, m.Not) else m.Not(condition)

    def not_both(self, *conditions: m.Condition) -> m.Condition:
        return m.Not(all_of(conditions))

    # --- relations ---

    def related(self, name: str, to: m.Phrase) -> m.Condition:
        return m.Related(name, to)

    related_placed = related

    def not_related(self, name: str, to: m.Phrase) -> m.Condition:
        return m.Not(m.Related(name, to))

    def both_sides(self, *names: str) -> tuple[str, tuple[str, ...]]:
        return "both", names

    def either_side(self, *names: str) -> tuple[str, tuple[str, ...]]:
        return "either", names

    def neither_side(self, *names: str) -> tuple[str, tuple[str, ...]]:
        return "neither", names

    def related_to_both(self, sides: tuple[str, tuple[str, ...]], to: m.Phrase) -> m.Condition:
        how, names = sides
        ways = tuple(self.related(name, to) for name in names)
        if how == "either":
            return m.Any(ways)
        return all_of(ways) if how == "both" else all_of(m.Not(way) for way in ways)

    def related_back(self, of: m.Phrase, name: str) -> m.Condition:
        return m.Related(name, of, back=True)

    def beside_it(self, name: str) -> m.Condition:
        return m.Related(name, IT)

    def has_beside(self, what: m.Phrase, name: str) -> m.Condition:
        return m.Related(name, what, back=True)

    def quality_alone(self, name: str) -> m.Condition:
        return m.Is(name)

    def attributes(self, *sorts: str) -> tuple[str, ...]:
        return sorts

    def same_attr(self, sorts: str | tuple[str, ...], to: m.Phrase) -> m.Condition:
        each = (sorts,) if isinstance(sorts, str) else sorts
        return all_of(m.Related(self._compared(sort), to) for sort in each)

    def same_as_it(self, sort: str) -> m.Condition:
        return self.same_attr(sort, IT)

    def same_in(self, to: m.Phrase, sort: str) -> m.Condition:
        return self.same_attr(sort, to)

    def same_owned(self, owned: Owned) -> m.Condition:
        return self.same_attr(*owned)

    def differ_attr(self, sort: str, to: m.Phrase) -> m.Condition:
        found = self.same_attr(sort, to)
        return m.Not(found)

    def differ_in(self, to: m.Phrase, sort: str) -> m.Condition:
        return self.differ_attr(sort, to)

    def whose_not(self, sort: str, condition: m.Condition) -> m.Condition:
        return self.negated(condition)

    def apart_from(self, phrase: m.Phrase) -> m.Condition:
        if phrase.quantity in ("some", "all", "bare") and phrase.nominal.conditions:
            return m.Not(all_of(phrase.nominal.conditions))
        return m.Apart(phrase)

    # --- noun phrases ---

    def the(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("the", nominal)

    def the_sup(self, name: str) -> m.Phrase:
        return m.Phrase("the", m.Nominal((m.Is(name),)))

    def a(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("some", nominal)

    def bare(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("bare", nominal)

    def another(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("some", replace(nominal, other=True))

    def all(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("all", nominal)

    def each(self, nominal: m.Nominal) -> m.Phrase:
        if nominal == m.Nominal(other=True):  # "each other" is no phrase of its own
            raise Rejected
        return self.all(nominal)

    def no(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("no", nominal)

    def most(self, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("most", nominal)

    def the_all(self, *nominals: m.Nominal) -> m.Phrase:
        found = self.either_nominal(*nominals)
        return m.Phrase("all", found)

    def a_either(self, *nominals: m.Nominal) -> m.Phrase:
        found = self.either_nominal(*nominals)
        return m.Phrase("some", found)

    def number_of(self, quantity: m.Quantity, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase(quantity, nominal)

    def the_number_of(self, number: int, nominal: m.Nominal) -> m.Phrase:
        return m.Phrase("all", nominal)

    def it(self) -> m.Phrase:
        return IT

    def it_thing(self, _: Any) -> m.Phrase:
        return IT

    def them(self) -> m.Phrase:
        return THEY

    def otherwise(self) -> bool:
        return True

    def something(self, *other: bool) -> m.Phrase:
        return m.Phrase("some", m.Nominal(other=any(other)))

    def everything(self, *other: bool) -> m.Phrase:
        return m.Phrase("all", m.Nominal(plural=True, other=any(other)))

    def nothing(self, *other: bool) -> m.Phrase:
        return m.Phrase("no", m.Nominal(other=any(other)))

    def indefinite_that(self, phrase: m.Phrase, condition: m.Condition) -> m.Phrase:
        return replace(phrase, nominal=self.nominal_that(phrase.nominal, condition))

    def indefinite_that_that(self, phrase: m.Phrase, first: m.Condition, second: m.Condition) -> m.Phrase:
        return self.indefinite_that(self.indefinite_that(phrase, first), second)

    # --- numbers ---

    def bare_number(self, number: int) -> m.Quantity:
        return m.Quantity("==", number, bare=True)

    def exactly(self, number: int) -> m.Quantity:
        return m.Quantity("==", number)

    def at_least_n(self, number: int) -> m.Quantity:
        return m.Quantity(">=", number)

    def at_most_n(self, number: int) -> m.Quantity:
        return m.Quantity("<=", number)

    def more_than_n(self, number: int) -> m.Quantity:
        return m.Quantity(">", number)

    def fewer_than_n(self, number: int) -> m.Quantity:
        return m.Quantity("<", number)

    def one(self) -> m.Quantity:
        return m.Quantity("==", 1)

    def two(self) -> m.Quantity:
        return m.Quantity("==", 2)

    def several(self) -> m.Quantity:
        return m.Quantity(">=", 2)

    def more(self) -> str:
        return ">"

    def fewer(self) -> str:
        return "<"

    def as_much(self) -> str:
        return "=="

    def not_as_much(self) -> str:
        return "!="

    def at_least(self) -> str:
        return ">="

    def at_most(self) -> str:
        return "<="

    def _compared(self, sort: str) -> str:
        name = self._same.get(self._vocabulary.attribute(sort))
        if name is None:
            raise Rejected
        return name


def parts(condition: m.Condition) -> tuple[m.Condition, ...]:
    """Return the conditions that are joined by "and" in one."""
    return condition.of if isinstance(condition, m.All) else (condition,)


def all_of(conditions: Iterable[m.Condition]) -> m.Condition:
    """Return one condition that is all of them."""
    found = tuple(part for c in conditions for part in parts(c))
    return found[0] if len(found) == 1 else m.All(found)


def alternatives(condition: m.Condition) -> tuple[m.Condition, ...]:
    """Return the conditions that are joined by "or" in one."""
    return condition.of if isinstance(condition, m.Any) else (condition,)


def _ways(nominal: m.Nominal) -> tuple[m.Condition, ...]:
    return alternatives(all_of(nominal.conditions)) if nominal.conditions else (m.ALWAYS,)


def _without_other(condition: m.Condition) -> tuple[tuple[m.Condition, ...], bool]:
    """Return the conditions of premodifiers, and whether "other" is among them."""
    every = parts(condition)
    kept = tuple(p for p in every if p != m.Apart(IT))
    return kept, len(kept) < len(every)


def in_conflict(vocabulary: Vocabulary, nominal: m.Nominal) -> tuple[m.Nominal, tuple[m.Condition, ...]]:
    """Return a nominal without the values that no object has together ("black and blue"), and those."""
    by_sort: dict[str, list[m.Condition]] = {}
    for condition in nominal.conditions:
        for way in alternatives(condition):
            sort = vocabulary.sort_of_value(way.name) if isinstance(way, m.Is) else None
            if sort is not None and condition is way:
                by_sort.setdefault(sort, []).append(way)
    values = next((tuple(dict.fromkeys(v)) for v in by_sort.values() if len(set(v)) > 1), ())
    return replace(nominal, conditions=tuple(c for c in nominal.conditions if c not in values)), values
