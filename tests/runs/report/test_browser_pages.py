"""The report's family in a real headless browser: what was run, labels, words, downloads, two runs, many runs, a phone.

    NEPTUNE_IMAGES=1 python -m pytest tests/runs/report/test_browser_pages.py -k pictures_of_the_docs

also writes the pictures of the documentation (docs/images).
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CONTRAST, ROOT, Page, clevr_run, opened_browser
from PIL import Image

from neptune.cli import main
from neptune.perception.oracle.caching.exchanges import EXCHANGES
from neptune.runs.evaluate.compare import compare_folders
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import read_samples
from neptune.runs.report import index, pair, write_report
from neptune.runs.report.data import faults_of
from neptune.runs.report.labels import place_labels
from neptune.runs.report.words import in_words

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
DESK, PHONE = (1360, 860), (390, 844)
IMAGES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of the shipped sample, their index, and both side by side."""
    place = tmp_path_factory.mktemp("pages")
    (place / "examples").symlink_to(ROOT / "examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, noise in (("noise-0.3", 0.3), ("noise-0.5", 0.5)):
            clevr_run(Path("experiments") / name, noise, "flips", 12, "examples/clevr")
        index.build(Path("experiments"))
        pair.build(Path("experiments/noise-0.3"), Path("experiments/noise-0.5"))
    return place / "experiments"


def report(browser: Any, runs: Path, name: str = "noise-0.5/report.html", at: str = "", **options: Any) -> Page:
    return Page(browser, (runs / name).as_uri() + at, runs.as_uri(), **options)


def records_of(runs: Path) -> list[dict[str, Any]]:
    return read_samples(runs / "noise-0.5" / "samples.jsonl")[0]


PAGES = {
    "summary": ("noise-0.5/report.html", ""),
    "sample": ("noise-0.5/report.html", "#clevr-000002"),
    "pair": ("noise-0.5/compare-with-noise-0.3.html", "#clevr-000002"),
    "index": ("index.html", ""),
}


# --- the first screen ---


def test_what_was_run_is_on_the_first_screen(browser: Any, runs: Path) -> None:
    with report(browser, runs) as page:
        box = page.locator(".about").bounding_box()
        assert box["y"] + box["height"] < DESK[1]
        said = page.inner_text(".about")
        for words in ("clevr, clevr-refexps", "noise 0.5", "commit", "NePTune Reasoner", "godel"):
            assert words in said
        assert "--config experiments/noise-0.5/config.json" in page.inner_text("#command")
        page.get_by_text("Prompts, by their hashes").click()
        assert "visual/mark.json" in page.inner_text(".about")
        page.click("#copy")
        page.wait_for_function("['Copied', 'Marked'].includes(document.getElementById('copy').textContent)")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1360, 390])
def test_nothing_is_wider_than_the_screen(browser: Any, runs: Path, name: str, width: int) -> None:
    file, at = PAGES[name]
    with report(browser, runs, file, at, width=width) as page:
        page.wait_for_timeout(200)
        wide = page.evaluate(
            """(width) => [...document.querySelectorAll('body *')].filter((n) => n.getClientRects().length
               && !n.closest('pre, code, svg, table, .families, #list')
               && (n.getBoundingClientRect().right > width + 1 || n.getBoundingClientRect().left < -1))
               .map((n) => n.outerHTML.slice(0, 120))""",
            width,
        )
        assert wide == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_contrast(browser: Any, runs: Path, name: str, scheme: str) -> None:
    file, at = PAGES[name]
    with report(browser, runs, file, at, color_scheme=scheme) as page:
        page.wait_for_timeout(200)
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst


def test_no_holes_at_desktop_width(browser: Any, runs: Path) -> None:
    with report(browser, runs) as page:
        ends = page.eval_on_selector_all("#charts > *", "all => all.map((n) => n.getBoundingClientRect().bottom)")
        assert max(ends) - min(ends) < 2
        page.keyboard.press("s")
        for _ in records_of(runs):
            page.wait_for_selector(".halves .right-half .panel")
            hole = page.evaluate(
                """() => {
                  const all = (selector) => [...document.querySelectorAll(selector)];
                  const ends = all('.halves > div').map((c) => c.lastElementChild.getBoundingClientRect().bottom);
                  const tallest = Math.max(...all('.halves .panel').map((p) => p.offsetHeight));
                  return {short: ends[1] - ends[0], tallest, sticks: all('.stick').length > 0};
                }"""
            )
            # No panel would make the columns more even; the picture stays in sight beside a longer one.
            assert abs(hole["short"]) <= hole["tallest"]
            if hole["short"] > 300:
                assert hole["sticks"], hole
            page.keyboard.press("j")


