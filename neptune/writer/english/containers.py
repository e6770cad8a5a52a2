"""Meanings in a world with containers: what holds what, and what is told of it.

One function for each name that ``grammars/english-containers.lark`` adds. Every noun is of a kind, an object or a
container, and what is said of it must be of that kind: "a tower of two blocks with a blue block at the top" is a tower
with a blue block, since no block holds one. A value said of a container is said of all that it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from dsl.vocabulary import Vocabulary
from neptune.writer.english import meaning as m
from neptune.writer.english.compose import _named, _Questions
from neptune.writer.english.lexicon import holding
from neptune.writer.english.phrases import IT, Rejected, all_of, in_conflict, parts

OBJECT = m.OBJECT
Amount: TypeAlias = "tuple[m.Quantity, str]"
"""How many values, of which sort."""

_SAID = (m.Exists, m.Holds, m.SameInGroup, m.ValuesAre, m.Contrary, m.Each)
"""What can be told of what a container holds."""


def functions(vocabulary: Vocabulary) -> Mapping[str, Callable[..., Any]]:
    """Return name → function, for the words of a vocabulary with containers."""
    return _named(_Contained(vocabulary))


class _Contained(_Questions):
    """The functions of a world with containers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        self._holding = holding(vocabulary)
        # where a sentence about what is not there has an answer, "the red cube is small" says that there is one, too
        self._tells = vocabulary.presuppositions == "answer"

    # --- what a noun is, and what may be said of it ---

    def holder(self, word: tuple[tuple[str, str | None], bool]) -> m.Nominal:
        (sort, part), plural = word
        return m.Nominal((m.Is(part),) if part else (), None, plural, sort=sort)

    def core(self, condition: m.Condition, nominal: m.Nominal) -> m.Nominal:
        return super().core(self._fit(condition, nominal.sort), nominal)

    def nominal_that(self, nominal: m.Nominal, condition: m.Condition) -> m.Nominal:
        if not isinstance(condition, m.Mutual):
            return super().nominal_that(nominal, self._fit(condition, nominal.sort))
        for place in (0, 1):
            self._agree(self._vocabulary.of(condition.name, 2), place, nominal.sort)
        return nominal.that(replace(condition, others=replace(nominal, plural=False)))

    def each_other(self, name: str) -> m.Condition:
        return m.Mutual(name)

    def either_nominal(self, *nominals: m.Nominal) -> m.Nominal:
        sorts = {n.sort for n in nominals}
        if len(sorts) > 1:
            raise Rejected
        return replace(super().either_nominal(*nominals), sort=sorts.pop())

    def is_one(self, nominal: m.Nominal) -> m.Condition:
        if nominal.sort != OBJECT:
            raise Rejected
        return super().is_one(nominal)

    def _fit(self, condition: m.Condition, kind: str) -> m.Condition:
        """Return a condition as it is said of a kind of thing.

        Raises
        ------
        Rejected
            If it can not be said of it.
        """
        match condition:
            case m.Is(name):
                if kind != OBJECT and self._vocabulary.sort_of_value(name) is not None:
                    return self._fit(self.holding_only(m.Nominal((condition,))), kind)
                self._agree(self._vocabulary.of(name, 1), 0, kind)
            case m.Related(name, _, back):
                self._agree(self._vocabulary.of(name, 2), 1 if back else 0, kind)
            case m.Inside(question):
                if kind not in self._holding:
                    raise Rejected
                return m.Inside(question, self._holding[kind])
            case m.Measured(_, others):
                self._agree((others.sort,), 0, kind)
            case m.Together() | m.Mutual():  # said of all that a sentence is about, and of nothing else
                raise Rejected
            case m.Not(of):
                return m.Not(self._fit(of, kind))
            case m.All(of):
                return all_of(self._fit(c, kind) for c in of)
            case m.Any(of, is_open):
                return m.Any(tuple(self._fit(c, kind) for c in of), is_open)
        return condition

    def _agree(self, of: tuple[str, ...], place: int, kind: str) -> None:
        wanted = self._vocabulary.kind(of[place]) if place < len(of) else kind
        if wanted not in (kind, "Any"):
            raise Rejected

    def related(self, name: str, to: m.Phrase) -> m.Condition:
        if 2 not in self._vocabulary.arities(name):
            raise Rejected
        if to.quantity not in ("it", "they"):
            self._agree(self._vocabulary.of(name, 2), 1, to.nominal.sort)
        self._refuse_conflict(to)
        return super().related(name, to)

    def _refuse_conflict(self, phrase: m.Phrase) -> None:
        if in_conflict(self._vocabulary, phrase.nominal)[1]:
            raise Rejected

    related_placed = related

    def not_related(self, name: str, to: m.Phrase) -> m.Condition:
        return m.Not(self.related(name, to))

    def same_attr(self, sorts: str | tuple[str, ...], to: m.Phrase) -> m.Condition:
        if to.quantity not in ("it", "they") and to.nominal.sort != OBJECT:
            raise Rejected
        return super().same_attr(sorts, to)

    def _in_group(
        self, sorts: str | tuple[str, ...], group: m.Nominal, differ: bool = False, some: bool = False
    ) -> m.Question:
        if group.sort != OBJECT:
            raise Rejected
        return super()._in_group(sorts, group, differ, some)

    def related_back(self, of: m.Phrase, name: str) -> m.Condition:
        if of.quantity not in ("it", "they"):
            self._agree(self._vocabulary.of(name, 2), 0, of.nominal.sort)
        return super().related_back(of, name)

    def has_beside(self, what: m.Phrase, name: str) -> m.Condition:
        if any(by.name == name for by in self._holding.values()):  # "with a ball in it" is of what holds it
            return self.holding_phrase(what)
        self._refuse_conflict(what)
        return super().has_beside(what, name)

    def not_alone(self, name: str) -> m.Condition:
        return m.Not(m.Is(name))

    def role(self, *given: Any) -> m.Condition:
        nominal: m.Nominal = given[-1]
        if nominal.sort != OBJECT or not nominal.conditions or nominal.head is None:
            raise Rejected
        return all_of(nominal.conditions)

    # --- what it holds ---

    def holding_phrase(self, phrase: m.Phrase) -> m.Condition:
        if phrase.quantity in ("it", "they") or phrase.nominal.sort != OBJECT:
            raise Rejected
        if phrase.quantity == "all":
            return self.holding_only(phrase.nominal)
        rest, values = in_conflict(self._vocabulary, phrase.nominal)
        if not values:
            return m.Inside(m.Exists(_some(phrase)))
        if not phrase.nominal.plural and not isinstance(phrase.quantity, m.Quantity):
            raise Rejected
        # "two black and blue items": both together are two
        one_of = replace(phrase, nominal=rest.that(m.Any(values)))
        each = (m.Inside(m.Exists(m.Phrase("some", rest.that(value)))) for value in values)
        return all_of((m.Inside(m.Exists(_some(one_of))), *each))

    def holding_that(self, phrase: m.Phrase, condition: m.Condition) -> m.Condition:
        return self.within(self.holds(phrase, condition))

    def holding_and(self, phrase: m.Phrase, condition: m.Condition) -> m.Condition:
        return all_of((self.holding_phrase(phrase), condition))

    def so_many_only(self, number: int) -> int:
        return number

    def holding_which(self, number: int, nominal: m.Nominal, condition: m.Condition) -> m.Condition:
        if not number or len(nominal.conditions) > (nominal.head is not None):
            raise Rejected
        these = m.Inside(self._hold(m.Phrase("all", nominal), condition))
        return all_of((self.holding_phrase(self.number_of(self.exactly(number), nominal)), these))

    def holding_no(self, nominal: m.Nominal) -> m.Condition:
        return self.holding_phrase(m.Phrase("no", nominal))

    def holding_part(self, phrase: m.Phrase, number: int, condition: m.Condition) -> m.Condition:
        of_those = self.nominal_that(phrase.nominal, condition)
        return all_of((self.holding_phrase(phrase), self.holding_phrase(self.so_many(number, of_those))))

    def holding_number_that(self, number: int, condition: m.Condition) -> m.Condition:
        return self.holding_phrase(self.so_many(number, self.nominal_that(m.Nominal(), condition)))

    def holding_so_many(self, number: int, word: tuple[str, bool]) -> m.Condition:
        nominal = self.noun(word) if word[0] else self.thing((None, word[1]))
        return m.Inside(m.Exists(m.Phrase(m.Quantity("==", number), nominal)))

    def holding_only(self, nominal: m.Nominal) -> m.Condition:
        if nominal.sort != OBJECT or not nominal.conditions or nominal.other or nominal.head == m.SAME_NOUN:
            raise Rejected
        rest, values = in_conflict(self._vocabulary, nominal)
        every = all_of((*rest.conditions, m.Any(values)) if values else nominal.conditions)
        there = [rest.that(value) for value in values] if values else [nominal]
        return all_of(
            (
                *(m.Inside(m.Exists(m.Phrase("some", each))) for each in there),
                m.Inside(m.Holds(m.Phrase("all", m.Nominal(plural=True)), every)),
            )
        )

    def holding_only_values(self, values: m.Condition, sort: str) -> m.Condition:
        if any(not isinstance(v, m.Is) or self._vocabulary.sort_of_value(v.name) != sort for v in parts(values)):
            raise Rejected
        return self.holding_only(m.Nominal(parts(values)))

    def within(self, question: m.Question) -> m.Condition:
        if not isinstance(question, _SAID) or any(n.sort != OBJECT for n in m.spoken_of(question)):
            raise Rejected
        return m.Inside(question)

    def measured_alike(self, name: str) -> m.Measured:
        return m.Measured(name, m.Nominal(sort=self._vocabulary.kind(self._vocabulary.of(name, 1)[0])))

    def measured_apart(self, name: str) -> m.Condition:
        return replace(self.measured_alike(name), differ=True)

    def measured_number(self, name: str, number: m.Quantity) -> m.Condition:
        return replace(self.measured_alike(name), number=number)

    def in_the_same(self, word: tuple[tuple[str, str | None], bool]) -> m.Condition:
        (sort, part), _ = word
        if sort not in self._holding:
            raise Rejected
        return m.Together(m.Nominal((m.Is(part),) if part else (), sort=sort), self._holding[sort])

    # --- numbers ---

    def count(self, nominal: m.Nominal) -> m.Question:
        box, rest = self._where(m.Phrase("some", nominal))
        if box is not None and box.to.quantity == "all":  # "how many are in each box?" asks for several numbers
            raise Rejected
        if box is not None and box.to.quantity == "the" and box.to.nominal.plural:  # in one or another of them
            nominal = rest.nominal.that(replace(box, to=replace(box.to, quantity="some")))
        return super().count(nominal)

    def count_that(self, nominal: m.Nominal, condition: m.Condition) -> m.Question:
        return self.count(self.nominal_that(nominal, condition))

    def at_least_one(self) -> m.Quantity:
        return m.Quantity(">=", 1)

    def number_of(self, quantity: m.Quantity, nominal: m.Nominal) -> m.Phrase:
        """Return so many of a nominal; "of the same color", said of several, is said of all of them together."""
        alike = [c for c in nominal.conditions if isinstance(c, m.Related) and c.to == IT and self._compares(c.name)]
        if quantity.bare and any(isinstance(c, m.Mutual) for c in nominal.conditions):
            quantity = m.Quantity(">=", quantity.number)  # two blocks that touch each other may be among three
        if len(alike) != 1:
            return super().number_of(quantity, nominal)
        kept = tuple(c for c in nominal.conditions if c != alike[0])
        return m.Phrase(quantity, replace(nominal, conditions=kept), alike=self._compares(alike[0].name))

    def _compares(self, name: str) -> str | None:
        attribute = self._vocabulary.same(name)
        return self._vocabulary.sort_named(attribute) if attribute else None

    def so_many(self, number: int, nominal: m.Nominal) -> m.Phrase:
        return self.number_of(self.bare_number(number), nominal)

    def at_most_so_many(self, number: int, nominal: m.Nominal) -> m.Phrase:
        return self.number_of(self.at_most_n(number), nominal)

    def so_many_or_more(self, number: int, nominal: m.Nominal) -> m.Phrase:
        return self.number_of(self.at_least_n(number), nominal)

    def some_of_them(self, quantity: m.Quantity) -> m.Phrase:
        return m.Phrase(quantity, m.Nominal((), m.THOSE, True))

    def one_of_them(self) -> m.Phrase:
        return m.Phrase("some", m.Nominal((), m.THOSE, True))

    def none_of_them(self) -> m.Phrase:
        return m.Phrase("no", m.Nominal((), m.THOSE, True))

    def part_of(self, quantity: m.Quantity, _: int, nominal: m.Nominal) -> m.Phrase:
        return self.number_of(quantity, nominal)

    def values(self, quantity: m.Quantity, sort: str) -> Amount:
        if not self._vocabulary.values(sort):
            raise Rejected
        return quantity, sort

    def all_values(self, number: int, sort: str) -> Amount:
        return self.values(m.Quantity("==", number), sort)

    def every_value(self, sort: str) -> Amount:
        return self.all_values(len(self._vocabulary.values(sort)), sort)

    def holding_values(self, amount: Amount) -> m.Condition:
        return m.Inside(self.values_there(amount))

    # --- told ---

    def values_there(self, amount: Amount, condition: m.Condition = m.ALWAYS) -> m.Question:
        quantity, sort = amount
        return m.ValuesAre(quantity, sort, m.Nominal(parts(self._fit(condition, OBJECT))))

    values_are = values_there

    def exists(self, what: m.Phrase) -> m.Question:
        self._refuse_conflict(what)
        box, rest = self._where(what)
        # "an item in each box": of each box its own
        if box is not None and box.to.quantity == "all" and what.quantity != "no":
            return self._held(box, m.Exists(rest))
        return super().exists(what)

    def _hold(self, of: m.Phrase, that: m.Condition) -> m.Question:
        if isinstance(that, m.Together):
            # "in the same box": there is a box that has all of them
            held = m.Related(that.by.name, of, back=not that.by.holder_first)
            there = m.Inside(m.Exists(replace(of, quantity="some")), that.by)
            return m.Exists(
                m.Phrase("some", that.container.that(*((there, held) if of.quantity == "all" else (held,))))
            )
        if of.quantity in ("it", "they") or of.nominal.head == m.THOSE:
            return super()._hold(of, self._fit(that, next(iter(self._holding), OBJECT) if _inside(that) else OBJECT))
        if isinstance(that, m.Measured) and that.number is None and (of.quantity == "all" or of.nominal.plural):
            that = replace(that, others=of.nominal, every=not isinstance(of.quantity, m.Quantity))
        that = self._fit(that, of.nominal.sort)
        box, rest = self._where(of)
        if box is not None and of.quantity in ("the", "some", "bare", "all"):
            return self._held(box, super()._hold(self._told(rest), that))
        return super()._hold(self._told(of), that)

    def not_holds(self, of: m.Phrase, that: m.Condition) -> m.Question:
        return self._hold(of, self.negated(that)) if self._tells else super().not_holds(of, that)

    def _told(self, phrase: m.Phrase) -> m.Phrase:
        if not self._tells:
            return phrase
        if phrase.quantity == "the":
            return replace(phrase, quantity="all" if phrase.nominal.plural else "some")
        return replace(phrase, quantity="some") if phrase.quantity == "bare" else phrase

    def _where(self, phrase: m.Phrase) -> tuple[m.Related | None, m.Phrase]:
        """Return the last relation of a phrase's objects to what holds them, and the phrase without it."""
        names = {by.name: by for by in self._holding.values()}
        conditions = phrase.nominal.conditions
        for place in range(len(conditions) - 1, -1, -1):
            found = conditions[place]
            if isinstance(found, m.Related) and found.name in names and found.back == names[found.name].holder_first:
                rest = replace(phrase.nominal, conditions=(*conditions[:place], *conditions[place + 1 :]))
                return found, replace(phrase, nominal=rest)
        return None, phrase

    def _held(self, box: m.Related, question: m.Question) -> m.Question:
        if box.to.quantity in ("it", "they"):
            raise Rejected
        return m.Holds(self._told(box.to), m.Inside(question, self._holding[box.to.nominal.sort]))

    def fragment(self, phrase: m.Phrase) -> m.Question:
        return self.exists(_some(phrase)) if self._tells and phrase.nominal.conditions else super().fragment(phrase)

    def after(self, phrase: m.Phrase, question: m.Question) -> m.Question:
        if self._tells and isinstance(question, m.Point):  # "there is a box which …" does not ask which
            raise Rejected
        found = super().after(phrase, question)
        return m.Each((self.exists(phrase), found)) if isinstance(question, _SAID) else found

    def listed(self, phrase: m.Phrase, more: tuple[m.Phrase, ...] = ()) -> tuple[m.Phrase, ...]:
        return phrase, *more

    def exist_each(self, first: m.Phrase, more: tuple[m.Phrase, ...]) -> m.Question:
        return m.Each(tuple(self.exists(p) for p in (first, *more)))

    def hold_each(self, first: m.Phrase, more: tuple[m.Phrase, ...], that: m.Condition) -> m.Question:
        return m.Each(tuple(self._hold(p, that) for p in (first, *more)))


def _some(phrase: m.Phrase) -> m.Phrase:
    return replace(phrase, quantity="some") if phrase.quantity in ("the", "bare") else phrase


def _inside(condition: m.Condition) -> bool:
    match condition:
        case m.Inside():
            return True
        case m.Not(of):
            return _inside(of)
        case m.All(of) | m.Any(of):
            return any(_inside(c) for c in of)
    return False
