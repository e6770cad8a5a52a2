"""Draws an answer on its picture: boxes coloured by score, question and answer as a caption below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from neptune.html import score_color

_MARGIN = 12
_INK, _QUIET, _PAPER = (28, 30, 36), (110, 116, 128), (250, 250, 248)


def annotate(
    image: Image.Image,
    boxes: Sequence[Sequence[float]],
    scores: Sequence[float] | None = None,
    objects: Sequence[int] = (),
    question: str = "",
    answer: str = "",
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
    font = ImageFont.load_default(size=11 * unit)
    chosen = set(objects)
    # Those that matter are drawn last, on top.
    for index in sorted(range(len(boxes)), key=lambda i: (i in chosen, scores[i] if scores else 0)):
        score = scores[index] if scores is not None and index < len(scores) else None
        color = score_color(score) if score is not None else score_color(1) if index in chosen else (150, 154, 160)
        box = [float(v) * scale for v in boxes[index]]
        draw.rectangle(box, outline=color, width=unit * (3 if index in chosen else 1))
        label = f"{index}" if score is None else f"{index} · {score:.2f}"
        left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
        x, y = box[0], max(0.0, box[1] - (bottom - top) - 4 * unit)
        draw.rectangle([x, y, x + right - left + 4 * unit, y + bottom - top + 4 * unit], fill=color)
        draw.text((x + 2 * unit - left, y + 2 * unit - top), label, fill="white", font=font)
    return _with_caption(drawn, question, answer, unit) if question or answer else drawn


def _with_caption(image: Image.Image, question: str, answer: str, unit: int) -> Image.Image:
    small, large = ImageFont.load_default(size=13 * unit), ImageFont.load_default(size=18 * unit)
    width = image.width - 2 * _MARGIN * unit
    lines: list[tuple[str, Any, tuple[int, int, int]]] = []
    lines += [(line, small, _QUIET) for line in _wrap(question, small, width)[:6]]
    lines += [(line, large, _INK) for line in _wrap(answer, large, width)[:4]]
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


def _wrap(text: str, font: Any, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
