"""What a run would cost: nothing is asked, nothing is written, and the worst case is one."""

from __future__ import annotations

import pytest
from rich.console import Console

from neptune import tasks
from neptune.cli import main
from neptune.config import make_config
from neptune.engine import Engine
from neptune.runner.estimate import Estimate, estimate_dataset, past_records, print_estimate


@pytest.fixture
def sample_dir(request):
    return str(request.config.rootpath / "examples" / "clevr")


def configured(sample_dir, **fields):
    base = {
        "dataset": "clevr",
        "data_dir": sample_dir,
        "num_samples": 12,
        "vlm_model_name": "scene",
        "od_model": "scene",
    }
    return make_config(base | fields)


@pytest.mark.parametrize("dataset", ["clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm"])
def test_the_worst_case_is_what_asking_everything_takes(sample_dir, dataset):
    config = configured(sample_dir, dataset=dataset)
    task = tasks.load(dataset, sample_dir, 12)
    found = estimate_dataset(config, task, [])
    assert (found.samples, found.unknown) == (12, 0)
    spent = {}
    for schedule in ("all", "lazy"):
        engine = Engine(oracle="scene", detector="scene", schedule=schedule)
        usages = [engine.run(s.gold(), engine.scene(s.picture, s.truth())).usage for s in task.samples]
        spent[schedule] = sum(u.oracle_calls for u in usages)
    assert found.calls >= spent["all"] >= spent["lazy"]


def test_past_records_say_what_to_expect(sample_dir, tmp_path):
    (tmp_path / "samples.jsonl").write_text(
        '{"id": 1, "dataset": "clevr", "usage": {"oracle_calls": 10, "oracle_rounds": 2}}\n'
        '{"id": 2, "dataset": "clevr", "usage": {"oracle_calls": 20, "oracle_rounds": 4}}\n'
        '{"id": 3, "dataset": "other", "usage": {"oracle_calls": 999}}\n{"id": 4, "data'
    )
    config = configured(sample_dir, prices={"input": 2.0, "output": 8.0, "image_tokens": 500})
    console = Console(record=True, width=100)
    (row,) = print_estimate(config, [tasks.load("clevr", sample_dir, 12)], tmp_path, console)
    assert (row.expected_calls, row.expected_rounds) == (180, 36)
    text = console.export_text()
    assert "180" in text
    assert "money expected" in text
    assert past_records(tmp_path / "nowhere") == []


def test_tokens_and_money():
    row = Estimate("d", 1, calls=100, characters=4000)
    assert row.tokens(100, 0.0) == (1000, 100)
    assert row.money(1_000_000, {"input": 1.0, "image_tokens": 90}) == pytest.approx(100.0)


def test_the_command_makes_no_call_and_writes_nothing(sample_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "neptune.oracle.scene.SceneOracle.score", lambda *_: pytest.fail("the oracle was asked")
    )
    words = ["--config", "configs/clevr.json", "--data_dir", sample_dir, "--num_samples", "3"]
    words += [
        "--vlm_model_name",
        "scene",
        "--od_model",
        "scene",
        "--output_dir",
        str(tmp_path / "run"),
        "--estimate",
    ]
    assert main(words) == 0
    assert "calls at most" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_the_budget_of_a_run(sample_dir, tmp_path, capsys):
    words = ["--config", "configs/clevr.json", "--data_dir", sample_dir, "--num_samples", "5"]
    words += ["--vlm_model_name", "scene", "--od_model", "scene", "--output_dir", str(tmp_path / "run")]
    assert main([*words, "--max_run_calls", "25"]) == 0
    rows = past_records(tmp_path / "run")
    assert sum(row["usage"]["oracle_calls"] for row in rows) == 25
    assert any(not row["settled"] and row["error"] is None for row in rows)
