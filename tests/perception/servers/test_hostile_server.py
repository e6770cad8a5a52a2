"""A server that is not to be trusted: what was good is kept, in bounded time, and no key is in any output."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from helpers.fault_oracle_server import words
from helpers.fault_server import fails, says, serving
from helpers.hostile_server import FATAL, KEY, LEAK, MODES, hostile, http, said
from helpers.openai_asked import RED, no_waits, noise, ones

from neptune.cli import main
from neptune.errors import ConfigError, NeptuneError, OracleFailedError
from neptune.foreign import printable
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.server.oracle import OpenAIOracle
from neptune.scene.types import Question, ScoreRequest
from neptune.servers import transport
from neptune.servers.client import Client
from neptune.servers.endpoints import find_endpoint
from neptune.writer.chat import Chat, Settings
from neptune.writer.failures import ProviderError

pytest.importorskip("openai", reason="openai is not installed: make setup")
CURSED = Question("is the object in the red box cursed?", 1)
SECONDS = 1.0
BOUND = 25.0
"""Of wall-clock time for two requests with one further try each, at a deadline of a second, on a busy machine."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waits(monkeypatch)
    monkeypatch.setattr(transport, "LEAST_WAIT", 0.2)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("neptune.servers.client.GONE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def scene():
    return noise()


def searched(*outputs: object) -> None:
    for output in outputs:
        text = str(output)
        assert KEY not in text
        assert KEY[3:] not in text
        assert printable(text) == text


def asked(server, **options) -> OpenAIOracle:
    host = server.url.split("/")[2]
    options = {"timeout": SECONDS, "retries": 1, "provider": "openai", "trusted_hosts": [host]} | options
    return OpenAIOracle("m", server.url, **options)


def test_there_are_enough_modes():
    assert len(MODES) + len(FATAL) >= 60


@pytest.mark.parametrize("mode", MODES)
def test_what_was_good_is_kept_in_bounded_time_without_the_key(mode, scene, tmp_path: Path, caplog):
    with hostile(mode) as server, caplog.at_level(logging.DEBUG):
        server.bad = lambda request: "cursed" in words(request)
        oracle = asked(server)
        cached = CachedOracle(oracle, tmp_path / "cache.sqlite")
        (good,) = cached.score([ScoreRequest(scene, RED, np.array([[0]]))])
        begun = time.monotonic()
        (bad,) = cached.score([ScoreRequest(scene, CURSED, np.array([[0], [1]]))])
        assert time.monotonic() - begun < BOUND
        assert any(f"Bearer {KEY}" in headers for headers in server.headers), (
            "it was never sent: this test shows nothing"
        )
    assert np.isfinite(good.logits).all()
    assert np.isnan(bad.logits).all()
    assert sum(bad.cost.failures.values()) == 2
    searched(bad.cost, *bad.cost.failures, *bad.cost.remarks, caplog.text)
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_a_writer_has_a_reply_or_an_error_that_says_why(mode, caplog):
    with hostile(mode) as server, caplog.at_level(logging.DEBUG):
        host = server.url.split("/")[2]
        chat = Chat(
            Settings("openai", "m", server.url, timeout=SECONDS, retries=1, constrained="off", trusted_hosts=[host])
        )
        begun = time.monotonic()
        try:
            replies, _ = chat.ask([{"role": "user", "content": "How many?"}])
            found = [str(reply.failure or printable(reply.text)) for reply in replies]
        except ProviderError as error:
            found = [error.one_line()]
        assert time.monotonic() - begun < BOUND
    assert all(found)
    searched(*found)
    searched(caplog.text)


@pytest.mark.parametrize("mode", FATAL)
def test_what_no_request_gets_around_ends_the_run_without_the_key(mode, scene, tmp_path: Path):
    with hostile(mode) as server, pytest.raises(OracleFailedError) as caught:
        asked(server).score([ones(scene)])
    searched(caught.value.one_line())
    assert "your key is [key]" in caught.value.one_line() or "no such model" in mode


# --- deadlines, caps, redirects, keys, one by one ---


def test_a_byte_now_and_then_does_not_hold_a_request():
    with hostile("drips the body") as server:
        client = Client(find_endpoint("local", ""), server.url, 0, 1.0, 3)
        begun = time.monotonic()
        with pytest.raises(OracleFailedError, match="no answer within 1 s"):
            client.ask({"model": "m", "messages": []}, lambda response: response, __import__("threading").Event())
        assert 0.9 < time.monotonic() - begun < 6


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("a body without end", "longer than 16 MB"),
        ("a packed bomb", "longer than 16 MB"),
        ("on to another host", r"another host \(192\.0\.2\.1\)"),
        ("on to another port", r"another host \(127\.0\.0\.1:9\)"),
        ("in a circle", "in a circle"),
        ("packed in a way unasked", "not asked for"),
        ("an error with status 200", r"\(502\): overloaded, your key is \[key\]"),
    ],
)
def test_the_reason_is_said(mode, reason, scene):
    with hostile(mode) as server, pytest.raises(NeptuneError, match=reason):
        asked(server, retries=0, timeout=10.0).score([ScoreRequest(scene, CURSED, np.array([[0]]))])


