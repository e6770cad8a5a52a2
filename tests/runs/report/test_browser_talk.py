"""A conversation in the report of a run, and on its own page, in a real headless browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CONTRAST, Page, opened_browser
from PIL import Image

from neptune.agent.shots import Gallery
from neptune.runs.evaluate.summary import summarise
from neptune.runs.talks.page import keep_pictures, write_page
from neptune.runs.talks.shown import as_samples, summary, write_ways
from neptune.scene.picture import Picture

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


def told(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a conversation and of a direct answer, their pictures kept."""
    gallery = Gallery()
    for level in (40, 200):
        gallery.add(Picture(Image.new("RGB", (300, 200), (level, 90, 120))), ("zoom(3)",) if level > 100 else ())
    kept = keep_pictures(folder, gallery.clues)
    spent = {"code_gen_calls": 1, "prompt_tokens": 900, "completion_tokens": 40, "code_gen_cost": 0.002}
    turn = {"reply": "x", "failure": "", "spent": spent, "seconds": {"model": 2.0, "program": 0.5}, "used": []}
    code = {
        **turn, "kind": "code", "read": f"mean = 3\nprint('{EVIL}')", "text": EVIL, "error": "", "values": {"mean": 3},
        "notes": [], "oracle_calls": 4, "pictures": [{**kept[1], "history": ["zoom(3)"]}], "defined": {},
    }  # fmt: skip
    talk = {
        "format": "own", "sandbox": "none", "end": "answered", "why": "", "oracle_calls": 4, "seconds": 5.0, **spent,
        "turns": [code, {**turn, "kind": "answer", "read": "red", "pictures": []}],
        "tools": [{"name": "light", "signature": "light(p)", "turn": 1, "used": [2]}],
    }  # fmt: skip
    one = {
        "id": "one", "dataset": "folder", "family": "all", "question": "What colour?", "answer": "red",
        "expected": "red", "correct": True, "error": None, "seconds": 5.0, "pictures": kept[:1],
    }  # fmt: skip
    page = "pages/one-turns.html"
    write_page(folder, {**one, "probability": None, "conversation": talk}, page, "../report.html#one%20(turns)")
    return [{**one, "way": "direct", "reply": "red"}, {**one, "way": "turns", "conversation": talk, "page": page}]


def test_a_reader_finds_the_turns_their_pictures_and_the_page(browser: Any, tmp_path: Path) -> None:
    ways, records = ["direct", "turns"], told(tmp_path)
    results = summarise(list(as_samples(records, ways)), {"folder: direct": 1, "folder: turns": 1})
    path = write_ways(tmp_path, records, ways, results | summary(records, ways))
    with Page(browser, path.as_uri() + "#one%20(turns)", tmp_path.as_uri()) as tab:
        tab.wait_for_selector(".talk .turn")
        assert tab.locator(".talk .turn").count() == 2
        assert "print(" in tab.locator(".turn pre").first.inner_text()
        assert EVIL in tab.locator(".talk").inner_text()
        assert "light(p) in turn 1, used in 2" in tab.locator(".talk").inner_text()
        assert "money 0.00200" in tab.locator(".turn h2").first.inner_text()
        shot = tab.locator(".turn .shot img").first
        small = shot.bounding_box()["width"]
        shot.click()
        assert tab.locator(".turn .shot[open]").count() == 1
        assert shot.bounding_box()["width"] > small  # it opens
        tab.get_by_text("the page of this conversation").click()
        tab.wait_for_selector("#turn-1")
        assert tab.locator("section.turn").count() == 2
        assert EVIL in tab.locator("#turn-1").inner_text()
        worst = tab.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        tab.get_by_text("all samples of the run").click()
        tab.wait_for_selector(".talk .turn")
