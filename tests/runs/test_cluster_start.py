"""A cluster that is started for a run, on a machine that is busy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from helpers.cluster_runs import DATA

from neptune.config import Config
from neptune.errors import ConfigError
from neptune.runs.runner.cluster.connect import connected


@pytest.mark.parametrize(
    ("failures", "starts", "fails"),
    [
        (["timed out during startup"], 2, False),
        (["timed out during startup"] * 5, 3, True),
        (["no room for the object store"], 1, True),
    ],
)
def test_a_cluster_that_starts_too_slowly_is_started_again(
    failures: list[str], starts: int, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = 0

    def init(address: str | None = None, **given: Any) -> None:
        nonlocal started
        if address is not None:
            raise ConnectionError("none is running")
        started += 1
        if started <= len(failures):
            raise RuntimeError(f"The current node {failures[started - 1]}")

    ray = SimpleNamespace(
        init=init,
        shutdown=lambda: None,
        is_initialized=lambda: False,
        nodes=lambda: [{"Alive": True}],
        cluster_resources=lambda: {"CPU": 2.0},
    )
    monkeypatch.setattr("neptune.runs.runner.cluster.connect.ray_", lambda: ray)
    config = Config(dataset="clevr", data_dir=DATA, cluster="auto", od_model="scene", vlm_model_name="scene")
    if fails:
        with pytest.raises(ConfigError, match="none could be started: The current node"), connected(config):
            pass
    else:
        with connected(config) as places:
            assert places.engines == 2
    assert started == starts
