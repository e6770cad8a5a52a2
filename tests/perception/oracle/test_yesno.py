"""Yes and no in every spelling, from a vocabulary, from logits, and from a server's list."""

from __future__ import annotations

import math

import pytest
import torch

from neptune.errors import OracleError
from neptune.perception.oracle.yesno import Buckets, buckets, from_logits, from_top, meaning


@pytest.mark.parametrize("word", ["yes", "no"])
@pytest.mark.parametrize("form", ["{}", " {}", "▁{}", "Ġ{}", "Ċ{}", "{}.", "{},", "**{}**", '"{}"', "\n\n{}!"])
def test_every_spelling_counts(word: str, form: str) -> None:
    for spelt in (word, word.upper(), word.capitalize()):
        assert meaning(form.format(spelt)) == word


@pytest.mark.parametrize("token", ["", " ", "not", "yesterday", "nope", "##no", "<no>", "No1", "y", "know", "yes no"])
def test_other_words_do_not(token: str) -> None:
    assert meaning(token) is None


def test_buckets_of_a_vocabulary() -> None:
    known = {"a": 0, "ĠYes": 1, "yes": 2, "NO": 3, "no.": 4, "not": 5, "[no]": 6}
    assert buckets(known, special=[6]) == Buckets((1, 2), (3, 4))
    with pytest.raises(OracleError, match="no token for 'no'"):
        buckets({"yes": 0, "n": 1})


def test_from_logits_sums_the_spellings() -> None:
    p = torch.tensor([[0.1, 0.2, 0.3, 0.05, 0.05, 0.2, 0.1]])
    logit, mass = from_logits(p.log() + 7.0, Buckets((1, 2), (3, 4)))
    assert logit.item() == pytest.approx(math.log(0.5 / 0.1), abs=1e-5)
    assert mass.item() == pytest.approx(0.6, abs=1e-6)


def test_nan_is_missing_evidence() -> None:
    rows = torch.zeros(2, 4)
    rows[0, 3] = math.nan
    logit, mass = from_logits(rows, Buckets((0,), (1,)))
    assert logit[0].isnan()
    assert mass.tolist() == [0.0, 0.5]
    assert logit[1] == 0


def test_from_top_agrees_with_the_whole_distribution() -> None:
    tokens = ["Yes", " yes", "No", "maybe"]
    p = torch.tensor([[0.4, 0.3, 0.2, 0.1]])
    logit, mass = from_logits(p.log(), Buckets((0, 1), (2,)))
    listed = from_top(zip(tokens, p.log()[0].tolist()))
    assert listed.logit == pytest.approx(logit.item(), abs=1e-5)
    assert listed.mass == pytest.approx(mass.item(), abs=1e-6)


def test_from_top_bounds_what_is_not_listed() -> None:
    found = from_top([("Yes", math.log(0.9)), ("Sure", math.log(0.05)), ("The", math.log(0.01))])
    assert found.logit == pytest.approx(math.log(0.9 / 0.01))
    assert found.mass == pytest.approx(0.9)
    neither = from_top([("Sure", -0.1), ("The", -3.0), ("x", -math.inf)])
    assert math.isnan(neither.logit)
    assert neither.mass == 0
    assert math.isnan(from_top([]).logit)


def test_from_top_takes_an_impossible_token_for_one_that_is_not_listed() -> None:
    """Some servers list tokens of probability 0: they are no bound of what is not listed."""
    found = from_top([("Yes", math.log(0.9)), ("No", -math.inf), ("The", math.log(0.01)), ("x", math.nan)])
    assert found.logit == pytest.approx(math.log(0.9 / 0.01))


def test_a_mass_is_a_probability_also_where_log_probabilities_are_rounded() -> None:
    assert from_top([("Yes", 0.0), ("No", -9.0)]).mass == 1.0
