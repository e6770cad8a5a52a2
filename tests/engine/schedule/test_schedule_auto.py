"""``schedule: auto``: chosen from what the oracle declares, recorded, kept on resuming, and told of in progress."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main
from neptune.engine import Engine
from neptune.engine.assemble import choose_schedule
from neptune.perception import registry
from neptune.perception.oracle.scene import SceneOracle
from neptune.runs.runner.progress import Progress
from neptune.scene import Scene

ROOT = Path(__file__).resolve().parents[3]
WORDS = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene", "--num_samples"]
PROGRAM = "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))"


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class Dear(SceneOracle):
    """Knows the truth, and is paid by the call."""

    cell_cost = "dear"


@pytest.mark.parametrize("name", [*registry.ORACLES, "Qwen/Qwen2-VL-2B-Instruct", "qwen2_2b"])
def test_the_choice_follows_from_what_an_oracle_declares(name: str) -> None:
    dear = name in ("openai", "intern_vllm", "transformers") or "wen" in name
    used, why = choose_schedule("auto", name)
    assert used == ("lazy" if dear else "all")
    assert name in why
    for given in ("all", "lazy"):
        assert choose_schedule(given, name) == (given, "it was asked for")


def test_an_engine_chooses_and_decides_the_same() -> None:
    scenes = [Scene.synthetic(8, seed=k) for k in range(12)]
    everything, auto = Engine(oracle=Dear(), schedule="all"), Engine(oracle=Dear(), schedule="auto")
    assert auto.context.schedule is not None
    assert Engine(oracle="scene", schedule="auto").context.schedule is None
    asked = [(everything.run(PROGRAM, scene), auto.run(PROGRAM, scene)) for scene in scenes]
    assert all(a.value == b.value and b.settled for a, b in asked)
    assert sum(b.usage.oracle_calls for _, b in asked) < sum(a.usage.oracle_calls for a, _ in asked) / 2


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("dear", [False, True])
def test_a_run_records_its_choice_and_a_resumed_one_keeps_it(
    dear: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if dear:
        monkeypatch.setitem(registry.ORACLES, "scene", f"{__name__}:Dear")
    words = ["--schedule", "auto", "--output_dir", str(tmp_path / "run"), "--bundle", str(tmp_path / "run.zip")]
    assert main([*WORDS, "6", *words]) == 0
    used = "lazy" if dear else "all"
    config, results = read(tmp_path / "run" / "config.json"), read(tmp_path / "run" / "results.json")
    assert config["schedule"] == used
    assert config["_run"]["schedule"] == results["schedule"]
    assert (results["schedule"]["asked"], results["schedule"]["used"]) == ("auto", used)
    assert "calls of the oracle" in results["schedule"]["why"]
    before = (tmp_path / "run" / "samples.jsonl").read_bytes()

    # Another version of the oracle may think otherwise of its calls: a run that was begun goes on as it was.
    monkeypatch.setattr(SceneOracle, "cell_cost", "cheap" if dear else "dear", raising=False)
    monkeypatch.setattr(Dear, "cell_cost", "cheap")
    assert main([*WORDS, "8", *words]) == 0
    results = read(tmp_path / "run" / "results.json")
    assert (results["schedule"]["used"], results["schedule"]["why"]) == (used, "the run was begun with it")
    assert (tmp_path / "run" / "samples.jsonl").read_bytes().startswith(before)
    assert read(tmp_path / "run" / "config.json")["schedule"] == used
    assert main(["--config", str(tmp_path / "run.zip"), "--output_dir", str(tmp_path / "replayed")]) == 0
    assert "8 samples replayed, all equal bit for bit" in capsys.readouterr().out


def line(lazy: bool, asking: float, samples: int = 12) -> str:
    out = io.StringIO()
    with Progress(samples, out, lazy=lazy) as progress:
        for _ in range(samples):
            progress.add({"correct": True, "seconds": 1.0, "usage": {"oracle_ms": 1000 * asking, "oracle_calls": 9}})
    return out.getvalue().splitlines()[-1]


@pytest.mark.parametrize(("lazy", "asking", "said"), [(True, 0.03, True), (True, 0.6, False), (False, 0.03, False)])
def test_the_progress_line_says_when_lazy_costs_more_than_it_saves(lazy: bool, asking: float, said: bool) -> None:
    found = line(lazy, asking)
    assert ("lazy costs more than it saves (asking takes 3% of the time): --schedule all is quicker" in found) == said


def test_a_lazy_run_with_a_cheap_oracle_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "20", "--schedule", "lazy", "--output_dir", str(tmp_path / "run")]) == 0
    assert "lazy costs more than it saves" in capsys.readouterr().err
    assert main([*WORDS, "20", "--schedule", "auto", "--output_dir", str(tmp_path / "auto")]) == 0
    assert "lazy costs more" not in capsys.readouterr().err
