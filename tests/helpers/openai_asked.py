"""What the tests of oracles behind an address share: a scene, two questions, and the oracle of a local server."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from neptune.perception.oracle.server.oracle import OpenAIOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Question, ScoreRequest

RED = Question("is the object in the red box red?", 1)
LEFT = Question("is the object in the red box to the left of the object in the green box?", 2)
PAIRS = np.array([[i, j] for i in range(5) for j in range(5) if i != j])


def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once, and ask no proxy."""
    monkeypatch.setattr("neptune.servers.client.FIRST_WAIT", 0.005)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.005)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def noise() -> Scene:
    rng = np.random.default_rng(0)
    picture = Picture(rng.integers(0, 255, (80, 120, 3), dtype=np.uint8))
    corners = rng.integers(0, 60, (5, 2))
    return Scene(np.hstack([corners, corners + 18]), (120, 80), picture, name="noise")


def oracle(server, **options) -> OpenAIOracle:
    return OpenAIOracle("m", server.url, **({"timeout": 2.0} | options))


def ones(scene: Scene) -> ScoreRequest:
    return ScoreRequest(scene, RED, np.arange(5)[:, None])


def pairs(scene: Scene) -> ScoreRequest:
    return ScoreRequest(scene, LEFT, PAIRS)


def image(request) -> Image.Image:
    kind, data = request["messages"][0]["content"][0]["image_url"]["url"].split(",")
    assert kind.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
