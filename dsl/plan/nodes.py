"""The plan nodes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, TypeAlias

from dsl.plan.schema import Bound, Node, Part, Term, Terms, make, node

Counted = Annotated[Node, Part("0")]
Scoped = Annotated[Node, Part(scoped=True)]
CountedScoped = Annotated[Node, Part("0", scoped=True)]


@dataclass(frozen=True, slots=True)
class Predicate:
    """What an oracle is asked: a name with an arity, or a free text.

    Parameters
    ----------
    name
        Canonical name in the vocabulary (``"sphere"``, ``"left"``), or ``""`` for free text.
    arity
        Number of objects, 0 for the whole picture.
    text
        The question itself, for ``score("…")``; ``""`` means that the wording follows from the name.
    symmetric
        The order of the two objects does not matter: asked for i < j only.
    reflexive
        The value of the cell of one object with itself where no quantifier decides (``same_*`` of two descriptions).
    ways
        For a relation that is derived from values: the pairs of them that make it true. Never asked:
        :func:`dsl.plan.guards.insert_guards` puts the values in its place.
    boxes
        For a predicate that is read off the boxes: how (:class:`dsl.vocabulary.geometry.Geometry`). Never asked.
    region
        Of no object of the scene, but of the part of the picture in this box (pixels ``x0 y0 x1 y1``, y down); `arity`
        is 0 then.
    percept
        What a model of masks, depths or words is asked in the oracle's stead (:class:`dsl.percepts.Percept`).
    """

    name: str
    arity: int
    text: str = ""
    symmetric: bool = False
    reflexive: bool = False
    ways: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    boxes: Hashable | None = field(default=None, repr=False)
    region: tuple[float, float, float, float] | None = field(default=None, repr=False)
    percept: Hashable | None = field(default=None, repr=False)

    def __str__(self) -> str:
        said = self.name or repr(self.text)
        return said if self.region is None else f"{said}@[{', '.join(f'{x:g}' for x in self.region)}]"


# --- truths --------------------------------------------------------------------------------------


@node
class Const(Node):
    """A truth value known beforehand, in [0, 1]."""

    value: float

    def __str__(self) -> str:
        return {1.0: "true", 0.0: "false"}.get(self.value, f"{self.value:g}")


@node
class Atom(Node):
    """An atom: an oracle's score for a predicate at each tuple of objects."""

    tag = "Leaf"
    predicate: Predicate
    terms: Terms

    def __str__(self) -> str:
        return f"{self.predicate}({', '.join(map(_term, self.terms))})"


@node
class Same(Node):
    """Identity of two objects, true or false; total, never asked."""

    terms: Terms

    def __str__(self) -> str:
        return " = ".join(map(_term, self.terms))


@node
class Not(Node):
    """¬body."""

    body: Annotated[Node, Part("-")]

    def __str__(self) -> str:
        if isinstance(self.body, Same):
            return " ≠ ".join(map(_term, self.body.terms))
        return f"¬{self.body.bracketed()}"


@node
class And(Node):
    """Conjunction of two or more formulas."""

    symbol, infix, neutral = "∧", True, 1.0
    operands: Annotated[tuple[Node, ...], Part()]


@node
class Or(Node):
    """Disjunction of two or more formulas."""

    symbol, infix, neutral = "∨", True, 0.0
    operands: Annotated[tuple[Node, ...], Part()]


Connective: TypeAlias = type[And] | type[Or]


@node
class Xor(Node):
    """Exclusive or, (a ∧ ¬b) ∨ (¬a ∧ b)."""

    symbol, infix = "⊕", True
    left: Annotated[Node, Part("±")]
    right: Annotated[Node, Part("±")]

    def expand(self) -> Node:
        """Return (a ∧ ¬b) ∨ (¬a ∧ b)."""
        a, b = self.left, self.right
        return make(Or, (make(And, (a, make(Not, b))), make(And, (make(Not, a), b))))


@node
class Exists(Node):
    """∃var body."""

    symbol = "∃"
    connective: ClassVar[Connective] = And
    """What it passes: ∃x(φ ∧ ψ) = ∃xφ ∧ ψ for x not in ψ."""
    var: Annotated[str, Bound("∃")]
    body: Scoped


@node
class Forall(Node):
    """∀var body."""

    symbol = "∀"
    connective: ClassVar[Connective] = Or
    """What it passes: ∀x(φ ∨ ψ) = ∀xφ ∨ ψ for x not in ψ."""
    var: Annotated[str, Bound("∀")]
    body: Scoped


Quantifier: TypeAlias = type[Exists] | type[Forall]


@node
class Description(Node):
    """The object that fits the body: softmax of its logits over `var`. A description, not a truth."""

    symbol, tag = "ι", "Iota"
    var: Annotated[str, Bound("∃")]
    body: CountedScoped


@node
class ExpectationOver(Node):
    """An atom about a described object: Σ_var w(var)·body with w from the description; `pick`: at the argmax of w
    instead."""

    tag = "Expect"
    var: Annotated[str, Bound("ι")]
    description: Annotated[Description, Part()]
    body: Scoped
    pick: bool

    def __str__(self) -> str:
        weights = f"{'at' if self.pick else 'E'}[{self.var} ~ {self.description}]"
        return f"{weights} {self.body.bracketed()}"


@node
class Compare(Node):
    """A comparison of two numbers; `op` is one of ``> >= < <= == !=``."""

    infix = True
    op: str
    left: Counted
    right: Counted

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


# --- numbers and values --------------------------------------------------------------------------


@node
class Count(Node):
    """How many objects fit the body."""

    symbol = "#"
    var: Annotated[str, Bound("∃")]
    body: CountedScoped


@node
class CountTrue(Node):
    """How many of finitely many formulas are true (a count over a value sort)."""

    tag = "Tally"
    bodies: Annotated[tuple[Node, ...], Part("0")]

    def __str__(self) -> str:
        return f"#({', '.join(map(str, self.bodies))})"


@node
class Number(Node):
    """A plain number."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


@node
class Describe(Node):
    """The value whose formula is truest.

    `presupposes`: that some value fits, as ``iota(Color, lambda c: …)`` does; of an object, everything has a colour.
    """

    values: tuple[str, ...]
    bodies: Annotated[tuple[Node, ...], Part("0")]
    presupposes: bool

    @property
    def about(self) -> tuple[str, Description] | None:
        """The description whose objects all formulas weigh, after its variable in them; ``None`` if they do not."""
        found = {(b.var, b.description) if isinstance(b, ExpectationOver) and not b.pick else None for b in self.bodies}
        return found.pop() if len(found) == 1 else None

    def __str__(self) -> str:
        parts = (f"{v}: {b}" for v, b in zip(self.values, self.bodies, strict=True))
        return f"describe({', '.join(parts)})"


def _term(term: Term) -> str:
    return f"object {term}" if isinstance(term, int) else term
