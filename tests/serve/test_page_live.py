"""The page while things go on: boxes, scores and bounds come as they are found; and all of it by keyboard."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from helpers.browser import Page, opened_browser
from helpers.served import IMAGES, PICTURE, application, listening

from neptune.engine import Engine

WATCH = """(id) => {
  window.seen = [];
  new MutationObserver(() => window.seen.push(document.getElementById(id).innerText))
    .observe(document.getElementById(id), {childList: true, subtree: true, characterData: true});
}"""
PASTE = """async ([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "pasted.png", {type: kind}));
  window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
}"""


class Held:
    """An oracle that answers so many times, and then waits until it is let go; each time after a moment.

    Parameters
    ----------
    inner
        Who answers.
    """

    def __init__(self, inner: Any) -> None:
        self.inner, self.go, self.moment, self.first = inner, threading.Event(), 0.0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def let_go(self, moment: float = 0.0) -> None:
        """Answer from now on, after so many seconds."""
        self.moment = moment
        self.go.set()

    def score(self, requests: Sequence[Any]) -> list[Any]:
        if not self.first:
            self.go.wait(60)
        self.first = max(self.first - 1, 0)
        threading.Event().wait(self.moment)
        return self.inner.score(requests)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from opened_browser()


@pytest.fixture(scope="module")
def held() -> Iterator[tuple[Held, str]]:
    oracle = Held(Engine().oracle)
    engine = Engine(oracle, "embedded", schedule="lazy", workers=2)
    with listening(application(roots=(IMAGES,), engine=engine)) as address:
        yield oracle, address


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with listening(application(roots=(IMAGES,))) as address:
        yield address


def said(page: Any, text: str) -> None:
    page.wait_for_function("(t) => document.getElementById('said').textContent === t", arg=text)


def test_boxes_come_before_scores_and_scores_before_the_answer(browser: Any, held: tuple[Held, str]) -> None:
    oracle, address = held
    oracle.go.clear()
    with Page(browser, address + "/", address) as page:
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#question", "Is there a red cube?")
        page.press("#question", "Enter")
        page.wait_for_function("() => document.getElementById('program').value.startsWith('exists(')")
        assert page.locator("#shown svg.boxes rect.box").count() > 3
        strokes = "[...document.querySelectorAll('#shown rect.box')].map((n) => n.getAttribute('stroke')).join()"
        before = page.evaluate(strokes)
        assert page.locator("#answer").is_hidden(), "the model has said nothing yet"
        oracle.first = 1
        oracle.go.set()
        oracle.go.clear()
        page.wait_for_function(f"(t) => {strokes} !== t", arg=before)  # objects take the colours of their scores
        assert page.inner_text("#status").endswith("…")
        assert page.inner_text("#shown .under b"), "of which question, is said"
        assert page.locator("#answer").is_hidden(), "the model has not said all"
        oracle.let_go()
        said(page, "yes")


def test_bounds_are_shown_while_a_search_goes_on_and_it_can_be_stopped(browser: Any, held: tuple[Held, str]) -> None:
    oracle, address = held
    oracle.let_go(0.25)
    with Page(browser, address + "/", address) as page:
        page.wait_for_selector("#find-folder option", state="attached")
        page.evaluate(WATCH, "found")
        page.select_option("#find-want", "count")
        page.fill("#find-query", "a red ball left of a cube")
        page.press("#find-query", "Enter")
        page.wait_for_function("() => /between \\d+ and \\d+ of 36/.test(document.getElementById('found').innerText)")
        page.click("#find-stop")
        page.wait_for_function("() => document.getElementById('found').innerText.startsWith('Stopped')")
        assert re.search(r"between \d+ and \d+ of 36", page.inner_text("#found")), "what was known is kept"
        assert page.locator("#find-stop").is_hidden()
        oracle.moment = 0.02
        page.press("#find-query", "Enter")
        over = "() => document.getElementById('status').textContent === 'The search is done'"
        page.wait_for_function(over, timeout=300_000)
        found = re.search(r"(\d+) of 36 match", page.inner_text("#found"))
        assert found is not None
        bounds = re.findall(r"between (\d+) and (\d+) of 36", "\n".join(page.evaluate("window.seen")))
        assert bounds
        assert all(int(low) <= int(found[1]) <= int(high) for low, high in bounds)


def test_a_search_ends_when_its_calls_are_spent(browser: Any, plain: str) -> None:
    with Page(browser, plain + "/", plain) as page:
        page.wait_for_selector("#find-folder option", state="attached")
        page.select_option("#find-want", "count")
        page.fill("#find-calls", "30")
        page.fill("#find-query", "a red ball left of a cube")
        page.press("#find-query", "Enter")
        page.wait_for_function("() => document.getElementById('found').innerText.startsWith('The calls are spent')")
        assert re.search(r"between \d+ and \d+ of 36", page.inner_text("#found"))


def test_a_picture_is_pasted(browser: Any, held: tuple[Held, str]) -> None:
    with Page(browser, held[1] + "/", held[1]) as page:
        page.evaluate(PASTE, [base64.b64encode(PICTURE.read_bytes()).decode(), "image/png"])
        page.wait_for_selector("#shown svg.boxes rect.box")


@pytest.mark.parametrize("slider", ["t-oracle", "t-quantifier", "t-iota"])
def test_each_temperature_moves_the_answer(browser: Any, plain: str, slider: str) -> None:
    with Page(browser, plain + "/", plain) as page:
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#program", "exists(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: brown(y))))")
        page.press("#program", "Control+Enter")
        said(page, "yes")
        before = page.evaluate("latest.probability")
        page.click("summary:has-text('Temperatures')")
        page.locator(f"#{slider}").fill(page.get_attribute(f"#{slider}", "max"))
        page.wait_for_function("(p) => latest.probability !== p", arg=before)
        assert page.evaluate("latest.usage.oracle_calls") == 0, "nothing is asked again"


def test_all_by_keyboard(browser: Any, held: tuple[Held, str]) -> None:
    oracle, address = held
    oracle.let_go()
    with Page(browser, address + "/", address) as page:
        keys = page.keyboard
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.evaluate("document.activeElement.blur()")
        # A theme, and the program: completed with the arrows, then run.
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        keys.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        keys.press("e")
        keys.type("co")
        keys.press("Control+Space")
        page.wait_for_selector("#words:not([hidden])")
        while "count(" not in page.inner_text("#words li[aria-selected=true]"):
            keys.press("ArrowDown")
        keys.press("Enter")
        keys.type("Object, lambda x: red(x))")
        keys.press("Control+Enter")
        said(page, "3")
        # A score, moved with the arrows, and put back.
        for _ in range(40):
            keys.press("Shift+Tab")
            if page.evaluate("document.activeElement.type") == "range":
                break
        surest = page.evaluate(
            "(() => { const s = [...document.querySelectorAll('#sliders input')];"
            " const k = s.reduce((a, b) => Number(b.value) > Number(a.value) ? b : a); k.focus(); return k.value; })()"
        )
        assert float(surest) > 0.9
        keys.press("Home")
        said(page, "2")
        page.focus("#score-reset")
        keys.press("Enter")
        said(page, "3")
        # Another logic, by its first letter; a command to copy.
        page.focus("#logic")
        keys.press("l")
        page.wait_for_function("() => document.getElementById('logic').value === 'lukasiewicz'")
        page.focus("[data-copy=command]")
        keys.press("Enter")
        page.wait_for_function("() => document.getElementById('command').textContent.includes('lukasiewicz')")


def test_what_else_is_changed_is_followed_and_taken_along(browser: Any, plain: str) -> None:
    page_of = Page(browser, plain + "/", plain)
    page_of.expected = ("status of 422",)
    with page_of as page:
        page.set_input_files("#file", str(PICTURE))
        page.wait_for_selector("#shown svg.boxes rect.box")
        page.fill("#program", "count(Object, lambda x: red(x))")
        page.press("#program", "Control+Enter")
        said(page, "3")
        red = page.evaluate("latest.scores.findIndex((s) => s > .9)")
        page.fill("#set", f"color({red})=blue")
        page.press("#set", "Enter")
        said(page, "2")
        page.fill("#set", f"color({red})=blue; word(red)=blue")
        page.press("#set", "Enter")
        page.wait_for_function("() => latest.program === 'count(Object, lambda x: blue(x))'")
        page.select_option("#logic", "product")  # what is changed stays changed
        page.wait_for_function("() => latest.usage.oracle_calls === 0 && latest.program.includes('blue')")
        page.click("[data-copy=command]")
        assert page.inner_text("#command").endswith(f"--logic product --set 'color({red})=blue' 'word(red)=blue'")
        page.click("[data-copy=python]")
        assert page.inner_text("#left-out") == "Without changes: these are in the bundle."
        page.fill("#set", "red(99)=1")
        page.press("#set", "Enter")
        page.wait_for_function("() => document.getElementById('status').textContent.includes('99')")
        page.click("#score-reset")
        said(page, "3")