def test_a_redirect_on_the_same_host_is_followed(scene):
    with hostile("filtered") as server:
        served = []

        def good(request):
            served.append(request)
            return http(b"", 307, location=server.url + "/chat/completions") if len(served) == 1 else said("red")[0]

        server.bad, server.good = (lambda request: False), good
        chat = Chat(Settings("local", "m", server.url, timeout=5.0, retries=0, constrained="off"))
        assert chat.ask([{"role": "user", "content": "How many?"}])[0][0].text == "red"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.example/v1",
        "https://api.openai.com:444/v1",
        "https://evil.example/api.openai.com",
    ],
)
def test_a_key_goes_to_its_providers_host_alone(url):
    for make in (lambda: OpenAIOracle("m", url, "openai"), lambda: Chat(Settings("openai", "m", url))):
        with pytest.raises(ConfigError) as caught:
            make()
        assert "OPENAI_API_KEY belongs to api.openai.com" in caught.value.what
        assert "trusted_hosts" in caught.value.hint
        searched(caught.value.one_line())
    OpenAIOracle("m", "https://api.openai.com/v1/", "openai")
    OpenAIOracle("m", "https://API.openai.com/v2", "openai")


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{KEY}@api.openai.com/v1",
        f"https://api.openai.com/v1?api_key={KEY}",
        f"https://api.openai.com/{KEY}/v1",
        "https://me@api.openai.com/v1",
        "ftp://x/v1",
        "api.openai.com",
        "http://host:port/v1",
        "https://x/v1?token=abc",
    ],
)
def test_an_address_with_a_key_in_it_is_refused(url):
    for make in (lambda: OpenAIOracle("m", url, "local"), lambda: Chat(Settings("local", "m", url))):
        with pytest.raises(ConfigError) as caught:
            make()
        searched(caught.value.one_line())


@pytest.mark.parametrize(
    "request_fields",
    [
        {"api_key": KEY},
        {"extra_headers": {"Authorization": f"Bearer {KEY}"}},
        {"headers": {"X-Api-Key": "abcdef"}},
        {"a": [{"b": KEY}]},
    ],
)
def test_a_field_with_a_key_in_it_is_refused(request_fields):
    with pytest.raises(ConfigError, match="holds a key") as caught:
        OpenAIOracle("m", "http://localhost:1/v1", request=request_fields)
    searched(caught.value.one_line())


def test_a_whole_run_with_writer_judge_and_bundle_holds_no_key(tmp_path: Path, capsys, monkeypatch):
    """Programs, refusals, verdicts, reasons: whatever the server says of the key, no file and no line has it."""
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    leaks = [
        says(f"# {KEY}\ncount(Object)"),
        says(None, refusal=LEAK + "\x1b[2J"),
        says(f'score("is it {KEY}\x1b[31m?", 0)'),
        says(f"\x1b]0;{KEY}\x07"),
        fails(400, LEAK),
        says("count(Object, lambda x: red(x))"),
        says(f"<think>{KEY}"),
    ]

    def behave(request, n):
        if "Given answer" in request["messages"][-1]["content"]:
            return says(f"No. {KEY} \x1b[2J")
        answer = leaks[n % len(leaks)]
        return answer if answer.status == 200 or n % 2 else says("count(Object)")

    packed = tmp_path / "out.zip"
    with serving(behave) as server:
        words = ["--config", "configs/clevr.json", "--num_samples", "8", "--output_dir", str(tmp_path / "run")]
        words += ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--code_gen_base_url", server.url]
        words += ["--code_gen_constrained", "off", "--code_gen_repairs", "0", "--code_gen_concurrency", "1"]
        words += ["--program_cache_address", str(tmp_path / "programs.json"), "--code_gen_retries", "0"]
        words += [
            "--evaluate",
            "true",
            "--judge_provider",
            "local",
            "--judge_model",
            "m",
            "--judge_base_url",
            server.url,
        ]
        main([*words, "--bundle", str(packed)])
    shown = "".join(capsys.readouterr())
    assert KEY not in shown
    assert "\x1b" not in shown
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "samples.jsonl" for path in files)
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path.name
    if packed.exists():
        with ZipFile(packed) as archive:
            assert not [name for name in archive.namelist() if KEY.encode() in archive.read(name)]
