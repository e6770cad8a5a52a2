"""Each room imports only what it may: proved in a fresh process for each."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "openai", "ray")
LAYERS = [
    ("dsl", ("torch", "numpy", "neptune", "pydantic", "PIL", *HEAVY)),
    ("neptune", ("dsl", "torch", "lark", *HEAVY)),
    ("neptune.oracle", ("dsl", "lark", "neptune.algebra", "transformers", "openai", "ray")),
    ("neptune.algebra", ("dsl", "lark", "transformers", "openai", "neptune.oracle", "neptune.detect")),
    ("neptune.tasks", ("torch", "dsl", "lark", *HEAVY)),
    ("neptune.detect", ("torch", "dsl", "lark", *HEAVY)),
    ("neptune.writer", HEAVY),
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


APART = [
    ("neptune/oracle", ("dsl", "neptune.algebra", "neptune.detect", "neptune.execute", "neptune.engine")),
    ("neptune/detect", ("dsl", "neptune.algebra", "neptune.oracle", "neptune.execute", "neptune.engine")),
]


@pytest.mark.parametrize(("room", "barred"), APART, ids=[room for room, _ in APART])
def test_rooms_that_stand_apart_import_nothing_of_each_other_even_late(
    room: str, barred: tuple[str, ...]
) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {m}" for m in modules for b in barred if m == b or m.startswith(b + ".")]
    assert not found
