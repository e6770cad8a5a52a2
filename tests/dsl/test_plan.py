"""Plan nodes are hash-consed, substitution never captures, guards follow the rule for pairs."""

from __future__ import annotations

import pytest

from dsl import plan
from dsl.plan import Atom, Count, Description, Exists, ExpectationOver, Forall, Node, Predicate, Xor, make
from dsl.plan.guards import insert_guards
from dsl.rewrites.connectives import fold_constants
from dsl.rewrites.normal import rename_bound
from dsl.rewrites.rule import Laws

CUBE, LEFT = Predicate("cube", 1), Predicate("left", 2)
SAME = Predicate("same_color", 2, symmetric=True, reflexive=True)


def cube(term: plan.Term) -> Node:
    return make(Atom, CUBE, (term,))


def left(a: plan.Term, b: plan.Term) -> Node:
    return make(Atom, LEFT, (a, b))


def test_equal_formulas_are_one_object() -> None:
    def formula() -> Node:
        return make(Exists, "@0", plan.conjunction([cube("@0"), left("@0", "x")]))

    assert formula() is formula()
    assert formula().free == {"x"}


def test_conjunction_is_flat_and_has_neutral_elements() -> None:
    nested = plan.conjunction([plan.conjunction([cube("x"), cube("y")]), cube("z")])
    assert nested.children == (cube("x"), cube("y"), cube("z"))
    assert plan.conjunction([]) is plan.const(1.0)
    assert plan.disjunction([]) is plan.const(0.0)
    assert plan.negation(plan.negation(cube("x"))) is cube("x")


def test_substitution_renames_a_binder_that_would_capture() -> None:
    formula = make(Exists, "@0", left("@0", "x"))
    moved = plan.substitute(formula, {"x": "@0"})
    assert moved.free == {"@0"}
    assert isinstance(moved, Exists)
    assert moved.var != "@0"
    assert moved.body is left(moved.var, "@0")


def test_substitution_into_a_description_keeps_its_outer_variable_apart() -> None:
    formula = make(ExpectationOver, "@1", make(Description, "@2", left("@2", "x")), left("y", "@1"), False)
    moved = plan.substitute(formula, {"x": "@1"})
    assert moved.free == {"@1", "y"}
    assert isinstance(moved, ExpectationOver)
    assert moved.var not in moved.description.free


def test_substitution_by_an_object() -> None:
    assert plan.substitute(left("x", "y"), {"x": 3}) is left(3, "y")
    assert plan.same(3, 3) is plan.const(1.0)
    assert plan.same(3, 4) is plan.const(0.0)


@pytest.mark.parametrize(
    ("formula", "guarded"),
    [
        (left("x", "y"), "x ≠ y ∧ left(x, y)"),
        (plan.negation(left("x", "y")), "¬(x = y ∨ left(x, y))"),
        (make(Exists, "@0", left("@0", "x")), "∃@0 (@0 ≠ x ∧ left(@0, x))"),
        (make(Forall, "@0", left("@0", "x")), "∀@0 (@0 = x ∨ left(@0, x))"),
        (make(Forall, "@0", plan.negation(left("@0", "x"))), "∀@0 ¬(@0 ≠ x ∧ left(@0, x))"),
        (plan.negation(make(Exists, "@0", left("@0", "x"))), "¬∃@0 (@0 ≠ x ∧ left(@0, x))"),
        (make(Count, "@0", left("@0", "x")), "#@0 (@0 ≠ x ∧ left(@0, x))"),
        (make(Forall, "@0", make(Exists, "@1", left("@0", "@1"))), "∀@0 ∃@1 (@0 ≠ @1 ∧ left(@0, @1))"),
        (left("x", "x"), "false"),
        (make(Forall, "@0", left("@0", "@0")), "∀@0 true"),
        # A description does not bind in this sense: the quantifier of the other variable decides.
        (make(Forall, "@0", make(ExpectationOver, "@1", make(Description, "@0", cube("@0")), left("@0", "@1"), False)),
         "∀@0 E[@1 ~ ι@0 cube(@0)] (@0 = @1 ∨ left(@0, @1))"),
        # Nobody decides between two descriptions: same_* is 1, everything else 0, whatever the sign.
        (make(ExpectationOver, "@0", make(Description, "@0", cube("@0")),
              make(ExpectationOver, "@1", make(Description, "@0", cube("@0")),
                   make(Atom, SAME, ("@0", "@1")), False), False),
         "E[@0 ~ ι@0 cube(@0)] E[@1 ~ ι@0 cube(@0)] (@0 = @1 ∨ same_color(@0, @1))"),
        (plan.negation(left(2, 2)), "true"),
    ],
)  # fmt: skip
def test_guards(formula: Node, guarded: str) -> None:
    assert plan.show(insert_guards(formula)) == guarded


def test_guards_of_both_signs_under_xor() -> None:
    guarded = insert_guards(make(Exists, "@0", make(Xor, left("@0", "x"), cube("@0"))))
    assert "⊕" not in plan.show(guarded)
    assert "@0 = x ∨ left(@0, x)" in plan.show(guarded)
    assert "@0 ≠ x ∧ left(@0, x)" in plan.show(guarded)


def test_guards_on_a_shared_plan_are_linear() -> None:
    node: Node = left("x", "y")
    for _ in range(60):
        node = make(Xor, node, plan.negation(node))
    guarded = insert_guards(node)
    assert sum(1 for _ in plan.walk(guarded)) < 2000


def test_renaming_never_takes_the_name_of_a_free_variable() -> None:
    """What was renamed and then taken apart has free variables of the names that renaming gives."""
    renamed = rename_bound(make(Exists, "y", left("y", "$0")), Laws.named("godel"))
    assert renamed.free == {"$0"}


def test_the_same_and_not_the_same_is_known_to_be_false() -> None:
    equal = plan.same("x", "y")
    both = plan.conjunction([equal, cube("x"), plan.negation(equal)])
    either = plan.disjunction([equal, cube("x"), plan.negation(equal)])
    for logic in ("godel", "product"):
        assert fold_constants(both, Laws.named(logic)) is plan.const(0.0)
        assert fold_constants(either, Laws.named(logic)) is plan.const(1.0)
        assert fold_constants(plan.disjunction([equal, cube("x")]), Laws.named(logic)) is not plan.const(1.0)
