"""Sets of answers hold the right one as often as they say, by family and with several questions a picture; answers
that are given are wrong as seldom as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.asked_of_an_oracle import question

from neptune.errors import ConfigError
from neptune.guarantees.conformal import AnswerSets, risk_coverage, scores_of, selective_threshold, threshold


def strangeness(chances: dict[str, float], right: str, draw: float = 1.0) -> float:
    return scores_of(chances, draw).get(right, math.inf)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_sets_cover_within_each_family(alpha: float) -> None:
    rng = np.random.default_rng(0)
    kinds = {"colour": 0.7, "shape": 2.0}
    known = [(f, *question(rng, s)) for f, s in kinds.items() for _ in range(800)]
    sets: AnswerSets[str] = AnswerSets.fitted([strangeness(c, r) for _, c, r in known], alpha, [f for f, _, _ in known])
    for family, sharpness in kinds.items():
        fresh = [question(rng, sharpness) for _ in range(2000)]
        covered = np.mean([right in sets.of(chances, family) for chances, right in fresh])
        assert covered >= 1 - alpha - 3 * math.sqrt(alpha * (1 - alpha) * (1 / 2000 + 1 / 800))


def test_randomised_sets_cover_exactly_and_may_be_empty() -> None:
    rng, alpha = np.random.default_rng(1), 0.2
    known = [(*question(rng, 2.0), rng.random()) for _ in range(4000)]
    sets: AnswerSets[str] = AnswerSets.fitted([strangeness(c, r, u) for c, r, u in known], alpha)
    fresh = [(*question(rng, 2.0), rng.random()) for _ in range(6000)]
    found = [sets.of(c, draw=u) for c, _, u in fresh]
    covered = np.mean([right in one for one, (_, right, _) in zip(found, fresh, strict=True)])
    assert covered == pytest.approx(1 - alpha, abs=0.025)
    assert any(not one for one in found)


def test_questions_of_one_picture_weigh_as_one() -> None:
    """A picture whose hundred questions are all strange is one picture of fifty."""
    values = [0.1] * 49 + [1.0] * 100
    groups = [*range(49), *(["one"] * 100)]
    sets: AnswerSets[str] = AnswerSets.fitted(values, 0.1, groups=groups)
    assert sets.thresholds[""] == 0.1
    alone: AnswerSets[str] = AnswerSets.fitted(values, 0.1)
    assert alone.thresholds[""] == 1.0


def test_with_too_few_questions_every_answer_is_in_the_set() -> None:
    assert threshold([0.1] * 8, 0.1) == math.inf
    assert threshold([0.1] * 9, 0.1) == 0.1
    chances = {"yes": 0.9, "no": 0.1}
    sets: AnswerSets[str] = AnswerSets.fitted([0.1] * 3, 0.05)
    assert sets.of(chances) == ["yes", "no"]


def test_a_set_begins_with_the_likeliest_and_is_not_empty() -> None:
    sets: AnswerSets[str] = AnswerSets(0.1, {"": 0.95})
    assert sets.of({"a": 0.6, "b": 0.3, "c": 0.1}) == ["a", "b"]
    assert sets.of({"a": 0.99, "b": 0.01}) == ["a"]
    assert sets.of({}) == []


@pytest.mark.parametrize("alpha", [0.1, 0.15])
def test_answers_that_are_given_are_wrong_as_seldom_as_promised(alpha: float) -> None:
    rng, broken, given, runs = np.random.default_rng(3), 0, 0, 150
    for _ in range(runs):
        sure = rng.random(1500)
        wrong = rng.random(1500) > 0.4 + 0.6 * sure  # the risk above a level c: 0.3·(1 − c)
        level = selective_threshold(sure.tolist(), wrong.tolist(), range(1500), alpha, 0.1)
        given += level < math.inf
        broken += level < math.inf and 0.3 * (1 - level) > alpha
    assert given > 0.9 * runs
    assert broken <= runs * 0.1 + 3 * math.sqrt(runs * 0.09)


def test_of_a_picture_one_question_counts_for_selective_risk() -> None:
    assert selective_threshold([1.0] * 500, [False] * 500, ["one"] * 500, 0.1, 0.1) == math.inf
    assert selective_threshold([1.0] * 500, [False] * 500, range(500), 0.1, 0.1) == 0.0


def test_the_risk_coverage_curve_has_a_point_for_each_confidence() -> None:
    curve = risk_coverage([0.9, 0.8, 0.8, 0.1], [False, True, False, True])
    assert curve == [(0.25, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.5)]
    assert risk_coverage([], []) == []


def test_wrong_numbers_are_refused() -> None:
    for alpha in (0.0, 1.0):
        with pytest.raises(ConfigError):
            threshold([0.1], alpha)
    with pytest.raises(ConfigError):
        threshold([0.1], 0.1, [1.0, 1.0])
