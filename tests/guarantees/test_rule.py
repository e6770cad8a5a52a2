"""The rule of a certificate of answers: sets that cover in each family, exactly where they may be empty, and smallest
where ties are parted by a draw alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.asked_of_an_oracle import question

from neptune.guarantees.conformal import unlikely_of
from neptune.guarantees.rule import AnswerRule, draw_of, selective_rule, sets_rule


@pytest.mark.parametrize("randomised", [False, True])
def test_sets_cover_in_each_family_and_exactly_where_they_may_be_empty(randomised: bool) -> None:
    rng, alpha = np.random.default_rng(0), 0.15
    kinds = {"d: colour": 0.7, "d: shape": 2.5}
    known = [(f, *question(rng, s), rng.random()) for f, s in kinds.items() for _ in range(1500)]
    unlikely = [unlikely_of(c, u if randomised else 1.0)[right] for _, c, right, u in known]
    rule = sets_rule(unlikely, [f for f, *_ in known], list(range(len(known))), alpha, randomised)
    sizes = {}
    for family, sharpness in kinds.items():
        fresh = [question(rng, sharpness) for _ in range(4000)]
        found = [rule.set_of(chances, family, rng.random()) for chances, _ in fresh]
        covered = np.mean([right in kept for kept, (_, right) in zip(found, fresh, strict=True)])
        slack = 3 * math.sqrt(alpha * (1 - alpha) * (1 / 4000 + 1 / 1500))
        assert covered >= 1 - alpha - slack
        if randomised:
            assert covered <= 1 - alpha + slack
        else:
            assert all(found)  # without a draw a set has an answer
        sizes[family] = np.mean([len(kept) for kept in found])
    assert sizes["d: colour"] > sizes["d: shape"]  # the harder family has larger sets


def test_a_crisp_oracle_that_is_always_right_has_sets_of_one_answer() -> None:
    """Answers of no chance at all are not as likely as the sure one, though no mass lies between."""
    chances = {"yes": 1.0, "no": 0.0}
    rule = sets_rule([unlikely_of(chances)["yes"]] * 99, ["d: f"] * 99, list(range(99)), 0.1, False)
    assert rule.set_of(chances, "d: f") == ["yes"]


def test_with_too_few_questions_every_answer_is_in_the_set() -> None:
    rule = sets_rule([0.1] * 5, ["d: f"] * 5, list(range(5)), 0.05, False)
    assert rule.thresholds == {"": None, "d: f": None}
    assert rule.set_of({"yes": 1.0, "no": 0.0}, "d: f") == ["yes", "no"]
    assert AnswerRule.model_validate_json(rule.model_dump_json()) == rule


def test_where_no_chances_are_known_there_is_no_set() -> None:
    rule = sets_rule([0.1] * 50, ["d: f"] * 50, list(range(50)), 0.1, False)
    assert rule.set_of({}, "d: f") == []


def test_an_answer_is_given_from_the_least_confidence_on() -> None:
    sure = [0.99] * 200 + [0.6] * 200
    wrong = [False] * 200 + [True] * 100 + [False] * 100
    rule = selective_rule(sure, wrong, list(range(400)), 0.1, 0.05)
    assert rule.gives(0.99)
    assert not rule.gives(0.6)
    assert not rule.gives(None)
    none = selective_rule([0.9] * 40, [True] * 40, list(range(40)), 0.1, 0.05)
    assert none.least_confidence is None
    assert not none.gives(1.0)


def test_draws_are_uniform_and_the_same_in_every_run() -> None:
    drawn = [draw_of(0, "clevr", str(k)) for k in range(2000)]
    assert drawn == [draw_of(0, "clevr", str(k)) for k in range(2000)]
    assert draw_of(1, "clevr", "0") != drawn[0]
    assert all(0 <= d < 1 for d in drawn)
    assert np.histogram(drawn, 10, (0, 1))[0].min() > 140
