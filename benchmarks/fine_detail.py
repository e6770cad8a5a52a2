"""Forty pictures with fine details, made here: programs in turns, beside one query about the whole picture.

    python benchmarks/fine_detail.py [--each 10]

Four families of ten: a small word in a large noisy picture; a CLEVR scene that is tiny in a large ground; two circles
that overlap or do not, and two lines that cross, as in VLMsAreBlind. The programs are one a family, not one a picture;
no language model takes part. Words are read by RapidOCR, scenes seen by the embedded networks.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import dsl
from neptune import Engine
from neptune.agent.blocks import LanguageBlocks
from neptune.agent.shots import Gallery
from neptune.errors import NeptuneError
from neptune.scene.picture import Picture
from neptune.tools import Toolbox

ROOT = Path(__file__).resolve().parents[1]
WORDS = ("HARBOR", "COFFEE", "MARKET", "BRIDGE", "GARDEN", "WINTER", "ORANGE", "PLANET", "SILVER", "TEMPLE")


@dataclass(frozen=True)
class Case:
    """A picture, a question, its answer, and the turns that answer it; `direct` asks about the whole picture."""

    family: str
    picture: Image.Image
    question: str
    expected: Any
    turns: tuple[str, ...]
    direct: str


BOUNDS = """
def bounds(p, step, differs):
    boxes = [[x, y, x + step, y + step] for x in range(0, p.width - step + 1, step) for y in range(0, p.height - step + 1, step)]
    found = [b for b in boxes if differs(p.crop(b).statistics())]
    return [min([b[0] for b in found]), min([b[1] for b in found]), max([b[2] for b in found]), max([b[3] for b in found])]
"""  # noqa: E501


# --- a small word ---

READ = (
    f"{BOUNDS}\ndef is_sign(s):\n    return s['greatest'] == 255\n"
    "box = bounds(image_clue_0, 20, is_sign)\nprint(box)\nshow(image_clue_0.crop(box).zoom(4))",
    "texts = image_clue_1.read_text()\nreturn texts[0]",
)


def small_word(k: int) -> Case:
    """A word of 12 to 15 pixels in a picture of 1200 × 800."""
    rng = np.random.default_rng(k)
    picture = Image.fromarray(rng.integers(120, 190, (800, 1200, 3), dtype=np.uint8))
    x, y, size = int(rng.integers(50, 1000)), int(rng.integers(50, 700)), 12 + k % 4
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((x, y), WORDS[k], font=font)
    draw.rectangle([left - 8, top - 6, right + 8, bottom + 6], fill="white")
    draw.text((x, y), WORDS[k], fill="black", font=font)
    question = "What does the small sign say?"
    return Case(
        "small words", picture, question, WORDS[k], READ, f'return ImagePatch(image).simple_query("{question}")'
    )


# --- a tiny scene ---

LOOK = """{bounds}
def is_scene(s):
    return s['deviation'] > 0.5
box = bounds(image_clue_0, 20, is_scene)
box = [max(0, box[0] - 20), max(0, box[1] - 20), min(image_clue_0.width, box[2] + 20), min(image_clue_0.height, box[3] + 20)]
columns = [x for x in range(box[0], box[2], 2) if image_clue_0.crop([x, box[1], x + 2, box[3]]).statistics()['deviation'] > 0.5]
rows = [y for y in range(box[1], box[3], 2) if image_clue_0.crop([box[0], y, box[2], y + 2]).statistics()['deviation'] > 0.5]
scene = image_clue_0.crop([columns[0], rows[0], columns[-1] + 2, rows[-1] + 2])
show(scene.zoom(480 / scene.width))"""  # noqa: E501


def tiny_scene(k: int) -> Case:
    """A CLEVR picture of 240 × 160 in a ground of 1600 × 1100: things of 8 to 30 pixels."""
    scenes = json.loads((ROOT / "examples" / "clevr" / "scenes.json").read_text())["scenes"]
    chosen = scenes[k % len(scenes)]
    found = next((ROOT / "examples" / "clevr" / "images").rglob(chosen["image_filename"]))
    rng = random.Random(k)
    ground = Image.new("RGB", (1600, 1100), (118, 118, 118))
    small = Image.open(found).convert("RGB").resize((240, 160), Image.Resampling.LANCZOS)
    ground.paste(small, (2 * rng.randrange(700), 2 * rng.randrange(450)))
    there = [(o["color"], o["shape"]) for o in chosen["objects"]]
    absent = [
        (c, s)
        for c in ("red", "green", "blue", "purple", "yellow", "cyan", "brown", "gray")
        for s in ("cube", "sphere", "cylinder")
        if (c, s) not in there
    ]
    color, shape = rng.choice(there) if k % 2 == 0 else rng.choice(absent)
    noun = f"{color} {shape}"
    turns = (LOOK.format(bounds=BOUNDS), f'return image_clue_1.exists("{noun}")')
    direct = f'return ImagePatch(image).exists("{noun}")'
    return Case("tiny objects", ground, f"Is there a {noun}?", k % 2 == 0, turns, direct)


# --- circles ---

CIRCLES = (
    """def extent(channel):
    xs = [x for x in range(0, image_clue_0.width, 2)
          if image_clue_0.crop([x, 0, x + 2, image_clue_0.height]).statistics()[channel] < 254.9]
    ys = [y for y in range(0, image_clue_0.height, 2)
          if image_clue_0.crop([0, y, image_clue_0.width, y + 2]).statistics()[channel] < 254.9]
    return [(xs[0] + xs[-1] + 2) / 2, (ys[0] + ys[-1] + 2) / 2, (xs[-1] + 2 - xs[0]) / 2]
