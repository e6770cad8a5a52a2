"""What a question means, before it is a program: conditions on an object, noun phrases, questions.

All are immutable and compared by content, so that two readings of one question can be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

# --- conditions: what can be true of one object ---


@dataclass(frozen=True, slots=True)
class Is:
    """A predicate of one object: ``red``, ``leftmost``."""

    name: str


@dataclass(frozen=True, slots=True)
class Related:
    """A predicate of two objects, the second of them described: left of the cube; ``back``: the cube is left of it."""

    name: str
    to: Phrase
    back: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    of: Condition


@dataclass(frozen=True, slots=True)
class All:
    """All of them; of none, always true."""

    of: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Any:
    """One of them at least. `open`: said with a bare "or", which may ask which of them it is."""

    of: tuple[Condition, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Apart:
    """It is none of those described: "other than the cube"."""

    of: Phrase


@dataclass(frozen=True, slots=True)
class Holding:
    """The relation of a container to what it holds; `holder_first`: ``contains(box, x)``, not ``inside(x, box)``."""

    name: str
    holder_first: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """Said of a container: the answer to a question about what it holds is yes: "has a red cube", "has two colors"."""

    question: Question
    by: Holding | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One of the two places of a relation is taken by a variable; only a renderer makes these."""

    name: str
    variable: str
    back: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Said of a container: a number that is known of it compares so, or is that of another one.

    `differ`: it is not that of another one; `every`: of all others that are described.
    """

    name: str
    others: Nominal
    differ: bool = False
    every: bool = False
    number: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Said of several: they are in one and the same container."""

    container: Nominal
    by: Holding


Condition: TypeAlias = "Is | Related | Mutual | Not | All | Any | Apart | Inside | Bound | Measured | Together"
ALWAYS = All()

# --- noun phrases ---

OBJECT = "Object"
"""The sort of what is no container."""

SAME_NOUN = "the same noun as before"
"""The head of "the red one"."""


THOSE = "those just named"
"""The head of "two of them"."""


@dataclass(frozen=True, slots=True)
class Nominal:
    """A noun with what is said of it, without an article.

    Parameters
    ----------
    conditions
        What its objects fulfil.
    head
        The condition that its noun is; :data:`SAME_NOUN`; :data:`THOSE`; or ``None`` for "thing".
    plural
        Whether the noun is.
    other
        Whether "other" stands before it, or "else" behind.
    sort
        What it is one of: an object, or a container of a sort.
    """

    conditions: tuple[Condition, ...] = ()
    head: str | None = None
    plural: bool = False
    other: bool = False
    sort: str = OBJECT

    def that(self, *conditions: Condition) -> Nominal:
        """Return it with more conditions."""
        return replace(self, conditions=(*self.conditions, *conditions))


@dataclass(frozen=True, slots=True)
class Mutual:
    """A predicate of two objects holds between one and another of those spoken of: blocks that touch each other."""

    name: str
    others: Nominal = Nominal()


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many objects a phrase speaks of: a comparison with a number; ``bare`` if the number stands alone."""

    operator: str
    number: int
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase: ``the``, ``some``, ``all``, ``no``, ``most``, or so many, of a nominal; ``it`` and ``they``.

    Without an article (``bare``) one object is the one, and several are some, or all where they are asked about.
    `alike`: a sort; all that are counted have one and the same value of it ("two things of the same color").
    """

    quantity: str | Quantity
    nominal: Nominal = Nominal()
    alike: str | None = None


# --- questions ---


@dataclass(frozen=True, slots=True)
class Count:
    """How many objects fit."""

    of: Nominal


@dataclass(frozen=True, slots=True)
class Difference:
    """How many more of the first than of the second."""

    first: Nominal
    second: Nominal


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there are such objects, as many as the phrase says."""

    what: Phrase


@dataclass(frozen=True, slots=True)
class Compare:
    """Two numbers of objects compared, or one with a number."""

    operator: str
    first: Nominal
    second: Nominal | int


@dataclass(frozen=True, slots=True)
class MoreOf:
    """Which of two there are more of: "more cubes or balls"."""

    first: Nominal
    second: Nominal


@dataclass(frozen=True, slots=True)
class Describe:
    """The value of a sort at an object."""

    sort: str
    of: Phrase


@dataclass(frozen=True, slots=True)
class Holds:
    """Whether a condition is true of what a phrase speaks of."""

    of: Phrase
    that: Condition


@dataclass(frozen=True, slots=True)
class SameInGroup:
    """Whether all objects of a group have the same (`differ`: no two of them); `some`: whether two of them have."""

    predicates: tuple[str, ...]
    group: Nominal
    differ: bool = False
    some: bool = False


@dataclass(frozen=True, slots=True)
class CountValues:
    """How many values of a sort occur."""

    sort: str
    among: Nominal = Nominal()


@dataclass(frozen=True, slots=True)
class ValuesAre:
    """Whether so many values of a sort occur: "things of two colors are left of it"."""

    quantity: Quantity
    sort: str
    among: Nominal = Nominal()


@dataclass(frozen=True, slots=True)
class Commonest:
    """The value that most objects have."""

    sort: str
    among: Nominal = Nominal()


@dataclass(frozen=True, slots=True)
class Point:
    """The object that a phrase speaks of."""

    at: Phrase


@dataclass(frozen=True, slots=True)
class Contrary:
    """The contrary of a question that is answered by yes or no."""

    of: Question


@dataclass(frozen=True, slots=True)
class Each:
    """Whether all of several questions are answered by yes; `one`: whether one of them is."""

    of: tuple[Question, ...]
    one: bool = False


@dataclass(frozen=True, slots=True)
class After:
    """A question, once an object has been introduced: "There is a cube; what is left of it?"."""

    introduced: Phrase
    question: Question


Question: TypeAlias = (
    "Count | Difference | Exists | Compare | MoreOf | Describe | Holds | SameInGroup | CountValues | ValuesAre "
    "| Commonest | Point | Contrary | Each | After"
)


def spoken_of(question: Question) -> tuple[Nominal, ...]:
    """Return the nouns that a question of yes or no is about."""
    match question:
        case Exists(phrase) | Holds(phrase, _):
            return (phrase.nominal,)
        case SameInGroup(_, nominal) | ValuesAre(_, _, nominal):
            return (nominal,)
        case Contrary(of):
            return spoken_of(of)
        case Each(of):
            return tuple(nominal for each in of for nominal in spoken_of(each))
    return ()


def about_those(question: Question, that: Condition) -> Question:
    """Return a question of yes or no about those of its objects of which a condition is true."""
    match question:
        case Exists(what):
            return Exists(replace(what, nominal=what.nominal.that(that)))
        case Holds(of, said):
            return Holds(replace(of, nominal=of.nominal.that(that)), said)
        case SameInGroup(_, group):
            return replace(question, group=group.that(that))
        case ValuesAre(_, _, among):
            return replace(question, among=among.that(that))
        case Contrary(of):
            return Contrary(about_those(of, that))
        case Each(of, one):
            return Each(tuple(about_those(each, that) for each in of), one)
    raise AssertionError(f"no question of yes or no: {type(question).__name__}")
