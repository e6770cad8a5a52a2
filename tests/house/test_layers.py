"""Each room imports only what it may: proved in a fresh process for each."""

from __future__ import annotations

import ast
import json
import os
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
        ("torch", "dsl", "lark", "transformers", "openai", "neptune.perception.oracle", "neptune.perception.detect"),
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
    ("neptune.engine", ("torch", "scipy", "transformers", "peft", "openai", "ray", "datasets", "matplotlib")),
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
    (["--config", "configs/ask.json", "--program", "exists(Object, lambda x: red(x))", "--explain"], 0, HEAVY),
    (
        [
            "--config",
            "configs/ask.json",
            "--program",
            "count(Object, lambda x: red(x) and left(x, point(Object, lambda y: metal(y))))",
            "--image",
            "examples/clevr/images/CLEVR_val_000049.png",
            "--explain",
        ],
        0,
        ("scipy", *HEAVY),
    ),
    (
        [
            "--config",
            "configs/ask.json",
            "--program",
            "count(Object, lambda x: red(x) and left(x, iota(Object, lambda y: brown(y))))",
            "--image",
            "examples/clevr/images/CLEVR_val_000049.png",
            "--output_dir",
            "{folder}",
        ],
        0,
        ("scipy", *HEAVY),
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


@pytest.mark.parametrize(("words", "expected", "barred"), STARTS, ids=[" ".join(words)[:100] for words, _, _ in STARTS])
def test_a_start_loads_what_it_needs(words: list[str], expected: int, barred: tuple[str, ...], tmp_path: Path) -> None:
    words = [word.format(folder=tmp_path / "asked") if word == "{folder}" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    code, loaded = json.loads(done.stdout)
    found = [m for m in loaded for b in barred if m == b or m.startswith(b + ".")]
    assert (code, found[:5]) == (expected, []), done.stderr


def test_a_process_of_ours_loads_nothing_to_look_for_plugins_of_pydantic() -> None:
    words = ["-X", "importtime", "run.py", "--config", "configs/ask.json", "--loogic", "godel"]
    environment = {k: v for k, v in os.environ.items() if k != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, env=environment
    )
    assert "did you mean 'logic'?" in done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "pydantic.types" in loaded
    assert not loaded & {"importlib.metadata", "pydantic.plugin._loader", "email.message", "zipfile"}


WITHOUT_TORCH = """
import sys
from neptune import Engine, Scene
PROGRAMS = (
    "count(Object, lambda x: red(x))",
    "exists(Object, lambda x: cube(x) and exists(Object, lambda y: red(y) and left(x, y)))",
    "describe(Color, iota(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: large(y)))))",
    "iota(Color, lambda c: exists(Object, lambda x: cube(x) and color(x, c)))",
    "point(Object, lambda x: red(x))",
    "count(Object, lambda x: red(x)) > count(Object, lambda x: cube(x))",
    "count([exists(Object, lambda x: red(x)), exists(Object, lambda x: metal(x))])",
    "[shape(x) for x in Object]",
    "n = count(Object, lambda x: red(x))\\nif n > 2:\\n    return n\\nexists(Object, lambda x: metal(x))",
    "red(Object)",
)
def answers(**options):
    engine, scene = Engine(oracle="scene", oracle_options={"noise": 0.3}, **options), Scene.synthetic(8, seed=3)
    said = [str(engine.explain(program, scene)) for program in PROGRAMS]
    found = [engine.run(program, scene) for program in PROGRAMS]
    found += engine.run_many([(p, Scene.synthetic(n, seed=n)) for p in PROGRAMS for n in (2, 5)])
    return said, [(a.value, a.probability, a.scores, a.trace, a.objects, a.tie, a.presuppositions) for a in found]
without = answers()
PLAIN = PROGRAMS[:3] + (PROGRAMS[5],)
def asked_lazily(**options):
    found = []
    for program in PLAIN:
        for n in (1, 2, 5, 8):
            engine = Engine(oracle="scene", oracle_options={"noise": 0.3}, schedule="lazy", **options)
            a = engine.run(program, Scene.synthetic(n, seed=n))
            numbers = [x for x in (a.probability, *(a.bounds or ()), *(a.scores or ())) if x is not None]
            facts = a.value, a.kind, a.objects, a.tie, a.settled, a.presuppositions, a.usage.oracle_calls
            found.append((facts, a.usage.oracle_rounds, [round(x, 5) for x in numbers]))
    return found
lazily = asked_lazily()
assert "torch" not in sys.modules
import torch
assert torch.is_grad_enabled()
assert answers() == without
assert answers(backend="torch")[1] == without[1]
assert asked_lazily() == lazily
assert asked_lazily(backend="torch") == lazily
"""


def test_a_question_on_a_small_scene_is_answered_without_torch_and_as_with_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


LATE = """
import sys
from neptune.algebra.late import is_loaded, is_tensor, no_grad, torch
assert not is_loaded() and not is_tensor(3)
@no_grad()
def made():
    with no_grad():
        x = torch.ones(2, requires_grad=True)
        assert not torch.is_grad_enabled() and not (2 * x).requires_grad
    assert not torch.is_grad_enabled()
    return x
x = made()
assert torch.is_grad_enabled() and (2 * x).requires_grad and is_tensor(x)
with no_grad():
    assert not torch.is_grad_enabled()
    with torch.enable_grad(), no_grad():
        assert not torch.is_grad_enabled()
    assert not torch.is_grad_enabled()
assert torch.is_grad_enabled()
"""


def test_what_keeps_no_gradient_keeps_none_when_torch_is_loaded_meanwhile() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("task", "schedule"), [("clevr", "all"), ("clevr-refexps", "all"), ("clevr-rpm", "all"), ("clevr", "lazy")]
)
def test_a_run_on_annotations_loads_no_torch(task: str, schedule: str, tmp_path: Path) -> None:
    words = ["-X", "importtime", "run.py", "run", task, "--od_model", "scene", "--vlm_model_name", "scene"]
    words += ["--num_samples", "20", "--output_dir", str(tmp_path / "run"), "--schedule", schedule]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "numpy" in loaded
    assert not loaded & {"torch", "transformers", "pandas"}


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
        if isinstance(node, ast.ImportFrom) and node.module == "neptune.algebra.late":
            names.append("torch")  # late, but torch
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names
