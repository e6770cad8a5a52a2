"""Log-probabilities in every way in which servers list them: what is read holds the truth, and no sign flips."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.fault_oracle_server import completion
from helpers.fault_server import serving
from helpers.openai_asked import RED, no_waits, noise, oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune.perception.oracle.server.oracle import UNSETTLED
from neptune.perception.oracle.server.reading import yes_no
from neptune.perception.oracle.yesno import Reading, meaning
from neptune.scene.types import ScoreRequest

pytest.importorskip("openai", reason="openai is not installed: make setup")


def reply(token, value, top, content="Yes", **message):
    position = {"token": token, "logprob": value, "bytes": None, "top_logprobs": top}
    return {
        "choices": [{
            "finish_reason": "length", "message": {"role": "assistant", "content": content, **message},
            "logprobs": {"content": [position]},
        }]
    }  # fmt: skip


def row(token, value):
    return {"token": token, "logprob": value}


def read(response, asked=20) -> Reading:
    found = yes_no(response, asked)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("response", "low", "high"),
    [
        # the sampled token stands only in its position
        (reply("Yes", -0.0001, [row("No", -9.9), row("The", -12)]), 9.89, 9.91),
        (reply("No", -0.0001, [row("Yes", -9.9), row("The", -12)]), -9.91, -9.89),
        # one entry alone: P(no) is what it leaves
        (reply("Yes", -0.0001, [row("Yes", -0.0001)]), 9.2, 9.22),
        (reply("Yes", -0.0001, []), 9.2, 9.22),
        (reply("Yes", -0.0001, None), 9.2, 9.22),
        (reply("No", -0.0001, [row("No", -0.0001)]), -9.22, -9.2),
        (reply("Yes", 0.0, [row("Yes", 0.0)]), 9.2, 30.0),
        # the sentinel and −∞ bound nothing, and are no logit
        (reply("Yes", -0.0001, [row("Yes", -0.0001), row("No", -9999.0)]), 9.2, 9.22),
        (reply("Yes", -0.0001, [row("Yes", -0.0001), row("No", -math.inf)]), 9.2, 9.22),
        (reply("No", -9999.0, [row("Yes", -0.001), row("The", -7.5)]), 6.9, 9.0),
        # null and words among the values: the entry is left out
        (reply("Yes", -0.1, [row("Yes", -0.1), row("The", None), row("No", -3.0)]), 2.89, 2.91),
        (reply("Yes", -0.1, [row("Yes", -0.1), row(None, -4.0), row("No", -3.0)]), 2.89, 2.91),
        (reply("Yes", -0.1, [row("Yes", -0.1), row("a", "x"), None, row("b", True), row("No", -3.0)]), 2.89, 2.91),
        (reply("Yes", None, [row("Yes", -0.1), row("No", -3.0)]), 2.89, 2.91),
        (reply("Yes", -0.01, [row("Yes", -0.01), row("No", None)]), 4.5, 4.7),
        # a list as a mapping, and parallel lists
        (reply("Yes", -0.1, {"Yes": -0.1, "No": -3.0}), 2.89, 2.91),
        ({"choices": [{"message": {"content": "Yes"}, "logprobs": {
            "tokens": ["Yes"], "token_logprobs": [-0.1], "top_logprobs": [{"Yes": -0.1, "No": -3.0}]}}]}, 2.89, 2.91),
        # listed twice: the sampled token once more, and two tokens of one spelling
        (reply("Yes", -0.1, [row("Yes", -0.1), row("Yes", -0.1), row("No", -3.0)]), 2.89, 2.91),
        (reply("Yes", -0.7, [row("Yes", -0.7), row("Yes", -1.2), row("No", -3.0)]), 2.7, 2.8),
        # content in chunks
        (reply("Yes", -0.1, [row("Yes", -0.1), row("No", -3.0)], [{"type": "text", "text": "Yes"}]), 2.89, 2.91),
    ],
)  # fmt: skip
def test_the_dialects_of_servers(response, low, high):
    found = read(response)
    assert found.settled
    assert low <= found.said().logit <= high
    assert found.margin[0] - 1e-9 <= found.said().logit <= found.margin[1] + 1e-9
    assert 0 <= found.said().mass <= 1


@pytest.mark.parametrize(
    "response",
    [
        reply("It", -0.1, [row("It", -0.1), row("Yes", -4.0)]),  # 0.08 is left: no may be four times as likely as yes
        reply("Yes", -1.5, None),
        reply("The", -0.2, [row("The", -0.2), row("A", -2.0)]),
        reply("No", -1.0, [row("Yes", None), row("No", -1.0)]),
        reply("Yes", -0.9, [row("Yes", -0.9), row("No", -1.0)]),  # 0.23 is left for other spellings
        reply("Yes", -9999.0, [row("The", -0.3), row("Yes", -9999.0)]),
    ],
)
def test_what_is_not_settled_is_unknown_within_bounds(response):
    found = read(response)
    assert not found.settled
    assert math.isnan(found.said().logit)
    assert found.margin[0] <= 0 <= found.margin[1]
    assert all(0 <= low <= high <= 1 for low, high in (found.yes, found.no))


def test_a_complete_list_bounds_what_is_not_on_it_by_its_smallest_entry():
    top = [row("Yes", -0.6), row("The", -2.0), row("A", -5.0)]
    assert not read(reply("Yes", -0.6, top[:2]), asked=3).said().logit > 1.0
    assert read(reply("Yes", -0.6, top), asked=3).said().logit == pytest.approx(-0.6 + 5.0)
    # The sampled token, added below the list, is no bound of it.
    added = [*top, row("Perhaps", -9.0)]
    assert read(reply("Perhaps", -9.0, added), asked=3).said().logit == pytest.approx(-0.6 + 5.0)


def test_no_probability_at_all_is_no_listing():
    for logprobs in (None, {}, {"content": None}, {"content": []}, {"content": [{"token": "Yes"}]}, [], "x", 3):
        assert yes_no({"choices": [{"message": {"content": "Yes"}, "logprobs": logprobs}]}, 20) is None


def test_the_first_token_of_a_thought_is_no_answer():
    tokens = ["<think>", "No", "</think>", "\n\n", "Yes"]
    content = [{"token": t, "logprob": -0.1, "top_logprobs": [row("Yes", -0.1), row("No", -3.0)]} for t in tokens]
    content[1]["top_logprobs"] = [row("No", -0.1), row("Yes", -3.0)]
    one = {"message": {"content": "".join(tokens)}, "logprobs": {"content": content}}
    assert read({"choices": [one]}).said().logit == pytest.approx(2.9)
    beside = {"message": {"content": "Yes", "reasoning_content": "No"}, "logprobs": {"content": content[1:2]}}
    assert yes_no({"choices": [beside]}, 20) is None


# --- any distribution, any way to list it -----------------------------------------------------------

SPELLINGS = ["Yes", "yes", " Yes", " yes", "YES", "▁Yes", "No", "no", " No", " no", "NO", "▁No"]
OTHERS = ["The", "It", "Maybe", "I", " A", "\n", "<s>", "Sure", "Not", "Y", "N", "Yesterday"]


@st.composite
def distributions(draw):
    tokens = draw(st.lists(st.sampled_from(SPELLINGS + OTHERS), min_size=2, max_size=20, unique=True))
    weights = [draw(st.floats(0, 14)) for _ in tokens]
    total = sum(math.exp(-w) for w in weights)
    return {token: math.exp(-w) / total for token, w in zip(tokens, weights)}


def truth(p, kind):
    return sum(v for token, v in p.items() if meaning(token) == kind)


LISTINGS = ["plain", "apart", "alone", "null", "inf", "sentinel", "mapping", "parallel", "twice", "added", "few"]


@settings(max_examples=600, deadline=None)
@given(distributions(), st.sampled_from(LISTINGS), st.integers(1, 8), st.data())
def test_the_truth_lies_within_what_was_read_and_no_sign_flips(p, how, asked, data):
    ranked = sorted(p, key=lambda token: -p[token])
    sampled = data.draw(st.sampled_from(ranked)) if how == "added" else ranked[0]
    values = {token: float(np.float32(math.log(v))) for token, v in p.items()}
    top = [row(token, values[token]) for token in ranked[:asked]]
    value = values[sampled]
    if how == "apart":
        top = top[1:]
    elif how == "alone":
        top = top[:1]
    elif how == "few":
        top = top[: max(1, asked // 2)]
    elif how == "twice":
        top = [top[0], *top]
    elif how == "added" and sampled not in ranked[:asked]:
        top = [*top, row(sampled, value)]
    elif how in ("null", "inf", "sentinel"):
        at = data.draw(st.integers(0, len(top) - 1))
        if how == "null":
            top[at] = row(top[at]["token"], None)
            value = None
        elif p[top[at]["token"]] < 1e-3:  # a server says so only of what is unlikely
            top[at:] = [row(entry["token"], -math.inf if how == "inf" else -9999.0) for entry in top[at:]]
    top = data.draw(st.permutations(top))
    if how == "mapping":
        top = {entry["token"]: entry["logprob"] for entry in top}
    response = reply(sampled, value, top)
    if how == "parallel":
        named = {entry["token"]: entry["logprob"] for entry in top}
        response["choices"][0]["logprobs"] = {
            "tokens": [sampled], "token_logprobs": [value], "top_logprobs": [named],
        }  # fmt: skip
    found = yes_no(response, asked)
    if found is None:
        return
    yes, no = truth(p, "yes"), truth(p, "no")
    for value, (low, high) in ((yes, found.yes), (no, found.no)):
        assert low - 1e-5 <= value <= high + 1e-5
    logit = found.said().logit
    if not math.isnan(logit) and abs(yes - no) > 1e-5:
        assert (logit > 0) == (yes > no)
    if yes and no:
        assert found.margin[0] - 1e-3 <= math.log(yes) - math.log(no) <= found.margin[1] + 1e-3


@pytest.mark.parametrize("how", ["settled", "not"])
def test_an_oracle_gives_a_number_or_says_why_there_is_none(how, monkeypatch):
    no_waits(monkeypatch)
    top = [("Yes", -0.0001)] if how == "settled" else [("It", -0.1), ("Yes", -4.0)]
    with serving(lambda request, n: completion(request, ["Yes"], top)) as server:
        (scores,) = oracle(server, timeout=5.0).score([ScoreRequest(noise(), RED, np.array([[0], [1]]))])
    if how == "settled":
        assert (scores.logits >= 9.2).all()
        assert not scores.cost.failures
    else:
        assert np.isnan(scores.logits).all()
        assert scores.cost.failures == {UNSETTLED: 2}
