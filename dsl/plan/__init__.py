"""Plan nodes: what a program asks for, as immutable, hash-consed data.

Running a program builds these nodes and computes nothing. Two nodes of the same meaning-as-written are the *same
object* (``is``), so common subexpressions are shared, and a dictionary keyed by nodes is a dictionary keyed by
formulas. Variables that a lambda binds are named by depth (``@0``, ``@1``, …), so formulas that are equal up to the
names of bound variables are the same object too.

Three families: *truths* (formulas, values in [0, 1], one axis for each free variable), *descriptions*
(:class:`Description`: a distribution over objects) and *numbers* (:class:`Count`, :class:`Number`).
"""

from dsl.plan.build import conjunction, const, disjunction, distinct, negation, same
from dsl.plan.nodes import (
    TRUTHS,
    And,
    Atom,
    Compare,
    Const,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Number,
    Or,
    Predicate,
    Same,
    Term,
    Xor,
    children,
    make,
)
from dsl.plan.text import show
from dsl.plan.tree import fresh, rebuild, substitute, walk

__all__ = [
    "And",
    "Compare",
    "Const",
    "Count",
    "Describe",
    "Exists",
    "ExpectationOver",
    "Forall",
    "Description",
    "Atom",
    "Node",
    "Not",
    "Number",
    "Or",
    "Predicate",
    "Same",
    "TRUTHS",
    "CountTrue",
    "Term",
    "Xor",
    "children",
    "conjunction",
    "const",
    "disjunction",
    "distinct",
    "fresh",
    "make",
    "negation",
    "rebuild",
    "same",
    "show",
    "substitute",
    "walk",
]
