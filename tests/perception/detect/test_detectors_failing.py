"""Detectors where the device fails or memory runs out, and pictures of odd shapes: tiny models of the real classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neptune.cli import main
from neptune.errors import DetectorError, DetectorFailedError
from neptune.perception.detect.boxes import tidy
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.detect.shown import LEAST_SIDE, MAX_RATIO, MOST_SIDE, shown
from neptune.scene.picture import Picture

pytest.importorskip("transformers", reason="transformers is not installed: make setup")
from helpers import tiny_detectors

from neptune.perception.detect.transformers import TransformersDetector

ROOT = Path(__file__).resolve().parents[3]
PICTURE = sorted((ROOT / "examples" / "clevr" / "images").iterdir())[0]
NAMES = tuple(tiny_detectors.BUILDERS)
LABELS = ["cube", "ball", "dining table", "cat", "dog"]
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
BROKEN = [
    RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be …"),
    torch.AcceleratorError("unspecified launch failure"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(…)`"),
]
NO_MEMORY = [
    FULL,
    MemoryError("Unable to allocate 103 GiB for an array"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights never end a list of boxes: 8 of them are enough."""
    monkeypatch.setattr("neptune.perception.detect.families.Florence.new_tokens", 32)


@pytest.fixture(scope="module")
def tiny(one_thread: None) -> dict[str, tuple[Any, Any]]:
    return {name: build() for name, build in tiny_detectors.BUILDERS.items()}


def made(tiny: dict[str, tuple[Any, Any]], name: str) -> TransformersDetector:
    return TransformersDetector(tiny[name], nms=1.0, **({} if name == "florence" else {"threshold": 0.0}))


@contextmanager
def failing(model: torch.nn.Module, error: Exception, most: int = 0) -> Iterator[list[int]]:
    """Let every forward pass with more than `most` rows fail; yields the rows of all passes."""
    rows: list[int] = []

    def before(_: Any, arguments: Any, named: dict[str, Any]) -> None:
        asked = [named.get("input_ids"), named.get("inputs_embeds"), *arguments]
        rows.append(next(len(value) for value in asked if value is not None))
        if rows[-1] > most:
            raise error

    part = model.model.language_model.encoder if hasattr(model, "generate") else model
    handle = part.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: str(e)[:45])
@pytest.mark.parametrize("name", NAMES)
def test_out_of_memory_for_one_label_is_the_detectors_failure(
    tiny: dict[str, Any], name: str, error: Exception
) -> None:
    detector = made(tiny, name)
    with failing(detector.family.model, error), pytest.raises(DetectorFailedError) as caught:
        detector.detect(Picture(PICTURE), ["cube"])
    said = caught.value.one_line()
    assert said.startswith(f"Memory runs out for the detector '{detector.name}'.")
    assert "od_options" in said
    assert len(detector.detect(Picture(PICTURE), ["cube"]).boxes) > 0, "and it goes on"


@pytest.mark.parametrize("error", BROKEN, ids=lambda e: str(e)[:45])
@pytest.mark.parametrize("name", NAMES)
def test_a_broken_device_is_the_detectors_failure(tiny: dict[str, Any], name: str, error: Exception) -> None:
    detector = made(tiny, name)
    with failing(detector.family.model, error), pytest.raises(DetectorFailedError) as caught:
        detector.detect(Picture(PICTURE), LABELS)
    said = caught.value.one_line()
    assert said.startswith(f"The device fails under the detector '{detector.name}': {str(error)[:12]}")
    assert "\n" not in said
    assert "might be" not in said


def test_the_embedded_detector_fails_in_the_same_way() -> None:
    detector = EmbeddedDetector(device="cpu")
    for error, line in ((BROKEN[0], "The device fails under"), (FULL, "Memory runs out for")):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        handle = detector.module.stem.register_forward_pre_hook(fail)
        with pytest.raises(DetectorFailedError, match=f"{line} the detector 'embedded'"):
            detector.detect(Picture(PICTURE))
        handle.remove()
    assert len(detector.detect(Picture(PICTURE)).boxes) > 0


def test_what_goes_wrong_with_one_picture_is_no_failure_of_the_detector(tiny: dict[str, Any]) -> None:
    detector = made(tiny, "dino")
    error = RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")
    with failing(detector.family.model, error), pytest.raises(DetectorError, match="fails on this") as caught:
        detector.detect(Picture(PICTURE), ["cube"])
    assert not isinstance(caught.value, DetectorFailedError)


