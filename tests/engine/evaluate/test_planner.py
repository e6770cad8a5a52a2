"""The planner keeps every answer: rewrites, elimination, compilation, gradients, witnesses, chunks."""

from __future__ import annotations

import random

import pytest
import torch
from helpers.formulas import BINARY, LOGICS, SCENES, UNARY, both, evaluator, formula, formulas, gap, optimised, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.evaluator import Evaluator

from dsl import plan
from dsl.plan import (
    And,
    Atom,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    Forall,
    Node,
    Number,
    Predicate,
    make,
    show,
    walk,
)  # fmt: skip
from dsl.plan.guards import insert_guards
from dsl.rewrites import STAGES, Laws, Rewrite, rewrite, steps
from dsl.rewrites.elimination import eliminate
from dsl.rewrites.reductions import order_of
from neptune.algebra import LogicParameters, ProbabilisticTensor, logic
from neptune.engine import Engine
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.kernels import contract
from neptune.engine.evaluate.executor import Executor
from neptune.engine.schedule import witness_of
from neptune.engine.session.precompiled import precompile

TOLERANCE = 1e-5


def allowed(name: str) -> float:
    return 0.0 if name == "godel" else TOLERANCE


def spread(value: ProbabilisticTensor, node: Node, n: int) -> ProbabilisticTensor:
    """A rewrite may find that a variable does not matter; the value is still over it."""
    vars = sorted(node.free)
    ones = torch.ones([n] * len(vars), dtype=value.dtype)
    return value.and_op(ProbabilisticTensor(ones, vars, logic=value.logic))


def chain(kind: type[Exists] | type[Forall], n_vars: int, *factors: Node) -> Node:
    body = plan.conjunction(factors) if kind is Exists else plan.disjunction(factors)
    for i in reversed(range(n_vars)):
        body = make(kind, f"@{i}", body)
    return insert_guards(body)


def atom(name: str, *places: int) -> Node:
    found = next(p for p in (*UNARY, *BINARY) if p.name == name)
    return make(Atom, found, tuple(f"@{i}" for i in places))


PUZZLE = (
    *(atom("red", i) for i in range(4)),
    atom("left", 0, 1), atom("behind", 1, 2), atom("left", 3, 2), atom("left", 3, 2),
)  # fmt: skip


def same_value(node: Node, n: int, seed: int, name: str) -> None:
    given_tables = tables(n, seed)
    naive, planned = both(n, given_tables, name)
    with torch.no_grad():
        expected, found = naive.truth(node).low, planned.truth(node).low
        assert gap(expected, found) <= allowed(name), show(node)
        as_written = planned.by_node.truth(node).low
        assert gap(expected, as_written) <= allowed(name), show(node)
        clear = (expected.values - 0.5).abs() > allowed(name)
        assert torch.equal(expected.decide()[clear], found.align(expected.vars).decide()[clear])


