"""Samples in flight: any number of workers, or of copies of the models, gives the records of one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from neptune import tasks
from neptune.answer import Answer
from neptune.cli import main
from neptune.config import make_config
from neptune.engine import Engine
from neptune.errors import ConfigError, OracleFailedError
from neptune.perception.replicas import DetectorReplicas, devices_of
from neptune.runs.runner.flight import Budget, Flight
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import ScoreRequest, Scores

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--config", "configs/clevr.json", "--schedule", "all"]
TRUE = [*WORDS, "--od_model", "scene", "--vlm_model_name", "scene"]
"""With the annotated boxes and attributes; otherwise the embedded networks look at the pictures."""


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def run(folder: Path, *words: object, base: list[str] = WORDS) -> tuple[int, list[dict[str, Any]]]:
    code = main([*base, "--output_dir", str(folder), *map(str, words)])
    return code, records(folder)


def settled(record: dict[str, Any]) -> dict[str, Any]:
    """All but times, who of several questions on one picture paid for a cell, and where the record of them is."""
    return {k: v for k, v in record.items() if k not in ("seconds", "usage", "evidence")}


def test_workers_change_no_record(tmp_path: Path) -> None:
    one, alone = run(tmp_path / "one", "--num_samples", 12)
    many, abreast = run(tmp_path / "many", "--num_samples", 12, "--workers", 4, "--max_batch", 16)
    assert one == many == 0
    assert [settled(r) for r in abreast] == [settled(r) for r in alone]
    calls = [sum(r["usage"]["oracle_calls"] for r in found) for found in (alone, abreast)]
    assert calls[0] == calls[1]  # no cell was asked twice


def test_workers_are_really_at_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, meet = Engine.run, threading.Barrier(4)

    def together(self: Engine, *arguments: Any) -> Answer:
        meet.wait(60)  # nobody goes on unless four samples are being answered
        return whole(self, *arguments)

    monkeypatch.setattr(Engine, "run", together)
    code, found = run(tmp_path / "run", "--num_samples", 8, "--workers", 4, base=TRUE)
    assert (code, [r["error"] for r in found]) == (0, [None] * 8)


def test_a_killed_run_with_workers_resumes(tmp_path: Path) -> None:
    words = [*TRUE, "--num_samples", "30", "--output_dir", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "run.py", *words, "--workers", "4"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    samples, deadline = tmp_path / "run" / "samples.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if samples.exists() and samples.read_bytes().count(b"\n") >= 10:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGKILL, 0), said.decode()
    kept = samples.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    code, resumed = run(tmp_path / "run", "--num_samples", 30, "--workers", 3, base=TRUE)
    _, calm = run(tmp_path / "calm", "--num_samples", 30, base=TRUE)
    assert code == 0
    assert samples.read_bytes().startswith(kept)
    assert [settled(r) for r in resumed] == [settled(r) for r in calm]


def test_the_budget_of_a_run_ends_at_the_same_question(tmp_path: Path) -> None:
    words = ["--num_samples", 10, "--max_run_calls", 150]
    _, alone = run(tmp_path / "one", *words)
    _, abreast = run(tmp_path / "many", *words, "--workers", 4)
    assert any("budget" in note for r in alone for note in r["notes"])
    assert [settled(r) for r in abreast] == [settled(r) for r in alone]


def test_a_budget_a_question_and_one_a_run_are_kept_by_all_workers(tmp_path: Path) -> None:
    words = ["--num_samples", 10, "--max_run_calls", 150, "--max_oracle_calls", 40]
    code, found = run(tmp_path / "many", *words, "--workers", 4)
    calls = [r["usage"].get("oracle_calls", 0) for r in found]
    assert (code, len(found)) == (0, 10)
    assert max(calls) == 40
    assert sum(calls) == 150


def test_an_interrupt_keeps_what_is_done_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = Engine.run, []

    def interrupted(self: Engine, *arguments: Any) -> Answer:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return whole(self, *arguments)

    monkeypatch.setattr(Engine, "run", interrupted)
    code, found = run(tmp_path / "run", "--num_samples", 12, "--workers", 3, base=TRUE)
    expected = [s.id for s in tasks.load("clevr", "examples/clevr", 12).samples]
    assert code == 130
    assert 3 <= len(found) <= 7  # those before the interrupted sample
    assert [r["id"] for r in found] == expected[: len(found)]
    assert not (tmp_path / "run" / "errors.log").exists()
    code, found = run(tmp_path / "run", "--num_samples", 12, "--workers", 3, base=TRUE)
    assert (code, [r["id"] for r in found]) == (0, expected)


def test_control_c_ends_a_run_with_workers(tmp_path: Path) -> None:
    command = [sys.executable, "run.py", *WORDS, "--workers", "3", "--output_dir", str(tmp_path / "run")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts `make test &` with interrupts ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    samples, deadline = tmp_path / "run" / "samples.jsonl", time.monotonic() + 60
    while not (samples.exists() and samples.read_bytes().count(b"\n") >= 3) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Interrupted; the same command resumes." in said
    assert "Traceback" not in said
    assert printed.splitlines()[-1].endswith("report.html")


def test_an_oracle_that_fails_for_good_ends_the_run_and_charges_no_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Engine.run
    broken = [s.gold() for s in tasks.load("clevr", "examples/clevr", 14).samples][7]

    def failing(self: Engine, program: str, *arguments: Any) -> Answer:
        if program == broken:
            raise OracleFailedError("The server is gone", hint="Start it again")
        return whole(self, program, *arguments)

    monkeypatch.setattr(Engine, "run", failing)
    code, found = run(tmp_path / "run", "--num_samples", 14, "--workers", 4, base=TRUE)
    said = capsys.readouterr().err
    assert code == 2
    assert f"{14 - len(found)} samples have no answer yet: The server is gone. Start it again." in said
    # Those in flight were finished and kept; nothing new was begun.
    assert 7 <= len(found) <= 11
    assert all(r["error"] is None and r["program"] != broken for r in found)
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    code, found = run(tmp_path / "run", "--num_samples", 14, "--workers", 4, base=TRUE)
    assert (code, len(found)) == (0, 14)


def test_copies_on_several_devices_answer_as_one() -> None:
    samples = tasks.load("clevr", ROOT / "examples" / "clevr", 12).samples
    program = "count(Object, lambda x: cube(x) and exists(Object, lambda y: red(y) and left(x, y)))"
    single = Engine("embedded", "embedded", oracle_options={"device": "cpu"}, detector_options={"device": "cpu"})
    with Engine("embedded", "embedded", devices=("cpu", "cpu", "cpu"), workers=3, max_batch=8) as engine:
        assert isinstance(engine.detector, DetectorReplicas)

        def begin(sample: tasks.Sample) -> Any:
            return lambda: engine.run(program, engine.scene(sample.picture))

        with Flight(samples, begin, workers=3) as flight:
            answers = [result() for result in flight]
    for sample, answer in zip(samples, answers, strict=True):
        alone = single.run(program, single.scene(sample.picture))
        assert (answer.value, answer.probability) == (alone.value, alone.probability)


def test_copies_are_used_at_the_same_time() -> None:
    from neptune.perception.oracle.caching.batcher import MicroBatcher
    from neptune.perception.oracle.random import RandomOracle
    from neptune.perception.replicas import OracleReplicas
    from neptune.scene.types import Question

    meet, busy, used = threading.Barrier(3), threading.Lock(), set()

    class Copy(RandomOracle):
        def score(self, requests: Any) -> list[Scores]:
            assert requests
            with busy:
                assert self not in used, "one copy was called by two threads"
                used.add(self)
            meet.wait(30)  # answered only when all three copies are at work
            answers = super().score(requests)
            with busy:
                used.remove(self)
            meet.wait(30)
            return answers

    scene, question = Scene.synthetic(9), Question("is it red?", 1)
    batcher = MicroBatcher(OracleReplicas([Copy(4) for _ in range(3)]), max_batch=3, wait_ms=0, lanes=3)
    cells = torch.arange(9)[:, None].numpy()
    (answer,) = batcher.score([ScoreRequest(scene, question, cells)])
    (alone,) = RandomOracle(4).score([ScoreRequest(scene, question, cells)])
    assert answer.logits.tolist() == alone.logits.tolist()
    batcher.close()


def test_one_picture_is_detected_once() -> None:
    from neptune.perception.detect.embedded import EmbeddedDetector

    class Counting(EmbeddedDetector):
        open_vocabulary = False
        looked = 0

        def detect(self, picture: Picture, labels: Any = ()) -> Any:
            self.looked += 1
            time.sleep(0.05)
            return super().detect(picture, labels)

    detector = Counting(device="cpu")
    engine = Engine("random", detector, workers=4)
    path = sorted((ROOT / "examples" / "clevr" / "images").iterdir())[0]
    with Flight(range(4), lambda _: lambda: engine.scene(path, labels=("cube",)), workers=4) as flight:
        scenes = [result() for result in flight]
    assert detector.looked == 1
    assert all(scene is scenes[0] for scene in scenes)
    engine.close()


@pytest.mark.skipif(torch.cuda.device_count() > 8, reason="this machine has a GPU 9")
def test_a_gpu_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = torch.cuda.device_count()
    assert main([*WORDS, "--num_samples", "1", "--gpus", "9", "--output_dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert f"GPU 9 is asked for, and the GPUs that torch sees here are: {there or 'none'}" in said
    assert said.count("\n") == 1
    assert devices_of([]) == ()


def test_gpus_for_what_runs_on_none() -> None:
    with pytest.raises(ConfigError, match="Neither the oracle 'scene' nor the detector 'scene' runs on a GPU"):
        Engine("scene", "scene", devices=("cpu", "cpu"))
    with pytest.raises(ConfigError, match="Both 'devices' and the option 'device'"):
        Engine("embedded", devices=("cpu",), oracle_options={"device": "cpu"})
    with pytest.raises(ConfigError, match=r"Both 'devices' and the option 'device_map' \(auto\)"):
        Engine("qwen2_2b", devices=("cpu", "cpu"), oracle_options={"device_map": "auto"})
    with pytest.raises(ConfigError, match="did you mean 'embedded'"):
        Engine("embeded", devices=("cpu",))
    # One of the two is enough: an oracle behind an address, and a detector here.
    with Engine("random", "embedded", devices=("cpu", "cpu")) as engine:
        assert isinstance(engine.detector, DetectorReplicas)
    assert Engine("embedded", "scene", devices=("cpu",)).detector is None


def test_the_first_in_flight_is_the_first_to_land() -> None:
    gates = [threading.Event() for _ in range(3)]

    def work(k: int) -> int:
        assert gates[k].wait(30)
        if k:
            gates[k - 1].set()  # the later one ends first
        return k

    gates[2].set()
    with Flight(range(3), lambda k: lambda: work(k), workers=3) as flight:
        assert [result() for result in flight] == [0, 1, 2]


def test_a_budget_deals_out_what_one_after_the_other_would_get() -> None:
    base = {"dataset": "clevr", "data_dir": "examples/clevr"}
    free = Budget(make_config(base), 10_000)
    assert (free.left, free.allows(99)) == (None, True)
    total = Budget(make_config({**base, "max_run_calls": 100}), 20)
    assert (total.left, total.allows(0), total.allows(1)) == (80, True, False)
    both = Budget(make_config({**base, "max_run_calls": 100, "max_oracle_calls": 25}))
    assert [both.allows(k) for k in range(5)] == [True, True, True, True, False]
    both.spend(90)
    assert (both.left, both.allows(0), both.allows(1)) == (10, True, False)
    both.spend(40)
    assert both.left == 0


@pytest.mark.gpu
def test_all_gpus_of_this_machine(tmp_path: Path) -> None:
    gpus = [str(k) for k in range(torch.cuda.device_count())]
    code, found = run(tmp_path / "gpus", "--num_samples", 20, "--gpus", *gpus, "--workers", 4)
    assert code == 0
    _, alone = run(tmp_path / "cpu", "--num_samples", 20)
    assert [r["answer"] for r in found] == [r["answer"] for r in alone]
