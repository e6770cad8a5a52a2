"""The depth estimator that ships with the project: how far away the objects of CLEVR renderings are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neptune.errors import PerceptionError, PerceptionFailedError
from neptune.perception.checkpoints import device_of
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.device_failures import failures_said
from neptune.scene.boxes import FloatArray
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth

if TYPE_CHECKING:
    from torch import Tensor

UNIT = "CLEVR units"


@dataclass(frozen=True, eq=False)
class SeenDepth(Depth):
    """What boxes are asked of is not the map, but what is seen in them."""

    estimator: EmbeddedDepth | None = None
    canvas: Tensor | None = None

    def at(self, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how far away the objects in boxes ``(N, 4)`` are, and a spread > 0 of each, in CLEVR's units."""
        assert self.estimator is not None
        assert self.canvas is not None
        return self.estimator.of_boxes(self.canvas, self.size, boxes)


class EmbeddedDepth:
    """A small head over the shipped scorer (see :mod:`neptune.perception.embedded.depth_net`).

    Of a box it says how far away the object in it is. Its map is a plane, the ground, with the boxes that the shipped
    detector finds on it. It knows CLEVR renderings alone, and says of other pictures that they are none.

    Parameters
    ----------
    weights
        A safetensors file written by ``task: train-depth``; ``None``: the shipped one.
    device
        ``"cpu"``, ``"cuda"`` or ``"auto"`` (CUDA where there is one).

    Raises
    ------
    PerceptionError
        If the weights can not be read.
    ConfigError
        If a GPU is asked for that is not there.
    """

    name = "embedded"

    def __init__(self, weights: str | Path | None = None, device: str = "auto") -> None:
        import torch

        from neptune.perception.embedded.store import load

        self._device = torch.device(device_of(device))
        self._scorer, self.about = load("scorer", None, self._device, PerceptionError)
        self._head, _ = load("depth", weights, self._device, PerceptionError)
        self._detector = EmbeddedDetector(device=device)

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return the depth of each picture, in CLEVR's units.

        Raises
        ------
        PictureError
            If a picture can not be read.
        PerceptionFailedError, DetectorFailedError
            If memory runs out, or the device fails.
        """
        return [self._depth(picture) for picture in pictures]

    def _depth(self, picture: Picture) -> Depth:
        import torch

        from neptune.perception.embedded.canvas import scaled, to_canvas, to_float
        from neptune.perception.embedded.domain import is_blank
        from neptune.perception.embedded.said import judged

        pixels, factors = to_canvas(picture)
        found = self._detector.detect(picture)
        with torch.inference_mode(), self._failures():
            canvas = to_float(pixels[None].to(self._device))
            by = "the depth estimator 'embedded'"
            # Two networks look: the picture is of the domain where both say so.
            score = 0.0 if is_blank(pixels) else float(self._scorer.domain(self._scorer.glance(canvas)))
            if found.domain is not None:
                score = max(score, found.domain.score)
            domain: Domain = judged(score, by, self.about)
            boxes = scaled(found.boxes, factors)
            depths = self._heads(canvas, boxes)[0] if len(boxes) else torch.zeros(0, device=self._device)
            plane = self._head.plane(boxes.to(self._device), depths).cpu()
        made = Depth.of(plane.numpy(), picture.size, UNIT, domain)
        return SeenDepth(made.map, picture.size, UNIT, domain, self, canvas)

    def of_boxes(self, canvas: Tensor, size: tuple[int, int], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return depths and spreads of boxes ``(N, 4)`` of a picture of a size, shown on the canvas."""
        import torch

        from neptune.perception.embedded.canvas import scaled
        from neptune.perception.embedded.sizes import HEIGHT, WIDTH

        given = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        if not len(given):
            nothing = np.zeros(0, dtype=np.float32)
            return nothing, nothing
        with torch.inference_mode(), self._failures():
            depth, spread = self._heads(canvas, scaled(given, (WIDTH / size[0], HEIGHT / size[1])))
        return depth.cpu().numpy(), spread.cpu().numpy()

    def _heads(self, canvas: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        features = self._scorer.encode(canvas, [boxes.to(self._device)])
        depth, spread = self._head(features)
        return depth.clamp(min=0.0), spread

    def _failures(self) -> AbstractContextManager[None]:
        hint = 'Use "device": "cpu" in depth_options'
        return failures_said(PerceptionFailedError, "the depth estimator 'embedded'", hint)
