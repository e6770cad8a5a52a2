"""Before the first sample: servers, keys, models, programs, vocabulary; by a run and by --dry_run; no empty folder."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import serving

from neptune.cli import main
from neptune.tasks import load

ROOT = Path(__file__).resolve().parents[2]
SCENE = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene", "--num_samples", "4"]
WRITER = ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--code_gen_base_url"]
JUDGE = ["--evaluate", "true", "--judge_provider", "local", "--judge_model", "m", "--judge_base_url"]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


@contextmanager
def answering(status: int, body: str = "{}") -> Iterator[str]:
    """Serve one answer to every request; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def oracle(url: str, **more: Any) -> list[str]:
    options = {"model": "m", "base_url": url, "form": "coordinates", "retries": 0} | more
    return ["--vlm_model_name", "openai", "--vlm_options", json.dumps(options)]


def refused(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Give a command that is refused, as a run and as a dry run, and leaves no folder; return the run's line."""
    capsys.readouterr()
    folder = tmp_path / "runs" / "one"
    assert main([*words, "--output_dir", str(folder)]) == 2
    said = capsys.readouterr().err
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert not (tmp_path / "runs").exists(), "no empty folder"
    assert main([*words, "--output_dir", str(folder), "--dry_run", "true"]) == 2
    dry = capsys.readouterr().err
    assert any(line.startswith("error: ") for line in dry.splitlines())
    assert not (tmp_path / "runs").exists()
    return errors[0]


@pytest.mark.parametrize("who", ["oracle", "writer", "judge"])
def test_a_server_that_is_not_there(who: str, nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {"oracle": oracle(nowhere), "writer": [*WRITER, nowhere], "judge": [*JUDGE, nowhere]}[who]
    line = refused([*SCENE, *more], tmp_path, capsys)
    assert "The server does not answer" in line
    assert nowhere in line


@pytest.mark.parametrize("who", ["oracle", "writer", "judge"])
def test_a_key_that_is_refused(who: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(401, '{"error": {"message": "no"}}') as url:
        more = {"oracle": oracle(url), "writer": [*WRITER, url], "judge": [*JUDGE, url]}[who]
        assert "The server refuses the key (401)" in refused([*SCENE, *more], tmp_path, capsys)


@pytest.mark.parametrize("who", ["oracle", "writer", "judge"])
def test_a_key_that_is_missing(who: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {
        "oracle": oracle("http://127.0.0.1:1/v1", provider="openai", trusted_hosts=["127.0.0.1:1"]),
        "writer": ["--code_gen_provider", "openrouter", "--code_gen_model_name", "m"],
        "judge": ["--evaluate", "true", "--judge_provider", "openai", "--judge_model", "m"],
    }[who]
    assert "no key for the provider" in refused([*SCENE, *more], tmp_path, capsys)


@pytest.mark.parametrize(
    ("status", "body"), [(404, "{}"), (403, "{}"), (500, "{}"), (200, "<html>"), (200, '{"data": null}'), (200, "[]")]
)
def test_a_server_that_lists_no_models_is_there(status: int, body: str, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(status, body) as url:
        assert main([*SCENE, *WRITER, url, "--dry_run", "true"]) == 0
    assert "ready" in capsys.readouterr().out


def test_a_model_that_is_not_listed_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda request, number: "yes") as server:
        words = [*WRITER, server.url]
        words[words.index("m")] = "other"
        assert main([*SCENE, *words, "--dry_run", "true"]) == 0
        assert not server.requests, "nothing is asked of the model"
    assert f"note: code_gen_model: {server.url} does not list 'other'; it has m" in capsys.readouterr().out


def test_what_was_written_before_needs_no_server(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda request, number: "exists(Object, lambda x: red(x))") as server:
        kept = ["--program_cache_address", str(tmp_path / "kept.json")]
        assert main([*SCENE, *WRITER, server.url, *kept, "--output_dir", str(tmp_path / "a")]) == 0
    assert main([*SCENE, *WRITER, nowhere, *kept, "--output_dir", str(tmp_path / "b")]) == 0
    said = capsys.readouterr().err
    assert "note: code_gen: The server does not answer" in said
    assert "Only what the program cache" in said


def test_a_finished_run_needs_no_server(nowhere: str, tmp_path: Path) -> None:
    words = [*SCENE, "--output_dir", str(tmp_path / "run")]
    with serving(lambda request, number: "yes") as server:
        assert main([*words, *JUDGE, server.url]) == 0
    # The judge's address is part of a verdict's key: it is asked again, and fails after the answers.
    assert main([*words, *JUDGE, nowhere]) == 2
    assert json.loads((tmp_path / "run" / "results.json").read_text())["answered"] == 4


def cache(tmp_path: Path, programs: list[str | None]) -> list[str]:
    samples = list(load("clevr", ROOT / "examples" / "clevr").samples)[: len(programs)]
    known = {s.question: p for s, p in zip(samples, programs, strict=True) if p is not None}
    (tmp_path / "programs.json").write_text(json.dumps(known))
    return ["--code_gen_provider", "cache", "--program_cache_address", str(tmp_path / "programs.json")]


GOOD, BAD = "exists(Object, lambda x: red(x))", "exists(Animal, lambda x: red(x))"


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ([BAD] * 4, "the values of Animal are not known"),
        ([None] * 4, "has no program for"),
        (["exists("] * 4, "none of the 4 questions"),
    ],
    ids=["vocabulary", "missing", "syntax"],
)
def test_programs_none_of_which_can_run(
    programs: list[str | None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").mkdir()
    words = cache(tmp_path / "kept", programs)
    if programs[0] is None:
        (tmp_path / "kept" / "programs.json").write_text(json.dumps({"Another question?": GOOD}))
    line = refused([*SCENE, *words], tmp_path, capsys)
    assert "has a program that can run" in line
    assert said in line


def test_programs_some_of_which_can_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SCENE, *cache(tmp_path, [GOOD, BAD, GOOD, GOOD]), "--output_dir", str(tmp_path / "run")]
    assert main(words) == 2
    assert "note: 1 of 4 questions have no program that can run, e.g. " in capsys.readouterr().err
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (found["answered"], found["errors"]) == (3, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vocabulary", "nowhere.json"], "nowhere.json"),
        (["--vlm_model_name", "embedded", "--vlm_options", '{"weights": "nowhere.safetensors"}'], "nowhere"),
        (["--vlm_model_name", "replay", "--vlm_options", '{"path": "nowhere.jsonl"}'], "nowhere.jsonl"),
        (["--code_gen_provider", "cache", "--program_cache_address", "nowhere.json"], "nowhere.json"),
        (["--logic_params", "nowhere.json"], "nowhere.json"),
        (["--gpus", "63"], "63"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_not_there(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused([*SCENE, *words], tmp_path, capsys)


def test_an_earlier_run_that_was_moved_aside_comes_back(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SCENE, "--output_dir", str(tmp_path / "run")]
    assert main(words) == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    assert main([*words, "--resume", "false", *oracle(nowhere)]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_a_folder_with_other_things_keeps_them(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text("mine")
    assert main([*SCENE, "--output_dir", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert (tmp_path / "results.json").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert main([*SCENE, *oracle(nowhere), "--output_dir", str(tmp_path / "empty")]) == 2
    assert list((tmp_path / "empty").iterdir()) == [], "a folder that was there stays, as it was"


@pytest.mark.parametrize("name", ["train-embedded", "train-answers", "tune-clevr"])
def test_a_training_that_is_refused_leaves_no_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    words = ["--config", f"configs/{name}.json", "--data_dir", str(tmp_path / "data")]
    assert main([*words, "--output_dir", str(tmp_path / "out" / "run")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()
