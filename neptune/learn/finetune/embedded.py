"""The shipped scorer's network as something that programs can train: pictures and boxes in, logits of questions out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neptune.learn.train.augment import recoloured
from neptune.learn.train.measure import jittered
from neptune.perception.embedded.canvas import scaled, to_canvas, to_float
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.perception.oracle.embedded import CERTAIN
from neptune.perception.oracle.wording import CONCEPTS, concepts_of
from neptune.scene import Scene
from neptune.scene.types import ScoreRequest

JITTER = 0.02
"""Training boxes are moved by this share of their size."""


class Canvases:
    """Pictures on the network's canvas, and their boxes, decoded once."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Scene, Tensor, Tensor]] = {}

    def of(self, scene: Scene) -> tuple[Tensor, Tensor]:
        """Return the pixels, uint8 ``(3, HEIGHT, WIDTH)``, and the boxes ``(N, 4)`` of a scene with a picture.

        Raises
        ------
        PictureError
            If the picture can not be read.
        """
        if id(scene) not in self._kept:
            assert scene.picture is not None  # training examples have pictures
            pixels, factors = to_canvas(scene.picture)
            self._kept[id(scene)] = (scene, pixels, scaled(scene.boxes, factors))
        _, pixels, boxes = self._kept[id(scene)]
        return pixels, boxes


class SceneScorer:
    """Answers the questions about a few scenes, with gradients to the network; each box is looked at once.

    Parameters
    ----------
    net
        The network.
    scenes
        The scenes that will be asked about.
    canvases
        Where their pictures are.
    generator
        Draws the changes of pictures and boxes in training; ``None``: they stay as they are.
    """

    def __init__(
        self, net: ScorerNet, scenes: Sequence[Scene], canvases: Canvases, generator: torch.Generator | None = None
    ) -> None:
        device = next(net.parameters()).device
        pictures, boxes = [], []
        self._first: dict[int, int] = {}
        place = 0
        for scene in scenes:
            raw, box = canvases.of(scene)
            picture = to_float(raw)
            if generator is not None:
                picture, box = recoloured(picture, generator), jittered(box, generator, JITTER)
            pictures.append(picture.to(device))
            boxes.append(box.to(device))
            self._first[id(scene)] = place
            place += len(box)
        self._net = net
        self._features = net.encode(torch.stack(pictures), boxes).float()

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[Tensor]:
        """Return for each request the logits of its M tuples of objects, ``(M,)``; questions alike go together.

        Raises
        ------
        OracleError
            If a question has a word that the network does not know.
        """
        alike: dict[tuple[str, ...], list[int]] = {}
        for i, request in enumerate(requests):
            alike.setdefault(tuple(c.name for c in concepts_of(request.question)), []).append(i)
        out: dict[int, Tensor] = {}
        for names, members in alike.items():
            rows = torch.cat([torch.tensor(requests[i].objects) + self._first[id(requests[i].scene)] for i in members])
            rows = rows.to(self._features.device)
            if names == (CONCEPTS["object"].name,):
                logits = torch.full((len(rows),), CERTAIN)
            else:
                logits = torch.stack([self._net.logits(self._features, n, rows) for n in names]).amin(0)
            parts = torch.split(logits, [len(requests[i].objects) for i in members])
            out.update(zip(members, parts, strict=True))
        return [out[i] for i in range(len(requests))]
