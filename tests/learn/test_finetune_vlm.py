"""Fine-tuning a vision-language model with LoRA: tiny models of the real classes, from the command to the adapter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from helpers.tiny_models import VLMS
from helpers.vlm_scenes import logits, requests, scene

from neptune import tasks
from neptune.cli import main
from neptune.engine.session.soft_answers import SoftAnswer
from neptune.errors import ConfigError, OracleFailedError
from neptune.learn.finetune.data import LostObjectError, closed, target_on
from neptune.learn.finetune.loop import State, Steps, rate
from neptune.learn.finetune.targets import Target, is_right, loss_of
from neptune.learn.finetune.vlm import FinetuneConfig, finetune
from neptune.perception import registry
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.scene import Scene
from neptune.scene.picture import Picture

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.usefixtures("one_thread")
EASY = (114, 3, 116, 15, 16, 89, 108, 97, 25, 17, 71, 115, 23, 24, 48, 41)
"""The 16 questions of the shipped sample whose programs ask the fewest cells: yes/no, counts and values, relations."""


@pytest.fixture
def easy(tmp_path: Path) -> Path:
    """A folder in CLEVR's format with the 16 easy questions."""
    folder = tmp_path / "easy"
    folder.mkdir()
    data = json.loads((EXAMPLES / "clevr" / "questions.json").read_text())
    data["questions"] = [data["questions"][i] for i in EASY]
    (folder / "questions.json").write_text(json.dumps(data))
    shutil.copy(EXAMPLES / "clevr" / "scenes.json", folder)
    shutil.copytree(EXAMPLES / "clevr" / "images", folder / "images")
    return folder


def tiny(kind: str = "qwen2_vl", **options: Any) -> TransformersOracle:
    return TransformersOracle(VLMS[kind](), **({"max_pixels": 4096} | options))


def config(folder: Path, **fields: Any) -> FinetuneConfig:
    steps = {"batch": 4, "lr": 0.01, "save_every": 1} | fields.pop("steps", {})
    basic = {"data_dir": str(folder), "lora": {"targets": "all-linear"}, "device": "cpu", "threads": 1}
    basic |= {"gradient_checkpointing": False, "mixed_precision": "no"}
    return FinetuneConfig.model_validate(basic | {"steps": steps} | fields)


def silent(part: str, share: float, message: str) -> None:
    pass


# --- it learns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answers", "settings"),
    [
        ("internvl", 16, {"lr": 0.004, "epochs": 50, "eval_every": 10}),
        pytest.param("qwen2_vl", 8, {"lr": 0.002, "epochs": 45, "eval_every": 30}, marks=pytest.mark.full),
    ],
)
def test_a_tiny_model_learns_answers_by_heart(
    tmp_path: Path, easy: Path, kind: str, answers: int, settings: dict[str, Any]
) -> None:
    """Frozen random weights, a LoRA adapter, and no label but the answers: all become right, and sure."""
    fields = {"num_samples": answers, "val_dir": str(easy), "val_samples": answers}
    fields["steps"] = {**settings, "save_every": 1000}
    results = finetune(config(easy, **fields), tmp_path / "run", silent, tiny(kind, form="crop"))
    assert results["questions"] == answers
    assert results["accuracy"]["before"] <= 0.6
    assert results["accuracy"]["best"] == 1.0, f"{answers} of {answers}"
    # Sure, but for the doubt that a description carries: which object is meant, and whether any is.
    assert float(np.mean(results["losses"][-4:])) < 0.5 < results["losses"][0]
    assert results["parameters"] < 50_000


# --- the run -----------------------------------------------------------------------------------------


def test_an_interrupted_run_resumed_is_the_run_that_was_not(tmp_path: Path, easy: Path) -> None:
    fields: dict[str, Any] = {"num_samples": 6, "holdout": 1, "lora": {"dropout": 0.1, "targets": "all-linear"}}
    fields["steps"] = {"batch": 2, "max_steps": 4, "epochs": 3, "eval_every": 2}
    whole = finetune(config(easy, **fields), tmp_path / "whole", silent, tiny())

    class Killed(Exception):
        pass

    def kill(part: str, share: float, message: str) -> None:
        if message.startswith("step 3"):
            raise Killed

    with pytest.raises(Killed):
        finetune(config(easy, **fields), tmp_path / "cut", kill, tiny())
    assert not (tmp_path / "cut" / "adapter").exists()
    seen: list[str] = []
    rest = finetune(config(easy, **fields), tmp_path / "cut", lambda p, s, m: seen.append(m), tiny())
    assert len(seen) == 1, "one step was left"
    for name in ("losses", "scores", "accuracy", "steps", "stopped"):
        assert rest[name] == whole[name], name
    one, two = (torch.load(tmp_path / f / "finetune.checkpoint.pt", weights_only=True) for f in ("whole", "cut"))
    for a, b in zip(one["parameters"], two["parameters"], strict=True):
        assert torch.equal(a, b)
    files = [(tmp_path / f / "adapter" / "adapter_model.safetensors").read_bytes() for f in ("whole", "cut")]
    assert files[0] == files[1]
    with pytest.raises(ConfigError, match="differs in seed"):
        finetune(config(easy, **fields, seed=1), tmp_path / "cut", silent, tiny())


