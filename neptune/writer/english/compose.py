"""The meaning of a question from the meanings of its parts: one function for each name in ``grammars/english.lark``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dsl.vocabulary import Vocabulary
from neptune.writer.english import meaning as m
from neptune.writer.english.phrases import IT, THEY, Owned, Rejected, _Phrases, all_of


def functions(vocabulary: Vocabulary) -> Mapping[str, Callable[..., Any]]:
    """Return name → function, for the words of a vocabulary."""
    return _named(_Questions(vocabulary))


def _named(composer: _Questions) -> Mapping[str, Callable[..., Any]]:
    return {name: getattr(composer, name) for name in dir(composer) if not name.startswith("_")}


EVERYTHING = m.Nominal()


class _Questions(_Phrases):
    """The functions of questions."""

    # --- questions of numbers ---

    def count(self, nominal: m.Nominal) -> m.Question:
        return m.Count(nominal)

    def count_that(self, nominal: m.Nominal, condition: m.Condition) -> m.Question:
        return m.Count(self.nominal_that(nominal, condition))

    def count_all_that(self, condition: m.Condition) -> m.Question:
        return m.Count(self.nominal_that(m.Nominal(plural=True), condition))

    def count_of_that(self, phrase: m.Phrase, condition: m.Condition) -> m.Question:
        return m.Count(self.nominal_that(phrase.nominal, condition))

    def count_everything(self) -> m.Question:
        return m.Count(m.Nominal())

    def how_many_more(self, first: m.Nominal, second: m.Nominal) -> m.Question:
        return m.Difference(first, second)

    def how_many_fewer(self, first: m.Nominal, second: m.Nominal) -> m.Question:
        return m.Difference(second, first)

    def count_values(self, sort: str, among: m.Nominal = EVERYTHING) -> m.Question:
        return m.CountValues(sort, among)

    def commonest(self, sort: str, among: m.Nominal = EVERYTHING) -> m.Question:
        return m.Commonest(sort, among)

    def compare(self, *given: Any) -> m.Question:
        operator = next(p for p in given if isinstance(p, str))
        first, second = (p for p in given if not isinstance(p, str))
        return m.Compare(operator, first, second)

    def compare_number(self, first: m.Nominal, operator: str, number: int) -> m.Question:
        return m.Compare(operator, first, number)

    def more_of(self, first: m.Nominal, second: m.Nominal) -> m.Question:
        return m.MoreOf(first, second)

    def as_many(self, first: m.Nominal, second: m.Nominal) -> m.Question:
        return m.Compare("==", first, second)

    counts_equal = as_many

    def outnumber(self, first: m.Nominal, second: m.Nominal) -> m.Question:
        return m.Compare(">", first, second)

    # --- is there, is it so ---

    def exists(self, what: m.Phrase) -> m.Question:
        if what.quantity in ("it", "they"):
            raise Rejected
        return m.Exists(what)

    def exists_that(self, what: m.Phrase, condition: m.Condition) -> m.Question:
        return self.exists(self.indefinite_that(what, condition))

    def no_exists(self, nominal: m.Nominal) -> m.Question:
        return m.Exists(m.Phrase("no", nominal))

    def not_exists(self, what: m.Phrase) -> m.Question:
        return m.Contrary(m.Exists(what))

    def _hold(self, of: m.Phrase, that: m.Condition) -> m.Question:
        return m.Holds(of, that)

    def holds(self, of: m.Phrase, that: m.Condition) -> m.Question:
        return self._hold(of, that)

    def hold_all(self, nominal: m.Nominal, that: m.Condition) -> m.Question:
        return self._hold(m.Phrase("all", nominal), that)

    def not_holds(self, of: m.Phrase, that: m.Condition) -> m.Question:
        return m.Contrary(self._hold(of, that))

    def lies(self, of: m.Phrase, name: str, to: m.Phrase) -> m.Question:
        return self._hold(of, self.related(name, to))

    def pair(self, first: m.Phrase, second: m.Phrase) -> tuple[m.Phrase, m.Phrase]:
        return first, second

    def both_hold(self, pair: tuple[m.Phrase, m.Phrase], that: m.Condition) -> m.Question:
        return m.Each(tuple(self._hold(p, that) for p in pair))

    def either_holds(self, pair: tuple[m.Phrase, m.Phrase], that: m.Condition) -> m.Question:
        return m.Each(tuple(self._hold(p, that) for p in pair), one=True)

    # --- what color ---

    def describe(self, *given: Any) -> m.Question:
        return m.Describe(given[0], given[-1])

    def describe_last(self, of: m.Phrase, sort: str) -> m.Question:
        return m.Describe(sort, of)

    def described(self, owned: Owned) -> m.Question:
        return m.Describe(*owned)

    def attr_of_it(self, sort: str) -> Owned:
        return sort, IT

    def attr_of_them(self, sort: str) -> Owned:
        return sort, THEY

    def owned(self, phrase: m.Phrase, sort: str) -> Owned:
        return sort, phrase

    def owner(self, owned: Owned) -> m.Phrase:
        return owned[1]

    def _describe_named(self, attribute: str, of: m.Phrase) -> m.Question:
        sort = self._vocabulary.sort_named(attribute)
        if sort is None or sort not in self._vocabulary.sorts:
            raise Rejected
        return m.Describe(sort, of)

    def describe_material(self, of: m.Phrase) -> m.Question:
        return self._describe_named("material", of)

    def describe_shape(self, of: m.Phrase) -> m.Question:
        return self._describe_named("shape", of)

    def describe_color(self, of: m.Phrase) -> m.Question:
        return self._describe_named("color", of)

    def describe_that(self, sort: str, condition: m.Condition) -> m.Question:
        return m.Describe(sort, m.Phrase("the", self.nominal_that(EVERYTHING, condition)))

    def describe_core(self, sort: str, nominal: m.Nominal) -> m.Question:
        return m.Describe(sort, m.Phrase("the", nominal))

    def describe_core_that(self, sort: str, nominal: m.Nominal, condition: m.Condition) -> m.Question:
        return m.Describe(sort, m.Phrase("the", self.nominal_that(nominal, condition)))

    # --- one property of several things ---

    def attr_same(self, sort: str, of: m.Phrase, to: m.Phrase) -> m.Question:
        return self._hold(of, self.same_attr(sort, to))

    def owned_same(self, owned: Owned, to: m.Phrase) -> m.Question:
        return self.attr_same(*owned, to)

    def attr_differs(self, sort: str, of: m.Phrase, to: m.Phrase) -> m.Question:
        return self._hold(of, self.differ_attr(sort, to))

    def owned_differs(self, owned: Owned, to: m.Phrase) -> m.Question:
        return self.attr_differs(*owned, to)

    def attr_is(self, sort: str, of: m.Phrase, that: m.Condition) -> m.Question:
        return m.Holds(of, that)

    def owned_is(self, owned: Owned, that: m.Condition) -> m.Question:
        return m.Holds(owned[1], that)

    def same_pair(self, pair: tuple[m.Phrase, m.Phrase], sort: str) -> m.Question:
        return self.attr_same(sort, *pair)

    def differ_pair(self, pair: tuple[m.Phrase, m.Phrase], sort: str) -> m.Question:
        return self.attr_differs(sort, *pair)

    def same_pair_in_all(self, pair: tuple[m.Phrase, m.Phrase]) -> m.Question:
        first, second = pair
        return self._hold(first, all_of(self.related(n, second) for sort, n in self._same.items() if sort != "object"))

    def the_group(self, _: int, nominal: m.Nominal) -> m.Nominal:
        return nominal

    def group(self, nominal: m.Nominal) -> m.Nominal:
        return nominal

    def group_second(self, number: int, nominal: m.Nominal) -> m.Nominal:
        if number != 2:
            raise Rejected
        return nominal

    def plural_group(self, nominal: m.Nominal) -> m.Nominal:
        if not nominal.plural:
            raise Rejected
        return nominal

    def group_they(self) -> m.Nominal:
        return m.Nominal((), m.SAME_NOUN, True)

    def everything_group(self) -> m.Nominal:
        return m.Nominal(plural=True)

    def same_group(self, group: m.Nominal, sort: str) -> m.Question:
        return self._in_group(sort, group)

    def differ_group(self, group: m.Nominal, sort: str) -> m.Question:
        return self._in_group(sort, group, differ=True)

    def same_two(self, group: m.Nominal, sort: str) -> m.Question:
        return self._in_group(sort, group, some=True)

    def differ_two(self, group: m.Nominal, sort: str) -> m.Question:
        return self._in_group(sort, group, differ=True, some=True)

    def _in_group(
        self, sorts: str | tuple[str, ...], group: m.Nominal, differ: bool = False, some: bool = False
    ) -> m.Question:
        each = (sorts,) if isinstance(sorts, str) else sorts
        return m.SameInGroup(tuple(self._compared(sort) for sort in each), group, differ, some)

    # --- which thing ---

    def point(self, at: m.Phrase) -> m.Question:
        if at.quantity in ("no", "most") or isinstance(at.quantity, m.Quantity):
            raise Rejected
        return m.Point(at)

    def point_that(self, condition: m.Condition) -> m.Question:
        return m.Point(m.Phrase("the", self.nominal_that(EVERYTHING, condition)))

    point_modified = point_that

    def point_core_that(self, nominal: m.Nominal, condition: m.Condition) -> m.Question:
        return m.Point(m.Phrase("the", self.nominal_that(nominal, condition)))

    def point_related(self, name: str, to: m.Phrase) -> m.Question:
        return self.point_that(m.Related(name, to))

    def fragment(self, phrase: m.Phrase) -> m.Question:
        if phrase.quantity not in ("the", "some", "bare"):
            return self.exists(phrase)
        if not phrase.nominal.conditions:
            raise Rejected
        return m.Point(phrase)

    def fragment_any(self, nominal: m.Nominal) -> m.Question:
        return m.Exists(m.Phrase("some", nominal))

    # --- discourse ---

    def introduced(self, phrase: m.Phrase) -> m.Phrase:
        if phrase.quantity in ("it", "they", "no"):
            raise Rejected
        return phrase

    def after(self, phrase: m.Phrase, question: m.Question) -> m.Question:
        return m.After(phrase, question)
