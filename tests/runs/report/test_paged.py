"""A page whose data lies beside it: open at once, whole soon after, and it says so where the data is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import opened_browser

from neptune.runs.evaluate.summary import summarise
from neptune.runs.report import write_report
from neptune.runs.report.data import PAGES

N = 40


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


@pytest.fixture
def paged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("neptune.runs.report.build.PAGED", 12)
    monkeypatch.setattr("neptune.runs.report.build.PAGED_CHUNK", 5)
    records = [
        {
            "id": f"clevr-{k:06d}",
            "dataset": "clevr",
            "family": f"family {k % 3}",
            "question": f"How many things are number {k}?",
            "program": "count(Object, lambda x: red(x))",
            "answer": k,
            "expected": k if k % 2 else k + 1,
            "correct": bool(k % 2),
            "usage": {"oracle_calls": k},
            "notes": [f"a note of sample {k}"],
            "seconds": 0.1,
        }
        for k in range(N)
    ]
    (tmp_path / "run").mkdir()
    return write_report(tmp_path / "run", records, summarise(records, {"clevr": N}))


def test_a_page_reads_on_and_shows_every_sample(browser: Any, paged: Path) -> None:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(paged.as_uri() + "#clevr-000037")
    page.wait_for_selector("html[data-whole]")
    page.wait_for_selector("#sample .question")
    assert page.inner_text("#sample .question") == "How many things are number 37?"  # which came with a later part
    assert "40 of 40" in page.inner_text("#matching")
    assert page.inner_text("#states").split() == ["all", "40", "right", "20", "wrong", "20"]
    assert "reading" not in page.inner_text("#status")
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('#sample .question')?.textContent.includes('number 0?')")
    assert "a note of sample 0" in page.inner_text("#sample")
    page.fill("#search", "000033")
    page.wait_for_function("document.querySelector('#sample .question')?.textContent.includes('number 33?')")
    assert "1 of 40" in page.inner_text("#matching")
    page.wait_for_function("document.querySelector('#sample')?.textContent.includes('a note of sample 33')")
    assert faults == []
    page.close()


def test_a_page_is_loaded_before_it_reads_on(browser: Any, paged: Path) -> None:
    """Else it would be loaded when the last of its data is there: the later, the more samples there are."""
    text = paged.read_text(encoding="utf-8")
    paged.write_text(text.replace("</body>", '<img src="slow.png" alt=""></body>'), encoding="utf-8")
    page, held = browser.new_page(), list[Any]()
    page.route("**/slow.png", lambda route: held.append(route))
    page.goto(paged.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(500)
    assert page.evaluate("[rows.length, document.readyState]") == [12, "interactive"]
    held[0].abort()
    page.wait_for_selector("html[data-whole]")
    assert page.evaluate("rows.length") == N


def test_a_page_without_what_lies_beside_it_says_so(browser: Any, paged: Path) -> None:
    shutil.rmtree(paged.parent / PAGES)
    page = browser.new_page()
    page.goto(paged.as_uri())
    page.wait_for_selector("html[data-whole]")
    assert "not beside it" in page.inner_text("#status")
    page.keyboard.press("s")
    page.wait_for_selector("#sample .note")
    assert "neptune-reasoner report" in page.inner_text("#sample .note")
    assert "12 of 12" in page.inner_text("#matching")  # the part that is in the page
    page.close()
