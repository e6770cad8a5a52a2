"""Masks, depth and words over a sample's picture, in a real headless browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CONTRAST, Page, opened_browser
from helpers.perceived import EXAMPLES, Models, clevr

from neptune.perception.percepts.percepts import Percepts
from neptune.perception.percepts.shown import shown
from neptune.runs.evaluate.summary import summarise
from neptune.runs.report import write_report
from neptune.scene.seen.texts import TextLine

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


def record(seen: dict[str, Any], name: str = "one") -> dict[str, Any]:
    ((_, things),) = clevr(1)
    known = {"id": name, "dataset": "clevr", "question": "which is nearest?", "program": "1", "answer": "1"}
    known |= {"expected": "1", "correct": True, "outcome": "answered", "error": None, "probability": 0.9}
    known |= {"picture": str(EXAMPLES / "images" / "CLEVR_val_000004.png"), "size": [480, 320]}
    return known | {"boxes": [t["bbox"] for t in things], "scores": None, "usage": {}, "seconds": 0.1, "seen": seen}


def test_each_layer_is_switched_by_its_button(browser: Any, tmp_path: Path) -> None:
    ((picture, things),) = clevr(1)
    models = Models([TextLine(EVIL, (150.0, 180.0, 180.0, 200.0), 0.9)])
    percepts = Percepts(models, models, models)
    percepts.masks(picture, [tuple(map(float, t["bbox"])) for t in things])  # type: ignore[misc]
    percepts.depth(picture)
    percepts.read(picture)
    records = [record(shown(percepts, picture)["seen"]), record({"depth": EVIL, "masks": EVIL, "texts": EVIL}, "two")]
    write_report(tmp_path, records, summarise(records, {"clevr": 2}))
    with Page(browser, (tmp_path / "report.html").as_uri(), "file:///") as page:
        page.keyboard.press("s")
        page.wait_for_selector("#sample .layers")
        buttons = page.locator("#sample .layer")
        assert buttons.count() == 3
        assert [b.get_attribute("aria-pressed") for b in buttons.all()] == ["false", "true", "true"]
        for field in ("masks", "depth"):
            loaded = page.evaluate(f"() => document.querySelector('#sample .seen.{field}').naturalWidth")
            assert loaded > 0
        assert page.locator("#sample .word").count() == 1
        assert page.locator("#sample .word title").text_content() == f"{EVIL} (0.9)"
        depth = page.locator("#sample .seen.depth")
        assert not depth.is_visible()
        buttons.nth(0).click()
        assert depth.is_visible()
        box, frame = depth.bounding_box(), page.locator("#sample .picture").bounding_box()
        assert abs(box["width"] - frame["width"]) < 4
        assert abs(box["height"] - frame["height"]) < 4
        buttons.nth(0).click()
        assert not depth.is_visible()
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
