"""The known traps of other soft-logic engines, numbers at the edges, gradients, and errors that teach."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import pytest
import torch
from reference import algebra as ref

from neptune.algebra import (
    AlgebraError,
    Frank,
    LogicParameters,
    OracleTemperature,
    compare_counts,
    expectation,
    logic,
    soft_equal,
    soft_greater,
)
from neptune.algebra import ProbabilisticTensor as P
from neptune.algebra.frank import frank_and

ALL = ["godel", "product", "lukasiewicz", "frank:0.001", "frank:1", "frank:50"]
GRID = [0.0, 1e-30, 1e-9, 1e-4, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 1e-6, 1.0]


# ---- traps of the peers ----


def test_negation_does_not_touch_the_diagonal() -> None:
    same = P(torch.eye(3), ["x", "y"])
    assert torch.equal((~same).values, 1 - torch.eye(3))


def test_distinctness_does_not_depend_on_names() -> None:
    a = P([0.9, 0.1], ["x"])
    for other in ("y", "x1", "x_", "z"):
        assert (a & a.rename({"x": other})).exists(["x", other]).item() == pytest.approx(0.9)


def test_iota_is_a_distribution() -> None:
    w = P([[0.9, 0.8, 0.7], [0.0, 0.0, 0.0]], ["x", "y"]).iota("y").values
    assert float(w.max()) <= 1
    assert w.sum(1).tolist() == pytest.approx([1, 1])


def test_soft_equality_is_one_at_gap_zero_and_small_beyond_the_tolerance() -> None:
    x, y = torch.tensor([3.0, 3.0, 3.0, 3.0]), torch.tensor([3.0, 3.1, 3.2, 4.0])
    p = soft_equal(x, y, 0.1)
    assert p[0] == 1
    assert float(p[1]) == pytest.approx(0.5, abs=1e-4)
    assert float(p[2]) < 0.12
    assert soft_equal(x, y, 0.0).tolist() == [1, 0, 0, 0]
    assert soft_greater(y, x, 0.0).tolist() == [0, 1, 1, 1]
    assert float(soft_greater(x, x, 0.3)[0]) == 0.5
    for tau in (1.0, 0.1, 0.01, 1e-3):
        assert soft_greater(y, x, tau)[3] >= 0.5
        assert soft_greater(x, y, tau)[3] <= 0.5


def test_two_tensors_do_not_share_a_mode() -> None:
    a, b = P([0.5], ["x"]), P([0.5], ["x"], logic=logic.product)
    assert ((a & a).values.item(), (b & b).values.item()) == (0.5, 0.25)


def test_argmax_of_a_square_table_is_not_a_row_sum() -> None:
    r = P([[0.6, 0.6, 0.6], [0.0, 0.9, 0.0], [0.1, 0.1, 0.1]], ["x", "y"])
    assert [int(i) for i in r.argmax(["x", "y"])] == [1, 1]
    assert [int(i) for i in r.argmax(["y", "x"])] == [1, 1]


def test_an_axis_keeps_its_name_after_a_reduction() -> None:
    r = P(torch.rand(2, 3, 4), ["x", "y", "z"])
    assert r.exists("y").vars == ("x", "z")
    assert r.exists("y").shape == (2, 4)
    assert torch.equal(r.exists("x").values, r.align(["z", "x", "y"]).exists("x").align(["y", "z"]).values)


def test_padding_is_skipped_under_negation_too() -> None:
    a = P([0.3, 0.2, 0.0], ["x"], {"x": torch.tensor([True, True, False])})
    assert (~a).exists("x").item() == pytest.approx(0.8)
    assert a.forall("x").item() == pytest.approx(0.2)
    assert (~a).count("x").item() == 2


def test_an_all_zero_description_says_that_its_presupposition_failed() -> None:
    a = P([0.0, 0.0, 0.0], ["x"], {"x": torch.tensor([False, True, True])})
    assert not a.presupposition("x").decide()
    assert int(a.argmax("x")) == 1
    assert a.iota("x").values.tolist() == pytest.approx([0, 0.5, 0.5])


def test_python_not_and_if_are_errors_that_teach() -> None:
    a = P([0.3], ["x"])
    for wrong in (lambda: not a, lambda: a and a, lambda: bool(a)):
        with pytest.raises(AlgebraError, match=r"write & \| ~"):
            wrong()


# ---- numbers at the edges ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_decision_survives_negation(dtype: torch.dtype) -> None:
    below, above = (torch.nextafter(torch.tensor(0.5, dtype=dtype), torch.tensor(t, dtype=dtype)) for t in (0.0, 1.0))
    a = P(torch.stack([below, torch.tensor(0.5, dtype=dtype), above]), ["x"])
    one = P(torch.tensor(1.0, dtype=dtype))
    for again in (a & one, ~~a, ~(~a & one), P.from_logits((-a.logits).neg(), ["x"])):
        assert again.decide().tolist() == [False, False, True]
        assert (again.values > 0.5).tolist() == [False, False, True]
    assert (~a & one).decide().tolist() == [True, False, False]
    assert a.is_tie().tolist() == [False, True, False]
    assert ~(~a) is a
    assert torch.equal(a.values, torch.stack([below, torch.tensor(0.5, dtype=dtype), above]))


def test_a_logit_beside_zero_is_no_tie() -> None:
    a = P.from_logits(torch.tensor([1e-12, -1e-12, 0.0]), ["x"])
    assert (a.values > 0.5).tolist() == a.decide().tolist() == [True, False, False]
    assert (a.values == 0.5).tolist() == a.is_tie().tolist() == [False, False, True]


def test_values_come_back_unchanged_and_are_not_shared() -> None:
    v = torch.rand(50)
    a = P(v, ["x"])
    assert torch.equal(a.values, v)
    assert torch.equal(a.rename({"x": "y"}).values, v)
    v.zero_()
    assert float(a.values.sum()) > 0


@pytest.mark.parametrize("key", ALL)
def test_an_empty_domain_and_no_objects(key: str) -> None:
    for a in (
        P(torch.zeros(0), ["x"], logic=key),
        P(torch.ones(2), ["x"], {"x": torch.tensor([False, False])}, logic=key),
    ):
        assert [a.exists("x", t).item() for t in (0.0, 0.5)] == [0, 0]
        assert [a.forall("x", t).item() for t in (0.0, 0.5)] == [1, 1]
        assert (a.exists("x", quantifier="noisy_or").item(), a.forall("x", quantifier="noisy_or").item()) == (0, 1)
        assert (int(a.count("x")), int(a.argmax("x")), float(a.iota("x").values.sum())) == (0, -1, 0)
        assert (a.at_least(1, "x").item(), a.exactly(0, "x").item(), a.at_most(0, "x").item()) == (0, 1, 1)
        assert expectation(a, a.iota("x"), "x").item() == 0
        b = P([0.0, 1.0], ["x"], logic=key)
        assert compare_counts(a, b, "<", "x", "x").item() == 1
        assert compare_counts(a, a, "==", "x", "x").item() == 1


def test_ties_take_the_lowest_index_and_the_first_gradient() -> None:
    v = torch.tensor([[0.2, 0.9], [0.9, 0.9]], requires_grad=True)
    a = P(v, ["x", "y"])
    assert [int(i) for i in a.argmax(["x", "y"])] == [0, 1]
    assert [int(i) for i in a.argmax(["y", "x"])] == [1, 0][::-1]
    (grad,) = torch.autograd.grad(a.exists(["x", "y"]).values, v)
    assert grad[0, 1].item() == pytest.approx(1)
    assert int((grad != 0).sum()) == 1
    (grad,) = torch.autograd.grad((a & a).values.sum(), v)
    assert grad.flatten().tolist() == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("key", ALL)
def test_crisp_leaves_get_finite_gradients_and_godel_s_is_one(key: str) -> None:
    v = torch.tensor([0.0, 1.0], requires_grad=True)
    a = P(v, ["x"], logic=key)
    (grad,) = torch.autograd.grad(a.exists("x").values, v)
    assert grad.tolist() == pytest.approx([0, 1])


def test_a_soft_quantifier_gives_every_cell_a_positive_gradient() -> None:
    for start in (torch.rand(138), torch.zeros(138), torch.tensor([0.0, 1.0, 0.3])):
        v = start.clone().requires_grad_()
        (grad,) = torch.autograd.grad(P(v, ["x"]).exists("x", 1.0).values, v)
        assert bool((grad > 0).all())
        assert bool(grad.isfinite().all())
    tau = torch.tensor(0.5, requires_grad=True)
    P([0.2, 0.6], ["x"]).exists("x", tau).values.backward()
    assert tau.grad is not None
    assert float(tau.grad) > 0


def test_twice_backward_through_one_tensor() -> None:
    a = P(torch.tensor([0.2, 0.6], requires_grad=True), ["x"])
    for _ in range(2):
        (a & a).exists("x").values.backward()


# ---- Frank ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("theta", [-29.9, -12.0, -1.01, -0.99, -0.05, -0.009, 0.009, 0.05, 0.99, 1.01, 12.0, 29.9])
def test_frank_against_sixty_digits(theta: float, dtype: torch.dtype) -> None:
    a, b = torch.meshgrid(*[torch.tensor(GRID, dtype=dtype)] * 2, indexing="ij")
    got = frank_and(a, b, theta)
    tolerance = 1e-6 if dtype == torch.float32 else (2e-7 if abs(theta) < 1e-2 else 1e-12)
    for i in range(len(GRID)):
        for j in range(len(GRID)):
            expected = ref.frank(math.exp(theta), float(a[i, j]), float(b[i, j]))
            assert float(got[i, j]) == pytest.approx(expected, abs=max(tolerance, 2e-6 * (abs(theta) < 1e-2)))


@pytest.mark.parametrize("theta", [-25.0, -7.0, -2.3, -1.2, -0.4, 0.4, 1.2, 2.3, 7.0])
def test_frank_of_small_values_keeps_its_digits(theta: float) -> None:
    """Of scores near 0 the order of operations must not choose one: nine digits tell them apart."""
    a = torch.tensor([1e-6, 3e-6, 1e-3, 0.02, 0.3, 0.7, 1 - 1e-6], dtype=torch.float64)
    got = frank_and(a[:, None], a[None, :], theta)
    for i, j in itertools.product(range(len(a)), repeat=2):
        expected = ref.frank(math.exp(theta), float(a[i]), float(a[j]))
        assert float(got[i, j]) == pytest.approx(expected, rel=1e-10, abs=1e-30), (float(a[i]), float(a[j]))


@pytest.mark.parametrize("theta", [-29.0, -5.0, -0.5, -0.005, 0.0, 0.005, 0.5, 5.0, 29.0])
def test_frank_s_analytic_derivatives(theta: float) -> None:
    a, b = (torch.rand(20, dtype=torch.float64).mul(0.9).add(0.05).requires_grad_() for _ in range(2))
    at = torch.tensor(theta, dtype=torch.float64, requires_grad=abs(theta) >= 1e-2)
    assert torch.autograd.gradcheck(lambda x, y: frank_and(x, y, at.detach()), (a, b), atol=2e-5)
    if at.requires_grad:
        assert torch.autograd.gradcheck(lambda t: frank_and(a.detach(), b.detach(), t), (at,), atol=2e-5)


@pytest.mark.parametrize("theta", [-30.0, -8.0, -0.5, 0.0, 0.5, 8.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frank_is_finite_at_the_edges(theta: float, dtype: torch.dtype) -> None:
    a, b = torch.meshgrid(*[torch.tensor(GRID, dtype=dtype)] * 2, indexing="ij")
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    at = torch.tensor(theta, dtype=dtype, requires_grad=True)
    g = Frank(at)
    for out in (g.and_(a, b), g.or_(a, b)):
        assert bool(((out >= 0) & (out <= 1)).all())
        for grad in torch.autograd.grad(out.sum(), [a, b, at], allow_unused=True):
            assert grad is None or bool(grad.isfinite().all())


def test_the_sign_of_theta_by_its_three_limits() -> None:
    a, b = torch.meshgrid(*[torch.linspace(0, 1, 11, dtype=torch.float64)] * 2, indexing="ij")
    limits = {-29.99: logic.get("frank:0"), 29.99: logic.lukasiewicz}
    for theta, limit in limits.items():
        assert float((Frank(theta).and_(a, b) - limit.and_(a, b)).abs().max()) < 0.03
    assert torch.equal(logic.frank(0).and_(a, b), torch.minimum(a, b))
    assert torch.equal(logic.frank(math.inf).and_(a, b), logic.lukasiewicz.and_(a, b))
    assert torch.allclose(logic.frank(1).and_(a, b), a * b, atol=1e-15)
    strict = [float(Frank(t).and_(torch.tensor(0.6), torch.tensor(0.7))) for t in (-31, -3, 0, 3, 31)]
    assert strict == sorted(strict, reverse=True)


# ---- temperatures ----


def test_parameters_go_to_json_and_back() -> None:
    p = LogicParameters("frank:0.5", quantifier_tau=0.25, oracle={"relation": (2.0, 0.5)})
    again = LogicParameters.from_dict(json.loads(json.dumps(p.to_dict())))
    assert again.to_dict() == p.to_dict()
    assert isinstance(again.logic, Frank)
    assert again.comparison_tau == 0.0
    assert LogicParameters.from_dict(LogicParameters().to_dict()).logic is logic.godel
    with pytest.raises(AlgebraError, match="unknown fields"):
        LogicParameters.from_dict({"thta": 1})


def test_every_parameter_learns() -> None:
    p = LogicParameters("frank:0.5", quantifier_tau=0.25, comparison_tau=0.5)
    logits = p.calibrate(torch.tensor([0.3, -0.5, math.inf, -math.inf]), "attribute")
    a = P.from_logits(logits[:2], ["x"], logic=p.logic)
    hit = (a & a).exists("x", p.quantifier_tau).values + expectation(a, a.iota("x", p.iota_tau), "x").values
    (
        hit
        + soft_equal(torch.tensor(1.0), torch.tensor(1.2), p.comparison_tau)
        + logits.sigmoid().sum()
        + p.presumption
    ).backward()
    for name, parameter in p.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite()), name
        assert float(parameter.grad) != 0, name


def test_oracle_temperature_limits() -> None:
    t = OracleTemperature(T=2.0, b=1.0)
    assert t(torch.tensor([2.0, math.inf])).tolist() == [2.0, math.inf]
    with torch.no_grad():
        t.log_T.fill_(100.0)
    assert t.T.item() == pytest.approx(100)
    for wrong in (lambda: OracleTemperature(T=0.0), lambda: OracleTemperature(b=math.nan)):
        with pytest.raises(AlgebraError):
            wrong()


# ---- errors, looks, manners ----


def test_errors_name_variables_shapes_and_cells() -> None:
    a, b = P(torch.rand(2, 3), ["x", "y"]), P(torch.rand(4), ["y"])
    cases = {
        r"\[x=1, y=0\] of \(x=2, y=1\) is nan": lambda: P([[0.1], [math.nan]], ["x", "y"]),
        r"\[x=0\].* is 1\.5": lambda: P([1.5], ["x"]),
        "named twice": lambda: P(torch.rand(2, 2), ["x", "x"]),
        "2 variables": lambda: P(torch.rand(2), ["x", "y"]),
        "'y' has 3 objects in .x=2, y=3. and 4 in .y=4.": lambda: a & b,
        "two domains": lambda: b & P(b.values, ["y"], {"y": torch.tensor([True, True, True, False])}),
        "two domains: 110": lambda: (
            P([0.1] * 3, ["y"], {"y": torch.tensor([True, True, False])})
            & P([0.1] * 3, ["y"], {"y": torch.tensor([False, True, True])})
        ),
        "dtypes": lambda: a & a.to(torch.float64),
        "logics": lambda: a & a.with_logic("product"),
        "did you mean 'colour'": lambda: b.rename({"y": "colour"}).exists("color"),
        "did you mean 'lukasiewicz'": lambda: logic.get("lukasiewitz"),
        "constant": lambda: a & 0.5,  # type: ignore[operator]
        "floating": lambda: P(torch.tensor([1, 0]), ["x"]),
        "no variables": lambda: a.item(),
        "tau is -1": lambda: a.exists("x", -1.0),
        "unknown quantifier": lambda: a.exists("x", quantifier="boltzmann"),
        "unknown comparison": lambda: compare_counts(a, b, "=>", "x", "y"),
        "sum to more than 1": lambda: expectation(a, P(torch.ones(3), ["y"]), "y"),
    }
    for message, wrong in cases.items():
        with pytest.raises(AlgebraError, match=message):
            wrong()


def test_a_notebook_shows_a_table() -> None:
    html = P([[0.1, 0.9], [0.2, 0.8]], ["<x>", "y"], {"y": torch.tensor([True, False])})._repr_html_()
    assert "&lt;x&gt;" in html
    assert html.count("·</td>") == 2
    assert "0.9" not in html
    for shape in ((), (3,), (2, 3, 4), (0,), (0, 2, 2), (100, 100)):
        out = P(torch.rand(shape), [f"v{i}" for i in range(len(shape))])._repr_html_()
        assert len(out) < 100_000


def test_many_cells_at_095_are_counted_not_guessed() -> None:
    a = P([0.95] * 20, ["x"])
    assert int(a.count("x")) == 20
    assert a.exactly(20, "x").item() == pytest.approx(0.95)
    assert a.with_logic("product").exactly(20, "x").item() == pytest.approx(0.95**20, rel=1e-4)
    big = P(torch.rand(160), ["x"], logic="product").count_distribution("x")
    assert float(big.sum()) == pytest.approx(1, abs=1e-5)


def test_a_count_keeps_what_is_missing_to_certainty() -> None:
    """One minus a probability that rounds to 1 is 0; the chance that not all are true must not be."""
    cells = [40.0, 38.0, 50.0]
    chances = P.from_logits(torch.tensor(cells, dtype=torch.float64), ["x"], logic="product").count_distribution("x")
    missing = [math.exp(-c) / (1 + math.exp(-c)) for c in cells]
    assert float(chances[3]) == 1.0
    assert float(chances[2]) == pytest.approx(sum(missing), rel=1e-9, abs=0)
    assert float(chances[0]) == pytest.approx(math.prod(missing), rel=1e-9, abs=0)


def test_the_algebra_loads_nothing_of_the_rest() -> None:
    code = "import sys, neptune.algebra; print([m for m in sys.modules if m.split('.')[0] in ('dsl', "
    code += "'transformers') or (m.startswith('neptune.') and not m.startswith('neptune.algebra'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
