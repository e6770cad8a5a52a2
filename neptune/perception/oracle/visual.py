"""Visual prompts: how a question about boxes becomes a picture and a text for a vision-language model.

Questions speak of "the object in the red box" and "the object in the green box". A form says how the model learns which
boxes those are; forms are data, ``prompts/visual/<form>.json``, and so are the words around a question:

``mark``
    The boxes are drawn into the picture: red, green, blue, yellow, purple.
``crop``
    The box is cut out, with a margin; for several objects, the part that holds them all, with their boxes drawn.
``mark+crop``
    The surroundings are cut out, the boxes drawn in them.
``coordinates``
    The picture stays as it is, and the text gives the boxes: every question shares the picture.

A question about no object is asked of the whole picture in every form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neptune.errors import ConfigError, OracleError, one_of
from neptune.perception.oracle.canvas import Canvas
from neptune.resources import prompts
from neptune.scene.types import Question

FORMS = ("mark", "crop", "mark+crop", "coordinates")
"""The forms, by name."""

Corners = tuple[float, float, float, float]

_LIMITS: Mapping[str, tuple[float, float]] = {
    "width": (1, 64),
    "margin": (0, 10),
    "min_size": (1, 4096),
    "scale": (10, 10000),
}


@dataclass(frozen=True, eq=False)
class VisualForm:
    """One way to show objects to a model.

    Parameters
    ----------
    name
        One of :data:`FORMS`.
    about
        What it does, in words.
    options
        The form's options: `width` (of lines, in pixels of the picture shown), `label` (numbers at the boxes),
        `margin` (around a box, as a share of its sides), `min_size` (of a cut-out, in pixels of the picture shown),
        `scale` (of coordinates).
    words
        ``intro``, ``alone``, ``box`` of the form, and ``score``, ``query``, ``choices`` of all forms.
    colors
        Name → ``(red, green, blue)`` in [0, 255], in the order of the objects.
    """

    name: str
    about: str
    options: Mapping[str, Any]
    words: Mapping[str, str]
    colors: Mapping[str, tuple[int, int, int]]

    @staticmethod
    def load(name: str = "mark", options: Mapping[str, Any] | None = None) -> VisualForm:
        """Read ``prompts/visual/<name>.json``, with other options where they are given.

        Raises
        ------
        ConfigError
            For a form or an option that does not exist, or a value out of range.
        """
        if name not in FORMS:
            raise ConfigError(f"There is no visual form '{name}'", **one_of(name, FORMS))
        data = visual_words(name, "about", "options", "intro", "alone", "box")
        answers = visual_words("answers", "score", "query", "choices", "colors")
        merged = dict(data["options"])
        for option, value in (options or {}).items():
            _check_option(name, option, value, merged)
            merged[option] = value
        words = {k: data[k] for k in ("intro", "alone", "box")} | {k: answers[k] for k in ("score", "query", "choices")}
        colors = {color: (r, g, b) for color, (r, g, b) in answers["colors"].items()}
        return VisualForm(name, data["about"], merged, words, colors)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides picture and text: name, options, words and colours, fit for JSON."""
        return {
            "form": self.name,
            "options": dict(self.options),
            "words": dict(self.words),
            "colors": {name: list(color) for name, color in self.colors.items()},
        }

    def draws(self, arity: int) -> bool:
        """Return whether the picture depends on the objects, for questions about so many of them."""
        return arity > 0 and self.name != "coordinates"

    # --- text ------------------------------------------------------------------------------------

    @property
    def intro(self) -> str:
        """The words before the first that depends on a question or a box: what all prompts on a picture share."""
        return self.words["intro"].format(**self.options)

    def text(
        self, question: Question, canvas: Canvas, boxes: Sequence[int], kind: str, choices: Sequence[str] = ()
    ) -> str:
        """Return the words that go with the picture.

        Parameters
        ----------
        question
            What is asked.
        canvas
            The picture as it is shown.
        boxes
            Indices of the objects asked about.
        kind
            ``"score"`` (yes or no) or ``"query"`` (open).
        choices
            The admissible answers of an open question, or empty.

        Raises
        ------
        OracleError
            If there are more objects than colours, or a box lies outside the picture or has no area.
        """
        named = list(zip(self._colors(boxes), boxes))
        places = ""
        if self.words["box"]:
            for color, box in named:
                x0, y0, x1, y1 = self._scaled(canvas, box)
                places += self.words["box"].format(color=color, x0=x0, y0=y0, x1=x1, y1=y1)
        if len(boxes) == 1:
            places += self.words["alone"]
        key = "choices" if choices else kind
        # With a capital, so that it reads as a sentence after another one.
        sentence = question.text[:1].upper() + question.text[1:]
        asked = self.words[key].format(question=sentence, choices=", ".join(choices))
        return self.intro + places + asked

    def _scaled(self, canvas: Canvas, box: int) -> tuple[int, ...]:
        """The corners on the scale of ``coordinates``, rounded to the nearest integer."""
        scale, (width, height) = self.options["scale"], canvas.content
        sides = (width, height, width, height)
        return tuple(round(value / side * scale) for value, side in zip(canvas.box(box), sides))

    def _colors(self, boxes: Sequence[int]) -> list[str]:
        if len(boxes) > len(self.colors):
            raise OracleError(
                f"A question about {len(boxes)} objects can not be shown",
                expected=f"at most {len(self.colors)} objects, one for each colour ({', '.join(self.colors)})",
            )
        return list(self.colors)[: len(boxes)]

    # --- picture ---------------------------------------------------------------------------------

    def picture(self, canvas: Canvas, boxes: Sequence[int]) -> Image.Image:
        """Return the picture that the model sees; the canvas itself where nothing is drawn or cut.

        Errors as :meth:`text`.
        """
        if not self.draws(len(boxes)):
            for box in boxes:
                canvas.box(box)  # raises what is wrong with it
            return canvas.image
        corners = [canvas.box(box) for box in boxes]
        colors = [self.colors[name] for name in self._colors(boxes)]
        image = canvas.image
        if self.name != "crop" or len(boxes) > 1:
            image = draw_boxes(image, corners, colors, self.options["width"], self.options["label"])
        part = self._part(canvas, boxes)
        return image if part is None else image.crop(part)

    def size(self, canvas: Canvas, boxes: Sequence[int]) -> tuple[int, int]:
        """Return ``(width, height)`` of :meth:`picture`, which is not drawn. Errors as :meth:`text`."""
        part = self._part(canvas, boxes)
        return canvas.image.size if part is None else (part[2] - part[0], part[3] - part[1])

    def _part(self, canvas: Canvas, boxes: Sequence[int]) -> tuple[int, int, int, int] | None:
        """The part that is cut out, the boxes and a margin; ``None`` where the whole picture is shown.

        It is at least `min_size` a side where there is room.
        """
        if "margin" not in self.options or not boxes:
            return None
        corners: NDArray[np.float64] = np.array([canvas.box(box) for box in boxes], dtype=np.float64)
        low, high, limit = corners[:, :2].min(0), corners[:, 2:].max(0), np.array(canvas.content)
        wanted = np.maximum((high - low) * (1 + 2 * self.options["margin"]), self.options["min_size"])
        side = np.minimum(wanted, limit)
        start = np.clip((low + high) / 2 - side / 2, 0, limit - side)
        x0, y0 = (int(v) for v in np.floor(start))
        x1, y1 = (int(v) for v in np.ceil(start + side))
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def draw_boxes(
    image: Image.Image,
    boxes: Sequence[Corners],
    colors: Sequence[tuple[int, int, int]],
    width: int,
    label: bool = False,
) -> Image.Image:
    """Return a copy with boxes drawn around what they hold: lines lie outside of a box, the first box on top.

    Boxes that coincide are drawn one around the other, so that each is seen.

    Parameters
    ----------
    boxes
        Corners ``x0 y0 x1 y1`` in pixels of the image.
    colors
        ``(red, green, blue)`` in [0, 255], one for each box.
    width
        Of the lines, in pixels.
    label
        Write 1, 2, … at the corners.
    """
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    for k in reversed(range(len(boxes))):
        same = sum(bool(np.abs(np.subtract(boxes[j], boxes[k])).max() < width) for j in range(k))
        grow = width * (1 + same)
        x0, y0, x1, y1 = boxes[k]
        left, top = max(int(x0) - grow, 0), max(int(y0) - grow, 0)
        right = max(min(int(np.ceil(x1)) - 1 + grow, image.width - 1), left)
        bottom = max(min(int(np.ceil(y1)) - 1 + grow, image.height - 1), top)
        pen.rectangle((left, top, right, bottom), outline=colors[k], width=width)
        if label:
            _write_label(pen, str(k + 1), (left, top), colors[k], image.size)
    return drawn


