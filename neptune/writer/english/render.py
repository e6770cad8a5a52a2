"""The program of a question's meaning, in the first-order dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dsl.vocabulary import Vocabulary
from neptune.writer.english import meaning as m

Formula = Callable[[str], str]
"""The text of a condition on the object that an expression stands for."""


class Renderer:
    """Writes one program.

    Parameters
    ----------
    vocabulary
        The world's words.

    Attributes
    ----------
    notes : list of str
        What was decided on the way, in words.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._fresh = _variables()
        self._vacuous = next((w for w in ("object", *sorted(vocabulary.vacuous)) if w in vocabulary.vacuous), None)
        self.notes: list[str] = []

    def program(self, question: m.Question) -> str:
        """Return the text of a resolved question."""
        match question:
            case m.Count(of):
                return self._bound("count", of)
            case m.Difference(first, second):
                return f"{self._bound('count', first)} - {self._bound('count', second)}"
            case m.Compare(operator, first, second):
                count = self._bound("count", first)
                return f"{count} {operator} {second if isinstance(second, int) else self._bound('count', second)}"
            case m.MoreOf(first, second):
                return self._more_of(first, second)
            case m.Exists(what):
                return self._said(what, None)
            case m.Describe(sort, of):
                if of.nominal.plural or of.quantity in ("some", "all"):
                    self.notes.append("of several objects, the one that fits best is described")
                return f"describe({sort}, {self._the(of.nominal)})"
            case m.Point(at):
                if at.nominal.plural or at.quantity == "all":
                    return self._listed(at.nominal)
                return self._bound("point", at.nominal)
            case m.Holds(of, that):
                return self._asked(of, that)
            case m.SameInGroup():
                return self._group(question)
            case m.CountValues(sort, among):
                value, has = self._value(sort)
                return f"count({sort}, lambda {value}: {self._bound('exists', among, has)})"
            case m.ValuesAre(quantity, sort, among):
                return f"{self.program(m.CountValues(sort, among))} {quantity.operator} {quantity.number}"
            case m.Commonest(sort, among):
                value, has = self._value(sort)
                return f"mode({sort}, lambda {value}: {self._bound('count', among, has)})"
            case m.Contrary(of):
                return f"not ({self.program(of)})"
            case m.Each(of, one):
                return (" or " if one else " and ").join(f"({self.program(q)})" for q in of)
        raise AssertionError(f"no program for {type(question).__name__}")

    def _more_of(self, first: m.Nominal, second: m.Nominal) -> str:
        compared = self.program(m.Compare(">", first, second))
        one = [c for c in first.conditions if c not in second.conditions]
        other = [c for c in second.conditions if c not in first.conditions]
        named = [c.name for c in (*one, *other) if isinstance(c, m.Is)]
        sorts = {self._vocabulary.sort_of_value(name) for name in named}
        if len(one) == len(other) == 1 and len(named) == 2 and len(sorts) == 1 and None not in sorts:
            return f'"{named[0]}" if {compared} else "{named[1]}"'
        self.notes.append("read as whether there are more of the first")
        return compared

    def _value(self, sort: str) -> tuple[str, Formula]:
        value, attribute = next(self._fresh), self._vocabulary.attribute(sort)
        return value, lambda of: f"{attribute}({of}, {value})"

    def _listed(self, nominal: m.Nominal) -> str:
        x = next(self._fresh)
        parts = [self._condition(c, x) for c in _flat(nominal.conditions)]
        return f"[{x} for {x} in {nominal.sort} if {_and(parts)}]" if parts else f"[{x} for {x} in {nominal.sort}]"

    def _group(self, question: m.SameInGroup) -> str:
        group = question.group
        sign = "not " if question.differ else ""

        def other(x: str) -> str:
            def inner(y: str) -> str:
                return _and([f"{sign}{name}({x}, {y})" for name in question.predicates])

            return self._bound("exists", group, inner) if question.some else self._all(group, inner)

        return self._bound("exists", group, other) if question.some else self._all(group, other)

    # --- yes or no ---

    def _asked(self, of: m.Phrase, that: m.Condition) -> str:
        if of.quantity == "bare" and of.nominal.plural:
            self.notes.append("without an article, several are read as all of them")
            of = replace(of, quantity="all")
        if isinstance(that, m.Any) and that.open and of.quantity == "the" and not of.nominal.plural:
            sorts = {self._vocabulary.sort_of_value(c.name) if isinstance(c, m.Is) else None for c in that.of}
            sort = next(iter(sorts))
            if len(sorts) == 1 and sort is not None:
                self.notes.append(f"read as a question of which {self._vocabulary.attribute(sort)} it is")
                return self.program(m.Describe(sort, of))
        return self._said(of, lambda x: self._condition(that, x))

    def _said(self, of: m.Phrase, that: Formula | None) -> str:
        """Return that `that` is true of so many objects as a phrase says; without it, that they are there."""
        nominal = of.nominal
        if of.alike is not None:
            value, has = self._value(of.alike)
            alike = replace(of, alike=None)
            said = self._said(alike, has if that is None else lambda x: f"{has(x)} and {that(x)}")
            return f"exists({of.alike}, lambda {value}: {said})"
        if of.quantity == "bare":
            of = replace(of, quantity="some" if nominal.plural else "the")
        if isinstance(of.quantity, m.Quantity):
            if of.quantity.bare:
                self.notes.append(f"a bare number is read as exactly so many: {of.quantity.number}")
            return f"{self._bound('count', nominal, that)} {of.quantity.operator} {of.quantity.number}"
        if of.quantity == "no":
            return f"not {self._bound('exists', nominal, that)}"
        if of.quantity == "some" or that is None:
            return self._bound("exists", nominal, that)
        if of.quantity == "most":
            return f"{self._bound('count', nominal, that)} > {self._bound('count', nominal, lambda x: _not(that(x)))}"
        if of.quantity == "all" or nominal.plural:
            return self._all(nominal, that)
        return that(self._the(nominal))

    # --- objects ---

    def _the(self, nominal: m.Nominal) -> str:
        return self._bound("iota", nominal)

    def _bound(self, quantifier: str, nominal: m.Nominal, that: Formula | None = None) -> str:
        x = next(self._fresh)
        parts = [self._condition(c, x) for c in _flat(nominal.conditions)]
        if that is not None:
            parts.append(that(x))
        if not parts:
            if self._vacuous is None or nominal.sort != m.OBJECT:
                return f"{quantifier}({nominal.sort}, lambda {x}: True)"
            parts = [f"{self._vacuous}({x})"]
        return f"{quantifier}({nominal.sort}, lambda {x}: {_and(parts)})"

    def _all(self, nominal: m.Nominal, that: Formula) -> str:
        x = next(self._fresh)
        parts = [self._condition(c, x) for c in _flat(nominal.conditions)]
        body = f"implies({_and(parts)}, {that(x)})" if parts else that(x)
        return f"forall({nominal.sort}, lambda {x}: {body})"

    # --- conditions ---

    def _condition(self, condition: m.Condition, x: str) -> str:
        match condition:
            case m.Is(name):
                return f"{name}({x})"
            case m.Not(of):
                return _not(self._condition(of, x))
            case m.All(of):
                return _and([self._condition(c, x) for c in of]) if of else f"{self._vacuous}({x})"
            case m.Any(of):
                return "(" + " or ".join(self._condition(c, x) for c in of) + ")"
            case m.Apart(of):
                if of.quantity in ("the", "bare") and not of.nominal.plural:
                    return f"distinct({x}, {self._the(of.nominal)})"
                return _not(_and([self._condition(c, x) for c in of.nominal.conditions] or [f"{self._vacuous}({x})"]))
            case m.Inside(question, m.Holding(name, holder_first)):
                said = self.program(m.about_those(question, m.Bound(name, x, holder_first)))
                return f"({said})" if isinstance(question, m.Each) else said
            case m.Bound(name, variable, back):
                return f"{name}({variable}, {x})" if back else f"{name}({x}, {variable})"
            case m.Measured(name, number=m.Quantity(operator, number)):
                return f"{name}({x}) {operator} {number}"
            case m.Measured(name, others, differ, every):
                sign = "!=" if differ else "=="
                if every:
                    unless = "not distinct({0}, {1}) or " if differ else ""
                    return self._all(others, lambda y: f"({unless.format(x, y)}{name}({x}) {sign} {name}({y}))")
                return self._bound("exists", others, lambda y: f"distinct({x}, {y}) and {name}({x}) {sign} {name}({y})")
            case m.Mutual(name, others):
                return self._bound("exists", others, lambda y: f"({name}({x}, {y}) or {name}({y}, {x}))")
            case m.Related(name, to, back):
                return self._said(to, (lambda y: f"{name}({y}, {x})") if back else (lambda y: f"{name}({x}, {y})"))
        raise AssertionError(f"no text for {type(condition).__name__}")


def _flat(conditions: tuple[m.Condition, ...]) -> Iterator[m.Condition]:
    for condition in conditions:
        if isinstance(condition, m.All):
            yield from _flat(condition.of)
        else:
            yield condition


def _and(parts: list[str]) -> str:
    return " and ".join(parts)


def _not(text: str) -> str:
    return f"not ({text})" if " and " in text or text.startswith("not ") else f"not {text}"


def _variables() -> Iterator[str]:
    yield from "xyzwvutsrqp"
    number = 1
    while True:
        yield f"x{number}"
        number += 1
