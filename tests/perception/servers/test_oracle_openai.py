"""Oracles behind an address: what is sent, what is read, samples, limits, options."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.fault_oracle_server import Faulty, answers, completion, share, words
from helpers.fault_server import fails, serving
from helpers.openai_asked import PAIRS, RED, image, no_waits, noise, ones, oracle, pairs

from neptune.errors import ConfigError, NeptuneError, OracleError
from neptune.perception.oracle.server.oracle import OpenAIOracle, VllmOracle
from neptune.perception.oracle.server.reading import sampled
from neptune.scene import Scene
from neptune.scene.types import Oracle, QueryRequest, Question, ScoreRequest
from neptune.servers.pace import Pace
from neptune.servers.readers import choice

pytest.importorskip("openai", reason="openai is not installed: make setup")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waits(monkeypatch)


@pytest.fixture(scope="module")
def scene():
    return noise()


def test_it_is_an_oracle(scene):
    with serving(lambda request, n: answers(request)) as server:
        assert isinstance(oracle(server), Oracle)
        assert oracle(server).score([]) == []
        assert VllmOracle("m")._servers.base_url == "http://localhost:8000/v1"


def test_what_is_sent_and_what_is_read(scene):
    with serving(lambda request, n: answers(request, spread=0.8)) as server:
        asked = oracle(server, prices={"prompt": 1.0, "completion": 10.0}, seed=3, request={"thinking": False})
        (scores,) = asked.score([ones(scene)])
    assert len(server.requests) == 5
    for request in server.requests:
        assert {k: request[k] for k in ("model", "max_tokens", "temperature", "seed", "thinking")} == {
            "model": "m", "max_tokens": 1, "temperature": 0.0, "seed": 3, "thinking": False,
        }  # fmt: skip
        assert request["top_logprobs"] == 20
        assert words(request) == "Is the object in the red box red? Answer with yes or no."
        assert image(request).size == (120, 80)
    p = {image(r).tobytes(): share(r) for r in server.requests}
    assert len(p) == 5  # five boxes, five pictures
    expected = sorted(math.log(v / (1 - v)) for v in p.values())
    assert np.allclose(sorted(scores.logits), expected, atol=1e-5)
    assert np.allclose(scores.mass, 0.8, atol=1e-6)
    assert (scores.cost.prompt_tokens, scores.cost.completion_tokens) == (1000, 5)
    assert scores.cost.money == pytest.approx(1050e-6)
    assert not scores.cost.failures
    assert not scores.cost.remarks


def test_coordinates_share_the_picture_and_need_none(scene):
    with serving(lambda request, n: answers(request)) as server:
        oracle(server, form="coordinates", picture_format="jpeg", detail="low").score([pairs(scene)])
        assert len({r["messages"][0]["content"][0]["image_url"]["url"] for r in server.requests}) == 1
        assert server.requests[0]["messages"][0]["content"][0]["image_url"]["detail"] == "low"
        assert "The green box is [" in words(server.requests[0])
        server.requests.clear()
        oracle(server, form="coordinates", send_picture=False).score([pairs(scene)])
        assert all(isinstance(r["messages"][0]["content"], str) for r in server.requests)
        assert len({words(r) for r in server.requests}) == len(PAIRS)
        with pytest.raises(ConfigError, match="coordinates"):
            oracle(server, send_picture=False)


def test_neither_yes_nor_no(scene):
    def behave(request, n):
        return completion(request, ["Maybe"], [("Maybe", -0.1), ("Perhaps", -3.0)])

    with serving(behave) as server:
        (scores,) = oracle(server).score([ones(scene)])
    assert np.isnan(scores.logits).all()
    assert scores.cost.failures == {"the model said neither yes nor no": 5}


def test_the_only_model_of_a_server_needs_no_name(scene):
    with serving(lambda request, n: answers(request)) as server:
        asked = OpenAIOracle(base_url=server.url)
        asked.score([ones(scene)])
        assert asked.model == "m"
        assert {r["model"] for r in server.requests} == {"m"}


def test_a_server_without_log_probabilities_is_sampled(scene, caplog):
    def behave(request, n):
        return completion(request, ["Yes"], None) if "logprobs" in request else answers(request)

    with serving(behave) as server, caplog.at_level(logging.WARNING):
        asked = oracle(server)
        (scores,) = asked.score([ones(scene)])
        (later,) = asked.score([pairs(scene)])
        assert sum("logprobs" in r for r in server.requests) == 2  # asked twice by one request, then believed
        plain = [r for r in server.requests if "logprobs" not in r]
        assert len(plain) == 25
        assert all(r["n"] == 8 and r["temperature"] == 1.0 for r in plain)
    assert len([r for r in caplog.records if "no log-probabilities" in r.message]) == 1
    (remark,) = scores.cost.remarks
    assert "n = 8 samples" in remark
    assert "variance" in remark
    steps = {round(math.log((k + 0.5) / (8 - k + 0.5)), 5) for k in range(9)}
    assert {round(float(v), 5) for v in (*scores.logits, *later.logits)} <= steps
    assert (scores.mass == 1).all()


def test_a_server_that_refuses_log_probabilities_is_sampled(scene, caplog):
    def behave(request, n):
        return fails(400, "logprobs are not supported") if "logprobs" in request else answers(request)

    with serving(behave) as server, caplog.at_level(logging.WARNING):
        (scores,) = oracle(server).score([ones(scene)])
        assert [r.get("top_logprobs") for r in server.requests[:3]] == [20, 5, None]
        assert len(server.requests) == 3 + 5
    assert np.isfinite(scores.logits).all()
    why, how = scores.cost.remarks
    assert "logprobs are not supported" in why
    assert "n = 8 samples" in how
    assert "logprobs are not supported" in caplog.text


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_lists_fewer_log_probabilities_is_asked_for_those(scene, caplog, status):
    def behave(request, n):
        if request.get("top_logprobs", 0) > 5:
            return fails(status, "top_logprobs must be at most 5")
        return answers(request)

    with serving(lambda request, n: answers(request)) as server:
        (clean,) = oracle(server).score([ones(scene)])
    with serving(behave) as server, caplog.at_level(logging.WARNING):
        asked = oracle(server)
        known = asked.identity
        (scores,) = asked.score([ones(scene)])
        asked.score([pairs(scene)])
        assert [r["top_logprobs"] for r in server.requests] == [20] + [5] * 25
        assert asked.identity == known
    assert scores.logits.tobytes() == clean.logits.tobytes()
    (remark,) = scores.cost.remarks
    assert "5 log-probabilities a token, not 20" in remark
    assert "at most 5" in remark
    (record,) = (r for r in caplog.records if "log-probabilities" in r.message)
    assert "top_logprobs must be at most 5" in record.message
    assert "Set vlm_options.top_logprobs" in record.message


def test_a_server_that_gives_one_sample_at_a_time(scene):
    def behave(request, n):
        request = {k: v for k, v in request.items() if k != "n"}
        return answers(request)

    with serving(behave) as server:
        (scores,) = oracle(server, samples=3).score([ones(scene)])
        assert len(server.requests) == 15
        assert not any("logprobs" in r for r in server.requests)
        assert {r["seed"] for r in server.requests} == {0, 1, 2}
    assert np.isfinite(scores.logits).all()


def test_samples_and_their_variance():
    """The smoothed logit is nearly unbiased, and its variance what is said, against exact binomial sums."""
    assert math.isnan(sampled(["banana", ""]).logit)
    assert sampled(["Yes", "no.", " YES, it is", "eh"]).mass == 0.75
    n, p = 64, 0.7
    probability = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    logits = [sampled(["yes"] * k + ["no"] * (n - k)).logit for k in range(n + 1)]
    mean = sum(w * v for w, v in zip(probability, logits))
    variance = sum(w * (v - mean) ** 2 for w, v in zip(probability, logits))
    said = sum(w * (1 / (k + 0.5) + 1 / (n - k + 0.5)) for k, w in enumerate(probability))
    assert mean == pytest.approx(math.log(p / (1 - p)), abs=0.01)
    assert said == pytest.approx(variance, rel=0.05)


def test_open_questions(scene):
    color = Question("what color is the object in the red box?", 1, "color")
    with serving(lambda request, n: answers(request)) as server:
        asked = oracle(server)
        objects = np.arange(5)[:, None]
        (texts,) = asked.query([QueryRequest(scene, color, objects, ("red", "dark blue", "blue"))])
        assert set(texts) == {"red", "blue"}
        assert words(server.requests[0]).endswith("Answer with one of these: red, dark blue, blue.")
        (free,) = asked.query([QueryRequest(scene, color, objects)])
        assert set(free) == {"It is red", "Blue"}
        (none,) = asked.query([QueryRequest(scene, color, objects, ("green",))])
        assert none == [None] * 5
        assert none.cost.failures == {"the model named none of the choices": 5}


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("Red.", ("red", "green"), "red"),
        ("reddish", ("red",), None),
        ("Not green but red", ("red", "green"), "red"),
        ("a hot  dog", ("dog", "hot_dog"), "hot_dog"),
        ("", (), None),
        ("It is red or green.", ("red", "green"), None),
        ("a+b", ("a+b", "a"), "a+b"),
    ],
)
def test_matching(text, choices, expected):
    assert choice(text, choices) == expected


def test_no_more_requests_at_once_than_allowed(scene):
    faulty = Faulty(rate=0.0)
    with serving(faulty) as server:
        oracle(server, concurrency=3).score([pairs(scene), ones(scene)])
    assert 1 < faulty.most <= 3


def test_pace():
    now = [0.0]
    pace = Pace(60, slack=2.0, clock=lambda: now[0])
    assert [pace.take() for _ in range(5)] == [0, 0, 0, 1, 2]
    now[0] = 100.0
    assert pace.take() == 0  # nothing is saved up
    pace.correct(10)
    assert pace.take() == pytest.approx(9)
    assert Pace(None).take(10**9) == 0


def test_the_limits_a_minute_are_kept(scene):
    with serving(lambda request, n: answers(request)) as server:
        begin = time.monotonic()
        oracle(server, requests_per_minute=600).score(
            [pairs(scene), ones(scene)]
        )  # 2 s' worth at once, the rest 10 a s
        assert time.monotonic() - begin > (25 - 1) / 10 - 2.0
        begin = time.monotonic()
        oracle(server, tokens_per_minute=200 * 600).score([ones(scene)])  # the first are taken for 1000 tokens
        assert time.monotonic() - begin < 2.0


def test_identity(scene):
    with serving(lambda request, n: answers(request)) as server:
        base = oracle(server)
        same = OpenAIOracle(base_url="http://localhost:1/v1", model="m", concurrency=1, timeout=9, retries=0)
        assert base.identity == same.identity
        assert json.loads(base.identity)["adapter"] == "openai"
        changes = [
            {"form": "crop"}, {"form_options": {"width": 5}}, {"revision": "2"}, {"samples": 4},
            {"picture_format": "jpeg"}, {"detail": "low"}, {"max_pixels": 1000}, {"query_tokens": 5},
            {"request": {"a": 1}}, {"top_logprobs": 5},
        ]  # fmt: skip
        others = {oracle(server, **change).identity for change in changes} | {base.identity}
        assert len(others) == len(changes) + 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"provider": "openia"}, "did you mean 'openai'"),
        ({"base_url": None}, "vlm_options.base_url"),
        ({"form": "marks"}, "did you mean 'mark'"),
        ({"samples": 0}, "samples is 0"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"picture_format": "gif"}, "png or jpeg"),
        ({"provider": "openai", "base_url": None}, "OPENAI_API_KEY"),
    ],
)
def test_options_that_are_wrong(options, line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(NeptuneError) as caught:
        OpenAIOracle(**({"model": "m", "base_url": "http://localhost:1/v1"} | options))
    assert line in caught.value.one_line()


def test_a_box_without_area_is_said(scene):
    flat = Scene(np.array([[5, 5, 5, 9], [0, 0, 9, 9]]), scene.size, scene.picture, name="flat")
    with serving(lambda request, n: answers(request)) as server, pytest.raises(OracleError, match="has no area"):
        oracle(server).score([ScoreRequest(flat, RED, np.array([[0], [1]]))])


def test_missing_extra():
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from neptune.errors import MissingExtraError\n"
        "from neptune.perception import registry\n"
        "try: registry.oracle('openai', model='m', base_url='http://localhost:1/v1')\n"
        "except MissingExtraError as error: print(error.one_line())\n"
        "print(sorted({'openai', 'torch', 'dsl', 'neptune.writer'} & set(sys.modules) - {'openai'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "pip install 'neptune-reasoner[openai]'" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