def many_same_values(name: str, examples: int, free: int = 0) -> None:
    """Draw formulas of at most four variables, and scenes of at most five objects."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(formulas(free=free), SCENES)
    def check(node: Node, scene: tuple[int, int]) -> None:
        same_value(node, *scene, name)

    check()


@pytest.mark.parametrize("name", LOGICS)
def test_a_closed_formula_has_the_same_value(name: str) -> None:
    many_same_values(name, 200)


@pytest.mark.parametrize("name", LOGICS)
def test_an_open_formula_has_the_same_table(name: str) -> None:
    many_same_values(name, 30, free=2)


def same_bounds(node: Node, n: int, seed: int, name: str) -> None:
    """Some scores are unknown: the bounds of each formula under the node are those of the reference."""
    rng, given_tables = random.Random(seed), tables(n, seed)
    chosen, share = logic.get(name), rng.choice([0.1, 0.5, 1.0])
    unknown = {p: t % 1 < share for p, t in given_tables.items()}  # alike for (x, y) and (y, x)

    def known(one: Atom) -> torch.Tensor:
        index = tuple(t if isinstance(t, int) else slice(None) for t in one.terms)
        cells, open_cells = given_tables[one.predicate][index], unknown[one.predicate][index]
        ends = (-torch.inf, torch.inf) if bool(open_cells.any()) else (0.0,)
        rows = torch.stack([cells.masked_fill(open_cells, end) for end in ends])
        return chosen.to_internal(rows.to(chosen.dtype))

    reference = Evaluator(n, chosen, LogicParameters(), known, 10**7)
    executor = Executor(n, chosen, LogicParameters(), known, 10**7, "optimised")
    with torch.no_grad():
        for inner in walk(node):
            if not isinstance(inner, Count | CountTrue | Description | Describe | Number):
                expected, planned, as_written = (e.truth(inner) for e in (reference, executor, executor.by_node))
                for end in ("low", "high"):
                    assert gap(getattr(expected, end), getattr(as_written, end)) <= allowed(name), show(inner)
                    assert gap(getattr(expected, end), getattr(planned, end)) <= allowed(name), show(inner)
            elif isinstance(inner, Count | CountTrue) and not inner.free:
                # A cell within rounding of ½ may be counted or not: other operations round otherwise.
                cells = reference._counted(inner)
                for end, bound in enumerate((cells.low, cells.high)):
                    least, most = (int((bound.values > 0.5 + s * allowed(name)).sum()) for s in (1, -1))
                    assert least <= reference.number(inner)[end] <= most, show(inner)
                    for number in (executor.number(inner)[end], executor.by_node.number(inner)[end]):
                        assert least <= number <= most, show(inner)


@pytest.mark.parametrize("name", LOGICS)
@pytest.mark.parametrize("free", [0, 2])
def test_bounds_are_the_references(name: str, free: int) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(formulas(free=free), SCENES)
    def check(node: Node, scene: tuple[int, int]) -> None:
        same_bounds(node, *scene, name)

    check()


@pytest.mark.full
@pytest.mark.parametrize("name", LOGICS)
def test_twenty_thousand_closed_formulas_have_the_same_value(name: str) -> None:
    many_same_values(name, 4_000)  # in each of the five logics


@pytest.mark.full
@pytest.mark.parametrize("name", LOGICS)
def test_two_thousand_open_formulas_have_the_same_table(name: str) -> None:
    many_same_values(name, 400, free=2)


@pytest.mark.parametrize("stage", STAGES, ids=[f"{i}-{s.name}" for i, s in enumerate(STAGES)])
def test_a_rewrite_keeps_the_value_and_is_idempotent(stage: Rewrite) -> None:
    at = STAGES.index(stage)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(formulas(free=1), st.integers(1, 4), st.integers(0, 99), st.sampled_from(LOGICS), st.booleans())
    def check(node: Node, n: int, seed: int, name: str, alone: bool) -> None:
        laws = Laws.named(name)
        for before in () if alone and stage.name != "eliminate variables" else STAGES[:at]:
            node = before(node, laws)
        after = STAGES[at](node, laws)
        assert STAGES[at](after, laws) is after
        assert after.free <= node.free
        naive = evaluator(Evaluator, n, tables(n, seed), name)
        with torch.no_grad():
            values = [spread(naive.truth(f).low, node, n) for f in (node, after)]
        assert gap(*values) <= allowed(name), f"{show(node)} => {show(after)}"

    check()


def test_rewrites_end_on_large_formulas() -> None:
    for seed in range(12):
        node = insert_guards(formula(random.Random(seed), [], 40, True))
        for name in ("godel", "product"):
            rewrite(node, Laws.named(name))


def test_merging_equal_conjuncts_is_godel_only() -> None:
    """a ∧ a = a fails in the product logic: the same rewrite must not run there."""
    node = make(And, (atom("red", 0), atom("red", 0)))
    merge = next(s for s in STAGES if s.name.startswith("merge"))
    assert merge(node, Laws.named("godel")) is atom("red", 0)
    assert merge(node, Laws.named("product")) is node
    guard = plan.negation(plan.same("@0", "@1"))
    crisp = make(And, (guard, atom("left", 0, 1), guard))
    assert merge(crisp, Laws.named("product")) is plan.conjunction([guard, atom("left", 0, 1)])


def test_soft_quantifiers_run_dense_and_explain_says_so() -> None:
    node = chain(Exists, 3, atom("left", 0, 1), atom("left", 1, 2))
    laws = Laws("godel", True, False)
    text = "\n".join(map(str, steps(node, laws, guarded=True)))
    assert text.count("does not apply") == sum(s.crisp for s in STAGES) == 2
    assert rewrite(node, laws).width == 3
    tau = LogicParameters(quantifier_tau=0.5)
    values = [evaluator(k, 3, tables(3, 1), "godel", tau).truth(node).low.values for k in (Evaluator, optimised)]
    torch.testing.assert_close(*values)


def test_explain_shows_every_stage() -> None:
    done = steps(chain(Exists, 4, *PUZZLE), Laws())
    text = "\n".join(map(str, [*done, *order_of(done[-1].node)]))
    for stage in STAGES:
        assert stage.name in text
    assert "guards" in text
    assert "N^2" in text


def test_elimination_finds_the_least_width() -> None:
    laws = Laws.named("product")
    assert eliminate(chain(Exists, 4, *PUZZLE), laws).width == 2
    six = [atom("left", i, i + 1) for i in range(5)]
    assert eliminate(chain(Exists, 6, *six), laws).width == 2
    assert eliminate(chain(Forall, 6, *six), laws).width == 2
    triangle = chain(Exists, 3, atom("left", 0, 1), atom("left", 1, 2), atom("behind", 0, 2))
    assert eliminate(triangle, laws).width == 3
    square = chain(Exists, 4, *(atom("left", i, (i + 1) % 4) for i in range(4)))
    assert eliminate(square, laws).width == 3


@pytest.mark.parametrize("name", LOGICS)
@pytest.mark.parametrize("kind", [Exists, Forall])
def test_elimination_keeps_the_value(name: str, kind: type[Exists] | type[Forall]) -> None:
    node = chain(kind, 4, *PUZZLE, plan.negation(atom("behind", 0, 3)))
    for n in (1, 2, 5, 7):
        same_value(node, n, n, name)


@pytest.mark.parametrize("name", ["godel", "product", "frank:0.1"])
def test_witnesses_are_the_joint_tables(name: str) -> None:
    vars = [f"@{i}" for i in range(4)]
    for seed in range(8):
        node = chain(Exists, 4, *PUZZLE)
        naive, planned = both(5, tables(5, seed), name)
        with torch.no_grad():
            body = node
            while isinstance(body, Exists):
                body = body.body
            joint = naive.truth(body).low.align(vars).argmax(tuple(vars))
            expected = dict(zip(vars, (int(i) for i in joint), strict=True))
            assert planned.witness(node, vars) == expected == witness_of(node, vars, naive)


def test_a_witness_among_equals_is_the_lowest_tuple() -> None:
    given_tables = {p: torch.full([4] * p.arity, 2.0) for p in (*UNARY, *BINARY)}
    naive, planned = both(4, given_tables, "godel")
    node = chain(Exists, 3, atom("left", 0, 1), atom("left", 1, 2))
    assert planned.witness(node, ["@0", "@1", "@2"]) == {"@0": 0, "@1": 1, "@2": 0}
    assert planned.truth(node).low.values == naive.truth(node).low.values


def same_gradients(node: Node, n: int, seed: int, name: str) -> None:
    grads = []
    for kind in (Evaluator, optimised):
        leaves = {p: t.clone().requires_grad_() for p, t in tables(n, seed).items()}
        parameters = LogicParameters()
        value = evaluator(kind, n, leaves, name, parameters).truth(node).low.values
        if value.requires_grad:
            value.backward()
        tau = parameters.log_tau["iota"].grad
        # One score fills both cells of a symmetric predicate: the two tie, and their gradients count together.
        each = [t.grad + t.grad.T if p.symmetric and t.grad is not None else t.grad for p, t in leaves.items()]
        grads.append([*each, tau])
    for a, b in zip(*grads, strict=True):
        if a is not None or b is not None:
            a = torch.zeros_like(b) if a is None else a
            b = torch.zeros_like(a) if b is None else b
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=lambda m: f"{show(node)}: {m}")


@pytest.mark.parametrize("name", LOGICS)
@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_the_naive_ones(name: str, seed: int) -> None:
    rng = random.Random(seed)
    for node in (chain(Exists, 4, *PUZZLE), chain(Forall, 4, *PUZZLE), insert_guards(formula(rng, [], 8, True))):
        same_gradients(node, 4, seed, name)


@pytest.mark.full
@pytest.mark.parametrize("name", LOGICS)
def test_gradients_of_many_formulas_are_the_naive_ones(name: str) -> None:
    for seed in range(800):
        same_gradients(insert_guards(formula(random.Random(seed), [], 7, True)), 1 + seed % 5, seed, name)


def test_the_strictness_of_and_gets_its_gradient() -> None:
    node = chain(Exists, 4, *PUZZLE)
    found = []
    for kind in (Evaluator, optimised):
        parameters = LogicParameters("frank:0.5")
        given_tables = tables(4, 1)
        chosen = parameters.logic

        def known(one: Atom, chosen=chosen, given_tables=given_tables):  # type: ignore[no-untyped-def]
            return chosen.to_internal(given_tables[one.predicate].to(chosen.dtype)).unsqueeze(0)

        kind(4, chosen, parameters, known, 10**6).truth(node).low.values.backward()
        assert parameters.theta is not None
        assert parameters.theta.grad is not None
        found.append(float(parameters.theta.grad))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] != 0.0


@pytest.mark.parametrize("name", ["godel", "product"])
@pytest.mark.parametrize("universal", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 40, 300, 10**6])
def test_chunks_change_nothing(name: str, universal: bool, chunk: int) -> None:
    chosen = logic.get(name)
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.rand(3, rows, 5, generator=generator) for rows in (4, 6))
    joint = (chosen.or_ if universal else chosen.and_)(a.unsqueeze(2), b.unsqueeze(1))
    expected = joint.amin(-1) if universal else joint.amax(-1)
    assert torch.equal(contract(chosen, a, b, universal, chunk), expected)
    assert torch.equal(contract(chosen, a[:1], b, universal, chunk)[0], expected[0])
    weights = torch.rand(3, 4, 6, generator=generator)
    grads = []
    for made in (lambda x, y: contract(chosen, x, y, universal, chunk), lambda x, y: _dense(chosen, x, y, universal)):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        (made(x, y) * weights).sum().backward()
        grads.append((x.grad, y.grad))
    torch.testing.assert_close(grads[0], grads[1])


def _dense(chosen: logic.Logic, x: torch.Tensor, y: torch.Tensor, universal: bool) -> torch.Tensor:
    joint = (chosen.or_ if universal else chosen.and_)(x.unsqueeze(2), y.unsqueeze(1))
    return (joint.min(-1) if universal else joint.max(-1)).values


def test_a_known_shape_is_not_planned_again() -> None:
    node = chain(Exists, 4, *PUZZLE)
    evaluator(optimised, 4, tables(4, 0), "godel").truth(node)
    before = plans.planned
    evaluator(optimised, 6, tables(6, 1), "godel").truth(node)
    other = {"red": "cube", "left": "behind", "behind": "left"}
    swapped = chain(Exists, 4, *(make(Atom, Predicate(other[f.predicate.name], len(f.terms)), f.terms) for f in PUZZLE))  # type: ignore[attr-defined]
    evaluator(optimised, 5, tables(5, 1), "godel").truth(swapped)
    assert plans.planned == before


def test_the_cell_limit_holds_for_the_plan_as_run() -> None:
    node = chain(Exists, 4, *PUZZLE)
    small = evaluator(optimised, 12, tables(12, 0), "godel", limit=200)
    small.truth(node)  # the joint table would have 20,736 cells
    assert small.peak_cells <= 200
    with pytest.raises(Exception, match="tensor_cells"):
        evaluator(Evaluator, 12, tables(12, 0), "godel", limit=200).truth(node)
    triangle = chain(Exists, 3, *(atom(r, i, j) for r, i, j in (("left", 0, 1), ("left", 1, 2), ("behind", 0, 2))))
    assert evaluator(optimised, 12, tables(12, 0), "godel", limit=200).truth(triangle).exact


@pytest.mark.parametrize("name", ["godel", "product"])
@pytest.mark.parametrize(
    "program",
    [
        "describe(Color, iota(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y) and metal(y)))))",
        "iota(Color, lambda c: exists(Object, lambda x: not (cube(x) and color(x, c))))",
        "count(Object, lambda x: exists(Object, lambda y: red(y) and left(x, y))) > count(Object, lambda x: cube(x))",
    ],
)
def test_parts_are_rewritten_together_as_each_by_itself(program: str, name: str) -> None:
    node = precompile(Engine(oracle="random").context, program).stage.template.node
    laws = Laws.named(name)
    assert rewrite(node, laws).children == tuple(rewrite(child, laws) for child in node.children)


def test_nothing_of_shared_subformulas_is_repeated() -> None:
    node = chain(Exists, 2, atom("left", 0, 1), atom("red", 0))
    twice = make(And, (node, plan.negation(plan.negation(node))))
    assert sum(1 for n in walk(rewrite(twice, Laws.named("product"))) if isinstance(n, Exists)) <= 2
