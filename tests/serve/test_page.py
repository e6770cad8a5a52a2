"""The page in a real browser: drop, type, squiggle, completion, slider, phone, dark, keyboard only; no error."""

from __future__ import annotations

import base64
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CONTRAST, Page, opened_browser
from helpers.served import IMAGES, PICTURE, RED_CUBES, application, listening

from neptune.cli import main

SHOTS = os.environ.get("NEPTUNE_SHOTS")
"""A folder for pictures of the page, for the docs."""

DROP = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type: "image/png"}));
  const place = document.getElementById("drop");
  for (const type of ["dragover", "drop"])
    place.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening(application(roots=(IMAGES,))) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


def opened(browser: Any, address: str, **options: Any) -> Page:
    return Page(browser, address + "/", address, **options)


def drop(page: Any, path: Path = PICTURE) -> None:
    page.evaluate(DROP, [base64.b64encode(path.read_bytes()).decode(), path.name])
    page.wait_for_selector("#shown svg.boxes rect.box")


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / name))


def said(page: Any, text: str) -> None:
    page.wait_for_function("(t) => document.getElementById('said').textContent === t", arg=text)


def test_drop_ask_hover_slide_and_take_along(
    browser: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(browser, address) as page:
        assert "CLEVR" in page.inner_text("#banner")
        drop(page)
        page.fill("#question", "How many red cubes are left of the brown ball?")
        page.press("#question", "Enter")
        said(page, "2")
        assert page.input_value("#program") == RED_CUBES
        assert "99" in page.inner_text("#sure")
        # A part of the plan colours the objects.
        part = page.locator("#plan .node.scored").last
        before = page.locator("#shown .label text").all_text_contents()
        part.hover()
        assert page.inner_text("#shown .under b")
        after = page.locator("#shown .label text").all_text_contents()
        assert before != after
        shot(page, "serve.png")
        # A score that is moved moves the answer, and back.
        options = page.locator("#score-question option").all_inner_texts()
        page.select_option("#score-question", index=next(i for i, o in enumerate(options) if "red" in o))
        sliders = page.locator("#sliders input")
        values = [float(sliders.nth(i).input_value()) for i in range(sliders.count())]
        assert sum(v > 0.5 for v in values) == 3
        for i in (k for k, v in enumerate(values) if v > 0.5):
            sliders.nth(i).fill("0.02")
        said(page, "0")
        page.click("#score-reset")
        said(page, "2")
        # Another logic, another temperature: the same question, the answer follows.
        sure = page.inner_text("#sure")
        page.select_option("#logic", "lukasiewicz")
        page.wait_for_function("(t) => document.getElementById('sure').textContent !== t", arg=sure)
        page.click("summary:has-text('Temperatures')")
        sure = page.inner_text("#sure")
        page.locator("#t-oracle").fill("1")
        page.wait_for_function("(t) => document.getElementById('sure').textContent !== t", arg=sure)
        # Taken along.
        page.click("[data-copy=command]")
        assert page.inner_text("#left-out") == "Without temperatures: these are in the bundle."
        command = page.inner_text("#command")
        assert command.startswith("neptune-reasoner ask 'CLEVR_val_000049.png' --program 'count(")
        assert command.endswith("--logic lukasiewicz")
        page.click("[data-copy=python]")
        python = page.inner_text("#command")
        assert page.inner_text("#left-out") == ""
        shown = page.evaluate("latest.probability")  # in words it is rounded
        with page.expect_download() as download:
            page.click("[data-copy=bundle]")
        assert download.value.suggested_filename == "answer.zip"
        bundle = Path(download.value.path()).rename(tmp_path / "answer.zip")
    # What was taken along gives the answer that the page showed.
    assert main(["replay", str(bundle), "--output_dir", str(tmp_path / "again")]) == 0
    record = json.loads((tmp_path / "again" / "samples.jsonl").read_text())
    assert (record["value"], record["program"]) == (2, RED_CUBES)
    assert record["question"] == "How many red cubes are left of the brown ball?"
    assert record["probability"] == pytest.approx(shown, abs=1e-5)
    monkeypatch.chdir(IMAGES)
    names: dict[str, Any] = {}
    exec(python, names)
    assert names["answer"].value == 2
    assert names["answer"].probability == pytest.approx(shown, abs=1e-5)
    command = shlex.split(command)
    assert main([*command[1:], "--output_dir", str(tmp_path / "asked")]) == 0
    record = json.loads((tmp_path / "asked" / "samples.jsonl").read_text())
    assert record["answer"] == 2


def test_what_is_typed_is_checked_where_it_is_wrong_and_completed(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.focus("#program")
        page.keyboard.type("exists(Object, lambda x: red(x) and existts(Object, lambda y: cube(y)))")
        page.wait_for_selector("#marks mark")
        assert page.inner_text("#marks mark") == "existts"
        assert "did you mean 'exists'" in page.inner_text("#problems").lower()
        mark, editor = page.locator("#marks mark").bounding_box(), page.locator("#program").bounding_box()
        assert editor["x"] < mark["x"] < editor["x"] + editor["width"]
        assert editor["y"] < mark["y"] < editor["y"] + editor["height"]
        shot(page, "serve-check.png")
        page.fill("#program", "")
        page.wait_for_function("() => !document.querySelector('#marks mark')")
        page.keyboard.type("exi")
        page.wait_for_selector("#words:not([hidden]) li[aria-selected=true]")
        page.keyboard.press("Tab")
        assert page.input_value("#program") == "exists("
        page.keyboard.type("Object, lambda x: cyl")
        page.wait_for_selector("#words:not([hidden])")
        page.keyboard.press("Escape")
        assert page.locator("#words").is_hidden()
        page.keyboard.press("Control+Space")
        page.wait_for_selector("#words:not([hidden])")
        assert "cylinder(x)" in page.inner_text("#words li >> nth=0")
        page.keyboard.press("Enter")
        page.keyboard.type("x))")
        page.wait_for_function("() => document.getElementById('program').getAttribute('aria-invalid') === 'false'")
        assert page.input_value("#program") == "exists(Object, lambda x: cylinder(x))"
        page.fill("#program", "exists(Object, lambda x: red(x)\n")
        page.wait_for_selector("#marks mark")  # what is missing is underlined too


def test_by_keyboard_alone(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.on("filechooser", lambda chooser: chooser.set_files(str(PICTURE)))
        page.wait_for_timeout(500)  # until the browser hands choosers on
        page.focus("#drop")
        page.keyboard.press("Enter")
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        page.keyboard.type("Is there a red cube?")
        page.keyboard.press("Enter")
        said(page, "yes")
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            place = page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", place
            reached.append(place)
            if "scored" in place:
                break
        assert {"program", "run", "logic"} <= set(reached)
        assert any("scored" in place for place in reached)
        assert page.inner_text("#shown .under b")
        page.focus("#program")
        page.keyboard.press("Control+a")
        page.keyboard.type("count(Object, lambda x: red(x))")
        page.keyboard.press("Control+Enter")
        said(page, "3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_in_light_and_dark(browser: Any, address: str, scheme: str) -> None:
    options: dict[str, Any] = {
        "width": 390,
        "height": 844,
        "color_scheme": scheme,
        "has_touch": True,
        "is_mobile": True,
    }
    with opened(browser, address, **options) as page:
        page.tap("#sample-picture")
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#question", "How many red cubes are left of the brown ball?")
        page.tap("#ask")
        said(page, "2")
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], "nothing is wider than the screen"
        small = page.evaluate(
            "[...document.querySelectorAll('main button, main select, main input:not([type=range])')]"
            ".filter((n) => n.getClientRects().length && n.offsetHeight < 34).map((n) => n.id || n.textContent)"
        )
        assert small == [], "what is tapped is large enough"
        page.evaluate("document.getElementById('marks').replaceChildren()")  # it repeats the program, unseen
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(int(v) for v in dark[4:-1].split(",")[:3]) < 150) == (scheme == "dark")
        shot(page, f"serve-phone-{scheme}.png")


def test_a_folder_is_searched_and_a_hit_is_opened(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#find-folder option", state="attached")
        page.fill("#find-query", "a red ball left of a cube")
        page.press("#find-query", "Enter")
        over = "() => document.getElementById('status').textContent === 'The search is done'"
        page.wait_for_function(over, timeout=300_000)
        hits = page.locator("#found .found button")
        assert "CLEVR_val_000071.png" in hits.nth(0).inner_text()
        assert "of 36 match" in page.inner_text("#found .note >> nth=0")
        page.wait_for_function("() => document.querySelector('#found img').naturalWidth > 0")
        shot(page, "serve-find.png")
        hits.nth(0).click()
        page.wait_for_selector("#shown svg.boxes rect.box")


def test_what_goes_wrong_is_said_in_the_page(browser: Any, address: str, tmp_path: Path) -> None:
    page_of = opened(browser, address)
    page_of.expected = ("status of 422",)  # the browser itself says that the server refused
    with page_of as page:
        page.click("#ask")
        assert page.inner_text("#status") == "Drop a picture first"
        drop(page)
        page.fill("#question", "Where is the flurb?")
        page.click("#ask")
        page.wait_for_function("() => document.getElementById('status').textContent.includes('flurb')")
        broken = tmp_path / "a.png"
        broken.write_bytes(b"no picture")
        page.set_input_files("#file", str(broken))
        page.wait_for_function("() => document.getElementById('status').textContent.includes('picture')")
        assert "<img" not in page.inner_text("#status")


def test_names_and_texts_are_texts(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        drop(page)
        page.fill("#program", "'<img src=x onerror=alert(1)>'")
        page.press("#program", "Control+Enter")
        said(page, "<img src=x onerror=alert(1)>")


def test_a_token_is_asked_for(browser: Any) -> None:
    with listening(application(token="a-secret-token")) as address:
        page_of = opened(browser, address)
        with page_of as page:
            assert page.locator("#token-form").is_visible()
            page.fill("#token", "a-secret-token")
            page.click("#token-form button")
            drop(page)
        with Page(browser, address + "/#token=a-secret-token", address) as page:
            assert page.locator("#token-form").is_hidden()
            assert "secret" not in page.url
            drop(page)
