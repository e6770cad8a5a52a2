"""How large a report of many samples is, and how long it takes to open in a headless browser.

    python benchmarks/report.py [--samples 10000] [--run FOLDER]

The records are those of a real run on the shipped sample (every dataset of it, embedded networks, flips kept), or of
`--run`, repeated under new ids until there are enough: the values are real, the number is made. Pictures are referred
to, as in every report of more than 200 samples. The times are those of one page, cold, pictures from the disk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DATASETS = ["clevr", "clevr-refexps", "clevr-rpm"]


def real_records(folder: Path) -> list[dict[str, Any]]:
    from neptune.config import make_config
    from neptune.runs.record import read_samples
    from neptune.runs.runner.run import run_dataset

    fields = {"dataset": DATASETS, "data_dir": str(ROOT / "examples" / "clevr"), "output_dir": str(folder)}
    run_dataset(make_config(fields | {"inspect": "flips"}), "benchmark")
    return read_samples(folder / "samples.jsonl")[0]


def repeated(records: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    rounds = itertools.cycle(records)
    return [{**next(rounds), "id": f"sample-{k:06d}"} for k in range(n)]


def tabs(times: int) -> Iterator[Any]:
    """Yield so many empty tabs, each of a browser that has opened nothing before."""
    from playwright.sync_api import sync_playwright

    browser_path = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as tools:
        for _ in range(times):
            browser = tools.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            yield browser.new_page(viewport={"width": 1360, "height": 860})
            browser.close()


def open_times(page: Path, times: int) -> list[dict[str, float]]:
    found = []
    for tab in tabs(times):
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]")
        opened = time.perf_counter() - start
        tab.keyboard.press("s")
        tab.wait_for_selector("#sample .question")
        tab.keyboard.press("End")
        start = time.perf_counter()
        tab.keyboard.press("k")
        tab.wait_for_function("document.querySelector('#sample .node')")
        stepped = time.perf_counter() - start
        start = time.perf_counter()
        tab.fill("#search", "cube left")
        filtered = time.perf_counter() - start
        elements = tab.evaluate("document.querySelectorAll('*').length")
        found.append({"open_s": opened, "step_s": stepped, "filter_s": filtered, "elements": elements})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--run", type=Path, help="a run folder whose records are used")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    from neptune.runs.evaluate.summary import summarise
    from neptune.runs.record import read_samples
    from neptune.runs.report import write_report

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        records = read_samples(given.run / "samples.jsonl")[0] if given.run else real_records(folder)
        many = repeated(records, given.samples)
        totals: dict[str, int] = {}
        for record in many:
            totals[record["dataset"]] = totals.get(record["dataset"], 0) + 1
        folder.mkdir(exist_ok=True)
        results = summarise(many, totals)
        start = time.perf_counter()
        page = write_report(folder, many, results)
        written = time.perf_counter() - start
        times = open_times(page, given.times)
        figures = {
            "samples": len(many),
            "from": len(records),
            "megabytes": round(page.stat().st_size / 1e6, 2),
            "written_s": round(written, 2),
            **{k: round(statistics.median(t[k] for t in times), 3) for k in times[0]},
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
