"""Rules: what they say of a picture, as values on tables of scores, and as programs.

A literal is a word of the world or its negation. The forms of rules are the rows of :data:`FORMS`. Values are logits,
with minimum and maximum, as the logic ``godel`` has them: what a rule's program answers, with the same probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neptune.learn.induce.tables import LIMIT, Floats, Tables, Words

FORMS: Mapping[str, str] = {
    "exists": "something is …",
    "pair": "something that is … stands in a relation to something that is …",
    "both": "something is …, and something is …",
    "no": "nothing is …; or all that is … is …",
    "at_least": "at least 2, 3 or 4 things are …",
    "exactly": "1, 2 or 3 things are …",
    "more": "more things are … than …",
}
"""Form → what it says. Every form is made of conjunctions of literals."""

Literal = tuple[int, bool]
"""The place of a word of one object among :attr:`Words.unary`, and whether it is negated."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Parameters
    ----------
    form
        A key of :data:`FORMS`.
    first, second
        The literals that are said of the first and of the second object; each may be empty.
    relation
        The place of the relation among :attr:`Words.binary`; -1: none.
    number
        Of ``at_least`` and ``exactly``.
    """

    form: str
    first: tuple[Literal, ...]
    second: tuple[Literal, ...] = ()
    relation: int = -1
    number: int = 0

    @property
    def literals(self) -> int:
        """How many literals it has; a relation is one."""
        return len(self.first) + len(self.second) + (self.relation >= 0)

    def program(self, words: Words) -> str:
        """Return the program that says it."""
        first = _said(self.first, "x", words)
        match self.form:
            case "exists":
                return f"exists(Object, lambda x: {first})"
            case "pair":
                both = [*_parts(self.first, "x", words), f"{words.binary[self.relation]}(x, y)"]
                both += _parts(self.second, "y", words)
                return f"exists(Object, lambda x: exists(Object, lambda y: {' and '.join(both)}))"
            case "both":
                second = _said(self.second, "x", words)
                return f"exists(Object, lambda x: {first}) and exists(Object, lambda x: {second})"
            case "no":
                denied = [lit for lit in self.first if lit[1]]
                if len(denied) == 1 and len(self.first) > 1:
                    rest = _said(tuple(lit for lit in self.first if not lit[1]), "x", words)
                    return f"forall(Object, lambda x: implies({rest}, {words.unary[denied[0][0]]}(x)))"
                if len(denied) == 1:
                    return f"forall(Object, lambda x: {words.unary[denied[0][0]]}(x))"
                return f"no(Object, lambda x: {first})"
            case "more":
                second = _said(self.second, "x", words)
                return f"count(Object, lambda x: {first}) > count(Object, lambda x: {second})"
        sign = ">=" if self.form == "at_least" else "=="
        return f"count(Object, lambda x: {first}) {sign} {self.number}"


def _parts(literals: Sequence[Literal], variable: str, words: Words) -> list[str]:
    return [f"{'not ' * denied}{words.unary[k]}({variable})" for k, denied in literals]


def _said(literals: Sequence[Literal], variable: str, words: Words) -> str:
    return " and ".join(_parts(literals, variable, words))


def conjunction(tables: Tables, literals: Sequence[Literal]) -> Floats:
    """Return at which objects all literals are true, ``(P, N)``; at no place without an object."""
    value = np.where(tables.there, LIMIT, -LIMIT).astype(np.float32)
    for k, denied in literals:
        np.minimum(value, -tables.unary[k] if denied else tables.unary[k], out=value)
    return np.where(tables.there, value, -LIMIT).astype(np.float32)


def value(tables: Tables, rule: Rule) -> Floats:
    """Return how true a rule is of each picture, logits ``(P,)``."""
    first = conjunction(tables, rule.first)
    if rule.form == "exists":
        return np.asarray(first.max(axis=1))
    if rule.form == "no":
        return np.asarray(-first.max(axis=1))
    if rule.form == "pair":
        return related(tables, first, conjunction(tables, rule.second), rule.relation)
    if rule.form == "both":
        return np.asarray(np.minimum(first.max(axis=1), conjunction(tables, rule.second).max(axis=1)))
    ranked = -np.sort(-first, axis=1)
    if rule.form == "more":
        return more(ranked, -np.sort(-conjunction(tables, rule.second), axis=1))
    return counted(ranked, rule.form, rule.number)


def related(tables: Tables, first: Floats, second: Floats, relation: int) -> Floats:
    """Return whether some object of the first stands in a relation to another of the second, ``(P,)``."""
    both = np.minimum(np.minimum(first[:, :, None], second[:, None, :]), tables.binary[relation])
    return np.asarray(both.reshape(len(both), -1).max(axis=1))


def counted(ranked: Floats, form: str, number: int) -> Floats:
    """Return whether at least, or exactly, so many are true, of values from high to low ``(P, N)``: ``(P,)``."""
    at = [
        ranked[:, k] if k < ranked.shape[1] else np.full(len(ranked), -LIMIT, np.float32) for k in (number - 1, number)
    ]
    return np.asarray(at[0] if form == "at_least" else np.minimum(at[0], -at[1]))


def more(first: Floats, second: Floats) -> Floats:
    """Return whether more are true in the first, of values from high to low ``(P, N)`` each: ``(P,)``."""
    return np.asarray(np.minimum(first, -second).max(axis=1))
