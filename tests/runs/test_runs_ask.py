"""``task: ask``, end to end."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from PIL import Image

import neptune
from neptune.cli import main
from neptune.errors import DatasetError
from neptune.writer.cache import ProgramCache

ROOT = Path(__file__).resolve().parents[2]
IMAGE = sorted((ROOT / "examples" / "clevr" / "images").iterdir())[0]
COUNT = "count(Object, lambda x: cube(x) or sphere(x) or cylinder(x))"


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def ask(folder: Path, *words: str) -> int:
    image = str(IMAGE.relative_to(ROOT))
    return main(["--config", "configs/ask.json", "--image", image, "--output_dir", str(folder / "ask"), *words])


def test_a_program_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "--program", COUNT) == 0
    printed = capsys.readouterr().out
    n = len(
        next(
            s["objects"]
            for s in json.loads((ROOT / "examples/clevr/scenes.json").read_text())["scenes"]
            if s["image_filename"] == IMAGE.name
        )
    )
    assert f"Answer: {n}" in printed
    assert printed.splitlines()[-1] == str(tmp_path / "ask" / "report.html")
    (line,) = (tmp_path / "ask" / "samples.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] == n
    drawn = Image.open(tmp_path / "ask" / "answer.png")
    assert drawn.height > Image.open(IMAGE).height  # the caption
    assert (tmp_path / "ask" / "results.json").exists()
    # A second answer takes the place of the first.
    assert ask(tmp_path, "--program", "exists(Object, lambda x: cube(x))") == 0
    (line,) = (tmp_path / "ask" / "samples.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] in ("yes", "no")


def test_an_object_and_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "--program", "[point(Object, lambda x: cube(x))][0]") in (0, 2)
    assert ask(tmp_path, "--program", "point(Object, lambda x: sphere(x) or cube(x))") == 0
    printed = capsys.readouterr().out
    assert "Trace" in printed
    assert "Answer: object" in printed
    assert "probability" in printed


def test_a_question_is_looked_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "programs.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"How many things are there?": COUNT}).encode()))
    words = ["--question", "  how many THINGS are there", "--program_cache_address", str(path)]
    assert ask(tmp_path, *words) == 0
    assert "Answer: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--question", "What is love?"], "A word of the question is not known: 'love' (column 9)"),
        (["--question", "Why?", "--program_cache_address", "null"], "give the program yourself"),
        (["--question", "Is it red?", "--vocabulary", "null"], "expected a vocabulary"),
        (["--question", "Is it red?"], "It is not said what 'it' stands for"),
        (["--program", ""], "empty"),
        (["--program", "count(Object, lambda x: cube(x)"], "line 1"),
        (["--program", "1", "--image", "nope.png"], "The picture does not exist"),
        (["--program", "1", "--image", "run.py"], "The picture can not be read"),
        (["--program", "1", "--od_model", "scene"], "needs an annotated picture"),
        (["--program", "count(Object, lambda x: giraffe(x))", "--vocabulary", "null"], "giraffe"),
    ],
)
def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert ask(tmp_path, *words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "ask" / "samples.jsonl").exists()


def test_another_run_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "ask"
    folder.mkdir()
    (folder / "config.json").write_text('{"dataset": "clevr", "_run": {}}')
    (folder / "samples.jsonl").write_text('{"id": "a", "dataset": "clevr"}\n')
    assert ask(tmp_path, "--program", COUNT) == 2
    assert "run of another task" in capsys.readouterr().err
    assert (folder / "samples.jsonl").read_text()


def test_program_cache_files(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    for content, message in [("[]", "no"), ("{", "can not be read"), ('{"a": 3}', "is not text")]:
        path.write_text(content)
        with pytest.raises(DatasetError, match=message):
            ProgramCache.load(path)
    (tmp_path / "p.gz").write_bytes(b"x")
    with pytest.raises(DatasetError, match="can not be read"):
        ProgramCache.load(tmp_path / "p.gz")
    path.write_text('{"a?": ["one", "two"], "A": "three"}')
    cache = ProgramCache.load(path)
    assert cache.get(" A ??") == "one"
    assert cache.get("b") is None
    assert len(cache) == 1


def test_ask_from_python() -> None:
    assert neptune.ask(IMAGE, "How many?", COUNT).kind == "number"