def test_florence_writes_fewer_labels_at_once_where_memory_runs_out(tiny: dict[str, Any]) -> None:
    picture = Picture(PICTURE)
    whole = made(tiny, "florence").detect(picture, LABELS)
    assert set(whole.labels) == set(LABELS)
    detector = made(tiny, "florence")
    with failing(detector.family.model, FULL, most=2) as rows:
        found = detector.detect(picture, LABELS)
        assert rows == [5, 2, 1, 2]
        again = len(rows)
        detector.detect(picture, LABELS)
        assert max(rows[again:]) <= 2, "what fits is remembered"
    assert found.labels == whole.labels
    np.testing.assert_allclose(found.boxes, whole.boxes, atol=1e-4)


# --- odd shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [(1, 1), (300, 1), (1, 300), (3000, 1), (20, 900), (640, 480), (60_000, 2), (12_000, 700)]
)
def test_what_is_shown(size: tuple[int, int]) -> None:
    frame, content = shown(Image.new("RGB", size, (200, 0, 0)))
    assert min(frame.size) >= LEAST_SIDE
    assert max(frame.size) <= MOST_SIDE
    assert max(frame.size) <= MAX_RATIO * min(frame.size)
    assert content[0] <= frame.width
    assert content[1] <= frame.height
    for ours, side in zip(content, size):
        assert abs(ours / max(content) - side / max(size)) <= 1 / max(content), "the picture's own shape"
    pixels = np.asarray(frame)
    assert (pixels[: content[1], : content[0]] == (200, 0, 0)).all()
    assert pixels.sum() == 200 * content[0] * content[1], "the rest is black"
    if size == (640, 480):
        assert frame.size == size


@pytest.mark.parametrize("size", [(3000, 1), (300, 1), (1, 300), (30_000, 40)])
@pytest.mark.parametrize("name", NAMES)
def test_strips(tiny: dict[str, Any], name: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = Picture(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    found = made(tiny, name).detect(picture, ["cube"])
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [*size, *size]).all()


@pytest.mark.parametrize("name", NAMES)
def test_boxes_of_a_strip_are_those_of_the_padded_picture(
    tiny: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "neptune.perception.detect.shown.MAX_RATIO", 2
    )  # beside a real strip, random boxes lie nowhere in it
    pixels = np.random.default_rng(1).integers(0, 255, (200, 640, 3), dtype=np.uint8)
    padded = np.zeros((320, 640, 3), dtype=np.uint8)
    padded[:200] = pixels
    detector = made(tiny, name)
    found, whole = (detector.detect(Picture(p), ["cube", "ball"]) for p in (pixels, padded))
    expected = tidy(whole.boxes, whole.scores, whole.labels, (640, 200))
    assert 0 < len(found.boxes) <= len(whole.boxes)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    assert found.labels == expected.labels


# --- runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("error", [FULL, BROKEN[0]], ids=["memory", "device"])
def test_a_run_whose_detector_fails_charges_no_sample_and_resumes(
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    workers: str,
) -> None:
    monkeypatch.chdir(ROOT)
    for part in tiny["dino"]:
        part.save_pretrained(tmp_path / "model")
    words = ["--config", "configs/clevr.json", "--num_samples", "14", "--vlm_model_name", "random"]
    words += ["--od_model", str(tmp_path / "model"), "--workers", workers, "--detection_cache", "null"]
    words += ["--od_options", json.dumps({"threshold": 0.0, "text_threshold": 0.0, "nms": 1.0, "device": "cpu"})]
    words += ["--output_dir", str(tmp_path / "run")]
    samples, whole, calls = tmp_path / "run" / "samples.jsonl", TransformersDetector.detect, []

    def detect(self: TransformersDetector, picture: Picture, labels: Any = ()) -> Any:
        if calls or (samples.exists() and samples.read_bytes().count(b"\n") >= 2):
            calls.append(1)
            with failing(self.family.model, error):
                return whole(self, picture, labels)
        return whole(self, picture, labels)

    monkeypatch.setattr(TransformersDetector, "detect", detect)
    assert main(words) == 2
    said = capsys.readouterr().err
    kept = [json.loads(line) for line in samples.read_text().splitlines()]
    assert calls
    assert 2 <= len(kept) < 14
    assert [r["error"] for r in kept] == [None] * len(kept)
    assert f"{14 - len(kept)} samples have no answer yet: " in said
    assert ("Memory runs out for" if error is FULL else "The device fails under") in said
    assert "Traceback" not in said
    monkeypatch.setattr(TransformersDetector, "detect", whole)
    assert main(words) == 0
    done = [json.loads(line) for line in samples.read_text().splitlines()]
    assert [r["error"] for r in done] == [None] * 14
    assert len({r["id"] for r in done}) == 14
