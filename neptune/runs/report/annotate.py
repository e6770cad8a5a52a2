"""Draws an answer on its picture: boxes coloured by score, question and answer as a caption below.

It belongs to the report's family: the same colours, labels of the same make that keep clear of one another, and the
same ink on the same paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from neptune.html import ink_on, score_color
from neptune.runs.report.labels import Box, place_labels

_MARGIN = 12
_INK, _QUIET, _PAPER, _GREY = (27, 29, 35), (93, 99, 112), (255, 255, 255), (168, 173, 182)
"""As ``--ink``, ``--quiet`` and ``--card`` of the page, and its boxes without a score."""

_FONTS = ("DejaVuSans", "Arial", "Helvetica", "LiberationSans-Regular", "NotoSans-Regular")
"""What ``system-ui`` comes to on most machines; a font that Pillow has is taken where there is none of them."""


def annotate(
    image: Image.Image,
    boxes: Sequence[Sequence[float]],
    scores: Sequence[float] | None = None,
    objects: Sequence[int] = (),
    question: str = "",
    answer: str = "",
    notes: Sequence[str] = (),
) -> Image.Image:
    """Return a copy of a picture with boxes drawn in and a caption strip below.

    Parameters
    ----------
    image
        The picture, RGB.
    boxes
        N boxes ``x0 y0 x1 y1`` in pixels of `image`.
    scores
        N numbers in [0, 1], shown as colour; without them every box is grey.
    objects
        Indices of the objects that the answer points to: drawn thick, and orange where there are no scores.
    question, answer
        Texts of the caption; no strip where both are empty.
    notes
        What a reader must know before believing the answer, a line each below it.

    Returns
    -------
    PIL.Image.Image
        RGB, the width of `image`, at least 320 pixels.
    """
    scale = max(1.0, 320 / image.width)
    if scale > 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    unit = max(1, round(drawn.width / 400))
    font = _font(11 * unit)
    chosen = set(objects)
    known = [scores[i] if scores is not None and i < len(scores) else None for i in range(len(boxes))]
    scaled = [[float(v) * scale for v in box] for box in boxes]
    # Those that matter are drawn last, on top, and their labels get the best places.
    order = sorted(range(len(boxes)), key=lambda i: (i in chosen, known[i] or 0.0))
    colors = [_color(known[i], i in chosen) for i in range(len(boxes))]
    for i in order:
        draw.rectangle(scaled[i], outline=colors[i], width=unit * (3 if i in chosen else 1))
    texts = [f"{i}" if (score := known[i]) is None else f"{i} · {score:.2f}" for i in range(len(boxes))]
    places = _places(scaled, texts, font, unit, drawn.size, order[::-1])
    if None in places:  # too many for that: their numbers alone
        texts = [str(i) for i in range(len(boxes))]
        places = _places(scaled, texts, font, unit, drawn.size, order[::-1])
    for i in order:
        if (place := places[i]) is not None:
            _label(draw, place, scaled[i], texts[i], colors[i], font, unit)
    return _with_caption(drawn, question, answer, notes, unit) if question or answer else drawn


def _color(score: float | None, chosen: bool) -> tuple[int, int, int]:
    if score is not None:
        return score_color(score)
    return score_color(1) if chosen else _GREY


def _places(
    boxes: Sequence[Sequence[float]],
    texts: Sequence[str],
    font: Any,
    unit: int,
    size: tuple[int, int],
    order: Sequence[int],
) -> list[Box | None]:
    height = round(1.45 * font.size)
    return place_labels(boxes, [(font.getlength(text) + 8 * unit, height) for text in texts], size, order)


def _label(
    draw: ImageDraw.ImageDraw,
    place: Box,
    box: Sequence[float],
    text: str,
    color: tuple[int, int, int],
    font: Any,
    unit: int,
) -> None:
    x, y, w, h = place
    x0, y0, x1, y1 = box
    middle = (x + w / 2, y + h / 2)
    if x > x1 + 1 or x + w < x0 - 1 or y > y1 + 1 or y + h < y0 - 1:  # it lies apart: a line leads to its box
        draw.line([middle, (min(max(middle[0], x0), x1), min(max(middle[1], y0), y1))], fill=color, width=unit)
    draw.rounded_rectangle([x, y, x + w - 1, y + h - 1], radius=3 * unit, fill=color)
    draw.text(middle, text, fill=ink_on(color), font=font, anchor="mm")


def _with_caption(image: Image.Image, question: str, answer: str, notes: Sequence[str], unit: int) -> Image.Image:
    small, large = _font(13 * unit), _font(18 * unit)
    width = image.width - 2 * _MARGIN * unit
    lines: list[tuple[str, Any, tuple[int, int, int]]] = []
    lines += [(line, small, _QUIET) for line in _wrap(question, small, width)[:6]]
    lines += [(line, large, _INK) for line in _wrap(answer, large, width)[:4]]
    for note in notes[:4]:
        lines += [(line, small, _QUIET) for line in _wrap(note, small, width)[:3]]
    heights = [round(font.size * 1.35) for _, font, _ in lines]
    strip = sum(heights) + round(1.5 * _MARGIN * unit)
    whole = Image.new("RGB", (image.width, image.height + strip), _PAPER)
    whole.paste(image)
    draw = ImageDraw.Draw(whole)
    y = image.height + round(0.75 * _MARGIN * unit)
    for (line, font, ink), height in zip(lines, heights, strict=True):
        draw.text((_MARGIN * unit, y), line, fill=ink, font=font)
        y += height
    return whole


@cache
def _font(size: int) -> Any:
    for name in _FONTS:
        try:
            return ImageFont.truetype(f"{name}.ttf", size)
        except OSError:
            continue
    return ImageFont.load_default(size=size)


def _wrap(text: str, font: Any, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
