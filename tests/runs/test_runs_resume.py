"""A run killed with ``kill -9`` at random moments, resumed, equals an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]
WORDS += ["--dataset", "clevr", "clevr-rpm", "--num_samples", "60"]
N = 120


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def settled(record: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how often a run was killed: with a lazy schedule, which cells are known does."""
    unsettled = ("seconds", "usage", "trace", "scores", "probability", "bounds", "witness", "evidence")
    return {k: v for k, v in record.items() if k not in unsettled}


def test_five_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    assert main([*WORDS, "--output_dir", str(calm)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == str(calm / "report.html")

    seed = int(os.environ.get("NEPTUNE_SEED", time.time_ns() % 10_000))
    print("seed", seed)
    rng = random.Random(seed)
    command = [sys.executable, "run.py", *WORDS, "--output_dir", str(killed)]
    samples = killed / "samples.jsonl"
    for target in sorted(rng.sample(range(N * 3 // 4), 5)):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 600  # a machine under load is slow to start
        while time.monotonic() < deadline and process.poll() is None:
            if samples.exists() and samples.read_bytes().count(b"\n") >= target:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=30)
        # A fast machine may have finished before the last kill; it must not have failed.
        assert process.returncode in (-signal.SIGKILL, 0), said.decode()
    before = lines(killed) if samples.read_bytes().endswith(b"\n") else []

    assert main([*WORDS, "--output_dir", str(killed)]) == 0
    one, other = lines(calm), lines(killed)
    assert other[: len(before)] == before  # nothing was written again
    assert len({(r["dataset"], r["id"]) for r in other}) == len(other) == N
    assert [settled(r) for r in other] == [settled(r) for r in one]
    results = [json.loads((f / "results.json").read_text()) for f in (calm, killed)]
    for name in ("n", "answered", "errors", "correct", "accuracy", "complete", "by_family", "by_dataset"):
        assert results[0][name] == results[1][name]
    assert json.loads((killed / "config.json").read_text())["_run"]["resumed"]


def test_a_finished_run_is_left_as_it_is_and_can_grow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--dataset", "clevr", "--output_dir", str(tmp_path / "run")]
    assert main([*words, "--num_samples", "3"]) == 0
    first = lines(tmp_path / "run")
    assert main([*words, "--num_samples", "3"]) == 0
    assert lines(tmp_path / "run") == first
    assert main([*words, "--num_samples", "5"]) == 0
    assert lines(tmp_path / "run")[:3] == first
    assert len(lines(tmp_path / "run")) == 5
    capsys.readouterr()
    assert main([*words, "--num_samples", "3"]) == 2  # would leave two records over
    assert main([*words, "--logic", "product"]) == 2
    said = capsys.readouterr().err
    assert "samples that are not among those asked for" in said
    assert '\'logic\' was "godel" and is now "product"' in said
    assert said.count("\n") == 2 + said.count("Resuming")
    assert main([*words, "--num_samples", "2", "--logic", "product", "--resume", "false"]) == 0
    assert lines(tmp_path / "run.1")[:3] == first


def test_the_folder_records_where_the_answers_come_from(tmp_path: Path) -> None:
    assert main([*WORDS, "--num_samples", "1", "--output_dir", str(tmp_path / "run")]) == 0
    found = json.loads((tmp_path / "run" / "config.json").read_text())
    assert found["seed"] == 0
    assert found["_run"]["versions"]["python"]
    assert "data_dir/questions.json" in found["_run"]["hashes"]
    # A run folder's config is a config: the same command continues the run.
    assert main(["--config", str(tmp_path / "run" / "config.json")]) == 0


def test_another_budget_goes_on_from_the_first_question_that_was_cut_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]
    words += ["--num_samples", "12", "--output_dir"]
    free, run = str(tmp_path / "free"), str(tmp_path / "run")
    assert main([*words, free]) == 0
    assert main([*words, run, "--max_run_calls", "400"]) == 0
    first = lines(tmp_path / "run")
    cut = next(i for i, r in enumerate(first) if not r["settled"])
    assert 0 < cut < 11
    assert main([*words, run, "--max_run_calls", "400"]) == 0  # the same command leaves it as it is
    assert lines(tmp_path / "run") == first
    said_of = {"dataset": "clevr", "key": "k", "model": "m", "right": True, "said": "yes"}
    verdicts = [said_of | {"id": first[i]["id"]} for i in (0, cut)]
    (tmp_path / "run" / "judge.jsonl").write_text("".join(json.dumps(row) + "\n" for row in verdicts))

    spent = sum(r["usage"]["oracle_calls"] for r in first[:cut])
    capsys.readouterr()
    kept = (tmp_path / "run" / "samples.jsonl").read_bytes()
    assert main([*words, run, "--max_run_calls", str(spent - 1)]) == 2
    said = capsys.readouterr().err
    assert f"'max_run_calls' is now {spent - 1}, and the answers that are there took {spent} calls" in said
    assert (tmp_path / "run" / "samples.jsonl").read_bytes() == kept
    assert json.loads((tmp_path / "run" / "config.json").read_text())["max_run_calls"] == 400

    packed = tmp_path / "run.zip"
    assert main([*words, run, "--max_run_calls", "100000", "--bundle", str(packed)]) == 0
    assert f"{12 - cut} samples are answered again" in capsys.readouterr().err
    again = lines(tmp_path / "run")
    assert again[:cut] == first[:cut]
    assert [settled(r) for r in again] == [settled(r) for r in lines(tmp_path / "free")]
    assert (tmp_path / "run" / "judge.jsonl").read_text() == json.dumps(verdicts[0]) + "\n"
    assert main([*words, run]) == 0  # no budget at all is another one too, under which all stays as it is
    assert lines(tmp_path / "run") == again
    assert main(["--config", str(packed), "--output_dir", str(tmp_path / "replayed")]) == 0
    assert "12 samples replayed, all equal bit for bit" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ["--vocabulary", "clver"],
        ["--vlm_options", '{"noise": "x"}'],
        ["--vlm_options", '{"nosie": 1}'],
        ["--logic_params", "nope.json"],
        ["--logic", "goedel"],
        ["--gpus", "99"],
    ],
    ids=" ".join,
)
def test_a_run_that_can_not_start_moves_no_other_aside(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS[:-1], "2", "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    before = lines(tmp_path / "run")
    capsys.readouterr()
    assert main([*words, "--resume", "false", *wrong]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert lines(tmp_path / "run") == before


def test_what_was_asked_for_once_is_not_asked_for_again(tmp_path: Path) -> None:
    words = [*WORDS[:-1], "2", "--output_dir"]
    assert main([*words, str(tmp_path / "a"), "--blame", "true", "--resume", "false"]) == 0
    kept = str(tmp_path / "a" / "config.json")
    assert main(["--config", kept]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a"], "the run was looked at, not made afresh"
    assert main(["--config", kept, "--output_dir", str(tmp_path / "b")]) == 0
    assert not (tmp_path / "b" / "blame.jsonl").exists()
    assert "blame" not in json.loads((tmp_path / "b" / "results.json").read_text())
