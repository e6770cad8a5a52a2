"""The notebook of the examples runs, and what it shows is HTML that notebooks can show."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from neptune.answer import Answer, TraceStep
from neptune.engine import Engine
from neptune.html import MOST, scores_html
from neptune.scene import Scene

ROOT = Path(__file__).resolve().parents[2]


class Nesting(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def check(html: str) -> str:
    parser = Nesting()
    parser.feed(html)
    parser.close()
    assert parser.stack == []
    return html


def test_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: make setup-all")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: make setup-all")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: make setup-all")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(ROOT / "examples" / "quickstart.ipynb", as_version=4)
    assert all(not c.get("outputs") for c in notebook.cells), "keep the notebook without outputs"
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": ROOT / "examples"}})
    client.execute()
    shown = [o.data for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "execute_result"]
    assert len([d for d in shown if "text/html" in d]) >= 5
    for data in shown:
        check(data.get("text/html", ""))
    printed = "".join(o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream")
    assert "flips it" in printed


def test_answers_and_plans_are_html() -> None:
    engine = Engine(oracle="scene")
    scene = Scene.synthetic(6, seed=1)
    program = "count(Object, lambda x: red(x) or not cube(x))"
    answer = engine.run(program, scene)
    html = check(answer._repr_html_())
    assert f">{answer.value}<" in html
    assert html.count("object 5:") == 1
    plan = check(engine.explain(program, scene)._repr_html_())
    assert "at most 12 oracle calls" in plan


def test_text_is_escaped() -> None:
    step = TraceStep(1, "<script>alert(1)</script>", "<b>", (0.0, 1.0))
    html = check(Answer("<i>", "text", 0.5, trace=(step,), notes=("a < b",))._repr_html_())
    assert "<script" not in html
    assert "<i>" not in html
    assert "a &lt; b" in html


def test_many_scores_are_cut() -> None:
    assert f"and {60 - MOST} more" in scores_html([0.5] * 60)
