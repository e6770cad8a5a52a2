"""Conversations over HTTP and on the page, with a model of a script on the loopback, within their limits."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import Page, opened_browser
from helpers.fault_server import Server, says, serving
from helpers.openai_asked import no_waits
from helpers.served import BASE, DATA, IMAGES, PICTURE, application, events, listening, refused
from helpers.turn_tasks import last_text, seen

from neptune.cli import main
from neptune.config.derived import ServeConfig
from neptune.config.semantic import semantic_problems
from neptune.config.validation import validate

testclient = pytest.importorskip("starlette.testclient", reason="the extra serve is not installed: make setup-all")
pytest.importorskip("openai", reason="the extra 'openai' is not installed")
pytest.importorskip("cv2", reason="the extra 'vision' is not installed")

QUESTION = "Is there a red cube in the middle?"
CROP = "middle = image_clue_0.crop([120, 80, 360, 240])"
LOOK = f"I look closer.\n\n```python\n{CROP}\nshow(middle)\nprint('half of it')\n```"
ASK = "```python\nred = ImagePatch(image).exists('red cube')\nprint(red)\n```"


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits(monkeypatch)


def config_of(server: Server, **fields: Any) -> ServeConfig:
    given = {"task": "serve", "turns": 6, "code_gen_provider": "local", "code_gen_model_name": "m"}
    return validate(ServeConfig, given | {"code_gen_base_url": server.url} | fields, "test", semantic_problems)


def script(request: dict[str, Any], number: int) -> Any:
    """Play a model that looks closer, asks the oracle, and answers by what it was shown."""
    shown = len(request["messages"]) // 2
    if shown == 1:
        assert seen(request).keys() == {"image_clue_0"}
        return LOOK
    if shown == 2:
        assert seen(request)["image_clue_1"].size == (240, 160)
        assert "half of it" in last_text(request)
        return ASK
    return f"Answer: {'yes, one' if 'True' in last_text(request) or 'yes' in last_text(request) else 'no'}"


def talk(server: Server, **fields: Any) -> list[tuple[str, Any]]:
    """Have a conversation over HTTP; return what was told."""
    with testclient.TestClient(application(config=config_of(server, **fields)), base_url=BASE) as client:
        return events(client.post("/v1/converse", json={"picture": DATA, "question": QUESTION}).text)


def test_each_turn_is_told_and_the_end() -> None:
    with serving(script) as server:
        told = talk(server)
    assert [name for name, _ in told] == ["begun", "turn", "turn", "turn", "done"]
    first, second, third = (data for name, data in told if name == "turn")
    assert first["kind"] == "code"
    assert "crop" in first["read"]
    assert first["text"] == "half of it"
    (picture,) = first["pictures"]
    assert (picture["name"], picture["size"]) == ("image_clue_1", [240, 160])
    assert picture["data"].startswith("data:image/jpeg;base64,")
    assert second["oracle_calls"] > 0
    assert third["kind"] == "answer"
    done = told[-1][1]
    assert (done["end"], done["answer"], done["turns"]) == ("answered", "yes, one", 3)
    assert done["tokens"] == 330
    assert done["oracle_calls"] == second["oracle_calls"]


def endless(request: dict[str, Any], number: int) -> Any:
    answer = says(f"```python\nprint({len(request['messages'])})\n```")
    return replace(answer, body=answer.body.replace(b'"prompt_tokens": 100', b'"prompt_tokens": 2000'))


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"turns": 2}, "turns"),
        ({"turn_limits": {"tokens": 9000}}, "tokens"),
        ({"turn_limits": {"seconds": 0.001}}, "seconds"),
        ({"turn_limits": {"money": 0.08}, "code_gen_prices": {"prompt": 10.0, "completion": 10.0}}, "money"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_limits_are_held(fields: dict[str, Any], end: str) -> None:
    with serving(endless) as server:
        told = talk(server, **fields)
    done = told[-1][1]
    assert told[-1][0] == "done"
    assert (done["end"], done["abstained"]) == (end, True)
    assert done["why"]
    assert done["turns"] <= fields.get("turns", 6)
    limits = fields.get("turn_limits", {})
    assert done["tokens"] <= limits.get("tokens", 200_000)
    assert done["money"] <= limits.get("money", 1e9)


def test_where_nobody_listens_no_more_is_asked() -> None:
    """A page that is closed ends the conversation: no turn is paid for that nobody hears."""
    httpx = pytest.importorskip("httpx", reason="httpx is not installed: make setup-all")
    begun, go = threading.Event(), threading.Event()

    def slow(request: dict[str, Any], number: int) -> Any:
        begun.set()
        go.wait(20)
        return endless(request, number)

    with serving(slow) as server, listening(application(config=config_of(server))) as address:
        body = {"picture": DATA, "question": QUESTION}
        with httpx.stream("POST", f"{address}/v1/converse", json=body, timeout=60) as response:
            next(response.iter_text())
            assert begun.wait(20)
        threading.Event().wait(0.5)  # until the server has seen that the client is gone
        go.set()
        threading.Event().wait(1.5)
        assert len(server.requests) == 1


def test_what_fails_is_said(client: Any) -> None:
    refused(client.post("/v1/converse", json={"picture": DATA, "question": "Why?"}), 422, "no model to converse with")
    with serving(lambda request, number: " ") as server:
        done = talk(server)[-1][1]
        assert (done["end"], done["abstained"]) == ("model", True)
        with testclient.TestClient(application(config=config_of(server)), base_url=BASE) as own:
            refused(own.post("/v1/converse", json={"picture": DATA, "question": " "}), 422, "Nothing is asked")
            refused(own.post("/v1/converse", json={"picture": "AAAA", "question": "Why?"}), 422)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--turns", "5"], "replies in no conversation"),
        (["--turns", "5", "--code_gen_provider", "local", "--code_gen_model_name", "m"], "code_gen_base_url"),
        (["--turn_limits.money", "1", "--turns", "5"], "no price is known"),
        (["--turns", "5", "--code_gen_provider", "openai", "--code_gen_model_name", "m"], "OPENAI_API_KEY"),
    ],
)
def test_a_model_that_can_not_be_asked_is_said_at_the_start(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--port", "0", *words]) == 2
    assert said in capsys.readouterr().err


# --- on the page ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


@contextmanager
def conversing(browser: Any, script: Any) -> Iterator[tuple[Page, Server]]:
    """A page with a picture and a question, and its model, which is asked."""
    with (
        serving(script) as server,
        listening(application(config=config_of(server))) as address,
        Page(browser, address + "/", address) as page,
    ):
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#question", QUESTION)
        page.click("#converse")
        yield page, server


def test_a_conversation_on_the_page(browser: Any) -> None:
    with (
        serving(script) as server,
        listening(application(roots=(IMAGES,), config=config_of(server))) as address,
        Page(browser, address + "/", address) as page,
    ):
        page.click("#converse")
        assert page.inner_text("#status") == "Drop a picture first"
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#question", QUESTION)
        page.focus("#converse")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('talk-said').textContent === 'yes, one'")
        assert page.locator("#turns .turn").count() == 3
        first = page.locator("#turns .turn").nth(0)
        assert "crop" in first.locator("pre").nth(0).inner_text()
        assert first.locator("img").get_attribute("alt") == "image_clue_1, 240 × 160 pixels"
        assert page.evaluate("document.querySelector('#turns img').naturalWidth") == 240
        assert "3 turns · 330 tokens" in page.inner_text("#talk-end")
        assert page.locator("#talk-stop").is_hidden()
        if os.environ.get("NEPTUNE_SHOTS"):
            page.screenshot(path=str(Path(os.environ["NEPTUNE_SHOTS"]) / "serve-talk.png"))
        page.set_input_files("#file", str(PICTURE))  # another picture: what was said of the last one is gone
        page.wait_for_function("() => document.getElementById('talk').hidden")


def test_a_conversation_is_stopped_on_the_page(browser: Any) -> None:
    go = threading.Event()

    def slow(request: dict[str, Any], number: int) -> Any:
        if number:
            go.wait(30)
        return endless(request, number)

    with conversing(browser, slow) as (page, server):
        page.wait_for_selector("#turns .turn")
        page.click("#talk-stop")
        page.wait_for_function("() => document.getElementById('talk-end').textContent === 'stopped'")
        go.set()
        page.wait_for_timeout(1500)
        asked = len(server.requests)
        assert asked <= 3  # the reply that was under way may have been heard before the page's leaving
        page.wait_for_timeout(1500)
        assert len(server.requests) == asked


def test_what_a_model_writes_is_text(browser: Any) -> None:
    def hostile(request: dict[str, Any], number: int) -> Any:
        return "Answer: <img src=x onerror=alert(1)>"

    with conversing(browser, hostile) as (page, _):
        page.wait_for_function("() => document.getElementById('talk-said').textContent.includes('<img')")


def test_without_a_model_the_page_offers_none(browser: Any) -> None:
    with listening(application()) as address, Page(browser, address + "/", address) as page:
        assert page.locator("#converse").count() == 0