red = extent('blue')
print('red circle', red)""",
    """blue = extent('red')
apart = math.hypot(red[0] - blue[0], red[1] - blue[1])
return apart < red[2] + blue[2]""",
)


def circles(k: int) -> Case:
    """Two circles whose rims miss each other, or cross, by six pixels or more."""
    rng = random.Random(100 + k)
    picture = Image.new("RGB", (640, 400), "white")
    first, second = rng.randint(50, 90), rng.randint(50, 90)
    gap = rng.choice((-14, -10, -7)) if k % 2 == 0 else rng.choice((7, 10, 14))
    y = 200
    x0 = rng.randint(110, 180)
    x1 = x0 + first + second + gap
    draw = ImageDraw.Draw(picture)
    for x, r, color in ((x0, first, (255, 0, 0)), (x1, second, (0, 0, 255))):
        draw.ellipse([x - r, y - r, x + r, y + r], outline=color, width=2)
    question = "Do the two circles overlap?"
    return Case(
        "circles", picture, question, k % 2 == 0, CIRCLES, f'return ImagePatch(image).simple_query("{question}")'
    )


# --- lines ---

LINES = (
    """def height(channel, x):
    strip = image_clue_0.crop([x, 0, x + 2, image_clue_0.height])
    ys = [y for y in range(0, image_clue_0.height, 4) if strip.crop([0, y, 2, y + 4]).statistics()[channel] < 250]
    return sum(ys) / len(ys) if len(ys) > 0 else None
xs = list(range(50, 551, 20))
reds = [height('blue', x) for x in xs]
print(len(reds), 'columns')""",
    """blues = [height('red', x) for x in xs]
signs = [a > b for a, b in zip(reds, blues) if a is not None and b is not None and abs(a - b) > 8]
return len([1 for a, b in zip(signs, signs[1:]) if a != b])""",
)


def lines(k: int) -> Case:
    """Two lines of two parts each, which cross so often as `k` says."""
    rng = random.Random(200 + k)
    crossings = k % 3
    above = {0: [True, True, True], 1: [True, False, False], 2: [True, False, True]}[crossings]
    xs, first, second = (45, 300, 560), [], []
    for up in above:
        a, b = sorted(rng.sample(range(60, 360, 50), 2))
        high, low = a, b
        first.append(high if up else low)
        second.append(low if up else high)
    picture = Image.new("RGB", (600, 400), "white")
    draw = ImageDraw.Draw(picture)
    draw.line(list(zip(xs, first)), fill=(255, 0, 0), width=3)
    draw.line(list(zip(xs, second)), fill=(0, 0, 255), width=3)
    question = "How many times do the two lines cross?"
    return Case("lines", picture, question, crossings, LINES, f'return ImagePatch(image).simple_query("{question}")')


FAMILIES: tuple[Callable[[int], Case], ...] = (small_word, tiny_scene, circles, lines)


class Reader:
    """RapidOCR, as the picture tools ask it."""

    def __init__(self) -> None:
        self._engine: Any = None

    def read(self, pictures: Sequence[Picture]) -> list[list[Any]]:
        """Return the lines of each picture, each with its ``text``."""
        if self._engine is None:
            import rapidocr

            self._engine = rapidocr.RapidOCR()
        return [[_Line(text) for text in self._engine(p.pixels[:, :, ::-1].copy()).txts or ()] for p in pictures]


@dataclass(frozen=True)
class _Line:
    text: str


def said(value: Any, expected: Any) -> bool:
    """Tell whether an answer is the expected one."""
    if isinstance(expected, bool):
        return value is expected or value == ("yes" if expected else "no")
    return str(value).strip().upper() == str(expected)


def in_turns(engine: Engine, case: Case, reader: Reader) -> bool:
    """Answer a case by its turns."""
    picture = Picture(case.picture)
    gallery = Gallery()
    gallery.add(picture)
    blocks = LanguageBlocks(engine, engine.scene(picture), gallery, Toolbox(reader), {"query": case.question})
    result = None
    for turn in case.turns:
        result = blocks.run(turn)
        if result.error:
            print(f"{case.family}: {result.error}")
            return False
    return result is not None and result.answer is not None and said(result.answer.value, case.expected)


def in_one(engine: Engine, case: Case) -> bool:
    """Answer a case by one query about the whole picture."""
    try:
        answer = engine.run(case.direct, engine.scene(Picture(case.picture)), inputs={"query": case.question})
    except (NeptuneError, dsl.ProgramError):
        return False
    return not answer.abstained and said(answer.value, case.expected)


def measure(each: int, say: Callable[[str, tuple[int, int, int]], None]) -> dict[str, tuple[int, int, int]]:
    """Return family → (pictures, right in turns, right in one query), and say each as soon as it is known."""
    engine, reader = Engine(out_of_domain="answer"), Reader()
    found = {}
    for make in FAMILIES:
        cases = [make(k) for k in range(each)]
        turns = sum(in_turns(engine, case, reader) for case in cases)
        found[cases[0].family] = (each, turns, sum(in_one(engine, case) for case in cases))
        say(cases[0].family, found[cases[0].family])
    return found


def row(family: str, of: tuple[int, int, int]) -> None:
    """Print a row of the table."""
    n, turns, one = of
    print(f"| {family} | {n} | {turns} ({turns / n:.0%}) | {one} ({one / n:.0%}) |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=10)
    print("| family | pictures | programs in turns | one query of the whole picture |\n|---|---|---|---|")
    found = measure(parser.parse_args().each, row)
    row("all", tuple(sum(of[i] for of in found.values()) for i in range(3)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
