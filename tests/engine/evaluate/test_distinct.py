"""Distinct variables: relax, check, branch gives the value, the gradient and the witness of the joint table."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from helpers.formulas import BINARY, LOGICS, UNARY, both, evaluator, gap, optimised, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.evaluator import Evaluator

from dsl import plan
from dsl.errors import LimitError
from dsl.plan import Atom, Count, Exists, Forall, Node, make, show
from dsl.plan.guards import insert_guards
from dsl.rewrites import Laws, rewrite
from dsl.rewrites.all_different import block_of
from neptune.engine import Engine
from neptune.engine.compile import assignment as search
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile import program as code
from neptune.scene import Scene

NAMES = ("x", "y", "z", "w")


@pytest.fixture
def no_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search even where the joint table is small."""
    monkeypatch.setattr(search, "SEARCH_CELLS", 0)


def allowed(name: str) -> float:
    return 0.0 if name == "godel" else 1e-5


def atom(predicate: plan.Predicate, *terms: str) -> Node:
    return make(Atom, predicate, terms)


def drawn(rng: random.Random, k: int, free: int = 0) -> Node:
    """A block of k distinct variables, the first `free` of them unbound; literals of one and two variables."""
    names = NAMES[:k]
    literals: list[Node] = []
    for _ in range(rng.randint(0, 2 * k)):
        if rng.random() < 0.6:
            literal = atom(rng.choice(UNARY), rng.choice(names))
        else:
            literal = atom(rng.choice(BINARY), *rng.sample(names, 2))
        literals.append(plan.negation(literal) if rng.random() < 0.25 else literal)
    kind = rng.choice([Exists, Exists, Forall])
    some = names if rng.random() < 0.7 else rng.sample(names, max(2, k - 1))
    apart = plan.distinct(tuple(some))
    if kind is Exists:
        body = plan.conjunction([apart, *literals])
    else:
        body = plan.disjunction([*(plan.negation(a) for a in apart.children or (apart,)), *literals])
    for name in reversed(names[free:]):
        body = make(kind, name, body)
    if rng.random() < 0.2:
        body = plan.negation(body)
    return insert_guards(body)


def same_value(node: Node, n: int, given_tables: dict, name: str) -> None:
    naive, planned = both(n, given_tables, name)
    with torch.no_grad():
        expected, found = naive.truth(node).low, planned.truth(node).low
    assert gap(expected, found) <= allowed(name), show(node)


def tied(n: int, seed: int) -> dict:
    """Tables of three levels: most maxima are reached often."""
    return {p: (t * 0.6).round().clamp(-1, 1) for p, t in tables(n, seed).items()}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.randoms(use_true_random=False),
    st.integers(3, 4),
    st.integers(0, 1),
    st.integers(1, 6),
    st.integers(0, 999),
    st.sampled_from(LOGICS),
    st.booleans(),
)
def test_the_value_is_the_joint_tables(
    no_dense: None, rng: random.Random, k: int, free: int, n: int, seed: int, name: str, ties: bool
) -> None:
    same_value(drawn(rng, k, free), n, (tied if ties else tables)(n, seed), name)


def chain(k: int, *more: Node) -> Node:
    """∃ over k distinct variables: all red, each left of the next."""
    names = [f"v{i}" for i in range(k)]
    body = plan.conjunction(
        [
            plan.distinct(tuple(names)),
            *(atom(UNARY[0], v) for v in names),
            *(atom(BINARY[0], a, b) for a, b in itertools.pairwise(names)),
            *more,
        ]
    )
    for v in reversed(names):
        body = make(Exists, v, body)
    return insert_guards(body)


def crisp(n: int, red: int) -> dict:
    """`red` red objects; every relation holds of every pair."""
    out = {p: torch.full([n] * p.arity, 3.0) for p in (*UNARY, *BINARY)}
    out[UNARY[0]][red:] = -3.0
    return out


def test_a_block_of_distinct_variables_is_searched() -> None:
    node = chain(4)
    rewritten = rewrite(node, Laws.named("godel"))
    block = block_of(rewritten)
    assert block is not None
    assert len(block.variables) == 4
    assert len(block.apart) == 3  # the neighbours' inequations are in their edges
    compiled = plans.plan(plans.template(node).node, "truth", Laws.named("godel"))
    assert compiled.searches == [4]
    assert compiled.axes == 2
    pair = insert_guards(make(Exists, "x", make(Exists, "y", plan.distinct(("x", "y")))))
    assert block_of(rewrite(pair, Laws.named("godel"))) is None


