"""What a run would cost: nothing is asked, nothing is written, and the worst case is one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from neptune import tasks
from neptune.cli import main
from neptune.config import make_config
from neptune.engine import Engine
from neptune.runs.runner.estimate import Estimate, estimate_dataset, past_records, print_estimate


@pytest.fixture
def sample_dir(request):
    return str(request.config.rootpath / "examples" / "clevr")


def printed(config):
    console = Console(record=True, width=200)
    print_estimate(config, [tasks.load(config.dataset, config.data_dir, 12)], Path("nowhere"), console)
    return console.export_text()


def configured(sample_dir, **fields):
    base = {
        "dataset": "clevr",
        "data_dir": sample_dir,
        "num_samples": 12,
        "vlm_model_name": "scene",
        "od_model": "scene",
    }
    return make_config(base | fields)


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("dataset", ["clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm"])
def test_no_run_costs_more(sample_dir, dataset, schedule):
    config = configured(sample_dir, dataset=dataset)
    task = tasks.load(dataset, sample_dir, 60)
    found = estimate_dataset(config, task, [])
    assert (found.samples, found.unknown, found.certain) == (60, 0, True)
    engine = Engine(oracle="scene", detector="scene", schedule=schedule)
    spent = [engine.run(s.gold(), engine.scene(s.picture, s.truth())).usage.oracle_calls for s in task.samples]
    assert sum(spent) <= found.calls
    if schedule == "all":
        assert found.calls <= 1.2 * sum(spent)  # hardly a program has more than one way


def test_a_picture_that_is_no_longer_kept_is_counted_again(sample_dir, monkeypatch):
    monkeypatch.setattr("neptune.engine.scenes.SCENES_KEPT", 1)
    monkeypatch.setattr("neptune.runs.runner.estimate.SCENES_KEPT", 1)
    config, task = configured(sample_dir), tasks.load("clevr", sample_dir, 20)
    first, second = task.samples[0], task.samples[19]
    assert first.picture.path != second.picture.path
    task.samples = [first, second, first, second]
    engine = Engine(oracle="scene", detector="scene")
    spent = [engine.run(s.gold(), engine.scene(s.picture, s.truth())).usage.oracle_calls for s in task.samples]
    assert sum(spent) == 2 * sum(spent[:2])
    assert estimate_dataset(config, task, []).calls >= sum(spent)


def test_where_objects_are_not_known_the_table_says_what_was_assumed(sample_dir, tmp_path):
    program = "exists(Object, lambda x: exists(Object, lambda y: left(x, y)))"
    rows = [{"image": "CLEVR_val_000049.png", "question": "Is there?", "program": program}]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "CLEVR_val_000049.png").write_bytes((Path(sample_dir) / "images" / "CLEVR_val_000049.png").read_bytes())
    for fields, objects in (({}, 8), ({"estimate_objects": 11}, 11)):
        config = configured(str(tmp_path), dataset="folder", od_model="embedded", **fields)
        text = printed(config)
        assert "calls, about" in text
        assert "at most" not in text
        assert f"{objects * (objects - 1)}" in text
        assert f"{objects} objects a picture were assumed for 1 samples" in text
    assert "as many objects as are annotated" in printed(configured(sample_dir, od_model="embedded"))
    assert "calls at most" in printed(configured(sample_dir))


def test_what_may_ask_more_is_said(sample_dir):
    config, task = configured(sample_dir), tasks.load("clevr", sample_dir, 1)
    program = "p = score('is it nice?').exists('x1').prob()\nreturn score(f'is it {p:.1f} nice?')"
    task.samples = [replace(task.samples[0], program=program)]
    found = estimate_dataset(config, task, [])
    assert (found.unfollowed, found.certain) == (1, False)
    console = Console(record=True, width=100)
    print_estimate(config, [task], Path("nowhere"), console)
    assert "may ask more" in console.export_text()


def test_several_logics_may_each_take_another_way(sample_dir):
    program = "if score('is it night?', 0):\n    return count(Object, lambda x: red(x))\nreturn count(Object, cube)"
    task = tasks.load("clevr", sample_dir, 1)
    task.samples = [replace(task.samples[0], program=program)]
    n = len(task.samples[0].truth())
    assert estimate_dataset(configured(sample_dir), task, []).calls == n + 1
    assert estimate_dataset(configured(sample_dir, logic="godel,product"), task, []).calls == 2 * n + 1


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
        "neptune.perception.oracle.scene.SceneOracle.score", lambda *_: pytest.fail("the oracle was asked")
    )
    words = ["--config", "configs/clevr.json", "--data_dir", sample_dir, "--num_samples", "3"]
    words += ["--vlm_model_name", "scene", "--od_model", "scene", "--output_dir", str(tmp_path / "run"), "--estimate"]
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