def _write_label(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], color: tuple[int, int, int], size: tuple[int, int]
) -> None:
    font = ImageFont.load_default(max(12, min(size) // 24))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = int(right - left) + 4, int(bottom - top) + 4
    x, y = min(at[0], max(size[0] - wide, 0)), min(at[1], max(size[1] - high, 0))
    pen.rectangle((x, y, x + wide, y + high), fill=color)
    dark = sum(color) > 300  # black on light colours, white on dark ones
    pen.text((x + 2 - left, y + 2 - top), text, fill=(0, 0, 0) if dark else (255, 255, 255), font=font)


def _check_option(form: str, option: str, value: object, known: Mapping[str, Any]) -> None:
    if option not in known:
        raise ConfigError(f"The visual form '{form}' has no option '{option}'", **one_of(option, known))
    if option == "label":
        fits, expected = isinstance(value, bool), "true or false"
    else:
        low, high = _LIMITS[option]
        whole = isinstance(known[option], int)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and low <= value <= high and (not whole or isinstance(value, int))  # type: ignore[operator]
        expected = f"{'an integer' if whole else 'a number'} from {low:g} to {high:g}"
    if not fits:
        raise ConfigError(f"The option '{option}' of the visual form '{form}' is {value!r}", expected=expected)


@cache
def visual_words(name: str, *fields: str) -> Mapping[str, Any]:
    """Return fields of ``prompts/visual/<name>.json``.

    Raises
    ------
    ConfigError
        If the file can not be read, or lacks one.
    """
    path = prompts() / f"visual/{name}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The visual prompt can not be read: {error}", where=str(path), expected="JSON") from error
    lacking = [field for field in fields if field not in data]
    if lacking:
        raise ConfigError(f"The visual prompt lacks '{lacking[0]}'", where=str(path), expected=", ".join(fields))
    return {field: data[field] for field in fields}
