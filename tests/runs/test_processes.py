"""A run whose samples are answered by several processes keeps the records of one that has one."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import neptune.tasks
from neptune.cli import main
from neptune.config import Config
from neptune.runs.runner import batches
from neptune.runs.runner.processes import processes
from neptune.runs.runner.processes.processes import processes_for, shards_of
from neptune.runs.runner.programs import Programs
from neptune.runs.runner.progress import Progress
from neptune.tasks.clevr.clevr import Clevr

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"plan_ms", "execute_ms", "oracle_ms", "inspect_ms"}
SAMPLES = 50

pytestmark = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(batches, "SECONDS", 1e9)  # however slow the machine is
    monkeypatch.setattr(processes, "SMALLEST", 4)
    monkeypatch.setattr(processes, "LARGEST", 10)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # other tests' threads hold no lock that is needed


def ran(folder: Path, count: int, *words: str, code: int = 0) -> list[dict[str, Any]]:
    """Run a dataset; return its records without times."""
    fixed = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]
    fixed += ["--data_dir", "examples/clevr", "--num_samples", str(SAMPLES), "--vlm_options", '{"noise": 0.4}']
    assert main([*fixed, "--output_dir", str(folder), "--processes", str(count), *words]) == code
    records = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    for record in records:
        del record["seconds"]
        record["usage"] = {k: v for k, v in record["usage"].items() if k not in TIMES}
    return records


def answers(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records without what a resumed run counts anew: what was asked of the picture that it goes on with."""
    return [{k: v for k, v in record.items() if k not in ("usage", "evidence")} for record in records]


def said(folder: Path) -> list[str]:
    """Return what was seen and said of a run, sorted: several processes write it in another order."""
    return sorted((folder / "evidence.jsonl").read_text("utf-8").splitlines())


def test_records_are_those_of_one_process(tmp_path: Path) -> None:
    one, three = ran(tmp_path / "one", 1), ran(tmp_path / "three", 3)
    assert len(one) == SAMPLES
    assert one == three
    assert said(tmp_path / "one") == said(tmp_path / "three")
    results = [json.loads((tmp_path / name / "results.json").read_text("utf-8")) for name in ("one", "three")]
    assert results[0]["accuracy"] == results[1]["accuracy"]
    assert results[1]["oracle_batches"]["samples"] == SAMPLES
    assert multiprocessing.active_children() == []


def spoilt(monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Let one sample's judging do something."""
    judge = Clevr.judge

    def judged(self: Clevr, sample: Any, *rest: Any) -> Any:
        if sample.id.endswith("24"):
            what()
        return judge(self, sample, *rest)

    monkeypatch.setattr(Clevr, "judge", judged)


def test_a_bug_is_one_sample_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("nobody foresaw this")

    spoilt(monkeypatch, fail)
    one, two = ran(tmp_path / "one", 1, code=1), ran(tmp_path / "two", 2, code=1)
    assert one == two
    assert sum(r["error_kind"] == "bug" for r in two) == 1
    assert "nobody foresaw this" in (tmp_path / "two" / "errors.log").read_text("utf-8")


def test_a_process_that_dies_ends_the_run_and_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as spoiling:
        spoilt(spoiling, lambda: os._exit(9))
        there = ran(tmp_path / "run", 2, code=2)
    assert len(there) < SAMPLES
    assert "has ended" in capfd.readouterr().err
    assert multiprocessing.active_children() == []
    assert answers(ran(tmp_path / "run", 2)) == answers(ran(tmp_path / "one", 1))


def test_an_interrupted_run_leaves_no_process_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as pressing:
        add = Progress.add

        def pressed(self: Progress, record: Any) -> None:
            add(self, record)
            if record["id"].endswith("12"):
                raise KeyboardInterrupt

        pressing.setattr(Progress, "add", pressed)
        there = ran(tmp_path / "run", 2, code=130)
    assert 0 < len(there) < SAMPLES
    assert multiprocessing.active_children() == []
    assert answers(ran(tmp_path / "run", 3)) == answers(ran(tmp_path / "one", 1))


def counted(config: Config, samples: int = SAMPLES, indices: list[int] | None = None) -> int:
    task = neptune.tasks.load("clevr", ROOT / "examples" / "clevr", samples)
    todo = [(task, index) for index in (range(samples) if indices is None else indices)]
    with Programs(config) as programs:
        return processes_for(config, todo, programs)


def config(**fields: Any) -> Config:
    known = {"dataset": "clevr", "data_dir": "examples/clevr", "od_model": "scene", "vlm_model_name": "scene"}
    return Config(**(known | {"schedule": "all", "code_gen_provider": "gold"} | fields))


def test_who_is_answered_by_several(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 4)
    assert counted(config(processes=3)) == 3
    assert counted(config()) == 1  # few samples
    monkeypatch.setattr(processes, "FEWEST", 20)
    assert counted(config()) == 4
    assert counted(config(processes=1)) == 1
    assert capsys.readouterr().err == ""
    for other in ({"vlm_model_name": "embedded"}, {"od_model": "embedded"}, {"schedule": "lazy"}, {"workers": 2}):
        assert counted(config(**other)) == 1
        assert capsys.readouterr().err == ""
        assert counted(config(**other, processes=2)) == 1
        assert "One process answers, not 2" in capsys.readouterr().err
    assert counted(config(max_run_calls=9)) == 1
    assert counted(config(processes=2), indices=[0, 20, 1, 21]) == 1
    assert "do not follow each other" in capsys.readouterr().err


def test_shards_hold_all_of_a_picture() -> None:
    task = neptune.tasks.load("clevr", ROOT / "examples" / "clevr", SAMPLES)
    todo = [(task, index) for index in range(SAMPLES)]
    shards = shards_of([task], todo, 15)
    assert [p for shard in shards for p in shard.positions] == list(range(SAMPLES))
    pictures = [{task.picture_of(index) for index in shard.indices} for shard in shards]
    assert len(shards) > 1
    assert len(set().union(*pictures)) == sum(map(len, pictures))
    assert all(shard.ids == tuple(list(task.sample_ids())[i] for i in shard.indices) for shard in shards)
