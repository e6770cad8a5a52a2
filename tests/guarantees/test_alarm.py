"""The alarm: valid at any time, and it rings when there is something to ring for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neptune.errors import ConfigError
from neptune.guarantees.alarm import PART, Alarm, sampling, seen_mistakes


@pytest.mark.parametrize("at_most", [0.01, 0.1])
@pytest.mark.parametrize("kind", ["all", "audited at random"])
def test_false_alarms_over_a_whole_run_are_as_rare_as_the_level(at_most: float, kind: str) -> None:
    """Looked at after each of 400 pictures; what a picture's audit says is its share of mistakes, or an unbiased
    estimate of it."""
    rng, rang, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        alarm = Alarm(at_most, 0.05)
        shares = rng.binomial(20, at_most, 400) / 20
        if kind == "audited at random":
            shares = rng.binomial((shares * 20).astype(int), 0.1) / (0.1 * 20)
        rang += any(alarm.see(float(x)) for x in shares)
    assert rang <= runs * 0.05 + 3 * math.sqrt(runs * 0.05 * 0.95)


def test_it_rings_for_a_shift_and_stays_so() -> None:
    rng, alarm = np.random.default_rng(1), Alarm(0.02, 0.05)
    for _ in range(50):
        alarm.see(float(rng.random() < 0.02))
    assert not alarm.rings
    for _ in range(200):
        alarm.see(float(rng.random() < 0.25))
    assert alarm.rings
    at = alarm.rang_at
    assert at is not None
    assert 50 < at < 150
    for _ in range(500):
        alarm.see(0.0)
    assert alarm.rings
    assert alarm.rang_at == at


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, PART, 0.3, 1.0])
def test_a_share_is_audited_as_a_part_of_some_pictures(share: float) -> None:
    pictures, part = sampling(share)
    assert pictures * part == pytest.approx(share)
    assert part >= PART
    assert 0.0 <= pictures <= 1.0
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError):
            sampling(wrong)


def test_what_calibration_expects_of_an_audit_is_what_audits_see() -> None:
    """Of each wrong atom so large a part is asked; a picture's questions weigh alike."""
    rng, mistakes, part = np.random.default_rng(3), [0, 1, 7], 0.1
    seen = np.mean([[bool(rng.binomial(n, part)) for n in mistakes] for _ in range(20_000)])
    assert seen_mistakes(mistakes, part) == pytest.approx(seen, abs=0.01)
    assert seen_mistakes([], part) == 0.0
    assert seen_mistakes([0, 0], 1.0) == 0.0
    assert seen_mistakes([0, 3], 1.0) == 0.5


def test_it_rings_where_mistakes_are_rare_even_under_the_shift() -> None:
    """In 3 of 100 audits where 1 of 100 is allowed, within 1,000, in more than nine of ten runs."""
    rng, rang = np.random.default_rng(4), 0
    for _ in range(80):
        alarm = Alarm(0.01, 0.05)
        rang += any(alarm.see(float(x)) for x in rng.random(1000) < 0.03)
    assert rang > 72


def test_the_wealth_is_a_martingale_at_the_border() -> None:
    """Over one observation of the worst mean that is allowed the wealth stays the same on average."""
    for before in ([], [0.0, 1.0]):
        ends = []
        for value in (0.0, 1.0):
            alarm = Alarm(0.25)
            for x in before:
                alarm.see(x)
            start = alarm.wealth
            alarm.see(value)
            ends.append(alarm.wealth)
        assert 0.75 * ends[0] + 0.25 * ends[1] == pytest.approx(start)


@pytest.mark.parametrize("values", [(0.0, 0.05), (1.0, 0.05), (0.1, 0.0)])
def test_what_is_no_level_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ConfigError):
        Alarm(*values)
    with pytest.raises(ConfigError):
        Alarm(0.1).see(-1.0)
