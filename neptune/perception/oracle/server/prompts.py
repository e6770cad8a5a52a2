"""From a question about boxes to the fields of a chat completion: the picture as a data URL, then the words."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

from cachetools import LRUCache, cachedmethod
from PIL import Image

from neptune.perception.oracle.canvas import Canvas, Canvases
from neptune.perception.oracle.visual import VisualForm
from neptune.scene.types import QueryRequest, ScoreRequest
from neptune.servers.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How pictures travel; see :class:`neptune.perception.oracle.server.oracle.OpenAIOracle`."""

    send: bool
    format: str
    detail: str | None
    max_pixels: int


class Prompts:
    """Makes requests. Threads may share it.

    Parameters are those of :class:`~neptune.perception.oracle.server.oracle.OpenAIOracle`; providers call some fields
    by names of their own.
    """

    def __init__(
        self, endpoint: Endpoint, form: VisualForm, pictures: PictureFormat, seed: int, top: int, extra: dict[str, Any]
    ) -> None:
        self.endpoint, self.form, self.pictures = endpoint, form, pictures
        self.seed, self.top, self.extra = seed, top, extra
        self.model = ""
        self._canvases = Canvases(pictures.max_pixels)
        self._lock = threading.Lock()
        self._whole: LRUCache[int, tuple[str, Image.Image]] = LRUCache(self._canvases.kept)

    @property
    def identity(self) -> dict[str, Any]:
        """All of this that decides an answer, fit for JSON."""
        return {
            "visual": self.form.identity,
            "picture": asdict(self.pictures) if self.pictures.send else None,
            "seed": self.seed,
            "request": self.extra,
        }

    def fields(self, request: ScoreRequest | QueryRequest, row: int, kind: str) -> dict[str, Any]:
        """Return the fields of the request for one cell, ``score`` or ``query``.

        Raises
        ------
        OracleError
            If a box can not be shown.
        PictureError
            If the picture can not be read.
        """
        canvas, boxes = self._shown(request, row)
        text = self._text(request, canvas, boxes, kind)
        content: Any = text
        if self.pictures.send:
            image = self.form.picture(canvas, boxes)
            drawn = self.form.draws(len(boxes))
            shown = {"url": self._encoded(image) if drawn else self._encoded_once(image)[0]}
            if self.pictures.detail is not None:
                shown["detail"] = self.pictures.detail
            # The picture first: servers share the beginning of a prompt between requests.
            content = [{"type": "image_url", "image_url": shown}, {"type": "text", "text": text}]
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0.0,
        }
        if self.endpoint.seed:
            fields["seed"] = self.seed
        if self.extra:
            fields["extra_body"] = self.extra
        return fields

    def sent(self, request: ScoreRequest | QueryRequest, row: int) -> tuple[str, str]:
        """Return the words of the request for one cell, and what its picture is in words (``""``: none is sent)."""
        canvas, boxes = self._shown(request, row)
        text = self._text(request, canvas, boxes, "score" if isinstance(request, ScoreRequest) else "query")
        width, height = self.form.size(canvas, boxes)
        return text, f"{width} × {height} pixels, {self.pictures.format}" if self.pictures.send else ""

    def _shown(self, request: ScoreRequest | QueryRequest, row: int) -> tuple[Canvas, list[int]]:
        return self._canvases.of(request.scene), [int(i) for i in request.objects[row]]

    def _text(self, request: ScoreRequest | QueryRequest, canvas: Canvas, boxes: list[int], kind: str) -> str:
        return self.form.text(request.question, canvas, boxes, kind, getattr(request, "choices", ()))

    def sized(self, fields: dict[str, Any], tokens: int) -> dict[str, Any]:
        """Return the fields with a limit of the answer's tokens."""
        return fields | {self.endpoint.token_limit: tokens}

    def with_top(self, fields: dict[str, Any], top: int) -> dict[str, Any]:
        """Return the fields that ask for one token and so many of its likeliest alternatives; 0: for itself alone."""
        return self.sized(fields, 1) | {"logprobs": True} | ({"top_logprobs": top} if top else {})

    def _encoded(self, image: Image.Image) -> str:
        buffer = io.BytesIO()
        kind = self.pictures.format
        image.save(buffer, kind, **({"quality": 95} if kind == "jpeg" else {"compress_level": 1}))
        return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

    @cachedmethod(attrgetter("_whole"), lambda self, image: id(image), attrgetter("_lock"))
    def _encoded_once(self, image: Image.Image) -> tuple[str, Image.Image]:
        return self._encoded(image), image  # with the image, so that no other has its id