# --- a sample ---


def test_labels_do_not_overlap_at_any_width(browser: Any, runs: Path) -> None:
    for width in (DESK[0], PHONE[0]):
        with report(browser, runs, at="#" + records_of(runs)[0]["id"], width=width) as page:
            for record in records_of(runs):
                page.wait_for_function(f"document.querySelector('#sample .top').textContent.includes({record['id']!r})")
                page.wait_for_selector(".boxes .label rect[width]", state="attached")
                rects = page.eval_on_selector_all(
                    ".boxes .label", "all => all.map((g) => g.children[1].getBoundingClientRect().toJSON())"
                )
                assert len(rects) == len(record["boxes"])
                for a, b in itertools.combinations(rects, 2):
                    apart = a["right"] <= b["left"] + 0.5 or b["right"] <= a["left"] + 0.5
                    assert apart or a["bottom"] <= b["top"] + 0.5 or b["bottom"] <= a["top"] + 0.5, record["id"]
                size = page.eval_on_selector(".boxes .label text", "t => t.getBoundingClientRect().height")
                assert size >= 10, "of a size that can be read"
                page.keyboard.press("j")


def test_the_page_and_the_picture_place_labels_alike(browser: Any, runs: Path) -> None:
    rng = random.Random(0)
    with report(browser, runs) as page:
        for _ in range(20):
            boxes = [[x := rng.uniform(0, 400), y := rng.uniform(0, 280), x + 40, y + 30] for _ in range(18)]
            sizes = [[rng.uniform(10, 70), 16] for _ in boxes]
            order = rng.sample(range(18), 18)
            shown = page.evaluate("([b, s, o]) => placeLabels(b, s, [480, 320], o)", [boxes, sizes, order])
            drawn = place_labels(boxes, [(w, h) for w, h in sizes], (480, 320), order)
            for a, b in zip(shown, drawn, strict=True):
                assert (a is None) == (b is None)
                assert a is None or a == pytest.approx(list(b))  # type: ignore[arg-type]


def test_the_page_and_the_picture_use_the_same_words(browser: Any, runs: Path) -> None:
    texts = [
        "ι@1 (small(@1) ∧ E[@2 ~ ι@2 (large(@2) ∧ ¬blue(@2))] (@1 ≠ @2 ∧ left(@2, @1)))",
        "ι@0 (sphere(@0) ∨ cube(@0))",
        "ι@1 (small(@1) ∧ E[@2 ~ ι@2 (big(@2) ∧ E[@3 ~ ι@3 red(@3)] left(@3, @2))] behind(@2, @1))",
        "#@0 (∃@1 left(@0, @1))",
    ]
    with report(browser, runs) as page:
        assert page.evaluate("(all) => all.map(sourceOf)", texts) == [in_words(text) for text in texts]
    assert not [sign for text in texts for sign in "∀∃ι∧∨¬≠@#~" if sign in in_words(text)]


def test_squares_show_object_and_score_and_words_come_before_notation(browser: Any, runs: Path) -> None:
    record = next(r for r in records_of(runs) if any(n["text"].startswith("ι") for n in r["plan"]))
    signs = "∀∃ι∧∨¬≠@#"
    with report(browser, runs, at="#" + record["id"]) as page:
        page.wait_for_selector(".node .strip i")
        cells = page.eval_on_selector_all(
            ".node .strip", "all => [...all[0].children].map((c) => c.innerText.split('\\n'))"
        )
        assert [c[0] for c in cells] == [str(i) for i in range(len(record["boxes"]))]
        first = next(n for n in record["plan"] if "scores" in n)
        assert [float(c[1]) for c in cells] == pytest.approx(first["scores"], abs=0.0051)
        shown = page.inner_text("#sample")
        assert not [sign for sign in signs if sign in shown]
        assert "% sure" in shown
        page.keyboard.press("w")
        page.wait_for_selector("body.notation .node")
        assert "ι" in page.inner_text("#sample")
        assert "p = " in page.inner_text("#sample")
        page.reload()
        page.wait_for_selector("body.notation .node")  # kept


