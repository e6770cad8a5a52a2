"""Drawings of three boxes in the manner of NLVR, made at random: records in the official format, and their pictures."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COLORS = {"Yellow": (255, 255, 0), "Black": (0, 0, 0), "#0099ff": (0, 153, 255)}
GROUND, BETWEEN = (211, 211, 211), (128, 128, 128)
Thing = dict[str, Any]


def box(rng: random.Random, most: int = 6) -> list[Thing]:
    """Return up to `most` objects that do not touch each other."""
    placed: list[Thing] = []
    for _ in range(rng.randint(1, most)):
        size = rng.choice([10, 20, 30])
        for _ in range(200):
            x, y = rng.randint(0, 100 - size), rng.randint(0, 100 - size)
            if not any(near(x, y, size, o) for o in placed):
                shape, color = rng.choice(["square", "circle", "triangle"]), rng.choice(list(COLORS))
                placed.append({"x_loc": x, "y_loc": y, "size": size, "type": shape, "color": color})
                break
    return placed


def near(x: int, y: int, size: int, other: Thing) -> bool:
    """Tell whether a square has less than a pixel between itself and an object."""
    ox, oy, side = other["x_loc"], other["y_loc"], other["size"]
    return ox - size <= x <= ox + side and oy - size <= y <= oy + side


def drawn(boxes: list[list[Thing]], scale: int = 4) -> Image.Image:
    """Return the picture of three boxes; edges are blurred as by a renderer."""
    whole = Image.new("RGB", (400, 100), BETWEEN)
    for k, things in enumerate(boxes):
        # Panels are drawn large and made small again. Each by itself, so that equal boxes have equal pixels.
        panel = Image.new("RGB", (100 * scale, 100 * scale), GROUND)
        draw = ImageDraw.Draw(panel)
        for o in things:
            x, y, s = (o[key] * scale for key in ("x_loc", "y_loc", "size"))
            corners = (x, y, x + s - 1, y + s - 1)
            if o["type"] == "square":
                draw.rectangle(corners, COLORS[o["color"]])
            elif o["type"] == "circle":
                draw.ellipse(corners, COLORS[o["color"]])
            else:
                draw.polygon([(x + s / 2, y), (x, y + s - 1), (x + s - 1, y + s - 1)], COLORS[o["color"]])
        whole.paste(panel.resize((100, 100), Image.Resampling.BOX), (150 * k, 0))
    return whole


def record(boxes: list[list[Thing]], identifier: str, sentence: str, label: bool | None) -> dict[str, Any]:
    """Return one line of the official file."""
    made: dict[str, Any] = {"identifier": identifier, "sentence": sentence, "directory": "0", "structured_rep": boxes}
    return made if label is None else made | {"label": str(label).lower(), "evals": {"r0": str(label).lower()}}


def write(folder: Path, split: str, records: list[dict[str, Any]], pictures: bool = True) -> Path:
    """Write the files of a split, and the six pictures of each example."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(r) for r in records)
    (folder / f"{split}.json").write_text(text + "\n", encoding="utf-8")
    for r in records if pictures else ():
        for k, order in enumerate(permutations(range(3))):
            path = folder / "images" / split / r["directory"] / f"{split}-{r['identifier']}-{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn([r["structured_rep"][i] for i in order]).save(path)
    return folder
