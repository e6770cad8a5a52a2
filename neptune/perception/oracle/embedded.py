"""The oracle that ships with the project: a small network that knows CLEVR's attributes and relations.

It looks once at each box of a scene; every further question about the scene reads what was seen.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from cachetools import LRUCache, cachedmethod
from numpy.typing import NDArray

from neptune.errors import OracleError, OracleFailedError
from neptune.perception.checkpoints import device_of, without_torch
from neptune.perception.device_failures import failures_said
from neptune.perception.oracle.canvas import box_rows, boxes_seen, picture_of
from neptune.perception.oracle.wording import CONCEPTS, attribute_of, concepts_of, vocabulary
from neptune.scene import ATTRIBUTES, Scene
from neptune.scene.domain import Domain
from neptune.scene.types import IntArray, QueryRequest, Question, ScoreRequest, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.perception.embedded.light.networks import Scorer as Network

Array: TypeAlias = "NDArray[Any]"
CERTAIN = 13.8
"""The logit of what is true of everything ("is it an object?"): p = 1 - 1e-6."""

KEPT_SCENES = 1024
LESS_MEMORY = 'Lower "batch_size" in vlm_options, or use "device": "cpu"'


class EmbeddedOracle:
    """Answers questions in CLEVR's vocabulary from the pixels in and around the boxes.

    Parameters
    ----------
    weights
        A safetensors file written by ``task: train``; ``None``: the shipped one.
    device
        ``"cpu"``, ``"cuda"`` or ``"auto"`` (CUDA where there is one).
    batch_size
        How many boxes go through the network at once. A scene is never mixed with another, so that its scores
        do not depend, in the last bits, on what else is asked.
    calibrated
        Whether the temperatures apply that training fitted to the scorer and stored with its weights (one for each
        attribute and each axis of the ground); ``False``: they are 1.
    runtime
        ``"torch"``, or ``"numpy"``: on the processor, for logits to within some 1e-5 of those of torch. It is slower a
        box, but loading torch takes seconds.

    Raises
    ------
    OracleError
        If the weights can not be read, the batch size is not positive, or a GPU is asked for without torch.
    """

    name = "embedded"

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        batch_size: int = 64,
        calibrated: bool = True,
        runtime: str = "torch",
    ) -> None:
        if batch_size < 1:
            raise OracleError(f"batch_size is {batch_size}", where="oracle 'embedded'", expected="at least 1")
        self.batch_size = batch_size
        self._light: Network | None = None
        if without_torch(runtime, device, OracleError, "oracle 'embedded'"):
            from neptune.perception.embedded.light.networks import Scorer
            from neptune.perception.embedded.light.weights import read

            arrays, self.about = read("scorer", weights, OracleError)
            self._light = Scorer(arrays, int(self.about["network"].get("features", 256)))
            if not calibrated:
                self._light.temperature = np.ones_like(self._light.temperature)
        else:
            import torch

            from neptune.perception.embedded.store import load

            self._device = torch.device(device_of(device))
            self.module, self.about = load("scorer", weights, self._device, OracleError)
            if not calibrated:
                self.module.temperature.fill_(1.0)
        self._seen: LRUCache[tuple[str, bytes], Tensor] = LRUCache(KEPT_SCENES)
        self._seen_light: LRUCache[tuple[str, bytes], Array] = LRUCache(KEPT_SCENES)
        self._lock = threading.Lock()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions: for each request M logits, in order; the yes/no mass is 1.

        Several attributes in one question ("a red ball") are joined by the lowest logit.

        Raises
        ------
        OracleError
            If a word is unknown, the scene has no picture, or an object index is out of range.
        OracleFailedError
            If memory runs out, or the device fails.
        """
        if self._light is not None:
            return [Scores.of(self._logits(self._light, request).clip(-30, 30)) for request in requests]
        import torch

        answers = []
        with torch.inference_mode(), failures_said(OracleFailedError, "the oracle 'embedded'", LESS_MEMORY):
            for request in requests:
                logits = self.logits(request.scene, request.question, request.objects)
                answers.append(Scores.of(logits.clamp(-30, 30).cpu().numpy()))
        return answers

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions about an attribute: for each request M values, the most probable ones.

        Where `choices` are given, the answer is one of them, as it is spelt there (synonyms are understood).

        Raises
        ------
        OracleError
            If the question asks for no attribute, no choice is a value of it, the scene has no picture, or an
            index is out of range.
        OracleFailedError
            As :meth:`score`.
        """
        answers: list[list[str | None]] = []
        for request in requests:
            attribute = attribute_of(request.question)
            objects = box_rows(request.objects, request.scene, request.question)
            spelt = _spellings(attribute, request.choices, request.question)
            allowed = [ATTRIBUTES[attribute].index(value) for value in spelt]
            names = list(spelt.values())
            best = self._values(request.scene, attribute)[:, allowed].argmax(1)[objects[:, 0]]
            answers.append([names[i] for i in best])
        return answers

    def _values(self, scene: Scene, attribute: str) -> Array:
        """Return the log-probability of each value of an attribute for each box, ``(N, values)``."""
        if self._light is not None:
            return self._light.values(self._features(scene), attribute)
        import torch

        with torch.inference_mode(), failures_said(OracleFailedError, "the oracle 'embedded'", LESS_MEMORY):
            found: Array = self.module.values(self.features(scene), attribute).cpu().numpy()
            return found

    def domain(self, scene: Scene) -> Domain | None:
        """Return how far a scene's picture is from those that the network was trained on.

        ``None`` where there is no picture, where the weights can not tell, and where a detector that was trained on the
        same pictures has said it already.

        Raises
        ------
        PictureError
            If the picture can not be read.
        OracleFailedError
            As :meth:`score`.
        """
        from neptune.perception.embedded.said import is_blank, judged, on_canvas, world_of

        said = scene.domain is not None and scene.domain.world == world_of(self.about)
        if scene.picture is None or said or (self._light is None and not self.module.domain.fitted):
            return None
        pixels, _ = on_canvas(scene.picture)
        by = "the oracle 'embedded'"
        if self._light is not None:
            from neptune.perception.embedded.light.pictures import centred

            score = self._light.domain(centred(pixels)[None])
            return None if score is None else judged(0.0 if is_blank(pixels) else score, by, self.about)
        if is_blank(pixels):
            return judged(0.0, by, self.about)
        import torch

        from neptune.perception.embedded.canvas import to_float

        with torch.inference_mode(), failures_said(OracleFailedError, "the oracle 'embedded'", LESS_MEMORY):
            canvas = to_float(torch.from_numpy(pixels).permute(2, 0, 1).contiguous()[None].to(self._device))
            return judged(self.module.domain(self.module.glance(canvas)), by, self.about)

    def _logits(self, network: Network, request: ScoreRequest) -> Array:
        """Return the yes/no logits ``(M,)`` of one question, without torch."""
        concepts = concepts_of(request.question)
        rows = box_rows(request.objects, request.scene, request.question)
        if concepts == (CONCEPTS["object"],):
            return np.full(len(rows), CERTAIN, dtype=np.float32)
        features = self._features(request.scene)
        found: Array = np.min([network.logits(features, concept.name, rows) for concept in concepts], axis=0)
        return found

    @cachedmethod(attrgetter("_seen_light"), lambda _, scene: boxes_seen(scene), attrgetter("_lock"))
    def _features(self, scene: Scene) -> Array:
        """Return what :meth:`features` does, without torch."""
        from neptune.perception.embedded.light.pictures import centred
        from neptune.perception.embedded.said import on_canvas

        assert self._light is not None
        pixels, (fx, fy) = on_canvas(picture_of(scene))
        boxes = np.asarray(scene.boxes, dtype=np.float32).reshape(-1, 4) * np.array([fx, fy, fx, fy], dtype=np.float32)
        picture, step = centred(pixels)[None], self.batch_size
        parts = [self._light.encode(picture, boxes[k : k + step]) for k in range(0, max(len(boxes), 1), step)]
        return np.concatenate(parts)

    def logits(self, scene: Scene, question: Question, objects: IntArray) -> Tensor:
        """Return the yes/no logits ``(M,)`` of one question as a tensor, differentiable in the heads.

        Call ``oracle.module.requires_grad_(True)`` to train them; features come from the cache and are
        constant (to train those too, call ``oracle.module.encode``).

        Errors as :meth:`score`.
        """
        import torch

        concepts = concepts_of(question)
        rows = box_rows(objects, scene, question)
        if concepts == (CONCEPTS["object"],):
            return torch.full((len(rows),), CERTAIN)
        features = self.features(scene)
        indices = torch.from_numpy(rows).to(self._device)
        found = [self.module.logits(features, concept.name, indices) for concept in concepts]
        return torch.stack(found).amin(0)

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

        from neptune.perception.embedded.canvas import scaled, to_canvas, to_float

        pixels, factors = to_canvas(picture_of(scene))
        # Not inference mode: its tensors could never take part in training the heads.
        with torch.no_grad(), torch.inference_mode(False):
            canvas = to_float(pixels[None].to(self._device))
            boxes = scaled(scene.boxes, factors).to(self._device)
            parts = [self.module.encode(canvas, [part]) for part in torch.split(boxes, self.batch_size)]
            return torch.cat(parts)


def _spellings(attribute: str, choices: Sequence[str], question: Question) -> dict[str, str]:
    """Return the admissible values of an attribute → how to spell them in the answer."""
    values = ATTRIBUTES[attribute]
    if not choices:
        return {value: value for value in values}
    words = vocabulary()
    spelt: dict[str, str] = {}
    for choice in choices:
        value = words.get(" ".join(choice.lower().replace("_", " ").split()))
        if value in values:
            spelt.setdefault(str(value), choice)
    if not spelt:
        raise OracleError(
            f"None of the choices is a {attribute}: {', '.join(choices)}",
            where=f"question '{question.text}'",
            expected=", ".join(values),
        )
    return spelt
