"""P-values of a risk: valid for any losses, monotone, and with as few pictures as any valid test needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune.errors import ConfigError
from neptune.guarantees.risk import fewest, fixed_sequence, p_value, upper_bound

LAWS = {
    "binary": lambda rng, n, risk: (rng.random((4000, n)) < risk).astype(float),
    "shares": lambda rng, n, risk: rng.binomial(4, risk, (4000, n)) / 4,
    "all or nothing of three": lambda rng, n, risk: np.where(
        rng.random((4000, n)) < 1.5 * risk, rng.choice([1 / 3, 1.0], (4000, n)), 0.0
    ),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("n", "risk"), [(60, 0.05), (200, 0.05), (100, 0.2)])
def test_at_the_border_a_p_value_below_delta_is_as_rare_as_delta(law: str, n: int, risk: float) -> None:
    rng = np.random.default_rng(0)
    losses = LAWS[law](rng, n, risk)
    for delta in (0.05, 0.2):
        share = np.mean([p_value(row, risk) <= delta for row in losses[:1500]])
        assert share <= delta + 3 * math.sqrt(delta * (1 - delta) / 1500)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_a_p_value_is_a_probability_and_grows_with_the_losses(losses: list[float], alpha: float) -> None:
    p = p_value(losses, alpha)
    assert 0.0 <= p <= 1.0
    assert p_value([min(1.0, x + 0.1) for x in losses], alpha) >= p - 1e-12
    assert p_value(losses, min(0.99, alpha + 0.05)) <= p + 1e-12


@pytest.mark.parametrize(("alpha", "least"), [(0.01, 299), (0.05, 59), (0.1, 29)])
def test_so_many_pictures_without_a_loss_are_the_fewest(alpha: float, least: int) -> None:
    assert fewest(alpha, 0.05) == least
    assert p_value(np.zeros(least), alpha) <= 0.05 < p_value(np.zeros(least - 1), alpha)


def test_the_order_of_adding_losses_changes_no_p_value() -> None:
    losses = np.array([1 / 3] * 3 + [0.0] * 57)
    assert p_value(losses, 0.1) == p_value(losses[::-1], 0.1)
    assert p_value(losses, 0.1) == pytest.approx(p_value(np.array([1.0] + [0.0] * 59), 0.1), rel=1e-6)


def test_a_fixed_sequence_stops_at_the_first_that_fails_and_looks_no_further() -> None:
    def columns() -> object:
        yield np.zeros(100)
        yield np.full(100, 0.5)
        raise AssertionError("looked beyond the first failure")

    assert fixed_sequence(columns(), 0.05, 0.05) == 1
    assert fixed_sequence([np.zeros(58)], 0.05, 0.05) == 0
    assert fixed_sequence([], 0.05, 0.05) == 0


def test_the_whole_sequence_is_wrong_as_seldom_as_one_test() -> None:
    """The risk of what is chosen last is above alpha in at most a share delta of calibrations."""
    rng, alpha, delta = np.random.default_rng(1), 0.1, 0.1
    risks = [0.0, 0.02, 0.05, 0.101, 0.15, 0.3]
    broken = 0
    for _ in range(600):
        draws = rng.random((150, 1))
        held = fixed_sequence([(draws[:, 0] < risk).astype(float) for risk in risks], alpha, delta)
        broken += held > 0 and risks[held - 1] > alpha
    assert broken <= 600 * delta + 3 * math.sqrt(600 * delta * (1 - delta))


def test_an_upper_bound_holds_as_often_as_it_says() -> None:
    for law, losses in LAWS.items():
        rng = np.random.default_rng(2)
        missed = sum(upper_bound(row, 0.1) < 0.1 for row in losses(rng, 80, 0.1)[:400])
        assert missed <= 400 * 0.1 + 3 * math.sqrt(400 * 0.09), law
    assert upper_bound([], 0.1) == 1.0
    assert upper_bound(np.ones(50), 0.1) == 1.0
    assert 1 - 0.05 ** (1 / 299) <= upper_bound(np.zeros(299), 0.05) < 0.014


def test_an_upper_bound_of_small_shares_is_near_their_mean() -> None:
    """Where the largest risk that p-values of losses in [0, 1] do not rule out is far off."""
    shares = np.where(np.arange(600) % 20 == 0, 0.2, 0.0)  # 0.01 on average
    assert upper_bound(shares, 0.01) < 0.022
    assert p_value(shares, 0.026) > 0.01


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_an_upper_bound_is_above_the_mean_and_grows_with_the_losses_and_the_confidence(
    losses: list[float], delta: float
) -> None:
    bound = upper_bound(losses, delta)
    assert np.mean(losses) - 1e-12 <= bound <= 1.0
    assert upper_bound([min(1.0, x + 0.1) for x in losses], delta) >= bound - 1e-9
    assert upper_bound(losses, delta / 2) >= bound - 1e-9


@pytest.mark.parametrize("call", [
    lambda: p_value([0.1], 0.0), lambda: p_value([0.1], 1.0), lambda: p_value([1.5], 0.1),
    lambda: p_value([-0.1], 0.1), lambda: fewest(0.0, 0.1), lambda: fewest(0.1, 1.0), lambda: p_value([math.nan], 0.1),
])  # fmt: skip
def test_what_is_no_risk_is_refused(call: object) -> None:
    with pytest.raises(ConfigError):
        call()  # type: ignore[operator]
