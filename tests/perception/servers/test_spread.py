"""One model at several addresses: pictures stay with their server, and nothing is lost while one of them fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.fault_oracle_server import answers
from helpers.fault_server import Answer, drops, fails, hangs, serving
from helpers.openai_asked import RED, no_waits

from neptune.config import Config
from neptune.errors import ConfigError, OracleFailedError
from neptune.perception.oracle.server import spread
from neptune.perception.oracle.server.oracle import OpenAIOracle
from neptune.runs.runner.preflight import Findings, check_servers, servers_of
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import ScoreRequest

pytest.importorskip("openai", reason="openai is not installed: make setup")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits(monkeypatch)
    monkeypatch.setattr(spread, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(spread, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(spread, "LOOK", 0.01)
    monkeypatch.setattr(spread, "TRY_SECONDS", 2.0)
    monkeypatch.setattr("neptune.servers.client.GONE_SECONDS", 0.0)


def scenes(count: int) -> list[Scene]:
    rng = np.random.default_rng(0)
    boxes = np.array([[5 * k, 5, 5 * k + 12, 25] for k in range(2)], dtype=np.float32)
    pictures = [Picture(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in range(count)]
    return [Scene(boxes, (60, 40), picture, name=f"s{k}") for k, picture in enumerate(pictures)]


def asked(scene: Scene) -> ScoreRequest:
    return ScoreRequest(scene, RED, np.arange(len(scene))[:, None])


def oracle(urls: list[str], **options: Any) -> OpenAIOracle:
    return OpenAIOracle("m", urls, form="coordinates", timeout=5.0, **options)


def shown(request: dict[str, Any]) -> str:
    return str(request["messages"][0]["content"][0]["image_url"]["url"])


class Sometimes:
    """A server that fails while it is told to; it knows how many requests it had at once while it failed."""

    def __init__(self, failure: Answer) -> None:
        self.failure, self.sick = failure, False
        self.failed, self.most, self._now, self._lock = 0, 0, 0, threading.Lock()

    def __call__(self, request: dict[str, Any], number: int) -> Answer:
        if not self.sick:
            return answers(request)
        with self._lock:
            self._now, self.failed = self._now + 1, self.failed + 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return self.failure


def logits(scores: list[Any]) -> list[bytes]:
    return [s.logits.tobytes() for s in scores]


def test_pictures_are_spread_evenly_and_a_missing_server_moves_its_own_alone() -> None:
    addresses = [f"http://node-{k}:8000/v1" for k in range(4)]
    pictures = [f"picture {k}" for k in range(2000)]
    home = {p: min(addresses, key=lambda a: spread.weight(a, p)) for p in pictures}
    counts = Counter(home.values())
    assert all(400 <= counts[a] <= 600 for a in addresses)
    without = {p: min(addresses[1:], key=lambda a: spread.weight(a, p)) for p in pictures}
    assert all(without[p] == home[p] for p in pictures if home[p] != addresses[0])


def test_pictures_stay_with_their_server() -> None:
    many = scenes(12)
    with serving(lambda r, n: answers(r)) as one, serving(lambda r, n: answers(r)) as two:
        both = oracle([one.url, two.url])
        first = both.score([asked(scene) for scene in many])
        again = oracle([two.url, one.url]).score([asked(scene) for scene in reversed(many)])
        homes = [{shown(r) for r in server.requests} for server in (one, two)]
        assert not homes[0] & homes[1]
        assert len(homes[0]) + len(homes[1]) == 12
        alone = oracle([one.url]).score([asked(scene) for scene in many])
    assert logits(first) == logits(again[::-1]) == logits(alone)
    assert both.identity == oracle([one.url]).identity


@pytest.mark.parametrize("failure", [fails(500), fails(503), drops(), fails(429, "slow down"), fails(404, "no model")])
def test_one_fails_and_returns_and_nothing_is_lost(failure: Answer) -> None:
    many, behaviours = scenes(10), (Sometimes(failure), Sometimes(failure))
    with serving(behaviours[0]) as one, serving(behaviours[1]) as two:
        both = oracle([one.url, two.url], retries=1)
        before = both.score([asked(scene) for scene in many])
        ill = behaviours[0]
        if len(two.requests) > len(one.requests):  # that which has more pictures fails
            one, two, ill = two, one, behaviours[1]
        homes = {shown(r) for r in one.requests}
        assert homes

        ill.sick = True
        during = both.score([asked(scene) for scene in many])  # those that were under way may fail side by side
        ill.most, ill.failed = 0, 0
        more = [both.score([asked(scene) for scene in many]) for _ in range(2)]
        assert ill.most <= 1, "one request at a time tries a server that fails"
        tried = ill.failed
        for found in (during, *more):
            assert logits(found) == logits(before)
            assert not any(s.cost.failures for s in found)
        assert tried <= 12, "and most go past it"

        ill.sick = False
        time.sleep(0.5)
        both.score([asked(scene) for scene in many])
        seen, elsewhere = len(one.requests), len(two.requests)
        both.score([asked(scene) for scene in many])
        back = {shown(r) for r in one.requests[seen:]}
        assert back == homes, "its pictures are its own again"
        assert not homes & {shown(r) for r in two.requests[elsewhere:]}


def test_of_three_servers_one_fails_and_the_two_share_its_pictures() -> None:
    many, behaviours = scenes(24), [Sometimes(fails(503)) for _ in range(3)]
    with serving(behaviours[0]) as one, serving(behaviours[1]) as two, serving(behaviours[2]) as three:
        servers = (one, two, three)
        all_three = oracle([server.url for server in servers], retries=1)

        def shown_since(ask: Callable[[], list[Any]]) -> tuple[list[set[str]], list[Any]]:
            before = [len(server.requests) for server in servers]
            scores = ask()
            new = [{shown(r) for r in s.requests[k:]} for s, k in zip(servers, before, strict=True)]
            return new, scores

        def ask() -> list[Any]:
            return all_three.score([asked(scene) for scene in many])

        homes, before = shown_since(ask)
        assert all(homes)
        assert sum(map(len, homes)) == 24, "a picture is with one server"
        behaviours[0].sick = True
        ask()
        behaviours[0].most = 0
        during, found = shown_since(ask)
        assert logits(found) == logits(before)
        assert behaviours[0].most <= 1
        assert homes[1] <= during[1], "those of the others stay"
        assert homes[2] <= during[2]
        taken = [during[k] - homes[k] for k in (1, 2)]
        assert taken[0].isdisjoint(taken[1])
        assert all(taken), "and each takes some of those that lost theirs"
        assert taken[0] | taken[1] == homes[0]
        behaviours[0].sick = False
        time.sleep(0.5)
        ask()
        assert shown_since(ask)[0] == homes


def test_where_none_answers_the_run_ends_and_says_why_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "GONE_SECONDS", 1.0)
    with serving(lambda r, n: fails(500, "out of memory")) as one, serving(lambda r, n: drops()) as two:
        begun = time.monotonic()
        with pytest.raises(OracleFailedError, match="None of the model's 2 servers answers") as error:
            oracle([one.url, two.url], retries=1).score([asked(scenes(1)[0])])
        assert time.monotonic() - begun < 20
        assert f"{one.url}: the server failed (500): out of memory" in error.value.what
        assert f"{two.url}: the connection failed or was cut" in error.value.what
        assert "The same command resumes" in error.value.hint


@pytest.mark.parametrize("second", [fails(503), drops(), hangs(30.0), fails(401, "no such key")])
@pytest.mark.parametrize("retries", [0, 2])
def test_all_fall_sick_at_once_and_no_cell_is_given_up(
    second: Answer, retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "GONE_SECONDS", 0.5)
    monkeypatch.setattr(spread, "TRY_SECONDS", 0.1)
    behaviours = (Sometimes(fails(500)), Sometimes(second))
    with serving(behaviours[0]) as one, serving(behaviours[1]) as two:
        both = OpenAIOracle("m", [one.url, two.url], form="coordinates", timeout=0.5, retries=retries, concurrency=1)
        both.score([asked(scene) for scene in scenes(2)])
        for behaviour in behaviours:
            behaviour.sick = True
        with pytest.raises(OracleFailedError, match="None of the model's 2 servers answers") as error:
            both.score([asked(scenes(3)[2])])  # that a cell were missing evidence, and the run went on, would lose it
        assert one.url in error.value.what
        assert two.url in error.value.what
        for behaviour in behaviours:
            behaviour.sick = False
        time.sleep(1.0)
        assert not both.score([asked(scenes(3)[2])])[0].cost.failures


def test_all_are_sick_for_a_moment_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "GONE_SECONDS", 60.0)
    behaviours = (Sometimes(fails(500)), Sometimes(drops()))
    with serving(behaviours[0]) as one, serving(behaviours[1]) as two:
        both = oracle([one.url, two.url], retries=20)
        before = both.score([asked(scene) for scene in scenes(6)])
        for behaviour in behaviours:
            behaviour.sick = True
        timer = threading.Timer(1.0, lambda: [setattr(behaviour, "sick", False) for behaviour in behaviours])
        timer.start()
        found = both.score([asked(scene) for scene in scenes(6)])
        timer.join()
    assert logits(found) == logits(before)
    assert not any(s.cost.failures for s in found)


def test_a_picture_that_every_server_fails_on_is_missing_evidence_of_its_own_alone() -> None:
    many = scenes(5)
    with serving(lambda r, n: answers(r)) as calm:
        oracle([calm.url]).score([asked(many[3])])
        poison = {shown(r) for r in calm.requests}

    def behave(request: dict[str, Any], number: int) -> Answer:
        return fails(500, "this picture") if shown(request) in poison else answers(request)

    with serving(behave) as one, serving(behave) as two:
        for concurrency in (1, 4):
            both = oracle([one.url, two.url], retries=3, concurrency=concurrency)
            found = both.score([asked(scene) for scene in many])
            assert [bool(np.isnan(s.logits).any()) for s in found] == [False, False, False, True, False]
            assert any("this picture" in reason for reason in found[3].cost.failures)


@pytest.mark.parametrize("how", ["not found", "another name", "another list"])
def test_a_server_that_comes_back_with_another_model_is_not_asked(how: str, caplog: pytest.LogCaptureFixture) -> None:
    many, ill = scenes(8), Sometimes(fails(503))
    other = threading.Event()

    def behave(request: dict[str, Any], number: int) -> Answer:
        if other.is_set() and not ill.sick:
            if how == "not found":
                return fails(404, "The model `m` does not exist.")
            return answers(request | {"model": "llava"} if how == "another name" else request)
        return ill(request, number)

    with serving(behave) as one, serving(lambda r, n: answers(r)) as two:
        both = oracle([one.url, two.url], retries=1)
        before = both.score([asked(scene) for scene in many])
        ill.sick = True
        both.score([asked(scene) for scene in many])
        other.set()
        one.models = ["llava"]
        ill.sick = False
        time.sleep(0.5)
        for _ in range(3):
            asked_of_it = len(one.requests)
            found = both.score([asked(scene) for scene in many])
            assert logits(found) == logits(before)
            assert not any(s.cost.failures for s in found)
            assert len(one.requests) - asked_of_it <= 4, "tried now and then, and no more"
            time.sleep(0.1)
        assert f"{one.url} answers again" not in caplog.text
        why = next(server.why for server in both._servers._servers if server.address == one.url)
        assert {"not found": "There is no model 'm'"}.get(how, "another model") in why
        other.clear()  # and with its own it is taken again
        one.models = ["m"]
        time.sleep(0.5)
        both.score([asked(scene) for scene in many])
        assert f"{one.url} answers again" in caplog.text


def test_a_request_that_no_server_takes_goes_to_one_alone() -> None:
    seen: Counter[str] = Counter()

    def behave(request: dict[str, Any], number: int) -> Answer:
        seen[shown(request)] += 1
        return fails(400, "the picture is too small") if len(seen) > 1 else answers(request)

    first, second = scenes(2)
    with serving(behave) as one, serving(behave) as two:
        both = oracle([one.url, two.url], retries=0)
        both.score([asked(first)])
        scores = both.score([asked(second)])[0]
        assert np.isnan(scores.logits).all()
        assert sum("too small" in reason for reason in scores.cost.failures)
        homes = [sum(shown(r) == list(seen)[1] for r in server.requests) for server in (one, two)]
        assert 0 in homes


def test_an_address_is_named_once() -> None:
    with pytest.raises(ConfigError, match="twice"):
        oracle(["http://localhost:1/v1", "http://localhost:1/v1"])


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_servers_are_asked_before_the_first_sample(dead: int) -> None:
    with serving(lambda r, n: answers(r)) as one, serving(lambda r, n: answers(r)) as two:
        urls = ["http://127.0.0.1:9/v1"] * min(dead, 1) + ["http://127.0.0.1:10/v1"] * (dead // 2) + [one.url, two.url]
        config = Config(dataset="clevr", vlm_model_name="openai", vlm_options={"base_url": urls[:2], "model": "m"})
        found = Findings()
        for servers, kept in servers_of(config):
            check_servers(servers, kept, found)
    assert len(found.problems) == (2 if dead == 2 else 0)
    assert len(found.notes) == (1 if dead == 1 else 0)
    assert all("take over" in note for note in found.notes)
