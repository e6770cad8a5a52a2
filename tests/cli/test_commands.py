"""``neptune-reasoner COMMAND``: from any folder, with what is packaged alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from neptune.cli import main
from neptune.cli.completion import SHELLS, VARIABLE
from neptune.cli.subcommands import FUNCTIONS
from neptune.cli.table import COMMANDS, model_of_command
from neptune.config import MODELS, Config, model_of
from neptune.config.find import packaged_names

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "examples" / "clevr" / "images" / "CLEVR_val_000049.png"
CUBES = "count(Object, lambda x: cube(x))"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line that a wrong command line ends in."""
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


# --- the table ---


def test_the_table_and_the_functions_are_of_the_same_commands() -> None:
    assert list(COMMANDS) == list(FUNCTIONS)
    for name, command in COMMANDS.items():
        for field in command.fields:
            assert field == "config" or field in model_of_command(name).model_fields, (name, field)
        for example in command.examples:
            assert example.split()[0] == name


def test_help_is_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert len(lines) <= 35
    assert max(map(len, lines)) <= 80
    assert all(f"\n  {name} " in printed for name in COMMANDS)
    assert main([]) == 2
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f" {name} {COMMANDS[name].takes}" in printed.splitlines()[0]
    assert len(printed.splitlines()) <= 60
    assert all(f"--{field}  (" in printed for field in COMMANDS[name].fields)
    if name not in MODELS:
        assert main(["--help", name]) == 0
        assert capsys.readouterr().out == printed


@pytest.mark.parametrize("words", [["--help", "all"], ["ask", "--help", "all"]])
def test_help_all_lists_every_field_of_every_task(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    printed = capsys.readouterr().out
    for model in (Config, *map(model_of, MODELS)):
        assert all(f"--{name}" in printed for name in model.model_fields)


def test_the_programs_name_is_that_under_which_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for argument, shown in [("/x/run.py", "python run.py"), ("/bin/neptune-reasoner", "neptune-reasoner")]:
        monkeypatch.setattr(sys, "argv", [argument])
        main(["--help"])
        assert capsys.readouterr().out.startswith(f"usage: {shown} COMMAND")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu", "clevr"], "unexpected \"rnu\": there is no such command; did you mean 'run'?"),
        (["clevr"], "did you mean 'run clevr'?"),
        (["run"], "nothing is named to run; expected a file, or one of agent, ask, "),
        (["run", "clever"], "there is no config 'clever', and no such file; did you mean 'clevr'"),
        (["run", "nowhere.json"], "nowhere.json: the file does not exist"),
        (["run", "clevr", "demo"], "run takes one CONFIG, and 2 are given: clevr demo"),
        (["run", "clevr", "--num_sample", "3"], "clevr: unknown field 'num_sample'; did you mean 'num_samples'"),
        (["ask"], "no picture is given; expected ask IMAGE QUESTION"),
        (["ask", "a.png"], "nothing is asked"),
        (["ask", "nowhere.png", "Why?", "--program", "1"], "The picture does not exist (nowhere.png)"),
        (["ask", "a.png", "b.png", "--image", "c.png", "--program", "1"], "the picture is given twice"),
        (["compare", "a"], "compare takes two run folders or more, and 1 are given"),
        (["compare", "a", "b", "--seed", "1"], "no fields but --data_dir and --follow_links, and --seed is given"),
        (["report", "nowhere"], "There is no such folder (nowhere)"),
        (["report"], "report takes one FOLDER, and none is given"),
        (["replay", "nowhere.zip"], "The bundle does not exist"),
        (["replay", "x.zip", "--seed", "1"], "a packed run takes --output_dir, --set and --limits.NAME"),
        (["cache"], "There is no cache of oracle answers (experiments/oracle-cache.sqlite)"),
        (["cache", "nowhere.sqlite"], "There is no cache of oracle answers (nowhere.sqlite)"),
        (["train"], "'data/clevr/train/scenes.js"),
        (["tune", "--task", "train"], "'--task' is train, and the command is tune"),
        (["completion", "tcsh"], "There is no completion for 'tcsh'"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in error(capsys, *words)
    assert not Path("experiments").exists(), "nothing is left behind"


# --- what they do ---


def test_ask(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [str(PICTURE), "--program", CUBES],
        ["--program", CUBES, str(PICTURE)],
        [str(PICTURE), "How many cubes are there?", "--program", CUBES],
        ["--image", str(PICTURE), "--question", "How many cubes are there?", "--program", CUBES],
    ):
        assert main(["ask", *words]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert any(line.startswith("Answer: 4") for line in printed)
        assert printed[-1] == "experiments/ask/report.html"
        (line,) = Path("experiments/ask/samples.jsonl").read_text().splitlines()
        asked = "How many cubes are there?" if any("How many" in w for w in words) else None
        assert json.loads(line)["question"] == asked


def test_ask_about_several_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    other = PICTURE.with_name("CLEVR_val_000004.png")
    assert main(["ask", str(PICTURE), str(other), str(PICTURE), "--program", CUBES]) == 0
    lines = [json.loads(line) for line in Path("experiments/ask/samples.jsonl").read_text().splitlines()]
    assert [line["picture"] for line in lines] == [str(PICTURE), str(other), str(PICTURE)]
    assert lines[0]["answer"] == lines[2]["answer"] == 4
    pictures = sorted(p.name for p in Path("experiments/ask").glob("*.png"))
    assert pictures == ["answer-1.png", "answer-2.png", "answer-3.png"]
    assert capsys.readouterr().out.count("Answer: ") == 3
    assert main(["ask", str(other), "--program", CUBES]) == 0
    assert [p.name for p in Path("experiments/ask").glob("*.png")] == ["answer.png"]


@pytest.mark.parametrize("words", [["nowhere.png", "--program", "1"], [str(PICTURE), "--program", "count("]])
def test_a_failed_ask_leaves_no_old_answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(PICTURE), "--program", CUBES]) == 0
    folder = Path("experiments/ask")
    assert (folder / "answer.png").is_file()
    capsys.readouterr()
    error(capsys, "ask", *words)
    left = {p.name for p in folder.iterdir()}
    assert not left & {"answer.png", "report.html", "samples.jsonl", "results.json"}


