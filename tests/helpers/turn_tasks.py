"""Ten tasks on pictures drawn here, and a model of a script for each, which checks each picture that it is shown."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

Picture = Image.Image


def seen(request: dict[str, Any]) -> dict[str, Picture]:
    """Return the pictures that a request shows, by their names, decoded."""
    found: dict[str, Picture] = {}
    name = ""
    for message in request["messages"]:
        parts = message["content"]
        for part in [] if isinstance(parts, str) else parts:
            if part["type"] == "text":
                names = re.findall(r"image_clue_\d+", part["text"])
                name = names[-1] if names else name
            else:
                kind, data = part["image_url"]["url"].split(",")
                assert kind == "data:image/png;base64"
                picture = Image.open(io.BytesIO(base64.b64decode(data)))
                picture.load()
                assert name not in found or ImageChops.difference(found[name], picture.convert("RGB")).getbbox() is None
                found[name] = picture.convert("RGB")
    return found


def last_text(request: dict[str, Any]) -> str:
    """Return the text of the last message."""
    parts = request["messages"][-1]["content"]
    return parts if isinstance(parts, str) else "\n".join(p["text"] for p in parts if p["type"] == "text")


def same(a: Picture, b: Picture, tolerance: int = 8) -> None:
    """Check that two pictures are alike."""
    assert a.size == b.size, (a.size, b.size)
    off = np.abs(np.asarray(a, dtype=int) - np.asarray(b.convert("RGB"), dtype=int)).max()
    assert off <= tolerance, f"{off} levels apart"


def read_words(picture: Picture) -> str:
    """Read a picture with a real reader of words."""
    import pytest

    rapidocr = pytest.importorskip("rapidocr", reason="the extra 'ocr' is not installed")
    global _READER
    if _READER is None:
        import logging

        logging.disable(logging.INFO)
        _READER = rapidocr.RapidOCR()
    found = _READER(np.asarray(picture.convert("RGB"))[:, :, ::-1].copy())
    return " ".join(found.txts or ()).upper()


_READER: Any = None


@dataclass
class Task:
    """A question about pictures, its answer, and what the model of the script says turn by turn.

    Parameters
    ----------
    name, question, expected
        What it is.
    pictures
        The first is ``image``.
    language, python
        Replies, one a turn: texts, or functions of the request that check it and return one.
    limits
        Of the conversation, where the usual ones are not meant.
    end
        How it ends.
    form
        Of the replies.
    """

    name: str
    question: str
    expected: Any
    pictures: list[Picture]
    language: list[str | Callable[[dict[str, Any]], str]]
    python: list[str | Callable[[dict[str, Any]], str]]
    limits: dict[str, Any] = field(default_factory=dict)
    end: str = "answered"
    form: str = "own"


def code(text: str, form: str = "own") -> str:
    """Return a reply that is a program."""
    fenced = f"```python\n{text}\n```"
    return f"I look closer.\n\n<code>\n{fenced}\n</code>" if form == "pyvision" else f"I look closer.\n\n{fenced}"


def font(size: int) -> Any:
    """Return the font that signs are drawn with."""
    return ImageFont.load_default(size)


def sign(word: str = "HARBOR", at: tuple[int, int] = (700, 420), size: int = 20) -> Picture:
    """Return a large picture with a small sign."""
    rng = np.random.default_rng(3)
    picture = Image.fromarray(rng.integers(150, 200, (600, 900, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([at[0] - 8, at[1] - 6, at[0] + 120, at[1] + 30], fill="white")
    draw.text(at, word, fill="black", font=font(size))
    return picture


def dots(n: int = 7, levels: tuple[int, int] = (60, 200)) -> Picture:
    """Return a row of dark dots of different shades on a bright ground."""
    picture = Image.new("RGB", (40 * n + 40, 80), (levels[1],) * 3)
    draw = ImageDraw.Draw(picture)
    for k in range(n):
        draw.rectangle([30 + 40 * k, 30, 44 + 40 * k, 44], fill=(levels[0] + 8 * k,) * 3)
    return picture


def tasks() -> list[Task]:
    """Return the ten tasks."""
    return [_crop_and_read(), _threshold(), _difference(), _length(), _rotate(), _mark(), _tool(), _repaired(),
            _capped(), _tags()]  # fmt: skip


def _crop_and_read() -> Task:
    picture, box = sign(), [690, 412, 822, 452]

    def read(request: dict[str, Any]) -> str:
        shown = seen(request)
        crop = picture.crop(tuple(box))
        same(shown["image_clue_0"], picture, 0)
        assert shown["image_clue_1"].size == (crop.width * 3, crop.height * 3)
        assert "396 x 120" in last_text(request)
        return f"Answer: {read_words(shown['image_clue_1'])}"

    return Task(
        "crop and read", "What does the small sign say?", "HARBOR", [picture],
        [code(f"sign = image_clue_0.crop({box}).zoom(3)\nshow(sign)"), read],
        [code(f"sign = image_clue_0.crop({tuple(box)})\nshow(sign.resize((sign.width * 3, sign.height * 3)))"), read],
    )  # fmt: skip


def _threshold() -> Task:
    picture = dots(7)
    count = (
        "marks = image_clue_0.threshold(150)\ncount = 0\nfor k in range(9):\n"
        "    box = [25 + 40 * k, 25, 50 + 40 * k, 50]\n"
        "    if box[2] <= image_clue_0.width and marks.crop(box).statistics()['least'] < 128:\n        count += 1\n"
        "show(marks)\nprint(count, 'dark')"
    )
    in_python = (
        "from skimage import measure\ndark = np.array(image_clue_0.convert('L')) < 150\nshow(~dark)\n"
        "print(measure.label(dark).max(), 'dark')"
    )

    def answer(request: dict[str, Any]) -> str:
        marks = np.asarray(seen(request)["image_clue_1"])
        assert set(np.unique(marks)) <= {0, 255}
        assert (marks[:, :, 0] == 0).sum() == 7 * 15 * 15
        found = re.search(r"(\d+) dark", last_text(request))
        assert found is not None
        return f"Answer: {found[1]}"

    return Task("count after thresholding", "How many dark squares are there?", "7", [picture],
                [code(count), answer], [code(in_python), answer])  # fmt: skip


def _difference() -> Task:
    first = dots(6)
    second = first.copy()
    ImageDraw.Draw(second).rectangle([150, 30, 164, 44], fill="red")

    def answer(request: dict[str, Any]) -> str:
        shown = seen(request)
        same(shown["image_clue_1"], second, 0)
        box = shown["image_clue_2"].convert("L").point(lambda v: 255 * (v > 20)).getbbox()
        assert box == (150, 30, 165, 45)
        return f"Answer: the square at {box[0]}"

    return Task(
        "spot the difference", "Where do the two pictures differ?", "the square at 150", [first, second],
        [code("show(image_clue_0.difference(image_clue_1))"), answer],
        [code("from PIL import ImageChops\nshow(ImageChops.difference(image_clue_0, image_clue_1))"), answer],
    )  # fmt: skip


def _length() -> Task:
    picture = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(picture).line([40, 150, 160, 60], fill="black", width=3)

    def answer(request: dict[str, Any]) -> str:
        found = re.search(r"length (\d+)", last_text(request))
        assert found is not None
        assert seen(request).keys() == {"image_clue_0", "image_clue_1"}
        red = np.asarray(seen(request)["image_clue_1"]).astype(int)
        assert ((red[:, :, 0] > 200) & (red[:, :, 1] < 80)).any()
        return f"Answer: {found[1]}"

    measure = (
        "ends = [[40, 150], [160, 60]]\nshow(image_clue_0.draw_line(ends[0], ends[1]))\n"
        "print(f'length {math.hypot(ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]):.0f}')"
    )
    in_python = (
        "dark = np.argwhere(np.array(image_clue_0.convert('L')) < 128)\nimport math\n"
        "(y0, x0), (y1, x1) = dark[dark[:, 1].argmin()], dark[dark[:, 1].argmax()]\n"
        "from PIL import ImageDraw\nmarked = image_clue_0.copy()\n"
        "ImageDraw.Draw(marked).line([int(x0), int(y0), int(x1), int(y1)], fill='red', width=3)\nshow(marked)\n"
        "print(f'length {round(math.hypot(x0 - x1, y0 - y1) / 5) * 5}')"
    )
    return Task("measure a length", "How long is the line, in pixels?", "150", [picture],
                [code(measure), answer], [code(in_python), answer])  # fmt: skip


def _rotate() -> Task:
    upright = sign("COFFEE", (60, 40), 32).crop((40, 20, 240, 90))
    picture = upright.rotate(90, expand=True)

    def read(request: dict[str, Any]) -> str:
        shown = seen(request)["image_clue_1"]
        same(shown, upright, 30)
        return f"Answer: {read_words(shown)}"

    return Task(
        "rotate then read", "What is written on the turned sign?", "COFFEE", [picture],
        [code("show(image_clue_0.rotate(-90))"), read], [code("show(image_clue_0.rotate(-90, expand=True))"), read],
    )  # fmt: skip


def _mark() -> Task:
    picture = dots(5)

    def recount(request: dict[str, Any]) -> str:
        reds = np.asarray(seen(request)["image_clue_1"]).astype(int)
        assert ((reds[:, :, 0] > 200) & (reds[:, :, 1] < 80) & (reds[:, :, 2] < 80)).sum() > 100
        return code("count = len(boxes)\nreturn count")

    boxes = "boxes = [[28 + 40 * k, 28, 47 + 40 * k, 47] for k in range(5)]\n"
    mark = f"{boxes}marked = image_clue_0\nfor box in boxes:\n    marked = marked.mark(box)\nshow(marked)"
    in_python = (
        f"{boxes}from PIL import ImageDraw\nmarked = image_clue_0.copy()\nfor box in boxes:\n"
        "    ImageDraw.Draw(marked).rectangle(box, outline='red', width=2)\nshow(marked)"
    )
    return Task("mark and recount", "How many squares are there?", 5, [picture],
                [code(mark), recount], [code(in_python), recount])  # fmt: skip


def _tool() -> Task:
    picture = dots(4)

    def named(request: dict[str, Any]) -> str:
        assert "shade(p, k)" in last_text(request) or "shade(…)" in last_text(request)
        return code("print([shade(image_clue_0, k) for k in range(4)])")

    def used(request: dict[str, Any]) -> str:
        assert "60" in last_text(request)
        assert "84" in last_text(request)
        return code("darkest = min(range(4), key=lambda k: shade(image_clue_0, k))\nreturn darkest + 1")

    tool = (
        "def shade(p, k):\n    return p.crop([32 + 40 * k, 32, 42 + 40 * k, 42]).statistics()['mean']\n"
        "print(shade(image_clue_0, 0))"
    )
    in_python = (
        "def shade(p, k):\n    return float(np.array(p.convert('L'))[32:42, 32 + 40 * k : 42 + 40 * k].mean())\n"
        "print(shade(image_clue_0, 0))"
    )
    return Task("a tool invented in turn 1 and used in turn 3", "Which square is the darkest?", 1, [picture],
                [code(tool), named, used], [code(in_python), named, used])  # fmt: skip


def _repaired() -> Task:
    picture = dots(3)

    def mended(request: dict[str, Any]) -> str:
        assert "statistics" in last_text(request)
        assert "hint" in last_text(request) or "line 1" in last_text(request)
        return code("mean = image_clue_0.statistics()['mean']\nreturn 'bright' if mean > 128 else 'dark'")

    def mended_in_python(request: dict[str, Any]) -> str:
        assert "AttributeError" in last_text(request)
        return code("mean = np.array(image_clue_0).mean()\nreturn 'bright' if mean > 128 else 'dark'")

    return Task(
        "an error repaired", "Is the picture bright or dark?", "bright", [picture],
        [code("mean = image_clue_0.statistic()['mean']"), mended],
        [code("mean = image_clue_0.statistic()['mean']"), mended_in_python],
    )  # fmt: skip


def _capped() -> Task:
    def again(request: dict[str, Any]) -> str:
        k = len(request["messages"])
        return code(f"print({k})")

    replies: list[str | Callable[[dict[str, Any]], str]] = [again] * 9
    return Task("cap reached", "What is it?", None, [dots(2)], replies, replies, {"turns": 3}, "turns")


def _tags() -> Task:
    picture, box = sign("MARKET", (300, 200), 18), (290, 190, 422, 232)

    def read(request: dict[str, Any]) -> str:
        text = last_text(request)
        assert text.startswith("<interpreter>\nText Result:\n132")
        assert "<image_clue_1>\n</image_clue_1>" in text
        assert "</interpreter>" in text
        first = request["messages"][1]["content"]
        assert first[0]["text"].endswith("<image_clue_0>")
        assert first[2]["text"] == "</image_clue_0>"
        shown = seen(request)["image_clue_1"]
        return f"I can read it now.\n<answer>\n\\boxed{{\\text{{{read_words(shown)}}}}}\n</answer>"

    block = f"sign = image_clue_0.crop({box})\nprint(sign.size[0])\nimport matplotlib.pyplot as plt\n"
    shown = "plt.axis('off')\nplt.show()"
    return Task(
        "PyVision's tags", "What does the sign say?", "MARKET", [picture],
        [code(f"{block}plt.imshow(sign.zoom(4))\n{shown}", "pyvision"), read],
        [code(f"{block}plt.imshow(sign)\n{shown}", "pyvision"), read],
        form="pyvision",
    )  # fmt: skip
