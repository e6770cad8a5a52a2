"""Disks that are full, gone or broken: one line, exit code 2, no temporary file, and what was answered is kept.

Each file of a run, each step of writing it, each kind of error; and, where the system allows it, a real full disk.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main
from neptune.errors import WriteError
from neptune.saving import append_line, replacing, write_whole

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--config", str(ROOT / "configs/clevr.json"), "--od_model", "scene", "--vlm_model_name", "scene"]
WORDS += ["--data_dir", str(ROOT / "examples/clevr"), "--num_samples", "2"]
ERRORS = (errno.ENOSPC, errno.ESTALE, errno.EIO)
RUNS = [errno.ENOSPC, *(pytest.param(code, marks=pytest.mark.full) for code in ERRORS[1:])]
"""Of whole runs; what all of them write with is tested with each error."""

REPLACED = ("config.json", "results.json", "report.html")
STEPS = ("open", "write", "flush", "fsync", "close", "replace")


class Faulty:
    """An open file of which one step fails."""

    def __init__(self, file: Any, step: str, code: int) -> None:
        self._file, self._step, self._code = file, step, code

    def _do(self, step: str, action: Callable[[], Any]) -> Any:
        if step == self._step:
            raise OSError(self._code, os.strerror(self._code))
        return action()

    def write(self, content: Any) -> Any:
        if self._step == "write":
            self._file.write(bytes(content)[: len(content) // 2])  # what a disk takes before it is full
            self._file.flush()
        return self._do("write", lambda: self._file.write(content))

    def flush(self) -> Any:
        return self._do("flush", self._file.flush)

    def close(self) -> Any:
        self._file.close()
        return self._do("close", lambda: None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Faulty:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Disk:
    """Makes one step of writing one file fail, wherever the program writes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.hits = 0

    def fail(self, name: str, step: str, code: int) -> None:
        """Let `step` of every file fail whose name is `name`, or that will be renamed to it."""
        real_open, real_file, real_sync, real_replace = builtins.open, io.FileIO, os.fsync, os.replace
        there: dict[int, Any] = {}

        def meant(path: Any) -> bool:
            base = os.path.basename(os.fspath(path)) if isinstance(path, str | os.PathLike) else ""
            return base == name or (base.startswith(f".{name}.") and base.endswith(".tmp"))

        def refuse() -> None:
            self.hits += 1
            raise OSError(code, os.strerror(code))

        def opened(real: Any, path: Any, mode: str = "r", *more: Any, **others: Any) -> Any:
            if not meant(path) or not set(mode) & set("wa+x"):
                return real(path, mode, *more, **others)
            if step == "open":
                refuse()
            file = real(path, mode, *more, **others)
            there[file.fileno()] = file
            self.hits += step in ("write", "flush", "close")
            return Faulty(file, step, code)

        def sync(descriptor: int) -> None:
            if step == "fsync" and descriptor in there and not there[descriptor].closed:
                refuse()
            real_sync(descriptor)

        def replace(source: Any, target: Any) -> None:
            if step == "replace" and meant(target):
                refuse()
            real_replace(source, target)

        self._patch.setattr(builtins, "open", lambda *a, **k: opened(real_open, *a, **k))
        self._patch.setattr(io, "FileIO", lambda *a, **k: opened(real_file, *a, **k))
        self._patch.setattr(os, "fsync", sync)
        self._patch.setattr(os, "replace", replace)

    def mended(self) -> None:
        """Let all writing be as it is again."""
        self._patch.undo()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Disk:
    monkeypatch.chdir(tmp_path)
    return Disk(monkeypatch)


def temporary(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.name.endswith((".tmp", ".part"))]


