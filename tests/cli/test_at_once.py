"""Two commands at once in one folder: the second is refused before it writes, or waits where writing is short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main
from neptune.config.tasks import TASKS
from neptune.errors import ConfigError
from neptune.runs.record import lock as locks
from neptune.runs.record.lock import LOCK, held
from neptune.saving import write_whole

ROOT = Path(__file__).resolve().parents[2]
PICTURE = str(min((ROOT / "examples" / "clevr" / "images").glob("*.png")))
TALK = ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--code_gen_base_url", "http://localhost:9/v1"]
WAYS = ["--dataset", "clevr", "--data_dir", "examples/clevr", "--turns", "2", *TALK]
SAID = {
    "ask": ["--image", PICTURE, "--program", "exists(Object, lambda x: red(x))"],
    "agent": ["--image", PICTURE, "--question", "Is it red?", *TALK],
    "direct": ["--config", "configs/clevr.json", "--task", "direct"],
    "certify": ["--config", "configs/clevr.json", "--task", "certify", "--proxy_model_name", "embedded"],
}
"""What a command is given beyond its packaged config, where it is not enough."""
NO_FOLDER = {"cache", "contact-sheet", "find", "mcp", "serve"}
"""Tasks that write no folder, or only whole files of which the last one stays."""


def commands() -> list[tuple[str, list[str]]]:
    """Return for each task that writes a folder a command that does; for ``agent`` two."""
    found = {"run": ["--config", "configs/clevr.json"], "agent of a dataset": ["--config", "configs/agent.json", *WAYS]}
    for path in sorted((ROOT / "configs").glob("*.json")):
        task = json.loads(path.read_text()).get("task")
        if task is not None and task not in NO_FOLDER:
            found.setdefault(task, ["--config", f"configs/{path.name}", *SAID.get(task, [])])
    return [*found.items(), *((task, SAID[task]) for task in SAID if task not in found)]


def test_every_task_that_writes_a_folder_is_tried() -> None:
    assert {name for name, _ in commands()} - {"run", "agent of a dataset"} == set(TASKS) - NO_FOLDER


@pytest.mark.parametrize(("name", "words"), commands(), ids=[name for name, _ in commands()])
def test_a_folder_that_another_process_writes_is_left_alone(
    name: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("neptune.cli.commands.asked.answers.WAIT_SECONDS", 0.2)
    if name in ("finetune", "student"):
        pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")
    with held(tmp_path / "run"):
        assert main([*words, "--output_dir", str(tmp_path / "run")]) == 2
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]
    assert "is writing this folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists(), "it was made for the lock, and nothing is in it"


def test_four_that_ask_at_once_all_get_their_answers_and_the_folder_holds_one(tmp_path: Path) -> None:
    programs = ["exists(Object, lambda x: red(x))", "count(Object, lambda x: cube(x))"] * 2

    def ask(program: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "run.py", "ask", PICTURE, "--program", program]
        words += ["--output_dir", str(tmp_path / "answer")]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(ask, programs))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert all("Answer:" in one.stdout for one in done)
    (line,) = (tmp_path / "answer" / "samples.jsonl").read_text().splitlines()
    config = json.loads((tmp_path / "answer" / "config.json").read_text())
    assert json.loads(line)["program"] == config["program"]
    assert json.loads((tmp_path / "answer" / "results.json").read_text())["n"] == 1


def test_what_a_folder_of_something_else_holds_is_said_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "thesis.tex").write_text("mine")
    words = ["ask", PICTURE, "--program", "no_such_thing("]  # would be the next error
    assert main([*words, "--output_dir", str(tmp_path)]) == 2
    assert "holds other files (thesis.tex" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_lock_is_waited_for_and_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_LOOK_SECONDS", 0.001)
    inside, most = [0], [0]

    def work(_: int) -> None:
        with held(tmp_path / "a", 60.0):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(400)))
    assert most == [1]
    assert list(tmp_path.rglob(LOCK)) == []


@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_a_folder_that_is_taken_away_between_two_steps_is_made_again(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mkdir`` finds the folder, which is gone when it looks what it is; or ``open`` comes when it is gone."""
    path, gone = tmp_path / "run", [False]
    plain = {"mkdir": Path.mkdir, "open": os.open}

    def mkdir(self: Path, *args: Any, **options: Any) -> None:
        if step == "mkdir" and not gone[0]:
            gone[0] = True
            raise FileExistsError(17, "File exists", str(self))
        plain["mkdir"](self, *args, **options)

    def opened(name: Path, *args: Any) -> Any:
        if step == "open" and not gone[0]:
            gone[0] = True
            path.rmdir()
        return plain["open"](name, *args)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(locks.os, "open", opened)
    with held(path):
        assert gone == [True]
        assert [file.name for file in path.iterdir()] == [LOCK]


def test_a_lock_that_leads_elsewhere_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigError, match="can not be written"), held(tmp_path / "run"):
        raise AssertionError("it was locked")
    assert (tmp_path / "precious").read_text() == "mine"


def test_threads_replace_one_file_at_once(tmp_path: Path) -> None:
    content = [bytes([k]) * 100_000 for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: write_whole(tmp_path / "file", part), content * 20))
    assert (tmp_path / "file").read_bytes() in content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_waiting_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_LOOK_SECONDS", 0.01)
    with held(tmp_path), pytest.raises(ConfigError, match="is writing this folder"), held(tmp_path, 0.1):
        raise AssertionError("both hold it")
