"""Everything about a plan node follows from its fields: a class that nobody knows is handled as any other."""

from __future__ import annotations

import random
from typing import Annotated

import pytest

from dsl import plan
from dsl.plan import Atom, Compare, Count, Exists, Forall, Node, Number, Predicate, make
from dsl.plan.guards import insert_guards
from dsl.plan.schema import Bound, Part, node
from dsl.rewrites import Laws, rewrite
from dsl.rewrites.normal import rename_bound
from tests.helpers.formulas import formula

CUBE, LEFT = Predicate("cube", 1), Predicate("left", 2)


@node
class ExactlyOne(Node):
    """Exactly one object fits the body."""

    symbol, basic = "∃!", False
    var: Annotated[str, Bound("∃")]
    body: Annotated[Node, Part("0", scoped=True)]

    def expand(self) -> Node:
        """Return #var body == 1."""
        return make(Compare, "==", make(Count, self.var, self.body), make(Number, 1.0))


def cube(term: plan.Term) -> Node:
    return make(Atom, CUBE, (term,))


def left(a: plan.Term, b: plan.Term) -> Node:
    return make(Atom, LEFT, (a, b))


ONE = make(ExactlyOne, "@0", plan.conjunction([cube("@0"), left("@0", "x")]))


def test_a_new_node_is_shown_and_hash_consed() -> None:
    assert plan.show(plan.negation(ONE)) == "¬∃!@0 (cube(@0) ∧ left(@0, x))"
    assert make(ExactlyOne, "@0", ONE.body) is ONE
    assert ONE.free == {"x"}
    assert ONE.joint == {"@0", "x"}
    assert ONE.children == (ONE.body,)


def test_nothing_is_captured_by_a_new_node() -> None:
    moved = plan.substitute(ONE, {"x": "@0"})
    assert isinstance(moved, ExactlyOne)
    assert moved.free == {"@0"}
    assert moved.var != "@0"
    assert plan.substitute(moved, {"@0": 3}) is plan.substitute(
        make(ExactlyOne, moved.var, plan.conjunction([cube(moved.var), left(moved.var, "x")])), {"x": 3}
    )


def test_a_new_node_is_renamed_and_kept_by_rewrites() -> None:
    laws = Laws.named("product")
    assert plan.show(rename_bound(ONE, laws)) == "∃!$0 (cube($0) ∧ left($0, x))"
    assert isinstance(rewrite(ONE, laws), ExactlyOne)


@pytest.mark.parametrize("around", [lambda n: n, plan.negation, lambda n: make(Forall, "x", n)])
def test_what_a_new_node_stands_for_takes_its_place(around: object) -> None:
    assert callable(around)
    assert insert_guards(around(ONE)) is insert_guards(around(ONE.expand()))
    text = "#@0 (cube(@0) ∧ @0 ≠ x ∧ left(@0, x)) == 1"
    assert text in plan.show(insert_guards(around(ONE)))


def test_a_class_whose_parts_do_not_fit_is_an_error() -> None:
    with pytest.raises(TypeError, match="'±' needs a method expand"):

        @node
        class Odd(Node):
            body: Annotated[Node, Part("±")]


def test_nodes_are_what_their_fields_say() -> None:
    for seed in range(200):
        for inner in plan.walk(formula(random.Random(seed), ["@0"], 14, True)):
            schema = inner.schema
            values = schema.values(inner)
            assert make(type(inner), *values) is inner
            held = [values[i] for i in schema.single] if schema.many is None else values[schema.many]
            assert tuple(held) == inner.children
            assert plan.rebuild(inner, inner.children) is inner
            assert plan.transform(inner, lambda n: n) is inner
            assert inner.depth == 1 + max((c.depth for c in inner.children), default=0)
            assert inner.width == max(len(part.joint) for part in plan.walk(inner))
            assert inner.size == 1 + sum(c.size for c in inner.children)


def test_substitution_and_back_is_the_same_up_to_bound_names() -> None:
    laws = Laws.named("product")
    for seed in range(200):
        whole = formula(random.Random(seed), ["@0"], 14, True)
        there = plan.substitute(whole, {"@0": "@1"})
        assert there.free == {"@1" if v == "@0" else v for v in whole.free}
        assert rename_bound(plan.substitute(there, {"@1": "@0"}), laws) is rename_bound(whole, laws)


def test_a_prefix_is_what_quantifies() -> None:
    body = plan.disjunction([cube("x"), left("x", "y")])
    assert plan.prefix(plan.quantify(Exists, ["y", "x"], body)) == (["x", "y"], body)
    assert plan.prefix(make(Forall, "z", make(Exists, "x", body))) == (["z"], make(Exists, "x", body))
    assert plan.prefix(body) == ([], body)


def test_a_rule_is_called_once_for_each_node_and_state() -> None:
    node: Node = left("x", "y")
    for _ in range(40):
        node = make(plan.Xor, node, plan.negation(node))
    calls = []

    def rule(current: Node, positive: bool, visit: plan.Visit[bool]) -> Node:
        calls.append(current)
        return plan.rebuild(current, [visit(child, not positive) for child in current.children])

    assert plan.descend(node, True, rule) is node
    assert len(calls) <= 2 * 81