def whole_lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.exists() else b""
    assert content == b"" or content.endswith(b"\n"), "half a line"
    return [json.loads(line) for line in content.splitlines()]


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """Give a command that must end with exit code 2 and one line of error; return that line."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("error: ") or "can not be" in line]
    assert len(lines) == 1, said
    return lines[0]


def answers(folder: Path) -> list[Any]:
    return [(row["id"], row["answer"], row["correct"]) for row in whole_lines(folder / "samples.jsonl")]


@pytest.mark.parametrize("code", RUNS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", REPLACED)
def test_files_that_are_replaced(
    name: str, step: str, code: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--output_dir", str(tmp_path / "run")]
    disk.fail(name, step, code)
    line = refused(capsys, words)
    assert disk.hits
    assert os.strerror(code) in line
    assert name in line
    assert temporary(tmp_path) == []
    if name == "config.json":
        assert list(tmp_path.iterdir()) == [], "a run that never began leaves no folder"
    else:
        assert len(answers(tmp_path / "run")) == 2, "what was answered is kept"
    disk.mended()
    kept = (tmp_path / "run" / "samples.jsonl").read_bytes() if name != "config.json" else b""
    assert main(words) == 0
    assert (tmp_path / "run" / "samples.jsonl").read_bytes().startswith(kept)
    assert all((tmp_path / "run" / one).is_file() for one in REPLACED)


@pytest.mark.parametrize("code", RUNS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", ["open", "write", "fsync", "close"])
def test_the_samples(step: str, code: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    before = answers(tmp_path / "run")
    more = [*words, "--num_samples", "4"]
    disk.fail("samples.jsonl", step, code)
    line = refused(capsys, more)
    assert disk.hits
    assert os.strerror(code) in line
    assert "samples.jsonl" in line
    assert temporary(tmp_path) == []
    assert answers(tmp_path / "run")[:2] == before
    disk.mended()
    assert main(more) == 0
    assert answers(tmp_path / "run")[:2] == before
    assert len(answers(tmp_path / "run")) == 4


@pytest.mark.parametrize("code", RUNS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", ["open", "write", "close"])
@pytest.mark.parametrize("name", ["evidence.jsonl", "blame.jsonl"])
def test_files_that_grow(
    name: str, step: str, code: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--vlm_options", '{"noise": 3.0}', "--output_dir", str(tmp_path / "run")]
    assert main([*words, "--num_samples", "12"]) == 0
    before = answers(tmp_path / "run")
    assert not all(right for *_, right in before), "there must be something to blame somebody for"
    more = [*words, "--num_samples", "14", "--blame", "true"]
    disk.fail(name, step, code)
    line = refused(capsys, more)
    assert disk.hits
    assert os.strerror(code) in line
    assert temporary(tmp_path) == []
    assert answers(tmp_path / "run")[:12] == before
    whole_lines(tmp_path / "run" / name)
    disk.mended()
    assert main(more) == 0
    assert len(answers(tmp_path / "run")) == 14
    assert whole_lines(tmp_path / "run" / "blame.jsonl")


@pytest.mark.parametrize("code", RUNS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", STEPS)
def test_a_bundle(step: str, code: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--output_dir", str(tmp_path / "run"), "--bundle", str(tmp_path / "run.zip")]
    disk.fail("run.zip", step, code)
    line = refused(capsys, words)
    assert disk.hits
    assert os.strerror(code) in line
    assert temporary(tmp_path) == []
    assert not (tmp_path / "run.zip").exists()
    assert len(answers(tmp_path / "run")) == 2


@pytest.mark.parametrize("code", RUNS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["answer.png", "results.json", "report.html"])
def test_ask(name: str, step: str, code: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", str(ROOT / "configs/ask.json"), "--output_dir", str(tmp_path / "run")]
    words += ["--image", str(ROOT / "examples/clevr/images/CLEVR_val_000049.png"), "--program", "count(Object)"]
    disk.fail(name, step, code)
    line = refused(capsys, words)
    assert disk.hits
    assert os.strerror(code) in line
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", STEPS)
def test_what_was_there_stays(step: str, code: int, disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_whole(path, "old")
    disk.fail("x.json", step, code)
    with pytest.raises(WriteError) as caught:
        write_whole(path, "new")
    assert os.strerror(code) in caught.value.one_line()
    disk.mended()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_a_caller_that_gives_up_leaves_nothing(tmp_path: Path) -> None:
    def give_up(kind: type[BaseException]) -> None:
        with replacing(tmp_path / "x") as file:
            file.write(b"half")
            raise kind

    for kind in (KeyboardInterrupt, ValueError):
        with pytest.raises(kind):
            give_up(kind)
    assert list(tmp_path.iterdir()) == []


def test_a_line_is_there_or_not(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    append_line(path, b"one\n")
    disk.fail("x.jsonl", "write", errno.ENOSPC)
    with pytest.raises(WriteError):
        append_line(path, b"two and more\n")
    disk.mended()
    append_line(path, b"three\n")
    assert path.read_bytes() == b"one\nthree\n"


def test_temporary_files_of_a_process_that_was_killed_are_taken_away(tmp_path: Path) -> None:
    words = [*WORDS, "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    (tmp_path / "run" / ".report.html.4711.tmp").write_bytes(b"half")
    assert main(words) == 0
    assert temporary(tmp_path) == []


def test_a_run_refused_after_another_was_moved_aside_brings_it_back(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    disk.fail("config.json", "fsync", errno.EIO)
    refused(capsys, [*words, "--resume", "false"])
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


COMMAND = [sys.executable, str(ROOT / "run.py"), *WORDS, "--num_samples", "40"]


def really(command: list[str], **how: Any) -> str:
    """Run a command in a process of its own, which must be refused; return what it says."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, **how)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) <= 1
    return done.stderr


def test_a_file_that_may_not_grow_further(tmp_path: Path) -> None:
    """A real limit of the system, on each file of the run."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    said = really([*COMMAND, "--output_dir", str(tmp_path / "run")], preexec_fn=limit)
    assert os.strerror(errno.EFBIG) in said
    assert temporary(tmp_path) == []
    kept = (tmp_path / "run" / "samples.jsonl").read_bytes()
    assert whole_lines(tmp_path / "run" / "samples.jsonl")
    assert main([*COMMAND[2:], "--output_dir", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "samples.jsonl").read_bytes().startswith(kept)
    assert len(answers(tmp_path / "run")) == 40


@pytest.mark.parametrize("kilobytes", [8, 48, 120, 200])
def test_a_disk_that_is_really_full(kilobytes: int, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(small)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this process may not make a disk")
    try:
        said = really([*COMMAND, "--output_dir", str(small / "run")])
        assert os.strerror(errno.ENOSPC) in said
        assert temporary(small) == []
        assert whole_lines(small / "run" / "samples.jsonl") or list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_an_output_that_takes_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "--output_dir", str(tmp_path / "run")], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: The system refuses: No space left on device"
    assert len(answers(tmp_path / "run")) == 40
