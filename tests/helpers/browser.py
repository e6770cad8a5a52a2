"""What the tests of pages in a real browser share: a browser of this machine, a page that watches, runs to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neptune.config import make_config

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
ROOT = Path(__file__).resolve().parents[2]

CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let worst = {ratio: 99};
  for (const node of document.querySelectorAll('header *, main *')) {
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
"""The least contrast of a text on its background: at least 4.5 to 1 (WCAG 2.1, AA)."""


def opened_browser() -> Iterator[Any]:
    """Yield a browser of this machine, found on the PATH; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup-all")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on the PATH: install Chromium; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


def clevr_run(folder: Path, noise: float, inspect: str = "values", samples: int = 8, data: str = "") -> Path:
    """Run the shipped sample with noisy scores, so that some answers are wrong; return the run folder."""
    from neptune.runs.runner.run import run_dataset

    fields = {
        "dataset": ["clevr", "clevr-refexps"],
        "data_dir": data or str(ROOT / "examples" / "clevr"),
        "num_samples": samples,
        "od_model": "scene",
        "vlm_model_name": "scene",
        "vlm_options": {"noise": noise},
        "inspect": inspect,
        "output_dir": str(folder),
    }
    run_dataset(make_config(fields), folder.name)
    return folder


class Page:
    """A page that fails the test on console errors, dialogs, and requests to anywhere but `allowed`."""

    def __init__(self, browser: Any, address: str, allowed: str, width: int = 1360, height: int = 860, **options: Any):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.problems: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Words of what the browser says by itself of what a test does, such as of a request that is refused."""
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("dialog", lambda d: (self.problems.append(f"dialog {d.message}"), d.dismiss()))

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
            assert [p for p in self.problems if not any(words in p for words in self.expected)] == []
