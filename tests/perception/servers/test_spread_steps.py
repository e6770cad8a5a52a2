"""Who may try a server that failed, step by step: one request at a time, whoever else is still under way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from neptune.perception.oracle.server import spread
from neptune.servers.client import RequestFailedError

pytest.importorskip("openai", reason="openai is not installed: make setup")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(spread, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(spread, "LOOK", 0.01)


class _Scripted:
    """A client whose requests are answered when the test says so."""

    def __init__(self, address: str) -> None:
        self.base_url, self.endpoint = address, SimpleNamespace(name="local")
        self.waiting: list[tuple[str, Future[str]]] = []

    def ask(self, request: dict[str, Any], read: Any, stop: threading.Event) -> Any:
        end: Future[str] = Future()
        self.waiting.append((request["id"], end))
        return read({"model": "m", "text": end.result(timeout=60)})

    def again(self) -> None:
        pass

    def models(self) -> list[str]:
        return ["m"]

    def asked(self) -> list[str]:
        return [name for name, _ in self.waiting]

    def end(self, name: str, error: Exception | None = None) -> None:
        future = [end for known, end in self.waiting if known == name][-1]
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(name)


class _Two:
    """Two scripted servers; the first is that of every picture here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[_Scripted] = []

        def client(endpoint: Any, address: str, **options: Any) -> _Scripted:
            made.append(_Scripted(address))
            return made[-1]

        monkeypatch.setattr(spread, "Client", client)
        monkeypatch.setattr(spread, "weight", lambda address, picture: address.encode())
        self.spread = spread.Spread(SimpleNamespace(name="local"), ["a", "b"], 4, {})  # type: ignore[arg-type]
        self.a, self.b = made

    def send(self, name: str) -> Future[str]:
        found: Future[str] = Future()

        def work() -> None:
            try:
                found.set_result(self.spread.ask({"id": name}, lambda r: r["text"], threading.Event(), "p"))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return found

    def until(self, server: _Scripted, name: str, times: int = 1) -> None:
        end = time.monotonic() + 60
        while server.asked().count(name) < times:
            assert time.monotonic() < end, f"{name} is not asked: {self.a.asked()}, {self.b.asked()}"
            time.sleep(0.002)


FAILURE = RequestFailedError("the server failed (500)", 500)


def test_one_request_tries_a_server_while_those_from_before_still_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "TRY_SECONDS", 60.0)
    two = _Two(monkeypatch)
    sent = {name: two.send(name) for name in ("r1", "r2", "r3")}
    for name in sent:
        two.until(two.a, name)
    two.a.end("r1", FAILURE)
    two.until(two.b, "r1")
    two.b.end("r1")
    assert sent["r1"].result(60) == "r1"
    time.sleep(2 * spread.FIRST_PAUSE)
    sent["r4"] = two.send("r4")
    two.until(two.a, "r4")  # this one tries it
    two.a.end("r2", FAILURE)  # sent before it fell: says nothing of who tries it now
    two.until(two.b, "r2")
    two.b.end("r2")
    time.sleep(3 * spread.FIRST_PAUSE)
    sent["r5"] = two.send("r5")
    two.until(two.b, "r5")
    two.b.end("r5")
    assert two.a.asked() == ["r1", "r2", "r3", "r4"], "one at a time tries it"
    two.a.end("r4")
    assert sent["r4"].result(60) == "r4"
    two.a.end("r3", FAILURE)  # sent before it fell, and it is back: says nothing of it
    two.until(two.a, "r3", times=2)
    two.a.end("r3")
    sent["r6"] = two.send("r6")
    two.until(two.a, "r6")
    two.a.end("r6")
    assert [found.result(60) for found in sent.values()] == list(sent)


def test_a_server_that_hangs_keeps_nobody_waiting_and_may_still_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "TRY_SECONDS", 0.1)
    two = _Two(monkeypatch)
    first = two.send("r1")
    two.until(two.a, "r1")
    two.a.end("r1", FAILURE)
    two.until(two.b, "r1")
    two.b.end("r1")
    assert first.result(60) == "r1"
    time.sleep(2 * spread.FIRST_PAUSE)
    trying = two.send("r2")
    two.until(two.a, "r2")
    two.until(two.b, "r2")  # it does not wait for long
    two.b.end("r2")
    assert trying.result(60) == "r2"
    for name in ("r3", "r4"):
        time.sleep(3 * spread.FIRST_PAUSE)
        other = two.send(name)
        two.until(two.b, name)
        two.b.end(name)
        assert other.result(60) == name
    assert two.a.asked() == ["r1", "r2"], "nobody else tries it as long as it hangs"
    two.a.end("r2")
    end = time.monotonic() + 60
    while two.spread._servers[0].until and time.monotonic() < end:
        time.sleep(0.002)
    last = two.send("r5")
    two.until(two.a, "r5")
    two.a.end("r5")
    assert last.result(60) == "r5"
