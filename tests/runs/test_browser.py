"""The report in a real headless browser: open, filter, step, hover; no error, and no request that leaves the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neptune.cli.commands.ask import ask
from neptune.config import make_config
from neptune.runs.record import read_samples
from neptune.runs.report.watch import Watch

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser of this machine, found on the PATH."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup-all")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on the PATH: install Chromium; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the shipped sample, with noisy scores so that some answers are wrong, and one picture missing."""
    from neptune.runs.runner.run import run_dataset

    folder = tmp_path_factory.mktemp("browser") / "run"
    fields = {
        "dataset": ["clevr", "clevr-refexps"],
        "data_dir": str(ROOT / "examples" / "clevr"),
        "num_samples": 8,
        "od_model": "scene",
        "vlm_model_name": "scene",
        "vlm_options": {"noise": 0.3},
        "inspect": "flips",
        "output_dir": str(folder),
    }
    run_dataset(make_config(fields), "browser")
    return folder


class Page:
    """A page that fails the test on console errors and on requests to anywhere but `allowed`."""

    def __init__(self, browser: Any, address: str, allowed: str, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1360, "height": 860}, **options)
        self.problems: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))

        def gate(route: Any) -> None:
            if route.request.url.startswith(allowed):
                route.continue_()
            else:
                self.problems.append(f"request to {route.request.url}")
                route.abort()

        self.context.route("**/*", gate)
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *exception: object) -> None:
        self.context.close()
        if exception[0] is None:
            assert self.problems == []


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


FIRST_LINE = "(id) => document.querySelector('#sample .top .quiet').textContent.startsWith(id)"

CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let worst = {ratio: 99};
  for (const node of document.querySelectorAll('header *, aside *, #sample *')) {
    const text = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || node.closest('svg') || !node.getClientRects().length || node.tagName === 'OPTION') continue;
    let behind = node, back;
    do { back = parse(getComputedStyle(behind).backgroundColor); behind = behind.parentElement; }
    while (behind && back.length === 4 && back[3] === 0);
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(back)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst.ratio) worst = {ratio, text: node.textContent.slice(0, 40), class: node.className};
  }
  return worst;
}"""


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
        page.wait_for_function("document.getElementById('matching').textContent === '3 of 3'")
        folder.records.extend(records[3:])
        watch.finished()
        page.wait_for_function(
            f"document.getElementById('matching').textContent === '{len(records)} of {len(records)}'"
        )
        page.wait_for_function("document.getElementById('status').textContent.includes('done')")
        page.keyboard.press("End")
        page.wait_for_function(
            f"document.querySelector('#sample .top .quiet').textContent.startsWith({records[-1]['id']!r})"
        )
        page.wait_for_function("document.querySelector('.picture img').naturalWidth > 0")