def test_no_frame_around_the_list(browser: Any, runs: Path) -> None:
    with report(browser, runs) as page:
        page.keyboard.press("s")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.id") == "list"
        assert page.eval_on_selector("#list", "n => getComputedStyle(n).outlineStyle") == "none"
        chosen = page.eval_on_selector(".item[aria-selected='true']", "n => getComputedStyle(n).boxShadow")
        assert chosen != "none", "the chosen line shows the focus"


def test_kinds_of_error_are_filtered_and_what_is_listed_is_downloaded(browser: Any, runs: Path) -> None:
    found = records_of(runs)
    kinds = {fault for r in found for fault in faults_of(r)}
    assert kinds
    with report(browser, runs) as page:
        page.keyboard.press("s")
        for kind in kinds:
            page.select_option("#fault", kind)
            n = sum(kind in faults_of(r) for r in found)
            assert page.inner_text("#matching") == f"{n} of {len(found)}"
        with page.expect_download() as download:
            page.click("#csv")
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline="")))
        expected = [r for r in found if kind in faults_of(r)]
        assert [r["id"] for r in rows] == [r["id"] for r in expected]
        assert [r["question"] for r in rows] == [r["question"] for r in expected]
        assert download.value.suggested_filename == "noise-0.5.csv"
        page.select_option("#fault", "")
        with page.expect_download() as download:
            page.click("#json")
        whole = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert [r["id"] for r in whole] == [r["id"] for r in found]
        assert whole[0]["plan"] == found[0]["plan"]


def test_hostile_text_stays_text_on_every_page(browser: Any, tmp_path: Path) -> None:
    """In the report, its downloads, raw prompts and replies, two runs side by side, and the page over runs."""
    sides = []
    for side in ("a", "b"):
        clevr_run(folder := tmp_path / "runs" / side, 0.3, samples=2)
        found, _ = read_samples(folder / "samples.jsonl")
        for record in found:
            record |= dict.fromkeys(("question", "family", "program", "error"), f"{side} {EVIL}")
            record |= {"error_kind": EVIL, "presuppositions": [EVIL], "notes": [EVIL], "answer": f"=1+1 {side}{EVIL}"}
            record["plan"] = [{**n, "text": EVIL, "question": EVIL} for n in record["plan"]]
        found[0] |= {"error": None, "question": EVIL}
        for k, record in enumerate(found):
            record["question"] = f"{k} {EVIL}"
        (folder / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in found))
        call = {"kind": "score", "scene": found[0]["scene"], "question": EVIL, "objects": [0]}
        call |= {"prompt": f"prompt {EVIL}", "picture": EVIL, "replies": [f"reply {EVIL}"]}
        (folder / EXCHANGES).write_text(json.dumps(call) + "\n")
        write_report(folder, found, summarise(found, {"clevr": 2, "clevr-refexps": 2}))
        sides.append(folder)
    pages = [sides[0] / "report.html", pair.build(*sides), index.build(tmp_path / "runs")]
    for path in pages:
        with Page(browser, path.as_uri(), tmp_path.as_uri()) as page:
            if path.name != "index.html":
                page.keyboard.press("s")
                page.wait_for_selector("#sample .question")
                page.wait_for_timeout(300)  # the page may be drawn once more when its pictures are there
                page.locator(".call summary").first.click()
                page.wait_for_selector(".call[open]")
                assert f"prompt {EVIL}" in page.inner_text("#sample")
                assert f"reply {EVIL}" in page.inner_text("#sample")
                with page.expect_download() as download:
                    page.click("#csv")
                text = Path(download.value.path()).read_text(encoding="utf-8")
                if path.name == "report.html":
                    assert "'=1+1" in text, "a spreadsheet takes it for text"
            assert page.locator("img[src='x']").count() == 0
            page.wait_for_timeout(200)


# --- two runs, many runs ---


