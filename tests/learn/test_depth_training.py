"""The depth head: it learns from a few pictures, and its ground is a plane."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neptune.errors import DatasetError
from neptune.learn.train.depth import DepthConfig, depths_of, fit_ground, train_depth
from neptune.perception import registry
from neptune.perception.embedded.depth_net import DepthNet

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def quiet(part: str, share: float, said: str) -> None:
    """Say nothing."""


def test_a_few_pictures_are_enough_to_tell_far_from_near(tmp_path: Path) -> None:
    config = DepthConfig(data_dir=EXAMPLES, limit=14, holdout=4, looks=2, epochs=40, batch=4, hidden=32, threads=1)
    results = train_depth(config, tmp_path, quiet)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert results["order"]["far"]["order"] >= 0.85
    assert results["bytes"] < 3_000_000
    assert registry.depth_estimator("embedded", weights=str(tmp_path / "depth.safetensors"))


def test_the_shipped_head_is_small() -> None:
    from neptune.perception.embedded.store import shipped

    assert shipped("depth").stat().st_size < 3_000_000


def test_the_ground_is_nearer_below() -> None:
    net = DepthNet(4, 4)
    net.ground.copy_(fit_ground(EXAMPLES, 36))
    inverse = net.inverse(torch.tensor([240.0, 240.0]), torch.tensor([160.0, 300.0]))
    near, far = 1 / inverse[1], 1 / inverse[0]
    assert 4 < near < far < 20
    plane = net.plane(torch.tensor([[100.0, 100.0, 160.0, 180.0]]), torch.tensor([9.0]))
    assert plane[60, 60] == 9.0
    assert torch.isfinite(plane).all()


def test_scenes_without_depths_are_an_error(tmp_path: Path) -> None:
    scenes = {"scenes": [{"objects": [{"3d_coords": [0, 0, 0.35]}]}]}
    (tmp_path / "scenes.json").write_text(json.dumps(scenes))
    with pytest.raises(DatasetError, match="has no depth"):
        depths_of(tmp_path, 1)
    assert np.allclose(depths_of(EXAMPLES, 1)[0].numpy()[0], 9.6869)
