"""Every example in the README and the docs runs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.console import Example, examples, missing
from PIL import Image, ImageChops
from pydantic import BaseModel

from neptune.cli import main
from neptune.cli.subcommands import run_command
from neptune.config import NEUTRAL, Config
from neptune.config.find import FoundConfig
from neptune.config.read import read_run
from neptune.engine import Engine
from neptune.scene import Scene
from neptune.tasks.reading import Folder

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[object]:
    found: list[object] = []
    for page in PAGES:
        for i, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)):
            found.append(pytest.param(text, id=f"{page.name}-{i}"))
    return found


@pytest.mark.parametrize("text", blocks("python"))
def test_python_examples_run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(text, "example", "exec"), {})  # the project's own documentation, never program text


@pytest.mark.parametrize("text", blocks("neptune"))
def test_programs_run(text: str) -> None:
    answer = Engine(oracle="scene").run(text, Scene.synthetic(6, seed=1))
    assert answer.settled


def test_links_point_to_files() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(((?!https?:|#)[^)]+)\)", page.read_text()):
            assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"


def test_files_that_prose_names_are_there() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "grammars" / "neptune.lark"]:
        for path in re.findall(
            r"\b(?:neptune|dsl|tests|benchmarks|grammars|configs|prompts)/[\w./-]*\w", page.read_text()
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_tables_of_the_language_page_are_up_to_date() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "language_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.tables() in (ROOT / "docs" / "language.md").read_text(encoding="utf-8"), "run docs/language_tables.py"
    page = (ROOT / "docs" / "language-regions.md").read_text(encoding="utf-8")
    assert module.region_tables() in page, "run docs/language_tables.py"
    page = (ROOT / "docs" / "picture-tools.md").read_text(encoding="utf-8")
    assert module.tool_tables() in page, "run docs/language_tables.py"


ELSEWHERE = ("qwen2_2b", "MODEL", "DATA", "finetune", "--watch")
"""Commands with these words need a model, a server, a dataset or a reader: their fields are checked only."""


def tour() -> list[list[str]]:
    """Return the words of each command of the README's tour, after the program's name."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Tour")[1].split("\n## ")[0]
    text = "".join(re.findall(r"^```\n(.*?)^```", section, re.M | re.S)).replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines()]
    assert all(words[0] == "neptune-reasoner" for words in commands)
    return [words[1:] for words in commands]


def read(words: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[BaseModel, str]:
    """Return the config of a command, which is not run, and the run's name."""
    found: list[tuple[BaseModel, str]] = []

    def keep(config: FoundConfig, given: dict[str, list[str]]) -> int:
        found.append(read_run(config, given))
        return 0

    monkeypatch.setattr("neptune.cli.subcommands.execute", keep)
    assert run_command(words[0], words[1:]) == 0
    return found[0]


@pytest.mark.parametrize("words", [w for w in tour() if w[0] != "replay"], ids=" ".join)
def test_the_fields_of_the_tour_are_right(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    read(words, monkeypatch)


def test_no_command_of_the_tour_finds_the_run_of_another_in_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    decides: dict[Path, dict[str, object]] = {}
    for words in tour():
        if words[:2] != ["run", "clevr"]:
            continue  # another task, a replay, a single question: no run that is resumed
        config, name = read(words, monkeypatch)
        assert isinstance(config, Config)
        fields = {k: v for k, v in config.model_dump(mode="json").items() if k not in NEUTRAL}
        assert decides.setdefault(config.folder(name), fields) == fields, words
    assert len(decides) >= 6


def test_the_commands_of_the_tour_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, in an empty folder, as a reader gives them."""
    monkeypatch.chdir(tmp_path)
    run = [words for words in tour() if not any(e in w for e in ELSEWHERE for w in words)]
    assert len(run) == 7
    for words in run:
        words = [w.replace("20", "5") for w in words]
        assert main(words) == 0, words
    assert "replayed, all equal bit for bit" in capsys.readouterr().out


# --- the README's first lines ---


def test_the_first_lines_show_what_it_is() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    text = "\n".join(first)
    assert re.search(r"!\[.*\]\(docs/images/answer.png\)", text)
    assert "make demo" in text
    assert "make test" in text
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(code.splitlines()) == 3
    assert len(examples(ROOT / "README.md", 25)) == 1


def test_the_first_command_prints_what_it_is_said_to_and_draws_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (example,) = examples(ROOT / "README.md", 25)
    name, *words = shlex.split(example.command)
    assert name == "neptune-reasoner"
    assert main(words) == 0
    assert missing(example, capsys.readouterr().out) is None
    drawn = Image.open(tmp_path / "experiments" / "ask" / "answer.png").convert("RGB")
    shown = Image.open(ROOT / "docs" / "images" / "answer.png").convert("RGB")
    assert shown.size == drawn.size
    apart = np.asarray(ImageChops.difference(shown, drawn))
    assert (apart > 40).mean() < 0.02, "the picture in docs/images is another answer's"


def test_the_first_lines_of_python_print_what_they_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    text = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    exec(compile(code, "README", "exec"), {})  # the project's own documentation, never program text
    assert capsys.readouterr().out.strip() == code.rpartition("# ")[2].strip()


def test_the_readme_asks_about_what_is_there() -> None:
    """By the annotation: the objects of the program, and the number that is answered."""
    (example,) = examples(ROOT / "README.md", 25)
    program = next(line for line in example.lines if line.startswith("Program: ")).removeprefix("Program: ")
    name = re.search(r"\S+\.png", example.command)
    assert name is not None
    scenes = json.loads((ROOT / "examples" / "clevr" / "scenes.json").read_text(encoding="utf-8"))["scenes"]
    picture = Path(name[0]).name
    engine, folder = Engine("scene", "scene"), Folder(ROOT / "examples" / "clevr")
    assert any(scene["image_filename"] == picture for scene in scenes)
    annotation, _ = folder.annotation(picture)
    answer = engine.run(program, engine.scene(None, annotation))
    assert not answer.presuppositions
    assert f"Answer: {answer.value} " in "\n".join(example.lines)


def test_every_example_of_a_shell_is_one_that_the_first_minutes_run() -> None:
    script = (ROOT / "tests" / "first_minutes.sh").read_text(encoding="utf-8")
    for page in PAGES:
        if examples(page):
            assert page.relative_to(ROOT).as_posix() in script, page.name
    assert len(examples(ROOT / "README.md")) >= 5
    assert len(examples(ROOT / "docs" / "coming-from-neptune.md")) >= 8


@pytest.mark.parametrize(
    ("lines", "printed", "lacking"),
    [
        (["a", "b"], "a\nb\nc", None),
        (["a", "c"], "a\nb\nc", "c"),
        (["a", "…", "c"], "a\nb\nc", None),
        (["…", "b…"], "a\nbcd", None),
        (["…", "b"], "a\nbcd", "b"),
        (["b", "a"], "a\nb", "b"),
    ],
)
def test_lines_in_their_places(lines: list[str], printed: str, lacking: str | None) -> None:
    assert missing(Example("x", lines), printed) == lacking
