"""Fields that a server does not take: dropped, said once; and servers without log-probabilities, in their words."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from helpers.fault_oracle_server import answers
from helpers.fault_server import Answer, fails, says, serving
from helpers.openai_asked import RED, no_waits, noise, oracle, pairs

from neptune.cli import main
from neptune.errors import OracleFailedError
from neptune.foreign import KEY, printable, scrubbed
from neptune.scene.types import ScoreRequest
from neptune.writer.chat import Chat, Settings
from neptune.writer.failures import BadRequestError

pytest.importorskip("openai", reason="openai is not installed: make setup")
ASK = [{"role": "user", "content": "How many?"}]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waits(monkeypatch)


@pytest.fixture(scope="module")
def scene():
    return noise()


def two(scene):
    return ScoreRequest(scene, RED, np.array([[0], [1]]))


def refuses(name, words, status=400, param=None, wrapped=True):
    error = {"message": words, "type": "invalid_request_error", "param": param, "code": None}
    body = {"error": error} if wrapped else {"detail": [{"loc": ["body", name], "msg": words}]}
    answer = Answer(status, json.dumps(body).encode())
    return lambda request, n: answer if name in request else answers(request)


@pytest.mark.parametrize(
    ("name", "words", "status", "param"),
    [
        ("seed", "Unrecognized request argument supplied: seed", 400, None),
        ("seed", "seed is not supported", 422, None),
        ("seed", "Invalid value", 400, "seed"),
        ("seed", "1 validation error: extra fields not permitted: seed", 422, None),
        ("temperature", "Unsupported value: 'temperature' does not support 0.0 with this model.", 400, "temperature"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 400, "max_tokens"),
    ],
)
def test_a_refused_field_is_dropped_and_said_once(name, words, status, param, scene, caplog):
    with serving(refuses(name, words, status, param)) as server, caplog.at_level(logging.WARNING):
        asked = oracle(server, timeout=5.0)
        (scores,) = asked.score([two(scene)])
        (later,) = asked.score([pairs(scene)])
    assert np.isfinite(scores.logits).all()
    assert np.isfinite(later.logits).all()
    assert sum(name in request for request in server.requests) <= 2
    assert len([r for r in caplog.records if f"'{name}'" in r.message]) == 1
    (remark,) = [r for r in scores.cost.remarks if f"'{name}'" in r]
    assert words[:20] in remark
    if name == "max_tokens":
        assert server.requests[-1]["max_completion_tokens"] == 1


def test_a_refusal_that_names_no_field_is_an_error(scene):
    for words in ("the seed of wisdom is missing", "maximum context length exceeded: max_tokens must be at most 5"):
        with serving(lambda request, n, words=words: fails(400, words)) as server, pytest.raises(OracleFailedError):
            oracle(server, timeout=5.0).score([two(scene)])


def test_both_names_of_the_limit_may_be_refused(scene):
    def behave(request, n):
        for name in ("max_tokens", "max_completion_tokens"):
            if name in request:
                return fails(400, f"Unknown field: {name}")
        return answers(request)

    with serving(behave) as server:
        (scores,) = oracle(server, timeout=5.0).score([two(scene)])
    assert np.isfinite(scores.logits).all()


def test_a_config_may_leave_out_any_field(scene):
    with serving(lambda request, n: answers(request)) as server:
        asked = oracle(server, timeout=5.0, omit=["seed", "temperature", "max_tokens"])
        asked.score([two(scene)])
        assert asked.identity != oracle(server).identity
        assert not {"seed", "temperature", "max_tokens"} & set().union(*server.requests)
        server.requests.clear()
        (scores,) = oracle(server, timeout=5.0, omit=["logprobs"]).score([two(scene)])
        assert np.isfinite(scores.logits).all()
        assert all("logprobs" not in r and "top_logprobs" not in r for r in server.requests)
        server.requests.clear()
        chat = Chat(Settings("local", "m", server.url, constrained="off", omit=["seed", "temperature"]))
        chat.ask(ASK)
        assert not {"seed", "temperature"} & set(server.requests[0])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "You are not allowed to request logprobs from this model"), (400, "logprobs is not supported"),
        (404, "No endpoints found that support the requested parameters"), (500, "log probabilities not implemented"),
        (422, "top_logprobs: extra inputs are not permitted"), (403, "This model does not support log_probs"),
    ],
)  # fmt: skip
def test_a_model_without_log_probabilities_is_sampled(status, words, scene):
    def behave(request, n):
        return fails(status, words) if "logprobs" in request else answers(request)

    with serving(behave) as server:
        (scores,) = oracle(server, timeout=5.0, retries=1).score([two(scene)])
    assert np.isfinite(scores.logits).all()
    assert any("8 samples" in remark for remark in scores.cost.remarks)


def test_log_probabilities_without_a_list_are_read(scene):
    def behave(request, n):
        if "top_logprobs" in request:
            return fails(400, "top_logprobs is not supported by this model")
        choice = {"message": {"content": "Yes"}, "logprobs": {"content": [{"token": "Yes", "logprob": -0.0001}]}}
        return Answer(body=json.dumps({"choices": [choice]}).encode())

    with serving(behave) as server:
        (scores,) = oracle(server, timeout=5.0).score([two(scene)])
    assert (scores.logits >= 9.2).all()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_still_one(status, scene):
    with (
        serving(lambda request, n: fails(status, "bad key")) as server,
        pytest.raises(OracleFailedError, match="refuses the key"),
    ):
        oracle(server, timeout=5.0).score([two(scene)])


# --- the writer ---


def test_a_writer_drops_what_is_refused(caplog):
    def behave(request, n):
        for name in ("seed", "temperature", "n"):
            if name in request:
                return fails(400, f"Unsupported parameter: '{name}'")
        return says("count(Object)")

    with serving(behave) as server, caplog.at_level(logging.WARNING):
        chat = Chat(Settings("local", "m", server.url, constrained="off"))
        replies, _ = chat.ask(ASK, 3)
        assert [r.text for r in replies] == ["count(Object)"] * 3
        before = len(server.requests)
        chat.ask(ASK, 2)
        assert len(server.requests) == before + 2
    for name in ("seed", "temperature", "n"):
        assert len([r for r in caplog.records if f"'{name}'" in r.message]) == 1
        assert f"'{name}'" in chat.note
    with serving(lambda request, n: fails(400, "no")) as server, pytest.raises(BadRequestError, match="no"):
        Chat(Settings("local", "m", server.url, constrained="off")).ask(ASK)


# --- keys and control characters ---


def test_keys_are_replaced_and_control_characters_shown(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh-secret")
    monkeypatch.setenv("OTHER_API_KEY", "k")
    assert scrubbed("the key abcdefgh-secret is k") == f"the key {KEY} is k"
    text = printable("a\x1b[2J\x07\x9b\u202e\u2028\ud800\x7f\r b\tc\nd é 日")
    assert text == "a\\x1b[2J\\x07\\x9b\\u202e\\u2028\\ud800\\x7f\\r b\tc\nd é 日"
    assert printable(text) == text


@pytest.mark.parametrize(
    "words",
    [
        ["--code_gen_base_url", "https://user:abcdefgh-secret@host/v1"], ["--judge_base_url", "https://host/v1?key=x"],
        ["--vlm_options", '{"base_url": "http://host/v1?api_key=zzzz"}'],
        ["--vlm_options", '{"request": {"headers": {"Authorization": "Bearer abc"}}}'],
        ["--vlm_options", '{"request": {"user": "abcdefgh-secret"}}'], ["--od_options", '{"token": "hf_abcdefgh"}'],
    ],
)  # fmt: skip
def test_a_key_in_a_config_is_refused_and_not_repeated(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh-secret")
    config = ["--config", "configs/clevr.json", "--evaluate", "true", "--output_dir", str(tmp_path / "run")]
    assert main([*config, "--judge_provider", "local", *words]) == 2
    err = capsys.readouterr().err
    assert "key" in err
    assert "abcdefgh-secret" not in err
    assert not (tmp_path / "run").exists()
