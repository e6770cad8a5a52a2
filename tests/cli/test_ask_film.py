"""The task ``ask`` of a film, from the command line to the film strip."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from helpers.made_films import film
from PIL import Image

from neptune.cli import main
from neptune.cli.subcommands import run_command
from neptune.errors import NeptuneError

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("av", reason="the extra 'video' is not installed")
PICTURES = ROOT / "examples" / "clevr" / "images"
WITH, WITHOUT = (PICTURES / f"CLEVR_val_0000{n}.png" for n in (71, 70))
"""A red ball left of a cube; no such thing."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of 8 seconds; in the sixth and seventh a red ball is left of a cube."""
    folder = tmp_path_factory.mktemp("films")
    shown = {True: Image.open(WITH).convert("RGB"), False: Image.open(WITHOUT).convert("RGB")}
    return film(folder / "film.mp4", lambda t: shown[5 <= t < 7], 8, fps=2)


def test_a_film_is_asked_and_its_strip_shown(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = "Is the red ball left of a cube in some frame?"
    words = ["--config", str(ROOT / "configs" / "ask.json"), "--video", str(clip), "--question", question]
    assert main([*words, "--output_dir", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "Answer: yes" in said
    assert "some_frame(" in said
    (record,) = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert record["answer"] == "yes"
    assert len(record["scores"]) == len(record["boxes"]) == 8
    assert record["objects"] == [6]
    assert record["scores"][6] > 0.5
    assert None in record["scores"]  # not all frames were asked
    strip = Image.open(tmp_path / "run" / record["picture"])
    assert list(strip.size) == record["size"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    assert Image.open(tmp_path / "run" / "answer.png").size[0] == strip.size[0]


def test_the_command_knows_a_film_by_its_name(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--output_dir", str(tmp_path / "run"), "--most_frames", "4"]
    with pytest.raises(NeptuneError, match="'cow'"):
        run_command("ask", [str(clip), "Is there a cube before there is a cow?", *run])
    assert run_command("ask", [str(clip), "Is there always a red ball left of a cube?", *run]) == 0
    assert "Answer: no" in capsys.readouterr().out


@pytest.mark.parametrize("end", ["mp4", "MOV", "mkv", "ts", "MTS", "m2ts", "flv", "wmv", "3gp"])
def test_films_of_cameras_and_phones_are_known_by_their_endings(end: str, tmp_path: Path) -> None:
    with pytest.raises(NeptuneError, match="The film does not exist"):
        run_command("ask", [f"missing.{end}", "Is there always a cube?", "--output_dir", str(tmp_path / "run")])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--video", "missing.mp4", "--question", "Is there a cube?"], "does not exist"),
        (["--video", "FILM", "--image", "x.png", "--question", "Is there a cube?"], "both given"),
        (["--video", "FILM", "--explain", "--program", "some_frame(red(x))"], "does not go with 'video'"),
        (["--video", "FILM", "--program", "some_frame(count(Object, lambda x: red(x)))"], "no truth"),
        (["--video", "FILM", "--frames_per_second", "0", "--question", "Is there a cube?"], "frames_per_second"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(clip) if w == "FILM" else w for w in words]
    config = str(ROOT / "configs" / "ask.json")
    assert main(["--config", config, *given, "--output_dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_dry_run_looks_at_the_film(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[:3000])
    for path, code in ((clip, 0), (broken, 2)):
        words = ["--video", str(path), "--question", "Is there a cube?", "--dry_run"]
        assert main(["--config", str(ROOT / "configs" / "ask.json"), *words]) == code
    assert "broken.mp4" in capsys.readouterr().err


def test_without_the_extra_the_error_names_it(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    words = ["--video", str(clip), "--question", "Is there a cube?", "--output_dir", str(tmp_path / "run")]
    assert main(["--config", str(ROOT / "configs" / "ask.json"), *words]) == 2
    assert "neptune-reasoner[video]" in capsys.readouterr().err


def test_the_example_of_the_page_runs(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    page = (ROOT / "docs" / "films.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```py\n(.*?)^```", page, re.M | re.S)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "example", "exec"), {})  # the project's own documentation, never program text
