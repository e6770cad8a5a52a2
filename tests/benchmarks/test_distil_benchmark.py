"""The benchmark of distillation: its arms learn what they should, and a run of two steps goes through and on."""

from __future__ import annotations

import json
from pathlib import Path

import distil as benchmark
import distil_start as beginning
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neptune.learn.distil.export import read_distilled

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def test_arms_go_through_and_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["distil.py", "students", "--data_dir", str(SAMPLE), "--val_dir", str(SAMPLE), "--out", str(tmp_path)]
    words += ["--arms", "ad", "--seeds", "1", "--steps", "2", "--train", "12", "--val", "4", "--threads", "1"]
    words += ["--start_steps", "2"]
    monkeypatch.setattr("sys.argv", words)
    benchmark.main()
    first = capsys.readouterr().out
    assert first.count("\n| a | 0 |") == first.count("\n| d | 0 |") == 1
    a, d = (list(read_distilled(tmp_path / "lessons" / f"{arm}.jsonl")) for arm in "ad")
    assert {row["kind"] for row in a} == {"answer"}
    assert {row["kind"] for row in d} == {"answer", "rationale"}
    assert all(row["labelled"] and benchmark.half(row["images"][0]) for row in a)
    assert all(row["labelled"] == benchmark.half(row["images"][0]) for row in d)
    assert {row["labelled"] for row in d} == {True, False}, "the fourth arm is taught what the engine says of the rest"
    hidden = json.loads((tmp_path / "data" / "clevr-hidden" / "questions.json").read_text())["questions"]
    assert hidden
    assert all("answer" not in q and not benchmark.half(q["image_filename"]) for q in hidden)
    shown = {row["images"][0] for row in (*a, *d)}
    assert all(Path(path).is_relative_to(tmp_path / "small") for path in shown)
    another = beginning.begun(tmp_path / "start", 1, tmp_path / "another")
    folders = tmp_path / "start", tmp_path / "begun" / "0", another
    start, seed0, seed1 = (load_file(folder / "model.safetensors") for folder in folders)
    same = {name for name, value in start.items() if torch.equal(value, seed1[name])}
    eyes = {name for name in start if "visual" in name or "embed_tokens" in name}
    assert eyes <= same, "all start from the same eyes"
    layers = {name for name in start if ".self_attn.q_proj.weight" in name}
    assert layers
    assert not layers & same, "and from other weights, by seed"
    assert all(torch.equal(seed0[name], start[name]) for name in start), "the eyes were taught in a model of seed 0"
    monkeypatch.setattr(benchmark, "student", None)
    benchmark.main()
    assert "\n| a | 0 |" in capsys.readouterr().out


def thing(box: tuple[int, int, int, int], depth: float, color: str) -> dict[str, object]:
    said = {"color": color, "size": "large", "material": "metal", "shape": "cube"}
    return {"bbox": list(box), "pixel_coords": [0, 0, depth], **said}


def test_tokens_are_named_after_the_nearest_object_that_covers_them() -> None:
    cell = beginning.CELL / beginning.SCALE
    far = thing((0, 0, round(3 * cell), round(2 * cell)), 12.0, "red")
    near = thing((round(2 * cell), 0, round(4 * cell), round(cell)), 8.0, "blue")
    there, middle = beginning.named([far, near], (0, 0), False)
    grid, centres = there.reshape(beginning.ROWS, -1), middle.reshape(beginning.ROWS, -1)
    assert grid[0, :5].tolist() == [0, 0, 1, 1, -1]
    assert grid[1, :5].tolist() == [0, 0, 0, -1, -1]
    assert centres.sum() == 2
    assert (grid[centres] == [1, 0]).all()  # row by row: blue's middle, then red's
    turned, _ = beginning.named([far, near], (0, 0), True)
    assert (turned.reshape(grid.shape) >= 0).sum() == pytest.approx((grid >= 0).sum(), abs=1)
    assert (turned.reshape(grid.shape)[0, -4:] >= 0).all()
    moved, _ = beginning.named([far, near], (beginning.CELL, 0), False)
    assert np.array_equal(moved.reshape(grid.shape)[:, 1:], grid[:, :-1])


def test_words_of_a_token_are_equal_shares() -> None:
    made = beginning.processor(["a large big metal metallic shiny red cube cubes block blocks picture object"] * 9)
    wanted = beginning.Targets(made.tokenizer).of([thing((0, 0, 200, 200), 9.0, "red")], (0, 0), False)
    assert torch.allclose(wanted.sum(1), torch.ones(len(wanted)))
    said = {made.tokenizer.decode([k]).strip() for k in wanted[0].nonzero().flatten().tolist()}
    assert said == {"large", "big", "metal", "metallic", "shiny", "red", "cube", "cubes", "block", "blocks"}
    nothing = {made.tokenizer.decode([k]).strip() for k in wanted[-1].nonzero().flatten().tolist()}
    assert nothing == {"picture"}
