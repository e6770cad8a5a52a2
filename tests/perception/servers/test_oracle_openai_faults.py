"""Oracles behind an address, and every way in which a server fails them."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest
from helpers.fault_oracle_server import Faulty, answers, completion, fingerprint, words
from helpers.fault_server import Answer, cuts, drops, fails, garbage, hangs, page, says, serving
from helpers.openai_asked import PAIRS, RED, no_waits, noise, ones, oracle, pairs

from neptune.engine import Engine
from neptune.errors import OracleFailedError
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.server.oracle import OpenAIOracle
from neptune.scene.types import QueryRequest, Question, ScoreRequest
from neptune.servers import client as openai_client

pytest.importorskip("openai", reason="openai is not installed: make setup")


QUOTA = Answer(
    429, b'{"error": {"message": "You exceeded your current quota", "type": "x", "code": "insufficient_quota"}}'
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waits(monkeypatch)


@pytest.fixture(scope="module")
def scene():
    return noise()


def test_faults_change_no_answer_and_no_cached_cell_is_asked_twice(scene, tmp_path):
    requests = [pairs(scene), ones(scene)]
    with serving(lambda request, n: answers(request)) as server:
        clean = oracle(server).score(requests)
    faulty = Faulty(rate=0.3, in_a_row=4)
    with serving(faulty) as server:
        cached = CachedOracle(oracle(server, timeout=2.5), tmp_path / "cache.sqlite")
        first = cached.score(requests)
        assert sum(faulty.failed.values()) >= 5
        assert len(faulty.given) == 25
        assert sum(faulty.given.values()) == 25  # no cell was answered twice
        seen = len(server.requests)
        assert seen == 25 + sum(faulty.failed.values())
        again = CachedOracle(oracle(server), tmp_path / "cache.sqlite").score(requests)
        assert len(server.requests) == seen
    for one, two, three in zip(clean, first, again):
        assert one.logits.tobytes() == two.logits.tobytes() == three.logits.tobytes()
        assert one.mass.tobytes() == two.mass.tobytes() == three.mass.tobytes()
        assert not two.cost.failures
        assert three.cost.stored == len(three.logits)


def test_every_kind_of_fault_occurs():
    faulty = Faulty(rate=1.0, in_a_row=10**6)
    request = {"model": "m", "messages": [{"role": "user", "content": "x"}], "logprobs": True}
    for n in range(200):
        faulty(request, n)
    assert set(faulty.failed) == {"drop", "delay", "429", "500", "garbage", "page", "cut"}


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (fails(503, "Loading model"), "the server failed (503): Loading model, 3 times", 3),
        (fails(429, "Slow down"), "the server is asked too often (429): Slow down, 3 times", 3),
        (fails(400, "a picture too many"), "a picture too many", 1),
        (garbage(), "the answer can not be read, 3 times", 3),
        (page(), "the answer is no chat completion, 3 times", 3),
        (drops(), "the connection failed or was cut, 3 times", 3),
        (cuts(says("Yes")), "the connection failed or was cut, 3 times", 3),
        (hangs(), "no answer within 2 s, 3 times", 3),
        (says(""), "the answer is empty, 3 times", 3),
        (says("Yes"), "the answer has no log-probabilities, 3 times", 3),
        (says("x", refusal="I can't see"), "the model refused: I can't see", 1),
        (says("x", finish="content_filter"), "the model refused", 1),
        (says("<think>"), "cut off while it was thinking: set vlm_options.request to {", 1),
        (says(None, reasoning_content="Okay, the"), "cut off while it was thinking", 1),
    ],
)  # fmt: skip
def test_one_request_that_fails_for_good(scene, answer, reason, requests):
    def behave(request, n):
        return answer if "cursed" in words(request) else answers(request)

    cursed = Question("is the object in the red box cursed?", 1)
    with serving(behave) as server:
        asked = oracle(server, retries=2)
        good, bad = asked.score([ones(scene), ScoreRequest(scene, cursed, np.array([[0]]))])
        assert len(server.requests) == 5 + requests
    assert np.isfinite(good.logits).all()
    assert not good.cost.failures
    assert np.isnan(bad.logits).all()
    assert bad.mass.tolist() == [0.0]
    ((said, count),) = bad.cost.failures.items()
    assert reason in said
    assert count == 1
    assert "\n" not in said


@pytest.mark.parametrize("value", [5.0, 1, float("inf")])
def test_log_probabilities_that_are_nonsense(scene, value):
    def behave(request, n):
        return completion(request, ["Yes"], [("Yes", value), ("No", -1.0)])

    with serving(behave) as server, pytest.raises(OracleFailedError, match="nonsense"):
        oracle(server, retries=1).score([ones(scene)])


@pytest.mark.parametrize(
    ("answer", "line", "most"),
    [
        (fails(401), "refuses the key (401)", 8),
        (fails(403), "refuses the key (403)", 8),
        (fails(402), "no credit", 8),
        (QUOTA, "The account has no credit (429): You exceeded your current quota", 8),
        (fails(404), "There is no model 'm'", 8),
        (fails(500), "does not answer: the server failed (500): it failed, 3 times", 24),
        (fails(400, "no pictures here"), "no pictures here", 16),
        (garbage(), "does not answer: the answer can not be read", 24),
    ],
)
def test_what_every_request_would_meet_stops_the_run(scene, answer, line, most):
    with serving(lambda request, n: answer) as server:
        asked = oracle(server, retries=2)
        with pytest.raises(OracleFailedError) as caught:
            asked.score([pairs(scene), ones(scene)])
        assert len(server.requests) <= most
        seen = len(server.requests)
        with pytest.raises(OracleFailedError):
            asked.score([ones(scene)])
        assert len(server.requests) == seen  # a server that was given up is left alone for a while
    assert line in caught.value.one_line()
    assert server.url in caught.value.one_line()


def test_a_server_that_dies_in_the_middle_loses_nothing(scene, tmp_path):
    dead = threading.Event()

    def behave(request, n):
        if n >= 12:
            dead.set()
        return drops() if dead.is_set() else answers(request)

    with serving(behave) as server:
        cached = CachedOracle(oracle(server, retries=1, concurrency=2), tmp_path / "cache.sqlite")
        with pytest.raises(OracleFailedError, match="connection failed or was cut"):
            cached.score([pairs(scene)])
    kept = cached.store.contents()[0]["scores"]
    assert kept >= 11
    with serving(lambda request, n: answers(request)) as server:
        again = CachedOracle(oracle(server), tmp_path / "cache.sqlite")
        (scores,) = again.score([pairs(scene)])
        assert len(server.requests) == len(PAIRS) - kept
    assert scores.cost.stored == kept
    assert np.isfinite(scores.logits).all()


COLOR = Question("what color is the object in the red box?", 1)


@pytest.mark.parametrize(
    ("nothing", "reason"),
    [
        (says(""), "the answer is empty, 2 times"),
        (says("  "), "the answer is empty, 2 times"),
        (says("x", refusal="I won't"), "the model refused: I won't"),
        (says("<think>\nOkay, the user wants"), "cut off while it was thinking"),
    ],
)
def test_a_first_cell_without_an_answer_is_missing_evidence_and_no_dead_server(scene, nothing, reason):
    cells = np.array([[0], [1], [2]])
    first = []

    def behave(request, n):
        first.append(fingerprint(request))
        return nothing if fingerprint(request) == first[0] else answers(request)

    with serving(behave) as server:
        asked = oracle(server, retries=1, concurrency=1)
        (found,) = asked.query([QueryRequest(scene, COLOR, cells)])
        assert found[0] is None
        assert None not in found[1:]
        assert reason in next(iter(found.cost.failures))
        first.clear()
        asked = oracle(server, retries=1, concurrency=1)
        (scores,) = asked.score([ScoreRequest(scene, RED, cells)])
        assert np.isnan(scores.logits).tolist() == [True, False, False]
        assert reason in next(iter(scores.cost.failures))


def test_what_a_model_thinks_aloud_is_no_answer(scene):
    said = iter(["<think>Is it blue? No, red.</think>\n\nred", "not blue</think> Red.", "red"])
    with serving(lambda request, n: says(next(said))) as server:
        (found,) = oracle(server, concurrency=1).query(
            [QueryRequest(scene, COLOR, np.arange(3)[:, None], ("blue", "red"))]
        )
    assert found == ["red"] * 3
    assert not found.cost.failures


def test_no_server(scene):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(OracleFailedError, match="the connection failed") as caught:
        OpenAIOracle("m", url, retries=1).score([ones(scene)])
    assert "resumes" in caught.value.one_line()
    with pytest.raises(OracleFailedError, match="the connection failed"):
        _ = OpenAIOracle(None, url, retries=0).model


def test_one_answer_without_log_probabilities_is_a_fault(scene):
    def behave(request, n):
        return completion(request, ["banana"], None) if n == 0 else answers(request)

    with serving(behave) as server:
        asked = oracle(server)
        (scores,) = asked.score([ones(scene)])
        assert not scores.cost.remarks
        assert len(server.requests) == 6


def test_retry_after_is_honoured_and_each_try_keeps_to_the_limits(scene, monkeypatch):
    waited = []
    monkeypatch.setattr(openai_client.Client, "_wait", lambda self, seconds, stop: waited.append(round(seconds, 3)))
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 3600)  # if the server did not say a millisecond
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 3600)
    with serving(lambda request, n: fails(429) if n == 0 else answers(request)) as server:
        (scores,) = oracle(server).score([ScoreRequest(scene, RED, np.array([[0]]))])
    assert np.isfinite(scores.logits).all()
    assert waited == [0, 0]


def test_an_answer_says_what_failed(scene):
    def behave(request, n):
        return fails(500) if "cube" in words(request) else answers(request)

    with serving(behave) as server:
        engine = Engine(oracle=oracle(server, retries=0), vocabulary="clevr")
        engine.oracle.score([ones(scene)])
        answer = engine.run("exists(Object, lambda x: cube(x))", scene)
        assert answer.abstained
        assert answer.usage.failures == {"the server failed (500): it failed": 5}
        assert answer.usage.oracle_failed == 5
        # What is settled without it stands: false whatever the cubes are.
        answer = engine.run("exists(Object, lambda x: cube(x) and red(x) and not red(x))", scene)
        assert not answer.abstained
        assert answer.value is False
    assert answer.usage.as_dict()["oracle_prompt_tokens"] > 0