def test_accumulated_batches_are_one_large_batch(tmp_path: Path, easy: Path) -> None:
    losses, weights = [], []
    for name, steps in (("large", {"batch": 4}), ("small", {"batch": 2, "gradient_accumulation": 2})):
        fields = {"num_samples": 4, "steps": {**steps, "max_steps": 2, "epochs": 2}}
        losses.append(finetune(config(easy, **fields), tmp_path / name, silent, tiny())["losses"])
        saved = torch.load(tmp_path / name / "finetune.checkpoint.pt", weights_only=True)
        weights.append(torch.cat([p.reshape(-1) for p in saved["parameters"]]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    torch.testing.assert_close(weights[0], weights[1], atol=1e-4, rtol=1e-3)


def test_bfloat16_gives_about_the_same_losses(tmp_path: Path, easy: Path) -> None:
    fields: dict[str, Any] = {"num_samples": 3, "steps": {"batch": 3, "max_steps": 2, "epochs": 2}}
    exact = finetune(config(easy, **fields), tmp_path / "no", silent, tiny())["losses"]
    AcceleratorState._reset_state(reset_partial_state=True)
    half = finetune(config(easy, **fields, mixed_precision="bf16"), tmp_path / "bf16", silent, tiny())["losses"]
    assert half == pytest.approx(exact, rel=0.1)
    assert half != exact


def test_training_stops_early_and_keeps_the_best(tmp_path: Path, easy: Path) -> None:
    """With a learning rate that destroys, no evaluation after the first is better."""
    fields = {"num_samples": 4, "val_dir": str(easy), "val_samples": 4}
    fields["steps"] = {"batch": 4, "epochs": 8, "lr": 1e-9, "eval_every": 1, "patience": 2}
    results = finetune(config(easy, **fields), tmp_path / "run", silent, tiny())
    assert results["stopped"] == "patience"
    assert results["steps"] == 3
    assert results["accuracy"]["best_step"] == 1


# --- the command and the adapter -----------------------------------------------------------------------


def test_the_command_writes_an_adapter_that_the_oracle_loads(
    tmp_path: Path, easy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, processor = VLMS["qwen2_vl"]()
    base = tmp_path / "base"
    model.save_pretrained(base)
    processor.save_pretrained(base)
    words = ["--config", "configs/finetune-lora.json", "--data_dir", str(easy), "--device", "cpu"]
    words += ["--vlm_model_name", str(base), "--vlm_options", '{"max_pixels": 4096}', "--mixed_precision", "no"]
    words += ["--steps.max_steps", "2", "--steps.batch", "2", "--steps.lr", "0.05", "--num_samples", "4"]
    words += ["--holdout", "1", "--lora.targets", "all-linear", "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    assert str(tmp_path / "run" / "results.json") in capsys.readouterr().out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["steps"] == 2
    assert results["parameters"] > 0
    assert set(results["accuracy"]) == {"before", "best", "best_step"}
    assert (tmp_path / "run" / "curve.png").read_bytes().startswith(b"\x89PNG")

    adapter = tmp_path / "run" / "adapter"
    assert (adapter / "adapter_config.json").is_file()
    plain: Any = registry.oracle(str(base), device="cpu")
    tuned: Any = registry.oracle(str(base), device="cpu", adapter=str(adapter))
    asked = requests(scene())
    assert np.abs(logits(tuned, asked) - logits(plain, asked)).max() > 1e-3, "it was trained"
    assert plain.identity != tuned.identity
    assert json.loads(tuned.identity)["lora"]
    # The scores are those of the weights that were trained.
    saved = torch.load(tmp_path / "run" / "finetune.checkpoint.pt", weights_only=True)["best"]
    loaded = [p for n, p in tuned.reader.model.named_parameters() if "lora_" in n]
    for a, b in zip(saved, loaded, strict=True):
        assert torch.equal(a, b)

    other = TransformersOracle(VLMS["internvl"]())
    with pytest.raises(OracleFailedError, match="does not fit"):
        TransformersOracle((other.reader.model, other.reader.processor), adapter=adapter)
    with pytest.raises(OracleFailedError, match=r"adapter_config\.json is missing"):
        TransformersOracle(VLMS["qwen2_vl"](), adapter=tmp_path)


@pytest.mark.full
def test_two_processes_train_what_one_does(tmp_path: Path, easy: Path) -> None:
    model, processor = VLMS["qwen2_vl"]()
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    words = ["run.py", "--config", "configs/finetune-lora.json", "--data_dir", str(easy), "--device", "cpu"]
    words += ["--vlm_model_name", str(tmp_path / "base"), "--vlm_options", '{"max_pixels": 4096}']
    words += ["--mixed_precision", "no", "--steps.max_steps", "2", "--steps.batch", "4", "--steps.lr", "0.01"]
    words += ["--num_samples", "6", "--holdout", "1", "--lora.targets", "all-linear", "--output_dir"]
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, start in (("one", []), ("two", together)):
        command = [sys.executable, *start, *words, str(tmp_path / name)]
        done = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("results.json") == 1, "one process reports"
    one, two = (json.loads((tmp_path / n / "results.json").read_text()) for n in ("one", "two"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert two["accuracy"] == one["accuracy"]
    assert one["cells"]["asked"] <= two["cells"]["asked"], "a cell that both need is asked by both"


def test_bad_input_is_one_line(easy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "configs/finetune-lora.json", "--data_dir", str(easy), "--output_dir", str(tmp_path / "o")]
    assert main([*words, "--vlm_model_name", "embedded"]) == 2
    assert main([*words, "--vlm_options", '{"adapter": "somewhere"}']) == 2
    assert main([*words, "--steps.batch", "0"]) == 2
    assert main([*words, "--code_gen_provider", "cache"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("error: ") for line in lines)
    assert "can not be fine-tuned" in lines[0]
    assert "second one" in lines[1]
    assert "program_cache_address" in lines[3]


# --- referring expressions -----------------------------------------------------------------------------


def test_boxes_that_overlap_the_true_one_are_right() -> None:
    task = tasks.load("refgta", EXAMPLES / "formats" / "refgta")
    sample = task.samples[0]
    x0, y0, x1, y1 = task.target(sample)  # type: ignore[attr-defined]
    shift = 0.1 * (x1 - x0)
    boxes = [[0, 0, 2, 2], [x0 + shift, y0, x1 + shift, y1], [x0, y0, x1, y1]]
    target = target_on(task, sample, Scene(np.array(boxes), (9999, 9999)))
    assert target == Target("object", 2, (1,))
    with pytest.raises(LostObjectError, match="No box overlaps"):
        target_on(task, sample, Scene(np.array(boxes[:1]), (9999, 9999)))
    # An object chosen softly: the chances of both add up. A formula: a cross-entropy a box.
    chances = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    chosen = SoftAnswer("object", (0, 1, 2), chances)
    assert float(loss_of(chosen, target)) == pytest.approx(-np.log(0.8))
    each = SoftAnswer("objects", (0, 1, 2), chances)
    assert float(loss_of(each, target)) == pytest.approx(-np.log(0.8 * 0.3 * 0.5) / 3)
    assert not is_right(SoftAnswer("object", (0, 1, 2), chances.flip(0)), target)
    assert is_right(SoftAnswer("object", (0, 1), chances[:2]), target)


def test_refgta_with_cached_programs_is_trained(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"dataset": "refgta", "vocabulary": None, "code_gen_provider": "cache"}
    fields["program_cache_address"] = "programs/refgta-sample.json"
    fields["steps"] = {"batch": 2, "max_steps": 2, "epochs": 2}
    results = finetune(config(EXAMPLES / "formats" / "refgta", **fields), tmp_path / "run", silent, tiny())
    assert results["questions"] >= 2
    assert results["losses"][1] < results["losses"][0]


# --- small parts ---------------------------------------------------------------------------------------


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(s, 100, 0.1) for s in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert rates[0] == pytest.approx(0.1)
    assert 0 < rates[-1] < 0.01
    assert Steps(batch=4, gradient_accumulation=2, epochs=3, max_steps=5).count(17) == (3, 5)
    assert State(scores=[(1, 0.5), (2, 0.7), (3, 0.7)]).best == (2, 0.7)


def test_pictures_are_let_go() -> None:
    path = EXAMPLES / "clevr" / "images" / "CLEVR_val_000004.png"
    shown = Scene(np.zeros((1, 4)), (480, 320), Picture(path))
    assert shown.picture is not None
    assert shown.picture.image.size == (480, 320)
    again = closed(shown)
    assert again.picture is not None
    assert again.picture._image is None


def test_a_dry_run_looks_for_model_and_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("lora", "refgta"):
        assert main(["--config", f"configs/finetune-{name}.json", "--dry_run", "true"]) == 0
        assert "OpenGVLab/InternVL3-1B-hf will be downloaded" in capsys.readouterr().out
    words = ["--config", "configs/finetune-lora.json", "--dry_run", "true", "--data_dir", str(tmp_path / "none")]
    assert main(words) == 2
    assert "data_dir: The data folder does not exist" in capsys.readouterr().err
    words = ["--config", "configs/clevr.json", "--dry_run", "true", "--vlm_model_name", "intern3_1b"]
    assert main([*words, "--vlm_options", json.dumps({"adapter": str(tmp_path)})]) == 2
    assert "adapter_config.json is missing" in capsys.readouterr().err