def test_explain_needs_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--explain", "--program", "exists(Object, lambda x: red(x))"]) == 0
    assert "red" in capsys.readouterr().out
    assert not Path("experiments").exists()


def test_run_compare_report_and_replay(capsys: pytest.CaptureFixture[str]) -> None:
    scene = ["--vlm_model_name", "scene", "--od_model", "scene", "--num_samples", "4"]
    assert main(["run", "clevr", *scene, "--output_dir", "a", "--bundle", "a.zip"]) == 0
    assert main(["run", "clevr", *scene, "--output_dir", "b", "--vlm_options", '{"noise": 0.9}']) in (0, 2)
    capsys.readouterr()
    assert main(["compare", "a", "b"]) == 0
    by_command = capsys.readouterr().out
    assert main(["--compare", "a", "b"]) == 0
    assert capsys.readouterr().out == by_command
    Path("a/report.html").unlink()
    Path("a/results.json").unlink()
    assert main(["report", "a"]) == 0
    assert capsys.readouterr().out == "a/report.html\n"
    assert Path("a/report.html").read_text().startswith("<!DOCTYPE html>")
    for words in (["replay", "a.zip"], ["run", "a.zip"]):
        assert main([*words, "--output_dir", "replayed"]) == 0
        assert "replayed, all equal bit for bit" in capsys.readouterr().out
        shutil.rmtree("replayed")
    assert main(["run", "a", "--num_samples", "-1", "--dry_run"]) == 0
    assert "120 samples" in capsys.readouterr().out


def test_dry_run_of_a_packaged_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "clevr", "--dry_run"]) == 0
    assert "clevr: ready" in capsys.readouterr().out


NAMELESS = ("ask", "cache", "agent", "vstar", "vlmsareblind")
"""Configs that run with a picture, a file or a model that is named on the command line."""


