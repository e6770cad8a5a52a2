"""What a run holds in memory does not grow with what it has answered."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main
from neptune.runs.runner import batches
from neptune.runs.runner.samples import Asked

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 8


@pytest.mark.parametrize("inspect", ["none", "values"])
def test_samples_that_are_answered_and_pixels_are_let_go(
    inspect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(batches, "MOST", WINDOW)
    prepared = batches.Batches._prepared
    known: weakref.WeakSet[Asked] = weakref.WeakSet()
    alive, pixels = list[int](), list[int]()

    def watched(self: Any, most: int) -> list[Asked]:
        alive.append(len(known))
        window = prepared(self, most)
        known.update(window)
        pictures = (asked.scene.picture for asked in window if asked.scene is not None)
        pixels.append(sum(picture is not None and picture._image is not None for picture in pictures))
        return window

    monkeypatch.setattr(batches.Batches, "_prepared", watched)
    words = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene", "--inspect", inspect]
    gc.disable()  # what is held in circles is held
    try:
        assert main([*words, "--num_samples", "40", "--output_dir", str(tmp_path / "run")]) == 0
    finally:
        gc.enable()
    assert len(alive) >= 4
    assert max(alive) <= 1  # the one whose record was written last
    assert set(pixels) == {0}
