"""Numbers that tuning rests on: limits that a step does not overstep, and the interval of the calibration error."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from test_tune import Exaggerating, quiet, synthetic

from neptune.algebra import LogicParameters
from neptune.learn.tune import measure
from neptune.learn.tune.fit import Settings, fit


def test_no_step_leaves_the_limits_within_which_numbers_learn(tmp_path: Path) -> None:
    """One step of Adam moves each number by about the learning rate, here far beyond every limit."""
    start = LogicParameters(
        "frank:0.1", oracle={"default": (1.0, 0.0)}, quantifier_tau=0.2, iota_tau=1.0, comparison_tau=0.2
    )
    checkpoint = tmp_path / "c.pt"
    fit(start, synthetic(8), synthetic(4, 1000), Exaggerating(4.0), Settings(1, 8, lr=50.0), checkpoint, quiet)
    after = torch.load(checkpoint, weights_only=True)["current"]
    moved = {name for name, value in after.items() if float(value) != float(start.state_dict()[name])}
    assert moved == {"theta", "log_tau.quantifier", "oracle.default.log_T", "oracle.default.b"}
    for name, value in after.items():
        low, high = {"log_T": (math.log(0.01), math.log(100.0)), "b": (-20.0, 20.0), "theta": (-30.0, 30.0)}.get(
            name.rpartition(".")[2], (math.log(1e-3), math.log(1e4))
        )
        assert low < float(value) < high, name


def test_gaps_of_opposite_signs_do_not_cancel() -> None:
    """Of each picture one answer is too sure and one not sure enough: every resample has the same error."""
    confidence, right = [0.9, 0.3] * 20, [False, True] * 20
    pictures = [i // 2 for i in range(40)]
    error = (0.9 + 0.7) / 2
    assert measure.calibration_error(confidence, right) == pytest.approx(error)
    assert measure.calibration_interval(confidence, right, pictures) == pytest.approx((error, error))


def test_the_interval_is_that_of_the_error_of_pictures_drawn_anew() -> None:
    random = np.random.default_rng(3)
    p, pictures = random.random(60), random.integers(0, 12, 60)
    right = random.random(60) < 0.5
    errors = []
    for _ in range(3000):
        drawn = np.concatenate([np.flatnonzero(pictures == k) for k in random.choice(np.unique(pictures), 12)])
        errors.append(measure.calibration_error(p[drawn], right[drawn]))
    expected = tuple(np.quantile(errors, (0.025, 0.975)))
    assert measure.calibration_interval(p, right, pictures.tolist()) == pytest.approx(expected, abs=0.02)