@pytest.mark.parametrize("name", [n for n in packaged_names() if n not in NAMELESS])
def test_packaged_configs_find_what_is_packaged_with_them(name: str) -> None:
    from neptune.config.find import find_config
    from neptune.config.read import read_run

    config, found = read_run(find_config(name), {})
    data = config.model_dump(mode="json")
    assert found == name
    for path in (
        [data["data_dir"] or "data/"] if "data_dir" in data else data.get("positive", []) + data.get("negative", [])
    ):
        assert path.startswith("data/") or Path(path).exists()  # what begins so is not shipped, and said not to be
    programs = data.get("program_cache_address")
    assert programs is None or Path(programs).is_file()


def test_without_a_key_the_judge_is_said_to_lack_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    pytest.importorskip("openai")
    words = ["clevr", "--vlm_model_name", "scene", "--od_model", "scene", "--num_samples", "2", "--evaluate"]
    assert main(["run", *words]) == 2
    said = capsys.readouterr().err
    assert "DEEPSEEK_API_KEY" in said
    assert "deepseek" in said


# --- completion ---


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert f"_NEPTUNE_REASONER_COMPLETE={shell}_complete" in printed
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=printed, text=True, check=True)


def completed(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what bash would offer for the last word of a line."""
    for name, value in {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), VARIABLE: "bash_complete"}.items():
        monkeypatch.setenv(name, value)
    assert main() == 0
    return [row.partition(",")[2] for row in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("neptune-reasoner ", {"ask", "run", "compare", "completion"}),
        ("neptune-reasoner re", {"report", "replay"}),
        ("neptune-reasoner run clevr-r", {"clevr-rpm", "clevr-refexps"}),
        ("neptune-reasoner run clevr --num", {"--num_samples"}),
        ("neptune-reasoner run clevr --schedule ", {"all", "lazy"}),
        ("neptune-reasoner run clevr --dataset clevr-p", {"clevr-puzzle"}),
        ("neptune-reasoner run clevr --watch ", {"true", "false"}),
        ("neptune-reasoner tune --val", {"--val_dir", "--val_limit"}),
        ("neptune-reasoner completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_completion_offers(
    line: str, some: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = completed(line, capsys, monkeypatch)
    assert some <= set(found)
    assert all(word.startswith(line.rpartition(" ")[2]) for word in found)


# --- pictures from addresses ---


def test_a_run_fetches_no_picture_unless_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    with serving_pictures(PICTURE) as address:
        line = {"image": f"{address}/a.png?key=secret", "question": "How many cubes are there?", "program": CUBES}
        Path("data/questions.jsonl").write_text(json.dumps({**line, "answer": 4}) + "\n")
        words = ["clevr", "--dataset", "folder", "--data_dir", "data", "--vocabulary", "clevr"]
        assert main(["run", *words, "--output_dir", "off"]) == 2
        (record,) = map(json.loads, Path("off/samples.jsonl").read_text().splitlines())
        assert "runs fetch none" in record["error"]
        assert "set fetch_pictures to true" in record["error"]
        assert main(["run", *words, "--output_dir", "on", "--fetch_pictures", "true"]) == 0
        (record,) = map(json.loads, Path("on/samples.jsonl").read_text().splitlines())
        assert record["correct"] is True
        assert Path(record["picture"]).parent == Path("on/pictures")
        assert Image.open(record["picture"]).convert("RGB").tobytes() == Image.open(PICTURE).convert("RGB").tobytes()
        assert main(["ask", f"{address}/a.png", "--program", CUBES]) == 0
        assert "Answer: 4" in capsys.readouterr().out
    assert "fetch_pictures" in error(capsys, "run", "clevr", "--fetch_pictures", "true", "--output_dir", "x")
    assert "can not be fetched" in error(capsys, "ask", f"{address}/a.png", "--program", CUBES)
    assert not list(Path("experiments/ask").glob("pictures/*"))


@contextmanager
def serving_pictures(path: Path) -> Iterator[str]:
    """Serve one picture on the loopback."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(path.read_bytes())

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
