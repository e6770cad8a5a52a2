"""Blocks of a conversation in the language: what lives on, what is refused, what is read; the page's example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neptune import Engine
from neptune.agent.blocks import LanguageBlocks
from neptune.agent.formats import FORMATS, bare, last_boxed, read_reply, system_text
from neptune.agent.library import Library, definition, same_with, without
from neptune.agent.limits import ENDS, TurnLimits
from neptune.agent.shots import Gallery
from neptune.errors import ConfigError
from neptune.scene.picture import Picture
from neptune.tools import Toolbox

ROOT = Path(__file__).resolve().parents[2]
PICTURE = sorted((ROOT / "examples" / "clevr").rglob("*.png"))[0]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def blocks(engine: Engine) -> LanguageBlocks:
    gallery = Gallery()
    gallery.add(Picture(PICTURE))
    return LanguageBlocks(engine, engine.scene(PICTURE), gallery, Toolbox(), {"query": "What?"})


def test_the_turns_of_the_page_run(blocks: LanguageBlocks) -> None:
    page = (ROOT / "docs" / "turns.md").read_text(encoding="utf-8")
    turns = re.findall(r"^``` \{\.turn\}\n(.*?)^```", page, re.M | re.S)
    assert len(turns) == 3
    results = [blocks.run(turn) for turn in turns]
    assert [r.error for r in results] == ["", "", ""]
    assert [c.name for c in results[0].pictures] == ["image_clue_1"]
    assert results[1].defined == {"brightness": "brightness(picture)"}
    assert results[-1].answered
    assert results[-1].answer is not None
    assert results[-1].answer.value is True
    assert results[-1].answer.probability is not None
    assert "→" not in results[-1].text


def test_the_page_names_every_end() -> None:
    page = (ROOT / "docs" / "turns.md").read_text(encoding="utf-8")
    assert all(f"`{end}`" in page for end in ENDS)


def test_names_functions_and_lists_live_on(blocks: LanguageBlocks) -> None:
    assert blocks.run("xs = [1, 2]\ndef twice(n=3):\n    return n * 2").error == ""
    assert blocks.run("xs.append(twice())\nxs").text == "[1, 2, 6]"
    assert blocks.run("def twice(n):\n    return n + n\ntwice('a')").text == "aa"
    assert "takes" in blocks.run("twice(1, 2)").error


def test_what_was_done_before_an_error_stays(blocks: LanguageBlocks) -> None:
    ran = blocks.run("a = 1\nb = image_clue_0.rotate('x')\nc = 2")
    assert "'degrees'" in ran.error
    assert not ran.refused
    assert blocks.run("a").text == "1"
    assert blocks.run("c").refused


REFUSED = {
    "import": "import os",
    "a file": "open('x')",
    "an inside": "image_clue_0.__class__",
    "a loop without end": "while True:\n    pass",
    "recursion": "def f(n):\n    return f(n)",
    "a picture it was never shown": "show(image_clue_5)",
    "a tool that there is not": "image_clue_0.enhance()",
    "a tool with too much": "image_clue_0.zoom(1, 2, 3)",
    "a name of Python": "eval('1')",
    "print as a name": "print = 3",
    "no program": "this is (",
    "a class": "class A:\n    pass",
}


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_and_nothing_is_asked(blocks: LanguageBlocks, code: str) -> None:
    ran = blocks.run(code)
    assert ran.refused
    assert ran.error
    assert ran.calls == 0
    assert blocks.run("1 + 1").text == "2"


FAILS = {
    "a box outside": "image_clue_0.crop([5000, 5000, 6000, 6000])",
    "showing a number": "show(3)",
    "returning a picture": "return image_clue_0",
    "an endless list": "xs = [1]\nfor k in range(60):\n    xs = xs + xs",
    "500 MB of text": "s = 'x'\nfor k in range(29):\n    s = s + s\nprint(s)",
    "a long loop": "n = 0\nfor a in range(1000):\n    for b in range(1000):\n        n += 1",
}


@pytest.mark.parametrize("code", FAILS.values(), ids=FAILS.keys())
def test_it_fails_in_words_and_the_conversation_goes_on(blocks: LanguageBlocks, code: str) -> None:
    ran = blocks.run(code)
    assert ran.error
    assert not ran.answered
    assert blocks.run("1 + 1").text == "2"


def test_limits_count_anew_in_each_block(blocks: LanguageBlocks) -> None:
    loop = "n = 0\nfor a in range(200):\n    for b in range(200):\n        n += 1\nn"
    assert [blocks.run(loop).text for _ in range(4)] == ["40000"] * 4


def test_a_picture_is_named_once_and_equal_pictures_are_one(blocks: LanguageBlocks) -> None:
    first = blocks.run("show(image_clue_0.gray(), image_clue_0)")
    assert [c.name for c in first.pictures] == ["image_clue_1", "image_clue_0"]
    assert first.new == 1
    again = blocks.run("show(ImagePatch(image).gray())")
    assert [c.name for c in again.pictures] == ["image_clue_1"]
    assert again.new == 0


def test_truths_are_printed_with_their_probability(blocks: LanguageBlocks) -> None:
    text = blocks.run("p = ImagePatch(image)\nprint(p.exists('cube'))\nprint(probability(p.exists('cube')))").text
    assert re.fullmatch(r"yes \(probability of yes (0\.\d+|1\.000)\)\n(0\.\d+|1)", text), text


def test_the_checker_asks_nothing_for_a_refused_block_with_a_question_in_it(blocks: LanguageBlocks) -> None:
    ran = blocks.run("print(ImagePatch(image).exists('cube'))\nnever_defined(3)")
    assert (ran.refused, ran.calls, ran.text) == (True, 0, "")


# --- replies ---

REPLIES = [
    ("own", "```python\nx = 1\n```", "code", "x = 1"),
    ("own", "First:\n```py\nx = 1\n```\nthen I will see. Answer: 3", "code", "x = 1"),
    ("own", "Answer: 3", "answer", "3"),
    ("own", "**Answer:** a red cube.", "answer", "a red cube"),
    ("own", "So \\boxed{12}", "answer", "12"),
    ("own", "```python\nx\n```\n```python\ny\n```", "nothing", None),
    ("own", "```python\nx", "nothing", None),
    ("own", "```json\n{}\n```\nAnswer: 4", "answer", "4"),
    ("own", "I think so.", "nothing", None),
    ("own", "", "nothing", None),
    ("pyvision", "<code>\n```python\nx = 1\n```\n</code>", "code", "x = 1"),
    ("pyvision", "<code>x = 1</code>", "code", "x = 1"),
    ("pyvision", "<answer>\\boxed{\\text{A {b} c}}</answer>", "answer", "A {b} c"),
    ("pyvision", "<answer>B</answer>", "answer", "B"),
    ("pyvision", "<code>x", "nothing", None),
    ("pyvision", "<code>x</code><code>y</code>", "nothing", None),
    ("pyvision", "<answer>\\boxed{3}", "nothing", None),
    ("pyvision", "I think so.", "nothing", None),
]


@pytest.mark.parametrize(("form", "reply", "kind", "text"), REPLIES)
def test_replies_are_read(form: str, reply: str, kind: str, text: str | None) -> None:
    move = read_reply(form, reply)  # type: ignore[arg-type]
    assert move.kind == kind
    assert text is None or move.text == text


def test_no_reply_breaks_the_reader() -> None:
    import random

    rng = random.Random(0)
    parts = [
        "```python\n",
        "```",
        "<code>",
        "</code>",
        "<answer>",
        "</answer>",
        "\\boxed{",
        "}",
        "Answer: ",
        "x = 1\n",
        "\n",
    ]
    for _ in range(3000):
        reply = "".join(rng.choice(parts) for _ in range(rng.randint(0, 12)))
        for form in FORMATS:
            assert read_reply(form, reply).kind in ("code", "answer", "nothing")  # type: ignore[arg-type]
    assert last_boxed("\\boxed{{{") == ""
    assert bare("``") == ""


@pytest.mark.parametrize("form", FORMATS)
def test_the_model_is_told_what_there_is_in_few_words(form: str) -> None:
    told = system_text(form, 7, False, ["shade(p)"], lacking={"depth", "knowledge", "text"})  # type: ignore[arg-type]
    assert "{{" not in told
    for word in (".zoom(factor=2)", "probability(truth)", "why()", "shade(p)", "7 turns", "p.find(object_name)"):
        assert word in told
    for word in ("compute_depth", "llm_query", "read_text"):
        assert word not in told
    assert "read_text" in system_text(form, 7, False)  # type: ignore[arg-type]
    assert len(told) < 5000
    assert "numpy" in system_text(form, 7, True)  # type: ignore[arg-type]


# --- limits ---


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tokens'"):
        TurnLimits.of(3, {"tokns": 4}, {})
    with pytest.raises(ConfigError, match="no price is known"):
        TurnLimits.of(3, {"money": 4}, {})
    with pytest.raises(ConfigError, match="above 0"):
        TurnLimits.of(3, {"tokens": 0}, {})
    with pytest.raises(ConfigError, match="0 or more"):
        TurnLimits.of(3, {"pictures": -1}, {})
    assert TurnLimits.of(3, {"pictures": 0}, {}).pictures == 0
    assert TurnLimits.of(3, {"money": 4.0}, {"prompt": 1.0}).money == 4.0


# --- functions for later ---


def test_a_function_is_kept_when_it_served_twice_and_comes_out_the_same(engine: Engine, tmp_path: Path) -> None:
    from neptune.agent.conversation import Talk, Tool

    first = "def area(p):\n    return p.width * p.height\n\nprint(area(image_clue_0))"
    programs = {"one": [first, "return area(image_clue_0) > 10"], "two": [first, "return area(image_clue_0) > 5"]}

    def run(codes: object) -> object:
        gallery = Gallery()
        gallery.add(Picture(PICTURE))
        ran = LanguageBlocks(engine, engine.scene(PICTURE), gallery, Toolbox(), {})
        results = [ran.run(code) for code in codes]  # type: ignore[attr-defined]
        assert not results[-1].error, results[-1].error
        return results[-1].answer.value  # type: ignore[union-attr]

    library = Library(tmp_path / "tools.json")
    talk = Talk(tools={"area": Tool("area", "area(p)", first, 1, [2])})

    def check(sample: str, source: str) -> bool:
        return same_with(programs[sample], "area", source, run)

    assert library.learn("one", talk, "none", False, check) == []
    assert library.learn("one", talk, "none", True, check) == []
    assert library.learn("one", talk, "none", True, check) == []  # the same sample is no second one
    assert library.learn("two", talk, "none", True, lambda *_: False) == []  # it does not come out the same
    assert library.offered("none") == []
    assert library.learn("two", talk, "none", True, check) == ["area"]
    again = Library(tmp_path / "tools.json")
    assert [t.signature for t in again.offered("none")] == ["area(p)"]
    assert again.offered("bwrap") == []
    with pytest.raises(ConfigError, match="no function"):
        again.remove("aera")
    again.remove("area")
    assert Library(tmp_path / "tools.json").offered("none") == []


def test_two_runs_that_learn_into_one_library_lose_nothing(tmp_path: Path) -> None:
    from neptune.agent.conversation import Talk, Tool

    def talk(name: str) -> Talk:
        return Talk(tools={name: Tool(name, f"{name}(p)", f"def {name}(p):\n    return 1", 1, [2])})

    one, two = Library(tmp_path / "tools.json"), Library(tmp_path / "tools.json")
    assert one.learn("1", talk("mine"), "none", True, lambda *_: True) == []
    assert two.learn("2", talk("mine"), "none", True, lambda *_: True) == ["mine"], "the other's sample counts"
    two.learn("3", talk("yours"), "none", True, lambda *_: True)
    one.learn("4", talk("yours"), "none", True, lambda *_: True)
    assert [t.name for t in Library(tmp_path / "tools.json").offered("none")] == ["mine", "yours"]
    one.remove("mine")
    two.learn("5", talk("third"), "none", True, lambda *_: True)
    assert [t.name for t in Library(tmp_path / "tools.json").offered("none")] == ["yours"]


def test_definitions_are_taken_out_of_blocks() -> None:
    block = "x = 1\ndef f(a):\n    return a + 1\nprint(f(x))"
    assert definition(block, "f") == "def f(a):\n    return a + 1\n"
    assert "def" not in without(block, "f")
    assert without("def f(a):\n    return a\n", "f").strip() == "pass"
    assert definition("no (", "f") is None


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"functions": [3]}')
    with pytest.raises(ConfigError, match="no library"):
        Library(tmp_path / "x.json")


def test_words_are_read_by_the_engine_s_reader() -> None:
    pytest.importorskip("rapidocr", reason="the extra 'ocr' is not installed")
    from helpers.turn_tasks import sign

    from neptune.agent.session import toolbox_of

    engine = Engine(oracle="random", detector="regions", vocabulary=None)
    picture, gallery = Picture(sign()), Gallery()
    gallery.add(picture)
    blocks = LanguageBlocks(engine, engine.scene(picture), gallery, toolbox_of(engine), {})
    ran = blocks.run("sign = image_clue_0.crop([690, 412, 822, 452]).zoom(3)\nreturn sign.read_text()[0]")
    assert ran.error == ""
    assert ran.answer is not None
    assert ran.answer.value == "HARBOR"
