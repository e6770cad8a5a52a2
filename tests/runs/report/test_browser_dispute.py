"""Programs that differ, in the report: the scene is drawn beside what each says of it, in a real headless browser.

NEPTUNE_IMAGES=1 also writes the picture of the documentation (docs/images).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CONTRAST, ROOT, Page, opened_browser

from neptune.config import Config
from neptune.engine.assemble import several_of
from neptune.runs.evaluate.summary import summarise
from neptune.runs.report import write_report
from neptune.writer.vote import Candidate

PROGRAMS = [
    "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and front(x, y)))",
    "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
]
EVIL = '<svg onload="alert(1)"><script>alert(2)</script><image href="https://example.org/x.png"/></svg>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


def dispute_of() -> dict[str, Any]:
    found = several_of(Config(dataset="clevr")).settled(
        [Candidate(p, 0.5) for p in PROGRAMS], "Is a red thing in front of a cube?", lambda *_: pytest.fail("asked")
    )
    assert found.dispute is not None
    return found.dispute


def written(folder: Path, dispute: Any) -> Path:
    record = {
        "dataset": "clevr", "id": "clevr-1", "question": "Is a red thing in front of a cube?", "program": PROGRAMS[0],
        "answer": "yes", "expected": "yes", "correct": True, "family": "exist", "picture": None, "error": None,
        "abstained": False, "program_notes": ["2 programs, 2 different"], "usage": {"oracle_calls": 3},
        "dispute": dispute,
    }  # fmt: skip
    return write_report(folder, [record], summarise([record], {"clevr": 1}))


@pytest.mark.parametrize("width", [1360, 390])
def test_the_scene_is_drawn_beside_what_each_program_says(browser: Any, tmp_path: Path, width: int) -> None:
    dispute = dispute_of()
    path = written(tmp_path, dispute)
    with Page(browser, f"{path.as_uri()}#clevr-1", tmp_path.as_uri(), width=width) as page:
        image = page.locator(".dispute img")
        image.wait_for()
        assert image.get_attribute("alt") == dispute["scene"]
        assert image.evaluate("async (img) => { await img.decode(); return [img.naturalWidth, img.width > 100]; }") == [
            480, True,
        ]  # fmt: skip
        said = page.inner_text(".dispute")
        for shown in dispute["programs"]:
            assert shown["program"] in said
            assert shown["says"] in said
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST)["ratio"] >= 4.5
        if os.environ.get("NEPTUNE_IMAGES") and width > 1000:
            page.locator(".dispute").screenshot(path=ROOT / "docs" / "images" / "report-dispute.png")


@pytest.mark.parametrize(
    "dispute",
    [
        {"scene": EVIL, "drawing": EVIL, "programs": [{"program": EVIL, "says": EVIL}] * 2},
        {"scene": None, "drawing": 5, "programs": [None, "x"]},
        {"programs": "xx"},
        "words",
        ["a", "b"],
    ],
)
def test_somebody_elses_record_runs_nothing_and_breaks_nothing(browser: Any, tmp_path: Path, dispute: Any) -> None:
    """The page fails on dialogs, requests and errors."""
    path = written(tmp_path, dispute)
    with Page(browser, f"{path.as_uri()}#clevr-1", tmp_path.as_uri()) as page:
        page.locator(".verdict").wait_for()
        page.wait_for_timeout(150)
        assert page.locator(".code pre").first.inner_text() == PROGRAMS[0]
