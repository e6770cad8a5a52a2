"""The oracle of drawings: a small network that tells colour, shape and size of flat shapes, each box by itself.

What it knows is stored with its weights: attributes and their values. Where things are is no question for it; a
vocabulary reads that off the boxes (`geometry`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache, cachedmethod

from neptune.errors import OracleError, did_you_mean
from neptune.perception.checkpoints import device_of
from neptune.perception.oracle.canvas import box_rows, boxes_seen, picture_of
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.types import QueryRequest, Question, ScoreRequest, Scores

if TYPE_CHECKING:
    from torch import Tensor

KEPT_SCENES = 1024
_FILLERS = frozenset(["is", "are", "it", "the", "a", "an", "object", "thing", "of", "this", "that"])
_WORDS = re.compile(r"\bin the red box\b|[^\w\s]")


class DrawingOracle:
    """Answers questions about the values of single objects from the pixels in their boxes.

    Parameters
    ----------
    weights
        A safetensors file written by ``task: train-drawings``; ``None``: the shipped one (NLVR's drawings).
    device
        ``"cpu"``, ``"cuda"`` or ``"auto"`` (CUDA where there is one).

    Raises
    ------
    OracleError
        If the weights can not be read.
    """

    name = "drawings"

    def __init__(self, weights: str | Path | None = None, device: str = "auto") -> None:
        import torch

        from neptune.perception.embedded.store import load

        self._device = torch.device(device_of(device))
        self.module, self.about = load("drawings", weights, self._device, OracleError)
        self._seen: LRUCache[tuple[str, bytes], Tensor] = LRUCache(KEPT_SCENES)
        self._lock = threading.Lock()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions: for each request M logits, in order; the yes/no mass is 1.

        Raises
        ------
        OracleError
            If a question asks for no value that the network knows, or about several objects; if the scene has no
            picture, or an object index is out of range.
        """
        import torch

        answers = []
        with torch.inference_mode():
            for request in requests:
                value = value_of(request.question, self.module.attribute_of)
                rows = box_rows(request.objects, request.scene, request.question)[:, 0]
                features = self.features(request.scene)
                logits = self.module.logits(features, value, torch.from_numpy(rows).to(self._device))
                answers.append(Scores.of(logits.clamp(-30, 30).cpu().numpy()))
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions about an attribute: for each request M values, the most probable ones.

        Raises
        ------
        OracleError
            If the question asks for no attribute, no choice is a value of it, or as :meth:`score`.
        """
        import torch

        answers: list[list[str | None]] = []
        with torch.inference_mode():
            for request in requests:
                attribute = attribute_of(request.question, self.module.attributes)
                values = self.module.attributes[attribute]
                allowed = [k for k, v in enumerate(values) if not request.choices or v in request.choices]
                if not allowed:
                    raise OracleError(
                        f"None of the choices is a {attribute}: {', '.join(request.choices)}",
                        where=f"question '{request.question.text}'",
                        expected=", ".join(values),
                    )
                rows = box_rows(request.objects, request.scene, request.question)[:, 0]
                best = self.module.values(self.features(request.scene), attribute)[:, allowed].argmax(1).cpu().numpy()
                answers.append([values[allowed[i]] for i in best[rows]])
        return answers

    def domain(self, scene: Scene) -> Domain | None:
        """Return how far a scene's picture is from a drawing; ``None`` without one, or where a detector has said it.

        Raises
        ------
        PictureError
            If the picture can not be read.
        """
        from neptune.perception.embedded.drawings import WORLD, codes_of, drawing_domain

        if scene.picture is None or (scene.domain is not None and scene.domain.world == WORLD):
            return None
        return drawing_domain(codes_of(_pixels(scene)), "the oracle 'drawings'")

    @cachedmethod(attrgetter("_seen"), lambda _, scene: boxes_seen(scene), attrgetter("_lock"))
    def features(self, scene: Scene) -> Tensor:
        """Return what the network sees in each box, ``(N, F)``; kept for the last scenes asked about.

        Raises
        ------
        OracleError
            If the scene has no picture.
        PictureError
            If it can not be read.
        """
        import torch

        from neptune.perception.embedded.drawing_net import canonical, cut

        crops, sides = cut(_pixels(scene), scene.boxes)
        order = canonical(crops, sides)
        with torch.no_grad(), torch.inference_mode(False):
            found = self.module.encode(crops[order].to(self._device), sides[order].to(self._device))
            back = torch.empty_like(found)
            back[order.to(self._device)] = found
            return back


def value_of(question: Question, known: Sequence[str] | dict[str, str]) -> str:
    """Return the value that a yes/no question about one object asks for.

    Raises
    ------
    OracleError
        If it asks for none, or for several, or is not about one object.
    """
    if question.arity == 1:
        if question.predicate in known:
            return question.predicate
        words = [w for w in _WORDS.sub(" ", question.text.lower()).split() if w not in _FILLERS]
        if len(words) == 1 and words[0] in known:
            return words[0]
    raise OracleError(
        "The question asks for nothing that this oracle knows",
        where=f"question '{question.text}'",
        expected=f"one of the values {', '.join(known)} of one object",
        hint=did_you_mean(question.predicate, known)
        or "Relations of places follow from the boxes: a vocabulary's geometry",
    )


def attribute_of(question: Question, known: Sequence[str] | dict[str, tuple[str, ...]]) -> str:
    """Return the attribute that an open question about one object asks for; errors as of :func:`value_of`."""
    words = {question.predicate.lower(), *_WORDS.sub(" ", question.text.lower().replace("colour", "color")).split()}
    found = [name for name in known if name in words]
    if question.arity == 1 and len(found) == 1:
        return found[0]
    raise OracleError(
        "The question asks for no attribute that this oracle knows",
        where=f"question '{question.text}'",
        expected=f"one of {', '.join(known)} of one object",
    )


def _pixels(scene: Scene) -> np.ndarray:
    return np.asarray(picture_of(scene).image.convert("RGB"))