@pytest.mark.parametrize("name", LOGICS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_objects_than_variables_is_false(no_dense: None, name: str, n: int) -> None:
    value = evaluator(optimised, n, crisp(n, n), name).truth(chain(4)).low
    assert float(value.values) == 0.0
    same_value(chain(4), n, crisp(n, n), name)


@pytest.mark.parametrize("k", [4, 6])
def test_one_object_too_few_is_seen_without_trying_all_orders(k: int) -> None:
    planned = evaluator(optimised, 30, crisp(30, k - 1), "godel")
    assert float(planned.truth(chain(k)).low.internal) == -3.0
    planned = evaluator(optimised, 30, crisp(30, k), "godel")
    assert float(planned.truth(chain(k)).low.internal) == 3.0
    assert planned.peak_cells <= code.SEARCH_CELLS


@pytest.mark.parametrize("name", ["godel", "product", "frank:0.1"])
@pytest.mark.parametrize("ties", [False, True])
def test_the_witness_is_the_lowest_tuple_of_the_joint_table(no_dense: None, name: str, ties: bool) -> None:
    names = [f"v{i}" for i in range(4)]
    for seed in range(12):
        node = chain(4, atom(BINARY[1], "v0", "v2"))
        given_tables = (tied if ties else tables)(6, seed)
        naive, planned = both(6, given_tables, name)
        with torch.no_grad():
            body = node
            while isinstance(body, Exists):
                body = body.body
            joint = naive.truth(body).low.align(names)
            found = planned.witness(node, names)
            if float(joint.internal.max()) == planned.logic.bottom:
                continue
            at = tuple(found[v] for v in names)
            best = joint.values.max()
            assert float(best - joint.values[at]) <= allowed(name)
            if name == "godel":
                assert at == tuple(int(i) for i in joint.argmax(tuple(names)))


@pytest.mark.parametrize("name", LOGICS)
@pytest.mark.parametrize("kind", [Exists, Forall])
def test_gradients_are_the_joint_tables(no_dense: None, name: str, kind: type[Exists] | type[Forall]) -> None:
    names = ("x", "y", "z", "w")
    for seed in range(4):
        literals = [atom(UNARY[0], v) for v in names] + [atom(BINARY[0], "x", "y")]
        if kind is Exists:
            body = plan.conjunction([plan.distinct(names), *literals])
        else:
            body = plan.disjunction([*map(plan.negation, plan.distinct(names).children), *literals])
        for v in reversed(names):
            body = make(kind, v, body)
        grads = []
        for evaluate in (Evaluator, optimised):
            leaves = {p: t.clone().requires_grad_() for p, t in tables(5, seed).items()}
            evaluator(evaluate, 5, leaves, name).truth(insert_guards(body)).low.values.backward()
            grads.append([torch.zeros_like(t) if t.grad is None else t.grad for t in leaves.values()])
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_count_of_those_with_two_distinct_others(no_dense: None) -> None:
    inner = plan.conjunction(
        [plan.distinct(("x", "y", "z", "w")), *(atom(UNARY[0], v) for v in "yzw"), atom(UNARY[1], "x")]
    )
    for v in "wzy":
        inner = make(Exists, v, inner)
    node = insert_guards(make(Count, "x", inner))
    for seed in range(6):
        naive, planned = both(7, tables(7, seed), "godel")
        assert naive.number(node) == planned.number(node)


def test_a_search_that_does_not_end_runs_dense_or_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCH_CELLS", 0)
    monkeypatch.setattr(search, "MOST_BRANCHES", 2)
    node, given_tables = chain(4), crisp(8, 4)
    given_tables[BINARY[0]] = tables(8, 1)[BINARY[0]]
    dense = evaluator(optimised, 8, given_tables, "godel")
    expected = evaluator(Evaluator, 8, given_tables, "godel").truth(node).low
    assert gap(expected, dense.truth(node).low) == 0.0
    assert dense.peak_cells == 8**4
    with pytest.raises(LimitError, match="4 different objects"):
        evaluator(optimised, 8, given_tables, "godel", limit=1000).truth(node)


@pytest.mark.full
def test_five_thousand_blocks_have_the_value_of_the_joint_table(no_dense: None) -> None:
    @settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.randoms(use_true_random=False),
        st.integers(0, 2),
        st.integers(1, 6),
        st.integers(0, 9999),
        st.sampled_from(LOGICS),
        st.booleans(),
    )
    def check(rng: random.Random, free: int, n: int, seed: int, name: str, ties: bool) -> None:
        same_value(drawn(rng, 4, free), n, (tied if ties else tables)(n, seed), name)

    check()


@pytest.mark.parametrize("name", ["godel", "product"])
def test_a_batch_of_scenes_of_different_sizes_gives_the_same_answers(no_dense: None, name: str) -> None:
    engine = Engine(oracle="random", logic=name, schedule="all")
    names = "x, y, z, w"
    body = f"distinct({names}) and red(x) and cube(y) and left(y, z) and metal(w)"
    program = body
    for v in reversed(names.split(", ")):
        program = f"exists(Object, lambda {v}: {program})"
    counted = f"count(Object, lambda x: {program.split(': ', 1)[1]}"
    questions = [(p, Scene.synthetic(n, seed=n)) for p in (program, counted) for n in (3, 4, 6)]
    together = engine.run_many(questions)
    for (text, scene), answer in zip(questions, together, strict=True):
        alone = Engine(oracle="random", logic=name, schedule="all", planner="naive").run(text, scene)
        assert answer.value == alone.value
        assert answer.witness == alone.witness
        assert answer.probability == pytest.approx(alone.probability, abs=1e-5)


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("name", ["godel", "product"])
def test_a_block_of_which_most_variables_do_not_matter_has_its_value(name: str, schedule: str) -> None:
    """Found by the fuzzer: a part that does not depend on the block's variables stood in a table over them."""
    program = "~(no(Object, lambda a: exists(Object, lambda b: exists(Object, lambda c: leftmost(a)))))"
    for n in range(5):
        scene = Scene.synthetic(n, seed=0)
        naive, planned = (
            Engine(
                oracle="random", seed=1, planner=planner, schedule=schedule, logic=name,
                vocabulary=None, distinct_variables="true",
            ).run(program, scene)
            for planner in ("naive", "optimised")
        )  # fmt: skip
        assert planned.value == naive.value
        if n < 3:  # three different objects are needed
            assert planned.value is False
        assert planned.probability == pytest.approx(naive.probability, abs=allowed(name))
        assert planned.witness == naive.witness
