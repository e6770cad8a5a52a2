"""Plan nodes: what a program asks for, as immutable, hash-consed data.

Running a program builds these nodes and computes nothing. Two nodes of the same meaning-as-written are the *same
object* (``is``), so common subexpressions are shared, and a dictionary keyed by nodes is a dictionary keyed by
formulas. Variables that a lambda binds are named by depth (``@0``, ``@1``, …), so formulas that are equal up to the
names of bound variables are the same object too.

Three families: *truths* (formulas, values in [0, 1], one axis for each free variable), *descriptions*
(:class:`Description`: a distribution over objects) and *numbers* (:class:`Count`, :class:`Number`).
"""

from dsl.plan.build import conjunction, const, disjunction, distinct, join, negation, quantify, same
from dsl.plan.nodes import (
    And,
    Atom,
    Compare,
    Connective,
    Const,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Not,
    Number,
    Or,
    Predicate,
    Quantifier,
    Same,
    Xor,
)
from dsl.plan.presupposed import descriptions, relative_presuppositions
from dsl.plan.schema import Node, Term, make
from dsl.plan.tree import (
    Visit,
    descend,
    fresh,
    prefix,
    rebuild,
    rejoin,
    show,
    substitute,
    transform,
    transform_all,
    walk,
    with_terms,
)

__all__ = ["And", "Atom", "Compare", "Connective", "Const", "Count", "CountTrue", "Describe", "Description", "Exists"]
__all__ += ["ExpectationOver", "Forall", "Not", "Number", "Or", "Predicate", "Quantifier", "Same", "Xor"]
__all__ += ["Node", "Term", "make"]
__all__ += ["conjunction", "const", "disjunction", "distinct", "join", "negation", "quantify", "same"]
__all__ += ["descriptions", "relative_presuppositions"]
__all__ += ["Visit", "descend", "fresh", "prefix", "rebuild"]
__all__ += ["rejoin", "show", "substitute", "transform", "transform_all", "walk", "with_terms"]
