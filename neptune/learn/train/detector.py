"""Trains the detector: batches with augmentation, and the held-out score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neptune.learn.shared import Progress
from neptune.learn.train.augment import Paster, mirrored, recoloured, zoomed
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.loop import Settings, fit
from neptune.learn.train.measure import best_thresholds, detect_all, detector_figures
from neptune.perception.embedded.canvas import to_float
from neptune.perception.embedded.detector_net import DetectorNet, loss, targets
from neptune.perception.embedded.said import Thresholds

CROWDED = 8
"""How often each held-out picture is crowded anew, when the threshold is chosen."""


def train_detector(
    folder: ClevrFolder,
    training: Sequence[int],
    held_out: Sequence[int],
    settings: Settings,
    *,
    device: torch.device,
    checkpoint: Path,
    progress: Progress,
    width: int = 32,
) -> tuple[DetectorNet, Thresholds, dict[str, Any]]:
    """Train a detector on some pictures of a folder.

    Returns
    -------
    tuple
        The network, its score thresholds (both chosen on the held-out pictures), and the history of
        :func:`~neptune.learn.train.loop.fit`.
    """
    torch.manual_seed(settings.seed)
    net = DetectorNet(width)
    paster = Paster(folder, training)
    truths = folder.boxes(held_out)

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = np.random.default_rng([settings.seed, epoch])
        generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
        order = rng.permutation(training)
        for start in range(0, len(order), settings.batch):
            pictures, heats, boxes = [], [], []
            for index in order[start : start + settings.batch]:
                raw, example = paster.crowd(int(index), rng)
                pixels, own = to_float(raw), example.boxes
                if rng.random() < 0.5:
                    pixels, own = pixels.flip(2), mirrored(own)
                if rng.random() < 0.5:
                    pixels, own = zoomed(pixels, own, generator)
                heat, box = targets(own)
                pictures.append(recoloured(pixels, generator))
                heats.append(heat)
                boxes.append(box)
            stacked = torch.stack(pictures).contiguous(memory_format=torch.channels_last)
            yield stacked.to(device), torch.stack(heats).to(device), torch.stack(boxes).to(device)

    def step(module: DetectorNet, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pictures, heat, box = batch
        logits, sides = module(pictures)
        return loss(logits, sides, heat, box)

    def score(module: DetectorNet) -> float:
        found = detect_all(module, map(folder.pixels, held_out))
        figures = detector_figures(found, truths, best_thresholds(found, truths))
        return figures["f1"] + 0.05 * figures["iou"]  # boxes that fit better break ties

    best, history = fit(
        "detector",
        net,
        batches,
        step,
        score,
        settings,
        steps=-(-len(training) // settings.batch),
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )
    return best, choose_thresholds(best, folder, held_out, paster, settings.seed), history


def choose_thresholds(
    net: DetectorNet, folder: ClevrFolder, held_out: Sequence[int], paster: Paster, seed: int
) -> Thresholds:
    """Return the score thresholds of the highest F1 on held-out pictures, as they are and crowded.

    What hides behind another object is what a threshold decides about, and some tens of pictures hold few of those:
    each is looked at :data:`CROWDED` times more with objects of training pictures put in front of its own.
    """
    rng = np.random.default_rng(seed)
    seen = [(folder.pixels(i), folder.examples[i]) for i in held_out]
    seen += [paster.crowd(i, rng) for _ in range(CROWDED) for i in held_out]
    found = detect_all(net, (pixels for pixels, _ in seen))
    return best_thresholds(found, [example.boxes.numpy() for _, example in seen])
