"""One model at several addresses: pictures stay with their server, and nothing is lost while one of them fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from helpers.fault_oracle_server import answers
from helpers.fault_server import Answer, drops, fails, serving
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


def test_where_none_answers_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "GONE_SECONDS", 1.0)
    with serving(lambda r, n: fails(500)) as one, serving(lambda r, n: drops()) as two:
        begun = time.monotonic()
        with pytest.raises(OracleFailedError, match="does not answer"):
            oracle([one.url, two.url], retries=1).score([asked(scenes(1)[0])])
        assert time.monotonic() - begun < 20


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