def test_two_runs_side_by_side(browser: Any, runs: Path) -> None:
    found = compare_folders(runs / "noise-0.3", runs / "noise-0.5").found
    with report(browser, runs, "noise-0.5/compare-with-noise-0.3.html") as page:
        assert f"{len(found.changed)}" in page.inner_text(".tiles")
        assert '{"noise": 0.3}' in page.inner_text("#summary")
        page.keyboard.press("s")
        page.wait_for_selector("#sample .sides")
        assert page.locator("#matching").inner_text() == f"{len(found.pairs)} of {len(found.pairs)}"
        assert found.only_first > 0
        page.locator("#states button", has_text="lost").click()
        assert page.inner_text("#matching").startswith(f"{found.only_first} of")
        page.wait_for_function("document.querySelectorAll('#sample .picture').length === 2")
        assert page.locator("#sample .verdict .right").count() == 1
        assert page.locator("#sample .verdict b.wrong, #sample .verdict b.abstained").count() == 1
        assert page.locator("#sample .tree").count() == 2
        page.locator("#sample .changes .scored").first.hover()
        labels = page.eval_on_selector_all(
            ".boxes .label text", "all => all.map((t) => t.textContent).filter((t) => t.includes('·'))"
        )
        assert len(labels) == 2, "the score that moved, in both pictures"


def test_the_page_over_runs_sorts_searches_and_compares(browser: Any, runs: Path) -> None:
    with report(browser, runs, "index.html") as page:
        names = "all => all.map((n) => n.textContent)"
        page.get_by_role("button", name="Right, of all").click()
        best_first = page.eval_on_selector_all("#runs td a", names)
        assert best_first == ["noise-0.3", "noise-0.5"]
        page.get_by_role("button", name="Right, of all").click()
        assert page.eval_on_selector_all("#runs td a", names) == best_first[::-1]
        page.get_by_label("Compare noise-0.3").check()
        page.get_by_label("Compare noise-0.5").check()
        assert page.inner_text("#command") == "neptune-reasoner compare experiments/noise-0.3 experiments/noise-0.5"
        page.fill("#search", "noise 0.5")
        assert page.inner_text("#matching") == "1 of 2 runs"
        page.locator("#runs td a").click()
        page.wait_for_selector("#t-accuracy")


def test_the_contact_sheet_is_of_the_family(browser: Any, tmp_path: Path) -> None:
    base = ["--config", str(ROOT / "configs/clevr.json"), "--task", "contact-sheet"]
    base += ["--data_dir", str(ROOT / "examples/clevr"), "--output_dir", str(tmp_path)]
    assert main(base) == 0
    for scheme in ("light", "dark"):
        with Page(browser, (tmp_path / "contact-sheet.html").as_uri(), tmp_path.as_uri(), color_scheme=scheme) as page:
            assert page.locator(".cards figure.panel").count() > 2
            assert page.evaluate(CONTRAST)["ratio"] >= 4.5
            before = page.evaluate("getComputedStyle(document.body).backgroundColor")
            page.click("#theme")
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


# --- the pictures of the documentation ---


@pytest.mark.parametrize("name", PAGES)
def test_pictures_of_the_docs(browser: Any, runs: Path, tmp_path: Path, name: str) -> None:
    """Desktop in light and dark, and a phone in both, side by side."""
    target = IMAGES if os.environ.get("NEPTUNE_IMAGES") else tmp_path
    file, at = PAGES[name]
    if name == "pair":  # an answer that was lost
        at = "#" + compare_folders(runs / "noise-0.3", runs / "noise-0.5").found.changed[0][0]["id"]
    phones = []
    for (width, height), scheme in itertools.product((DESK, PHONE), ("light", "dark")):
        with report(browser, runs, file, at, width=width, height=height, color_scheme=scheme) as page:
            page.wait_for_timeout(300)
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        assert shot.size == (width, height)
        assert len(set(shot.resize((60, 60)).tobytes())) > 20, "something is on it"
        if width == PHONE[0]:
            phones.append(shot)
        else:
            shot.save(target / f"report-{name}{'-dark' if scheme == 'dark' else ''}.png", optimize=True)
    both = Image.new("RGB", (2 * PHONE[0] + 20, PHONE[1]), (128, 128, 128))
    for k, shot in enumerate(phones):
        both.paste(shot, (k * (PHONE[0] + 20), 0))
    both.save(target / f"report-{name}-phone.png", optimize=True)
