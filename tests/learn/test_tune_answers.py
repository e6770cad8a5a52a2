"""What an answer is reported with, fitted to how often such answers are right: it changes no answer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptune import Engine, Scene
from neptune.algebra import LogicParameters
from neptune.learn.tune.answers import FEWEST, fit_answers, with_answers
from neptune.runs.evaluate.calibration import calibration_error

PROGRAMS = (
    "exists(Object, lambda x: red(x) and cube(x))",
    "count(Object, lambda x: sphere(x))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    "point(Object, lambda x: cylinder(x))",
)
DOUBTS = {"truth": (2.0, -0.5), "number": (3.0, 0.25), "text": (0.5, -1.0), "object": (1.5, 0.75)}


def parameters(logic: str = "product") -> LogicParameters:
    return LogicParameters(logic, answers=DOUBTS)


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz", "frank:0.5"])
@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_only_the_probability_of_an_answer_changes(logic: str, schedule: str) -> None:
    scene = Scene.synthetic(5, seed=3)
    plain = Engine("random", logic=logic, schedule=schedule, seed=1)
    tuned = Engine("random", logic=logic, schedule=schedule, seed=1, parameters=parameters(logic))
    for program in PROGRAMS:
        before, after = (e.run(program, scene) for e in (plain, tuned))
        assert after.value == before.value
        assert after.kind == before.kind
        assert after.trace == before.trace
        assert after.settled == before.settled
        for mine, theirs in zip(after.bounds or (), before.bounds or (), strict=True):
            T, b = DOUBTS[before.kind]
            b = -b if before.value is False else b  # of a truth, it is the probability of yes that is fitted
            logit = math.log(theirs / (1 - theirs)) if 0 < theirs < 1 else math.inf * (2 * theirs - 1)
            assert mine == pytest.approx(1 / (1 + math.exp(-(logit / T + b))) if math.isfinite(logit) else theirs)


def test_many_questions_at_once_are_reported_as_one_is() -> None:
    engine = Engine("random", logic="product", parameters=parameters())
    pairs = [(p, Scene.synthetic(n, seed=n)) for p in PROGRAMS for n in (3, 5)]
    for (program, scene), many in zip(pairs, engine.run_many(pairs), strict=True):
        assert many.probability == pytest.approx(engine.run(program, scene).probability, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0.01, 100), st.floats(-20, 20), st.booleans())
def test_what_is_reported_keeps_its_order_and_its_ends(chances: list[float], T: float, b: float, value: bool) -> None:
    believed = LogicParameters(answers={"truth": (T, b)}).believed
    said = [believed("truth", value, p) for p in sorted(chances)]
    assert said == sorted(said)
    assert all(0 <= p <= 1 for p in said)
    assert (believed("truth", value, 0.0), believed("truth", value, 1.0)) == (0.0, 1.0)
    assert believed("number", 2, 0.3) == 0.3


def test_the_numbers_are_written_and_read() -> None:
    made = LogicParameters.from_dict(json.loads(json.dumps(parameters().to_dict())))
    assert made.to_dict() == parameters().to_dict()
    assert "answers" not in LogicParameters().to_dict()
    again = with_answers(parameters(), {"text": (4.0, 1.0)}).to_dict()["answers"]
    assert {k: (v["T"], v["b"]) for k, v in again.items()} == {"text": (pytest.approx(4.0), pytest.approx(1.0))}


@pytest.mark.parametrize(("T", "b"), [(3.0, 0.5), (0.5, -1.0), (1.0, 0.0)])
def test_the_fit_finds_how_sure_answers_should_have_been(T: float, b: float) -> None:
    """Right as often as σ(logit(p)/T + b) says: the fit finds T and b, and what is reported is calibrated."""
    draw = np.random.default_rng(0)
    p = draw.uniform(0.02, 0.98, 20_000)
    truth = 1 / (1 + np.exp(-(np.log(p / (1 - p)) / T + b)))
    right = draw.random(len(p)) < truth
    found = fit_answers([("text", "red", float(x), bool(r)) for x, r in zip(p, right, strict=True)])
    assert found["text"] == (pytest.approx(T, rel=0.1), pytest.approx(b, abs=0.06))
    believed = LogicParameters(answers=found).believed
    assert calibration_error([believed("text", "red", float(x)) for x in p], right) < 0.02


def test_few_answers_are_left_as_they_are_and_all_right_asks_for_no_certainty() -> None:
    few = [("text", "red", 0.6, True)] * (FEWEST - 1)
    assert fit_answers(few) == {}
    found = fit_answers([("truth", True, 0.9, True)] * 50)
    assert 0.9 < LogicParameters(answers=found).believed("truth", True, 0.9) < 0.999


def test_tuned_numbers_of_before_are_read_as_they_were(tmp_path: Path) -> None:
    numbers = LogicParameters("frank:0.5", oracle={"Color": (2.0, 0.1)}).to_dict()
    assert not len(LogicParameters.from_dict(numbers).answers)


def test_yes_and_no_are_one_probability() -> None:
    """An oracle that sees too much: yes is right in 60 of 100 cases, no in 95, both said with p = 0.9."""
    yes = [("truth", True, 0.9, k < 60) for k in range(100)]
    no = [("truth", False, 0.9, k < 95) for k in range(100)]
    believed = LogicParameters(answers=fit_answers(yes + no)).believed
    assert believed("truth", True, 0.9) == pytest.approx(0.6, abs=0.02)
    assert believed("truth", False, 0.9) == pytest.approx(0.95, abs=0.02)
    assert believed("truth", True, 0.3) == pytest.approx(1 - believed("truth", False, 0.7))
