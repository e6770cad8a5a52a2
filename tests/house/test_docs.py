"""Every example in the README and the docs runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from neptune.cli import main
from neptune.cli.dispatch import split_words
from neptune.config import NEUTRAL, Config
from neptune.config.read import read_run
from neptune.engine import Engine
from neptune.scene import Scene

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


ELSEWHERE = ("qwen2_2b", "MODEL", "DATA", "lora", "--watch")
"""Commands with these words need a model, a server, a dataset or a reader: their fields are checked only."""


def tour() -> list[list[str]]:
    """Return the words of each command of the README's tour, after ``python run.py``."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Tour")[1].split("\n## ")[0]
    text = "".join(re.findall(r"^```\n(.*?)^```", section, re.M | re.S)).replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines()]
    assert all(words[:2] == ["python", "run.py"] for words in commands)
    return [words[2:] for words in commands]


@pytest.mark.parametrize("words", [w for w in tour() if w[1].startswith("configs/")], ids=" ".join)
def test_the_fields_of_the_tour_are_right(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = split_words(words)
    (path,) = given.pop("config")
    read_run(path, given)


def test_no_command_of_the_tour_finds_the_run_of_another_in_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    decides: dict[Path, dict[str, object]] = {}
    for words in tour():
        given = split_words(words)
        (path,) = given.pop("config")
        if path != "configs/clevr.json" or "task" in given:
            continue  # another task, a replay, a single question: no run that is resumed
        config, name = read_run(path, given)
        assert isinstance(config, Config)
        fields = {k: v for k, v in config.model_dump(mode="json").items() if k not in NEUTRAL}
        assert decides.setdefault(config.folder(name), fields) == fields, words
    assert len(decides) >= 6


def test_the_commands_of_the_tour_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, in one place, as a reader gives them."""
    for name in ("configs", "examples", "programs", "prompts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    run = [words for words in tour() if not any(e in w for e in ELSEWHERE for w in words)]
    assert len(run) == 8
    for words in run:
        words = [w.replace("20", "5") for w in words]
        assert main(words) == 0, words
    assert "replayed, all equal bit for bit" in capsys.readouterr().out
