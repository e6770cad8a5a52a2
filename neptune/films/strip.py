"""The film strip of an answer: the frames that are looked at, small, each with its time and its score."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from PIL import Image, ImageDraw, ImageFont

from neptune.films.film import Film
from neptune.html import score_color

WIDTH, MOST_SHOWN = 160, 120
"""Pixels of a small frame, and the most of them on one strip."""

_LINE, _GAP, _COLUMNS = 16, 6, 10


def strip(
    film: Film, scores: Sequence[float | None] = (), chosen: Collection[int] = ()
) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """Return the frames of a film side by side, and the box of each on the strip, ``x0 y0 x1 y1``.

    Of more than :data:`MOST_SHOWN` frames so many are drawn, at even steps; the others share the box of the one before.

    Parameters
    ----------
    film
        The film.
    scores
        For each frame a number in [0, 1], written below it and shown as colour; ``None``: it was not asked.
    chosen
        Frames that the answer points to, with a thick frame.
    """
    width, height = film.size
    small = WIDTH, max(1, round(WIDTH * height / width))
    count = min(len(film), MOST_SHOWN)
    shown = [k * len(film) // count for k in range(count)]
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    whole = Image.new(
        "RGB", (columns * (small[0] + _GAP) + _GAP, rows * (small[1] + _LINE + _GAP) + _GAP), (245, 245, 245)
    )
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(11)
    boxes: list[tuple[int, int, int, int]] = []
    for place, index in enumerate(shown):
        x = _GAP + (place % columns) * (small[0] + _GAP)
        y = _GAP + (place // columns) * (small[1] + _LINE + _GAP)
        whole.paste(film.frame(index).image.resize(small), (x, y))
        after = shown[place + 1] if place + 1 < count else len(film)
        known = [s for s in scores[index:after] if s is not None]
        said = f"{film.times[index]:.2f} s"
        if known:
            frame = (x - 2, y - 2, x + small[0] + 1, y + small[1] + 1)
            thick = any(index <= k < after for k in chosen)
            draw.rectangle(frame, outline=score_color(max(known)), width=6 if thick else 3)
            said += f"   {max(known):.2f}"
        draw.text((x, y + small[1] + 2), said, fill=(27, 29, 35), font=font)
        boxes += [(x, y, x + small[0], y + small[1])] * (after - index)
    return whole, boxes
