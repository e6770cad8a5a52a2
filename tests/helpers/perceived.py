"""Pictures with known masks, depths and words, and models that count how often they are asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask, MaskRequest
from neptune.scene.seen.texts import Reading, TextLine

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def clevr(n: int) -> list[tuple[Picture, list[dict[str, Any]]]]:
    """Return the first n example pictures, each with the records of its objects."""
    scenes = json.loads((EXAMPLES / "scenes.json").read_text(encoding="utf-8"))["scenes"][:n]
    return [(Picture(EXAMPLES / "images" / s["image_filename"]), s["objects"]) for s in scenes]


def shapes() -> tuple[Picture, list[tuple[tuple[float, float, float, float], NDArray[np.bool_]]]]:
    """Return a drawn picture, and box and exact mask of each shape in it."""
    image = Image.new("RGB", (300, 200), (120, 130, 120))
    noise = np.random.default_rng(0).integers(-9, 10, (200, 300, 3))
    drawn: list[tuple[tuple[float, float, float, float], NDArray[np.bool_]]] = []
    forms = [("ellipse", (20, 30, 110, 120), "red"), ("polygon", (130, 20, 210, 110), "blue"),
             ("rectangle", (40, 140, 120, 190), "yellow"), ("ellipse", (180, 130, 280, 180), "white")]  # fmt: skip
    for form, (x0, y0, x1, y1), colour in forms:
        mask = Image.new("1", image.size)
        for canvas, fill in ((ImageDraw.Draw(image), colour), (ImageDraw.Draw(mask), 1)):
            if form == "polygon":
                canvas.polygon([((x0 + x1) / 2, y0), (x1, y1), (x0, y1)], fill=fill)
            else:
                getattr(canvas, form)((x0, y0, x1, y1), fill=fill)
        drawn.append(((float(x0), float(y0), x1 + 1.0, y1 + 1.0), np.asarray(mask)))
    return Picture((np.asarray(image) + noise).clip(0, 255).astype(np.uint8)), drawn


def pattern(width: int, height: int) -> Image.Image:
    """Return a picture that is the same everywhere, without a file."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [(x * 7 + y * 3) % 256, (x * y) % 256, 255 - (x * 2 + y * 5) % 256]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def sign(text: str, height: int, turn: float = 0, size: tuple[int, int] = (480, 320)) -> Picture:
    """Return a picture of a red sign on grey: letters of a height in pixels, turned by degrees."""
    font = ImageFont.load_default(height)
    width = int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(text, font=font))
    board = Image.new("RGBA", (width + height, int(height * 1.8)), (170, 25, 25, 255))
    ImageDraw.Draw(board).text((height // 2, height // 4), text, font=font, fill="white")
    board = board.rotate(turn, expand=True, resample=Image.Resampling.BICUBIC)
    image = Image.new("RGB", size, (190, 200, 195))
    image.paste(board, ((size[0] - board.width) // 2, (size[1] - board.height) // 2), board)
    return Picture(image)


class Models:
    """A segmenter, a depth estimator and a reader in one, that count what they are asked.

    A box's mask is the box, less `hole` pixels on each side; what is lower in the picture is nearer; each text is read
    at its box.
    """

    name = "counting"
    identity = "counting-1"

    def __init__(self, texts: Sequence[TextLine] = (), hole: int = 0, domain: Any = None) -> None:
        self.texts, self.hole, self.domain = tuple(texts), hole, domain
        self.asked: dict[str, list[int]] = {"masks": [], "depth": [], "read": []}

    def masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return boxes as masks."""
        self.asked["masks"].append(len(requests))
        made = []
        for request in requests:
            x0, y0, x1, y1 = (int(v) for v in request.box)
            inside = np.ones((max(0, y1 - y0 - 2 * self.hole), max(0, x1 - x0 - 2 * self.hole)), dtype=np.float32)
            made.append(Mask.of(inside, request.picture.image.size, (x0 + self.hole, y0 + self.hole)))
        return made

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return depths that fall from 10 at the top to 0 at the bottom."""
        self.asked["depth"].append(len(pictures))
        found = []
        for picture in pictures:
            width, height = picture.size
            rows = np.repeat(np.linspace(10, 0, height, dtype=np.float32)[:, None], width, axis=1)
            found.append(Depth.of(rows, picture.size, "metres", self.domain))
        return found

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Return the texts."""
        self.asked["read"].append(len(pictures))
        return [self.texts for _ in pictures]
