"""The commands ``serve`` and ``mcp``: mistakes are one line, and a missing extra is named."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.served import IMAGES, ROOT

from neptune.cli import main


def error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(("command", "package"), [("serve", "fastapi"), ("serve", "uvicorn"), ("mcp", "mcp")])
def test_a_missing_extra_is_named(
    command: str, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == package else there(name, *a))
    said = error(capsys, command)
    assert package in said
    assert "neptune-reasoner[serve]" in said


def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed: make setup-all")
    pytest.importorskip("fastapi", reason="the extra serve is not installed: make setup-all")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "Nobody can listen there" in error(capsys, "serve", "--port", str(taken.getsockname()[1]))
    assert "Nobody can listen there" in error(capsys, "serve", "--host", "203.0.113.1")
    assert "no such folder" in error(capsys, "serve", "--port", "0", "--roots", str(tmp_path / "nowhere"))
    with monkeypatch.context() as environment:
        environment.setenv("NEPTUNE_SERVE_TOKEN", "a b")
        assert "token is too short" in error(capsys, "serve", "--port", "0")
    assert "'port' is" in error(capsys, "serve", "--port", "70000")
    assert "no such folder" in error(capsys, "mcp", "--roots", str(tmp_path / "nowhere"))


def test_the_command_serves_and_ends_when_it_is_told() -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed: make setup-all")
    pytest.importorskip("fastapi", reason="the extra serve is not installed: make setup-all")
    httpx = pytest.importorskip("httpx", reason="httpx is not installed: make setup-all")
    words = [sys.executable, "-m", "neptune", "serve", "--port", "0", "--roots", str(IMAGES), "--host", "0.0.0.0"]
    server = subprocess.Popen([*words, "--oracle_cache", "null"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        printed = server.stdout.readline().split()
        address, token = printed[1].replace("0.0.0.0", "127.0.0.1").split("/#token=")
        assert httpx.post(f"{address}/v1/check", json={"program": "1"}, timeout=60).status_code == 401, (
            "others can reach it"
        )
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.post(f"{address}/v1/check", json={"program": "1"}, headers=headers, timeout=60).json()["ok"]
    finally:
        server.terminate()
        assert server.wait(60) in (0, -15)
