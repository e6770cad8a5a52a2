"""The transformers oracle where memory runs out or input is bad; names and identity of models."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import VLMS, tiny_vlm
from helpers.vlm_scenes import BALL, LEFT, ONES, TOLERANCE, logits, make, requests, scene, watched
from PIL import Image

from neptune.cli import main
from neptune.errors import ConfigError, MissingExtraError, OracleError, OracleFailedError, PictureError
from neptune.perception import registry
from neptune.perception.oracle.models import short_names
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.reader import SHARING, Reader
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest

# --- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mark", "coordinates"])
def test_batches_shrink_where_memory_runs_out(form: str) -> None:
    asked = requests(scene())
    expected = logits(make(form=form), asked)
    oracle = make(form=form)
    with watched(oracle, most=3) as rows:
        np.testing.assert_allclose(logits(oracle, asked), expected, atol=TOLERANCE)
        assert max(rows) <= 3
        first = len(rows)
        logits(oracle, requests(scene(seed=3)))
        assert len(rows) - first <= first, "what fits is remembered"


@pytest.mark.parametrize("most", [math.inf, 2])
def test_batches_prepared_ahead_are_the_same(most: float) -> None:
    asked = requests(scene()) + requests(scene(seed=2))
    oracle = make(share_prefix=False, batch_size=3)
    oracle.reader.batches.ahead = 4
    with watched(oracle, most) as rows:
        found = logits(oracle, asked)
    assert len(rows) > 4
    oracle.close()
    np.testing.assert_allclose(found, logits(make(share_prefix=False, batch_size=1), asked), atol=TOLERANCE)


def test_out_of_memory_for_one_picture_is_said_in_one_line() -> None:
    oracle = make()
    with watched(oracle, most=0), pytest.raises(OracleFailedError, match=r"Memory runs out .*max_pixels"):
        oracle.score([ScoreRequest(scene(), BALL, ONES)])
    assert np.isfinite(logits(oracle, requests(scene()))).all(), "and the oracle goes on"


CUDA = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported later"
BROKEN = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), "Memory runs out for a"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `c()`"), "Memory runs out for a"),
    (RuntimeError(CUDA), "The device fails under the oracle '{}': CUDA error: an illegal memory access was"),
]


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize(("error", "line"), BROKEN, ids=["memory", "cublas", "device"])
def test_a_run_whose_device_fails_charges_no_sample_and_resumes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
    workers: str,
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[3])
    for part in tiny_vlm("qwen2_vl"):
        part.save_pretrained(tmp_path / "model")
    words = ["--config", "configs/clevr.json", "--num_samples", "9", "--od_model", "scene"]
    words += ["--vlm_model_name", str(tmp_path / "model"), "--vlm_options.max_pixels", "2000"]
    words += ["--output_dir", str(tmp_path / "run"), "--workers", workers]
    samples, whole, calls = tmp_path / "run" / "samples.jsonl", Reader.forward, []

    def full(self: Reader, **inputs: Any) -> Any:
        if calls or (samples.exists() and samples.read_bytes().count(b"\n") >= 1):
            calls.append(1)
            raise error
        return whole(self, **inputs)

    monkeypatch.setattr(Reader, "forward", full)
    assert main(words) == 2
    said = capsys.readouterr().err
    kept = [json.loads(row)["error"] for row in samples.read_text().splitlines()]
    assert calls
    assert 1 <= len(kept) < 9
    assert f"{9 - len(kept)} samples have no answer yet: {line.format(tmp_path / 'model')}" in said
    assert "Traceback" not in said
    assert "might be reported" not in said
    assert kept == [None] * len(kept)
    monkeypatch.setattr(Reader, "forward", whole)
    assert main(words) == 0
    assert [json.loads(row)["error"] for row in samples.read_text().splitlines()] == [None] * 9


@pytest.mark.parametrize("error", [error for error, _ in BROKEN], ids=["memory", "cublas", "device"])
def test_an_open_question_meets_a_device_that_fails(error: Exception) -> None:
    oracle = make()

    def fail(*_: Any) -> None:
        raise error

    handle = oracle.reader.model.register_forward_pre_hook(fail)
    asked = [QueryRequest(scene(), Question("what is it?", 1), np.array([[0]]), c) for c in ((), ("a", "b"))]
    for request in asked:
        with pytest.raises(OracleFailedError, match=r"Memory runs out|The device fails"):
            oracle.query([request])
    handle.remove()


@pytest.mark.parametrize(
    "message", ["CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED"]
)
def test_batches_shrink_whatever_way_memory_is_said_to_run_out(message: str) -> None:
    asked = requests(scene())
    expected, oracle = logits(make(), asked), make()

    def full(_: Any, __: Any, named: dict[str, Any]) -> None:
        if len(named["input_ids"]) > 3:
            raise RuntimeError(f"CUDA error: {message} when calling `cublasCreate(handle)`")

    handle = oracle.reader.model.register_forward_pre_hook(full, with_kwargs=True)
    np.testing.assert_allclose(logits(oracle, asked), expected, atol=TOLERANCE)
    handle.remove()


def test_other_failures_are_not_taken_for_a_lack_of_memory() -> None:
    oracle = make()

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    handle = oracle.reader.model.register_forward_pre_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="shapes"):
            oracle.score([ScoreRequest(scene(), BALL, ONES)])
    finally:
        handle.remove()


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mark", "coordinates"])
@pytest.mark.parametrize("kind", VLMS)
def test_a_picture_of_one_pixel_and_a_strip(kind: str, form: str) -> None:
    dot = Scene(np.array([[0, 0, 1, 1]]), (1, 1), Picture(Image.new("RGB", (1, 1), (200, 0, 0))))
    strip = Scene(np.array([[0, 0, 900, 1]]), (1000, 1), Picture(Image.new("RGB", (1000, 1))))
    asked = [ScoreRequest(s, BALL, np.array([[0]])) for s in (dot, strip)]
    assert np.isfinite(logits(make(kind, form=form, max_pixels=4096), asked)).all()


def test_a_picture_of_100_megapixels_is_scaled_down() -> None:
    boxes = np.array([[0, 0, 5000, 900]])
    large = Scene(boxes, (10_000, 10_000), Picture(Image.new("L", (10_000, 10_000))))
    oracle = make(form="coordinates", max_pixels=4096)
    assert np.isfinite(logits(oracle, [ScoreRequest(large, BALL, np.array([[0]]))])).all()
    canvas = oracle.canvases.of(large)
    assert canvas.image.size == (64, 64)
    assert canvas.box(0) == pytest.approx((0, 0, 32, 5.76))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (scene(boxes=[[500, 5, 600, 40]]), "lies outside the picture"),
        (scene(boxes=[[5, 5, 5, 40]]), "has no area"),
        (scene(boxes=[[math.nan, 5, 9, 40]]), "has no area"),
        (Scene.synthetic(2), "no picture"),
        (Scene(np.array([[0, 0, 9, 9]]), (9, 9), Picture("missing.png")), "does not exist"),
    ],
)
def test_a_cell_that_can_not_be_shown_is_said_before_anything_is_asked(bad: Scene, problem: str) -> None:
    oracle = make()
    asked = [*requests(scene()), ScoreRequest(bad, BALL, np.array([[0]]))]
    with watched(oracle) as rows, pytest.raises((OracleError, PictureError), match=problem) as caught:
        oracle.score(asked)
    assert not rows
    assert "\n" not in caught.value.one_line()


def test_objects_that_do_not_fit_the_question() -> None:
    with pytest.raises(OracleError, match=r"shape \(M, 2\)"):
        make().score([ScoreRequest(scene(), LEFT, ONES)])
    with pytest.raises(OracleError, match="no object 7"):
        make().score([ScoreRequest(scene(), BALL, np.array([[7]]))])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"form": "marked"}, "did you mean 'mark'"),
        ({"form_options": {"widht": 2}}, "did you mean 'width'"),
        ({"batch_size": 0}, "an integer ≥ 1"),
        ({"max_pixels": 10}, "an integer ≥ 1024"),
        ({"max_new_tokens": True}, "an integer ≥ 1"),
    ],
)
def test_wrong_options_of_the_oracle(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make(**options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dtype": "float8"}, "one of auto, float32"),
        ({"attention": "flash"}, "flash_attention_2"),
        ({"quantisation": "2bit"}, "one of null, 4bit, 8bit"),
        ({"quantisation": "4bit", "device": "cpu"}, "need a GPU"),
        ({"device": "gpu"}, "no device 'gpu'"),
        ({"device": "cuda:99"}, "'cuda:99' is asked for, and this machine has"),
    ],
)
def test_wrong_options_of_loading(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    model, processor = tiny_vlm()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=problem):
        registry.oracle(str(tmp_path), **options)


def test_a_model_that_can_not_be_found_or_read(tmp_path: Path) -> None:
    with pytest.raises(OracleFailedError, match=r"'nobody/nothing' can not be loaded.*Check the id") as caught:
        registry.oracle("nobody/nothing", local_files_only=True)
    assert "\n" not in caught.value.one_line()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(OracleFailedError, match="Look at the folder's files"):
        registry.oracle(str(tmp_path), local_files_only=True)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "transformers" else find(name, *a)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'neptune-reasoner\[transformers\]'"):
        registry.oracle("qwen2_2b")


def test_a_model_without_a_chat_template_is_an_error() -> None:
    model, processor = VLMS["ovis2"]()
    processor.chat_template = None
    with pytest.raises(OracleError, match="no chat template"):
        TransformersOracle((model, processor))


# --- names and identity ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["intern25_1b", "intern25_26b", "ovis2_1b", "ovis2_8b", "qwen2", "qwen3", "smolvlm"])
def test_neptunes_short_names_are_known(name: str) -> None:
    model = short_names()[name]
    assert model.architecture in SHARING
    assert registry.address_of("oracle", name) == registry.ORACLES["transformers"]
    assert registry.address_of("oracle", model.id) == registry.ORACLES["transformers"]
    assert model.id.count("/") == 1


def test_an_id_that_is_not_confirmed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a hub and a cache no id is found; only those of the table that may not exist say it."""
    from transformers import AutoConfig

    def offline(*_: object, **__: object) -> None:
        raise OSError("not found")

    monkeypatch.setattr(AutoConfig, "from_pretrained", offline)
    assert {n for n, m in short_names().items() if not m.confirmed} == {
        "intern25_1b",
        "intern25_4b",
        "intern25_26b",
        "ovis2_4b",
        "ovis2_8b",
    }
    with pytest.raises(OracleError, match="id is not confirmed"):
        registry.oracle("ovis2_8b")
    with pytest.raises(OracleError, match="Check the id"):
        registry.oracle("ovis2_1b")


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smolvlm'"):
        registry.oracle("smolvml")
    with pytest.raises(ConfigError, match="did you mean 'intern25_8b'"):
        registry.oracle("intern25_8")
    with pytest.raises(ConfigError) as caught:
        registry.oracle("smolvml")
    assert caught.value.one_line().endswith("did you mean 'smolvlm'?"), "one mark ends a question"


def test_the_identity_holds_what_changes_a_score_and_nothing_else(tmp_path: Path) -> None:
    plain = make().identity
    assert json.loads(plain)["adapter"] == "transformers"
    assert make(batch_size=1, share_prefix=False).identity == plain
    others = [make("qwen3_vl"), make(form="crop"), make(form_options={"width": 5}), make(max_pixels=4096)]
    assert len({plain, *(o.identity for o in others)}) == 5
    model, processor = tiny_vlm()
    for folder in ("one", "two"):
        model.save_pretrained(tmp_path / folder)
        processor.save_pretrained(tmp_path / folder)
    one, two = (registry.oracle(str(tmp_path / f), device="cpu") for f in ("one", "two"))
    assert one.identity == two.identity, "a copy is the same model"  # type: ignore[attr-defined]
