"""Language models behind an address: what is sent, what comes back, and every way in which it fails."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.fault_server import fails, garbage, hangs, page, says, serving

from neptune.errors import ConfigError
from neptune.servers.endpoints import ENDPOINTS, find_key
from neptune.writer import failures
from neptune.writer.chat import Chat, Settings

pytest.importorskip("openai", reason="openai is not installed: make setup")
ROOT = Path(__file__).resolve().parents[2]
ASK = [{"role": "user", "content": "How many?"}]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def chat(server, **settings):
    base = {"timeout": 5.0, "retries": 2, "constrained": "off"}
    return Chat(Settings("local", "m", server.url, **(base | settings)))


def host(server):
    return server.url.split("/")[2]


def test_a_reply_and_what_it_costs():
    with serving(lambda request, n: "count(Object)") as server:
        asked = chat(server, prices={"prompt": 1.0, "completion": 2.0}, temperature=0.5, seed=7, max_tokens=99)
        replies, spent = asked.ask(ASK)
    assert [r.text for r in replies] == ["count(Object)"]
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (1, 100, 10)
    assert spent.cost == pytest.approx(120e-6)
    sent = server.requests[0]
    assert sent["messages"] == ASK
    assert {k: sent[k] for k in ("model", "temperature", "seed", "max_tokens")} == {
        "model": "m", "temperature": 0.5, "seed": 7, "max_tokens": 99,
    }  # fmt: skip


def test_several_samples_in_one_request():
    with serving(lambda request, n: "x") as server:
        replies, spent = chat(server).ask(ASK, 3)
    assert len(replies) == 3
    assert spent.calls == 1
    assert server.requests[0]["n"] == 3


def test_one_by_one_with_different_seeds(monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    with serving(lambda request, n: f"reply {n}") as server:
        asked = Chat(Settings("openrouter", "m", server.url, seed=5, trusted_hosts=[host(server)]))
        replies, spent = asked.ask(ASK, 3)
    assert [r.text for r in replies] == ["reply 0", "reply 1", "reply 2"]
    assert [r["seed"] for r in server.requests] == [5, 6, 7]
    assert spent.calls == 3


@pytest.mark.parametrize(
    ("answer", "kind", "says_so", "requests"),
    [
        (fails(401), failures.MissingKeyError, "refuses the key", 1),
        (fails(403), failures.MissingKeyError, "refuses the key", 1),
        (fails(402), failures.MissingKeyError, "no credit", 1),
        (fails(404), failures.UnknownModelError, "There is no model 'm'", 1),
        (fails(400, "no such setting"), failures.BadRequestError, "no such setting", 1),
        (fails(429), failures.RateLimitedError, "asked too often", 3),
        (fails(500), failures.ConnectionFailedError, "The provider failed \\(500\\)", 3),
        (garbage(), failures.ConnectionFailedError, "can not be read", 1),
        (page(), failures.ConnectionFailedError, "not a chat completion", 1),
    ],
)
def test_failures_of_the_provider(answer, kind, says_so, requests):
    with serving(lambda request, n: answer) as server:
        with pytest.raises(kind, match=says_so) as caught:
            chat(server).ask(ASK)
        assert len(server.requests) == requests
    line = caught.value.one_line()
    assert "local, model m" in line
    assert caught.value.hint or caught.value.expected or "402" in line


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_sdk_tries_again(status):
    with serving(lambda request, n: fails(status) if n < 2 else "done") as server:
        replies, _ = chat(server).ask(ASK)
        assert replies[0].text == "done"
        assert len(server.requests) == 3


def test_a_server_that_hangs():
    with serving(lambda request, n: hangs()) as server, pytest.raises(failures.ConnectionFailedError, match=r"0\.2 s"):
        chat(server, timeout=0.2, retries=0).ask(ASK)


def test_no_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(failures.ConnectionFailedError, match="No connection to http"):
        Chat(Settings("local", "m", url, retries=0, constrained="off")).ask(ASK)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says(""), failures.EmptyReplyError),
        (says(None), failures.EmptyReplyError),
        (says("  \n"), failures.EmptyReplyError),
        (says("count(Obj", finish="length"), failures.TruncatedError),
        (says(None, refusal="I can't help"), failures.RefusedError),
        (says("x", finish="content_filter"), failures.RefusedError),
    ],
)
def test_replies_without_a_program(answer, kind):
    with serving(lambda request, n: answer) as server:
        replies, spent = chat(server).ask(ASK)
    assert isinstance(replies[0].failure, kind)
    assert spent.calls == 1


@pytest.mark.parametrize(
    ("owner", "field", "form"), [("llamacpp", "grammar", "gbnf"), ("vllm", "structured_outputs", "llguidance")]
)
def test_auto_takes_the_grammar_that_the_local_server_has(owner, field, form):
    with serving(lambda request, n: "x", owner=owner) as server:
        asked = chat(server, constrained="auto")
        asked.ask(ASK)
    assert asked.form == form
    assert field in server.requests[0]


def test_auto_is_off_where_the_server_says_nothing():
    with serving(lambda request, n: "x") as server:
        asked = chat(server, constrained="auto")
        asked.ask(ASK)
    assert asked.form == "off"
    assert not {"grammar", "structured_outputs", "tools"} & set(server.requests[0])


def test_auto_does_without_a_grammar_that_is_refused():
    def behave(request, n):
        return fails(400, "grammar too complex") if "grammar" in request else "x"

    with serving(behave, owner="llamacpp") as server:
        asked = chat(server, constrained="auto")
        assert asked.ask(ASK)[0][0].text == "x"
        asked.ask(ASK)
        assert len(server.requests) == 3
        assert "refused the grammar (gbnf)" in asked.note
        with pytest.raises(failures.BadRequestError, match="too complex"):
            chat(server, constrained="gbnf").ask(ASK)


def test_openai_tool_calls_are_read(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    call = {"id": "1", "type": "custom", "custom": {"name": "program", "input": "count(Object)"}}
    with serving(lambda request, n: says(None, tool_calls=[call])) as server:
        replies, _ = Chat(Settings("openai", "gpt-5-mini", server.url, trusted_hosts=[host(server)])).ask(ASK)
    assert replies[0].text == "count(Object)"
    assert replies[0].failure is None
    assert server.requests[0]["tools"][0]["custom"]["format"]["grammar"]["syntax"] == "lark"
    assert "max_completion_tokens" in server.requests[0]


def test_keys_come_from_the_environment_or_the_file(tmp_path, monkeypatch):
    row = ENDPOINTS["deepseek"]
    monkeypatch.delenv(row.key_variable, raising=False)
    with pytest.raises(failures.MissingKeyError, match="DEEPSEEK_API_KEY=") as caught:
        find_key(row, tmp_path, failures.MissingKeyError)
    assert caught.value.final
    (tmp_path / ".env").write_text("OTHER=1\nDEEPSEEK_API_KEY = 'from-file'\n", encoding="utf-8")
    assert find_key(row, tmp_path) == "from-file"
    monkeypatch.setenv(row.key_variable, "from-environment")
    assert find_key(row, tmp_path) == "from-environment"
    assert find_key(ENDPOINTS["local"], tmp_path) == "none"


def test_unknown_provider_and_missing_address():
    with pytest.raises(ConfigError, match="did you mean 'openrouter'"):
        Chat(Settings("openruter", "m"))
    with pytest.raises(ConfigError, match="code_gen_base_url"):
        Chat(Settings("local", "m"))


def test_missing_extra():
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from neptune.writer.chat import Chat, Settings\n"
        "from neptune.errors import MissingExtraError\n"
        "try: Chat(Settings('local', 'm', 'http://localhost:1/v1'))\n"
        "except MissingExtraError as error: print(error.one_line())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "pip install 'neptune-reasoner[openai]'" in done.stdout


def test_the_writer_imports_no_sdk_and_no_torch():
    code = (
        "import sys, neptune.writer.writer\n"
        "print(sorted({'openai', 'torch', 'httpx', 'llguidance', 'neptune.engine'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
