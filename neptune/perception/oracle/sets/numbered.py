"""A proxy that asks about all objects at once: they are numbered in the picture, and the model names those that fit.

One request stands for N cells, where an oracle takes one a cell. A model that is asked so is less right, and what it
says of one object hangs on which others are there: it is no oracle, but a proxy under a certificate, whose mistakes are
calibrated (``task: certify`` with ``proxy_model_name: numbered``). What can not be read of a reply is unknown for all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from neptune.errors import ConfigError
from neptune.perception.oracle.canvas import MAX_PIXELS, Canvas, Canvases
from neptune.perception.oracle.visual import visual_words
from neptune.scene import Scene
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.types import Cost, Oracle, QueryRequest, Question, ScoreRequest, Scores

_PLACES = ("the object in the red box", "the object in the green box")
_NONE = re.compile(r"^(?:the answer is |it is |there (?:is|are) )?(?:none|no(?: objects?| one)?|nothing|0)\b[\w\s]*$")
_ALL = re.compile(r"^(?:the answer is |it is )?(?:all|every)\b[\w\s]*$")
_NUMBERS = re.compile(
    r"^(?:the answers? (?:is|are) |it is |yes for )?(?:the )?(?:objects?|numbers?|n = )?\s*"
    r"((?:#?\d{1,3}\s*(?:,|;|and|&|\s)*\s*)+)$"
)


def members_in(reply: str, count: int) -> frozenset[int] | None:
    """Return the objects that a reply names, from 1 to `count`; ``None``: it can not be read.

    >>> sorted(members_in("1, 3 and 4.", 5)), members_in("none of them", 5), members_in("all but 2", 5)
    ([1, 3, 4], frozenset(), None)
    """
    text = " ".join(reply.strip().lower().strip(".!*`\"'[]() ").replace("\n", " ").split())
    if not text:
        return None
    if _NONE.match(text):
        return frozenset()
    if (found := _NUMBERS.match(text)) is not None:
        named = frozenset(int(n) for n in re.findall(r"\d+", found[1]))
        return named if all(1 <= n <= count for n in named) else None
    if _ALL.match(text) and not re.search(r"\b(?:but|except|not|without)\b|\d", text):
        return frozenset(range(1, count + 1))
    return None


class NumberedOracle:
    """Answers yes/no questions about objects by asking another oracle for the numbers of those that fit.

    Parameters
    ----------
    inner
        The oracle that is asked openly.
    sure
        The probability of what it names, in (½, 1); of the others 1 less that. It is no score of the model's: with a
        width λ it says how far a cell stays open.
    width
        Of the lines around the objects, in pixels.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    name = "numbered"
    cell_cost = "cheap"

    def __init__(self, inner: Oracle, sure: float = 0.9, width: int = 2) -> None:
        if not 0.5 < sure < 1.0:
            raise ConfigError(f"sure is {sure}", where="proxy_options", expected="a probability between ½ and 1")
        self.inner, self.width, self._logit = inner, width, math.log(sure / (1 - sure))
        self._canvases, self._words = Canvases(MAX_PIXELS), visual_words("numbered", "one", "pair")
        about = getattr(inner, "identity", None)
        if about is not None:
            self.identity = identity("numbered", of=about, sure=sure, width=width, words=self._words)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions about one object, or two; NaN where a reply can not be read, or a question is about
        none or more.

        Raises
        ------
        OracleFailedError
            If the oracle that is asked fails, whatever it is asked.
        """
        return [self._scores(request) for request in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, as the oracle that is asked does."""
        return self.inner.query(requests)

    def _scores(self, request: ScoreRequest) -> Scores:
        objects, arity = np.asarray(request.objects), request.question.arity
        logits = np.full(len(objects), np.nan, dtype=np.float32)
        if arity not in (1, 2) or request.scene.picture is None or not len(objects):
            return Scores.of(logits)
        failed = 0
        for second in sorted({int(row[1]) for row in objects}) if arity == 2 else [None]:
            rows = [k for k, row in enumerate(objects) if second is None or int(row[1]) == second]
            asked = sorted({int(objects[k][0]) for k in rows})
            named = self._named(request.scene, request.question, asked, second)
            if named is None:
                failed += len(rows)
                continue
            for k in rows:
                logits[k] = self._logit if asked.index(int(objects[k][0])) + 1 in named else -self._logit
        scores = Scores.of(logits)
        if failed:
            object.__setattr__(scores, "cost", Cost(failures={"the numbers can not be read": failed}))
        return scores

    def _named(
        self, scene: Scene, question: Question, asked: Sequence[int], second: int | None
    ) -> frozenset[int] | None:
        """Ask once about some objects, and return the numbers, from 1, of those that fit."""
        canvas = self._canvases.of(scene)
        image = numbered_picture(canvas, asked, second, self.width)
        shown = Scene(np.zeros((0, 4), dtype=np.float32), image.size, Picture.of(image), name=scene.name)
        text = question.text.replace(_PLACES[0], "object N").replace(_PLACES[1], _PLACES[0])
        words = visual_words("numbered", "one", "pair")["pair" if second is not None else "one"].replace(
            "{question}", text
        )
        request = QueryRequest(shown, Question(words, 0), np.zeros((1, 0), dtype=np.int64))
        ((reply,),) = self.inner.query([request])
        return None if reply is None else members_in(reply, len(asked))


def numbered_picture(canvas: Canvas, asked: Sequence[int], second: int | None, width: int) -> Image.Image:
    """Return a picture with thin boxes around some objects, each with its number from 1; and one in a red box."""
    image = canvas.image.copy()
    draw = ImageDraw.Draw(image)
    for number, index in enumerate(asked, start=1):
        box = canvas.box(index)
        if index != second:
            draw.rectangle(box, outline=(255, 255, 255), width=width)
        label, corner = str(number), (box[0] + 2, box[1] + 1)
        font = ImageFont.load_default(size=14)
        left, top, right, bottom = draw.textbbox(corner, label, font=font)
        draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=(0, 0, 0))
        draw.text(corner, label, fill=(255, 255, 255), font=font)
    if second is not None:
        draw.rectangle(canvas.box(second), outline=(255, 0, 0), width=width + 1)
    return image
