"""The report in a real headless browser: open, filter, step, hover; no error, and no request that leaves the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.browser import CONTRAST, ROOT, Page, clevr_run, opened_browser

from neptune.cli.commands.ask import ask
from neptune.config import make_config
from neptune.runs.record import read_samples
from neptune.runs.report.watch import Watch


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the shipped sample, with noisy scores so that some answers are wrong."""
    return clevr_run(tmp_path_factory.mktemp("browser") / "run", noise=0.3, inspect="flips")


def open_report(browser: Any, run: Path, **options: Any) -> Page:
    return Page(browser, (run / "report.html").as_uri(), run.as_uri(), **options)


def listed(page: Any) -> list[str]:
    return page.locator("#list .item").all_inner_texts()


def test_a_report_of_one_answer_opens_on_it(browser: Any, tmp_path: Path) -> None:
    fields = {
        "task": "ask",
        "image": str(ROOT / "examples/clevr/images/CLEVR_val_000049.png"),
        "program": "count(Object, lambda x: cube(x))",
        "output_dir": str(tmp_path / "ask"),
    }
    assert ask(make_config(fields), "ask") == 0
    with open_report(browser, tmp_path / "ask") as page:
        page.wait_for_selector("#sample .question")
        page.keyboard.press("s")
        titles = page.locator("#charts h2, #more-charts h2").all_inner_texts()
        assert titles
        assert not any(t.startswith(("Accuracy", "Calibration")) for t in titles), "nobody knows what is right"


def test_summary_filter_step_and_hover(browser: Any, run: Path) -> None:
    records, _ = read_samples(run / "samples.jsonl")
    with open_report(browser, run) as page:
        # The summary: charts drawn, and the figure of results.json.
        right = sum(r["correct"] is True for r in records)
        assert page.inner_text("#t-accuracy") == f"{right / len(records):.1%}"
        assert page.locator("#charts .panel, #more-charts .panel").count() >= 5
        # Keys: to the samples, and along.
        page.keyboard.press("s")
        page.wait_for_selector("#sample .question")
        assert page.inner_text("#sample .question") == records[0]["question"]
        page.keyboard.press("j")
        page.wait_for_function("document.querySelectorAll('.item')[1].getAttribute('aria-selected') === 'true'")
        page.wait_for_function(
            f"document.querySelector('#sample .top .quiet').textContent.startsWith({records[1]['id']!r})"
        )
        page.keyboard.press("ArrowUp")
        page.wait_for_function(
            f"document.querySelector('#sample .top .quiet').textContent.startsWith({records[0]['id']!r})"
        )
        # Filters: by outcome, by words, by family, by doubt.
        wrong = sum(r["correct"] is False and not r["error"] for r in records)
        assert wrong
        page.locator("#states button", has_text="wrong").click()
        assert page.inner_text("#matching") == f"{wrong} of {len(records)}"
        assert page.locator("#sample .verdict b.wrong").count() == 1
        page.locator("#states button", has_text="all").click()
        page.keyboard.press("/")
        page.keyboard.type("how many")
        many = sum("how many" in f"{r['question']} {r['program']}".lower() for r in records)
        assert page.inner_text("#matching") == f"{many} of {len(records)}"
        page.keyboard.press("Escape")
        page.fill("#search", "")
        page.fill("#doubt", "0.02")
        doubtful = sum(r["probability"] is not None and 1 - r["probability"] >= 0.02 for r in records)
        assert page.inner_text("#matching") == f"{doubtful} of {len(records)}"
        page.fill("#doubt", "")
        # Sorted by calls, the dearest comes first.
        page.select_option("#sort", "calls")
        most = max(r["usage"]["oracle_calls"] for r in records)
        assert f"{most} calls" in listed(page)[0]


def test_boxes_take_the_colours_of_the_node_under_the_pointer(browser: Any, run: Path) -> None:
    records, _ = read_samples(run / "samples.jsonl")
    record = next(r for r in records if sum("scores" in n for n in r["plan"]) > 2)
    with Page(browser, (run / "report.html").as_uri() + "#" + record["id"], run.as_uri()) as page:
        page.wait_for_selector(".boxes .box")
        assert page.locator(".boxes .box").count() == len(record["boxes"])
        assert page.evaluate("document.querySelector('.picture img').naturalWidth") > 0
        page.keyboard.press("w")  # every line of the plan, in its notation
        page.wait_for_selector("body.notation .node")
        scored = [n for n in record["plan"] if "scores" in n]
        last = len(scored) - 1
        page.locator(".node.scored").nth(last).hover()
        colours = page.eval_on_selector_all(".boxes .box", "all => all.map((r) => r.getAttribute('stroke'))")
        expected = page.evaluate("(scores) => scores.map(color)", scored[last]["scores"])
        assert colours == expected
        labels = page.eval_on_selector_all(".boxes text", "all => all.map((t) => t.textContent)")
        assert labels == [f"{i} · {s:.2f}" for i, s in enumerate(scored[last]["scores"])]
        # By keyboard alone: focus does the same.
        page.locator(".node.scored").nth(0).focus()
        again = page.eval_on_selector_all(".boxes text", "all => all.map((t) => t.textContent)")
        assert again == [f"{i} · {s:.2f}" for i, s in enumerate(scored[0]["scores"])]
        # Cost and flip are said.
        assert "skipped" in page.inner_text("#sample")
        assert "flips the answer" in page.inner_text("#sample")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_contrast(browser: Any, run: Path, scheme: str) -> None:
    """Text on its background: at least 4.5 to 1 (WCAG 2.1, AA)."""
    with open_report(browser, run, color_scheme=scheme) as page:
        page.keyboard.press("s")
        page.wait_for_selector(".node")
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        assert page.evaluate(CONTRAST)["ratio"] >= 4.5


def test_everything_can_be_named_by_a_screen_reader(browser: Any, run: Path) -> None:
    with open_report(browser, run) as page:
        page.keyboard.press("s")
        page.wait_for_selector(".node")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, img, [role=listbox]')].filter((n) => !(
               n.getAttribute('aria-label') || n.alt || n.textContent.trim() || n.closest('label')
               )).map((n) => n.outerHTML)"""
        )
        assert nameless == []
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()


def test_a_watched_run_grows(browser: Any, run: Path) -> None:
    records, _ = read_samples(run / "samples.jsonl")
    folder = SimpleNamespace(path=run, records=records[:3])
    totals = {d: sum(r["dataset"] == d for r in records) for d in ("clevr", "clevr-refexps")}
    with Watch(folder, totals) as watch, Page(browser, watch.address, watch.address) as page:  # type: ignore[arg-type]
        page.keyboard.press("s")
        page.wait_for_selector("#matching:text-is('3 of 3')")  # functions in a page are against its policy
        folder.records.extend(records[3:])
        watch.finished()
        page.wait_for_selector(f"#matching:text-is('{len(records)} of {len(records)}')")
        page.wait_for_selector("#status:has-text('done')", state="attached")
        page.keyboard.press("End")
        page.wait_for_selector(f"#sample .top .quiet:has-text('{records[-1]['id']}')")
        page.locator(".picture img").first.evaluate("image => image.decode()")
