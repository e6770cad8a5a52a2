"""The benchmark of distillation: its arms learn what they should, and a run of two steps goes through and on."""

from __future__ import annotations

import json
from pathlib import Path

import distil as benchmark
import pytest

from neptune.learn.distil.export import read_distilled

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def test_arms_go_through_and_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["distil.py", "students", "--data_dir", str(SAMPLE), "--val_dir", str(SAMPLE), "--out", str(tmp_path)]
    words += ["--arms", "ad", "--seeds", "1", "--steps", "2", "--train", "12", "--val", "4", "--threads", "1"]
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
    monkeypatch.setattr(benchmark, "student", None)
    benchmark.main()
    assert "\n| a | 0 |" in capsys.readouterr().out
