"""Trains the scorer: scenes with jittered boxes, losses of attributes and places, the held-out score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neptune.learn.shared import Progress
from neptune.learn.train.augment import Paster, mirrored, recoloured
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.loop import Settings, fit
from neptune.learn.train.measure import gather, jittered, pooled
from neptune.perception.embedded.canvas import to_float
from neptune.perception.embedded.concepts import AXES, VALUES
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.scene import ATTRIBUTES

JITTER = 0.03
"""Training boxes are moved by this share of their size: a detector's boxes are about that far off."""


@dataclass(frozen=True)
class Batch:
    """A few scenes: pictures ``(B, 3, H, W)``; for each its boxes, values, order, places (see `Example`)."""

    pictures: Tensor
    boxes: list[Tensor]
    attributes: list[Tensor]
    order: list[Tensor]
    places: list[Tensor]


def scorer_loss(net: ScorerNet, batch: Batch) -> Tensor:
    """Return the training loss: cross-entropy of attributes and of the pairs' order, and errors of places."""
    features = net.encode(batch.pictures, batch.boxes)
    truth = torch.cat(batch.attributes)
    total = features.new_zeros(())
    for column, attribute in enumerate(ATTRIBUTES):
        total = total + functional.nll_loss(net.values(features, attribute), truth[:, column])
    place, spread = net.places(features)
    sizes = [len(b) for b in batch.boxes]
    pair_loss, pairs = features.new_zeros(()), 0.0
    place_loss = features.new_zeros(())
    scenes = zip(torch.split(place, sizes), torch.split(spread, sizes), batch.order, batch.places)
    for own, width, order, target in scenes:
        gap = own[:, None] - own[None, :]
        logit = gap / torch.hypot(width[:, None], width[None, :])
        asked = order != 0
        pair_loss = pair_loss - (functional.logsigmoid(logit * order) * asked).sum()
        pairs += float(asked.sum())
        if len(own) and bool(torch.isfinite(target).all()):
            # Differences within a scene decide relations; the scene's mean also carries the camera's jitter.
            centred = (own - own.mean(0)) - (target - target.mean(0))
            for error, weight in ((centred, 1.0), (own - target, 0.3)):
                place_loss = place_loss + weight * functional.smooth_l1_loss(
                    error, torch.zeros_like(error), reduction="sum", beta=0.1
                )
    return total + 2.0 * pair_loss / max(1.0, pairs) + place_loss / max(1, sum(sizes))


def train_scorer(
    folder: ClevrFolder,
    training: Sequence[int],
    held_out: Sequence[int],
    settings: Settings,
    *,
    device: torch.device,
    checkpoint: Path,
    progress: Progress,
    width: int = 32,
    features: int = 256,
) -> tuple[ScorerNet, dict[str, Any]]:
    """Train a scorer on some pictures of a folder; it is not yet calibrated.

    Returns
    -------
    tuple
        The network and the history of :func:`~neptune.learn.train.loop.fit`.
    """
    torch.manual_seed(settings.seed)
    net = ScorerNet(width, features)
    paster = Paster(folder, training)

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([settings.seed, epoch])
        generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
        order = rng.permutation(training)
        for start in range(0, len(order), settings.batch):
            batch = Batch(torch.empty(0), [], [], [], [])
            pictures = []
            for index in order[start : start + settings.batch]:
                raw, example = paster.crowd(int(index), rng)
                pixels, boxes = to_float(raw), example.boxes
                turn = torch.ones(2)
                if rng.random() < 0.5:  # exact: the camera looks along the picture's middle
                    pixels, boxes, turn = pixels.flip(2), mirrored(boxes), torch.tensor([-1.0, 1.0])
                pictures.append(recoloured(pixels, generator))
                batch.boxes.append(jittered(boxes, generator, JITTER * 2 * float(rng.random())).to(device))
                batch.attributes.append(example.attributes.to(device))
                batch.order.append((example.order * turn).to(device))
                batch.places.append((example.places * turn).to(device))
            yield Batch(torch.stack(pictures).to(device), batch.boxes, batch.attributes, batch.order, batch.places)

    def score(module: ScorerNet) -> float:
        evidence, right = gather(module, folder, held_out, jitter=JITTER, seed=settings.seed)
        relations = pooled(evidence, list(AXES))
        values = pooled(evidence, list(VALUES))
        return float(np.mean(list(right.values()))) + relations.accuracy - 0.1 * (relations.nll + values.nll)

    return fit(
        "scorer",
        net,
        batches,
        scorer_loss,
        score,
        settings,
        steps=-(-len(training) // settings.batch),
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )
