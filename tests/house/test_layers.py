"""Each room imports only what it may: proved in a fresh process for each."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "openai", "ray")
LAYERS = [
    ("dsl", ("torch", "numpy", "neptune", "pydantic", "PIL", *HEAVY)),
    ("neptune", ("dsl", "torch", "lark", "numpy", "pydantic", "PIL", *HEAVY)),
    ("neptune.scene", ("numpy", "PIL", "urllib.request")),
    ("neptune.perception.oracle", ("dsl", "lark", "neptune.algebra", "transformers", "openai", "ray")),
    (
        "neptune.algebra",
        ("dsl", "lark", "transformers", "openai", "neptune.perception.oracle", "neptune.perception.detect"),
    ),
    ("neptune.tasks", ("torch", "dsl", "lark", *HEAVY)),
    ("neptune.perception.detect", ("torch", "dsl", "lark", *HEAVY)),
    ("neptune.perception.oracle.vlm", ("dsl", "lark", "neptune.algebra", "transformers", "peft", "openai", "ray")),
    ("neptune.writer", HEAVY),
    ("neptune.config", ("torch", "dsl", "lark", "numpy", "pydantic", "PIL", *HEAVY)),
    ("neptune.config.read", ("torch", "dsl", "lark", "numpy", "PIL", "urllib.request", *HEAVY)),
    ("neptune.cli", ("torch", "dsl", "lark", "numpy", "pydantic", "PIL", "urllib.request", *HEAVY)),
    ("neptune.runs.evaluate", ("torch", "dsl", "lark", *HEAVY)),
    ("neptune.learn.tune", ("transformers", "peft", "openai", "ray", "datasets", "matplotlib")),
    ("neptune.learn.finetune", ("transformers", "peft", "openai", "ray", "datasets", "matplotlib")),
    ("neptune.engine", ("transformers", "peft", "openai", "ray", "datasets", "matplotlib")),
]
CODE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize(("room", "barred"), LAYERS, ids=[room for room, _ in LAYERS])
def test_room_loads_nothing_it_may_not(room: str, barred: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, room], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    found = [m for m in loaded for b in barred if m == b or m.startswith(b + ".")]
    assert not found, f"import {room} loads {found[:5]}"


STARTS = [
    (["--help"], 0, ("numpy", "pydantic", "PIL", "torch", "dsl", "lark", "rich", *HEAVY)),
    (["--version"], 0, ("numpy", "pydantic", "PIL", "torch", "dsl", "lark", "rich", *HEAVY)),
    (["aks"], 2, ("numpy", "pydantic", "PIL", "torch", "dsl", "lark", "rich", *HEAVY)),
    (
        ["--config", "configs/ask.json", "--loogic", "godel"],
        2,
        ("neptune.config.derived", "numpy", "PIL", "torch", "dsl", "lark", "rich", *HEAVY),
    ),
    (
        ["ask", "photo.png", "How many?", "--schedul", "lazy"],
        2,
        ("numpy", "PIL", "torch", "dsl", "lark", "rich", *HEAVY),
    ),
]
"""Words of a command line, its exit code, and what is not needed to answer it."""
MAIN = """
import contextlib, io, json, sys
from neptune.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(("words", "expected", "barred"), STARTS, ids=[" ".join(words) for words, _, _ in STARTS])
def test_a_start_loads_what_it_needs(words: list[str], expected: int, barred: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    code, loaded = json.loads(done.stdout)
    found = [m for m in loaded for b in barred if m == b or m.startswith(b + ".")]
    assert (code, found[:5]) == (expected, []), done.stderr


APART = [
    ("neptune/perception/oracle", ("dsl", "neptune.algebra", "neptune.perception.detect", "neptune.engine")),
    ("neptune/perception/detect", ("dsl", "neptune.algebra", "neptune.perception.oracle", "neptune.engine")),
]


@pytest.mark.parametrize(("room", "barred"), APART, ids=[room for room, _ in APART])
def test_rooms_that_stand_apart_import_nothing_of_each_other_even_late(room: str, barred: tuple[str, ...]) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {m}" for m in modules for b in barred if m == b or m.startswith(b + ".")]
    assert not found


FILES = [
    ("neptune/perception/oracle", ("dsl", "neptune.algebra", "neptune.engine", "neptune.tasks", "neptune.config")),
    ("neptune/perception/detect", ("dsl", "neptune.algebra", "neptune.engine", "neptune.tasks", "neptune.config")),
    ("neptune/algebra", ("dsl", "neptune.perception.oracle", "neptune.perception.detect", "neptune.engine")),
    ("neptune/tasks", ("dsl", "torch", "neptune.engine", "neptune.runs.runner", "neptune.config")),
    ("neptune/engine", ("neptune.runs.runner", "neptune.tasks", "neptune.learn.tune", "neptune.learn.finetune")),
    (
        "neptune/runs/record",
        ("torch", "neptune.engine", "neptune.runs.runner", "neptune.runs.report", "neptune.cli.commands"),
    ),
    ("dsl", ("torch", "neptune")),
]
"""Room → what none of its files imports, at the top or inside a function."""

ASSEMBLE = ROOT / "neptune" / "engine" / "assemble.py"
"""The one file of the engine that knows a run's config."""


@pytest.mark.parametrize(("room", "barred"), FILES, ids=[room for room, _ in FILES])
def test_no_file_of_a_room_imports_what_it_may_not(room: str, barred: tuple[str, ...]) -> None:
    files = sorted(set((ROOT / room).rglob("*.py")) - {ASSEMBLE})
    assert len(files) > 5
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imported(path)
        for b in barred
        if name == b or name.startswith(b + ".")
    ]
    assert not found, found


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports anywhere, but for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: list[str] = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names
