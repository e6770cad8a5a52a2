"""Every example in the README and the docs runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neptune.engine import Engine
from neptune.scene import Scene

ROOT = Path(__file__).resolve().parent.parent
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


def test_the_tables_of_the_language_page_are_up_to_date() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "language_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.tables() in (ROOT / "docs" / "language.md").read_text(encoding="utf-8"), (
        "run language_tables.py"
    )
