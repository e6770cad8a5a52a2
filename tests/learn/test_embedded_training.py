"""The training loop of the embedded networks: files, resuming, early stop, errors, augmentation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from neptune.errors import ConfigError, DatasetError
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.train import TrainConfig, train
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Question, ScoreRequest

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def drawn(folder: Path, pictures: int, seed: int = 0) -> Path:
    """Write a tiny folder in CLEVR's format: discs and squares on grey."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    records = []
    for index in range(pictures):
        image = Image.new("RGB", (480, 320), (110, 110, 110))
        draw = ImageDraw.Draw(image)
        objects, places = [], []
        for column in range(3):
            x, y = 60 + 140 * column + int(rng.integers(0, 40)), int(rng.integers(60, 240))
            shape = str(rng.choice(["cube", "sphere"]))
            box = [x, y, x + 40, y + 40]
            (draw.rectangle if shape == "cube" else draw.ellipse)([x, y, x + 39, y + 39], fill=(200, 30, 30))
            place = [x / 80 - 3, y / 40 - 4, 0.35]
            objects.append(
                {"shape": shape, "size": "small", "material": "rubber", "color": "red", "bbox": box}
                | {"3d_coords": place}
            )
            places.append(place)
        across, depth = np.array(places)[:, 0], np.array(places)[:, 1]
        relations = {
            name: [np.flatnonzero(test(axis, axis[i])).tolist() for i in range(3)]
            for name, axis, test in (
                ("left", across, np.less),
                ("right", across, np.greater),
                ("front", depth, np.greater),
                ("behind", depth, np.less),
            )
        }
        directions = {"right": [1, 0, 0], "front": [0, 1, 0]}
        name = f"drawn_{index}.png"
        image.save(folder / "images" / name)
        records.append(
            {"image_filename": name, "objects": objects, "relationships": relations, "directions": directions}
        )
    (folder / "scenes.json").write_text(json.dumps({"scenes": records}), encoding="utf-8")
    return folder


def tiny(folder: Path, **changes) -> TrainConfig:
    part = {"epochs": 1, "batch": 4, "width": 4}
    return TrainConfig(
        **({"data_dir": folder, "holdout": 2, "device": "cpu", "detector": part, "scorer": part} | changes)
    )


def test_training_writes_weights_results_and_figure(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: make setup")
    folder = drawn(tmp_path / "data", 6)
    said = []
    results = train(tiny(folder), tmp_path / "run", lambda *a: said.append(a))
    assert {part for part, _, _ in said} == {"detector", "scorer"}
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8")) == results
    assert {"f1", "history", "threshold"} <= results["detector"].keys()
    assert {"attributes", "relations", "same", "ece", "temperatures"} <= results["scorer"].keys()
    assert (tmp_path / "run" / "calibration.png").stat().st_size > 5_000
    picture = Picture(folder / "images" / "drawn_0.png")
    EmbeddedDetector(tmp_path / "run" / "detector.safetensors", device="cpu").detect(picture)
    scene = Scene(np.array([[10, 10, 50, 50]], np.float32), (480, 320), picture)
    own = EmbeddedOracle(tmp_path / "run" / "scorer.safetensors", device="cpu")
    (scores,) = own.score([ScoreRequest(scene, Question("is it red?", 1), np.array([[0]]))])
    assert np.isfinite(scores.logits).all()


def test_training_resumes_where_it_was_killed(tmp_path):
    folder = drawn(tmp_path / "data", 6)
    part = {"epochs": 2, "batch": 4, "width": 4}

    class Killed(Exception):
        pass

    def killer(name: str, share: float, message: str) -> None:
        if message.startswith("epoch 2"):
            raise Killed

    config = tiny(folder, parts=["detector"], detector=part)
    whole = train(config, tmp_path / "whole", lambda *a: None)
    with pytest.raises(Killed):
        train(config, tmp_path / "run", killer)
    resumed = train(config, tmp_path / "run", lambda *a: None)
    assert resumed["detector"]["history"]["resumed_at"] == 1
    assert resumed["detector"]["history"]["scores"] == whole["detector"]["history"]["scores"]
    assert not list((tmp_path / "run").glob("*.pt"))


def test_training_stops_early(tmp_path):
    folder = drawn(tmp_path / "data", 4)
    part = {"epochs": 30, "batch": 2, "width": 4, "lr": 1e-9, "patience": 2}
    history = train(tiny(folder, parts=["detector"], detector=part), tmp_path / "run", lambda *a: None)
    assert history["detector"]["history"]["stopped"] == "patience"
    assert history["detector"]["history"]["epochs"] < 30


def test_training_on_nothing_useful_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"scenes\.json"):
        train(tiny(tmp_path / "none"), tmp_path / "run")
    folder = drawn(tmp_path / "data", 3)
    with pytest.raises(ConfigError, match="held out of 3"):
        train(tiny(folder, holdout=3), tmp_path / "run")
    (folder / "images" / "drawn_1.png").unlink()
    with pytest.raises(DatasetError, match="missing"):
        train(tiny(folder), tmp_path / "run")


def test_missing_matplotlib_is_said_before_the_training(tmp_path, monkeypatch):
    import sys

    from neptune.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="plots"):
        train(tiny(drawn(tmp_path / "data", 4)), tmp_path / "run")


def test_added_objects_hide_others_and_keep_the_annotation_consistent():
    from neptune.learn.train.augment import Paster

    folder = ClevrFolder(SAMPLE, limit=20)
    paster = Paster(folder, list(range(20)), share=1.0)
    rng = np.random.default_rng(0)
    added = 0
    for index in range(20):
        before = folder.examples[index]
        pixels, after = paster.crowd(index, rng)
        n = len(after.boxes)
        added += n - len(before.boxes)
        assert pixels.shape == (3, 320, 480)
        assert len(after.attributes) == len(after.places) == len(after.order) == n
        assert (after.boxes[:, 2:] > after.boxes[:, :2]).all()
        torch.testing.assert_close(after.order, -after.order.transpose(0, 1))
    assert added > 5
