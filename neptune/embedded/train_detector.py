"""Trains the detector: batches with augmentation, and the held-out score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neptune.embedded.canvas import HEIGHT, WIDTH, to_float
from neptune.embedded.data import ClevrFolder
from neptune.embedded.detector_net import DetectorNet, loss, targets
from neptune.embedded.loop import Progress, Settings, fit
from neptune.embedded.measure import best_threshold, detect_all, detector_figures


def mirrored(boxes: Tensor) -> Tensor:
    """Return boxes ``(N, 4)`` as they are after the picture was flipped left to right."""
    return torch.stack([WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]], 1)


def recoloured(pixels: Tensor, generator: torch.Generator, amount: float = 0.1) -> Tensor:
    """Change brightness, tint and noise of float pixels ``(3, H, W)`` a little."""
    gain = 1 + (torch.rand(3, 1, 1, generator=generator) - 0.5) * amount
    gain = gain * (1 + (torch.rand(1, generator=generator) - 0.5) * 2 * amount)
    shift = (torch.rand(1, generator=generator) - 0.5) * 3 * amount
    noise = float(torch.rand(1, generator=generator)) * amount
    return pixels * gain + shift + torch.randn(pixels.shape, generator=generator) * noise


def zoomed(pixels: Tensor, boxes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift and scale a picture ``(3, HEIGHT, WIDTH)`` and its boxes a little; what leaves the picture is cut off."""
    scale = math.exp((float(torch.rand(1, generator=generator)) - 0.5) * 0.3)
    shift_x = (float(torch.rand(1, generator=generator)) - 0.5) * 40
    shift_y = (float(torch.rand(1, generator=generator)) - 0.5) * 30
    theta = torch.tensor(
        [[[1 / scale, 0, -2 * shift_x / WIDTH / scale], [0, 1 / scale, -2 * shift_y / HEIGHT / scale]]]
    )
    grid = functional.affine_grid(theta, [1, 3, HEIGHT, WIDTH], align_corners=False)
    moved = functional.grid_sample(pixels[None], grid, padding_mode="reflection", align_corners=False)[0]
    middle = torch.tensor([WIDTH / 2, HEIGHT / 2] * 2)
    new = (boxes - middle) * scale + middle + torch.tensor([shift_x, shift_y] * 2)
    whole = (new[:, 2:] - new[:, :2]).prod(1)
    new = torch.stack([new[:, i].clamp(0, (WIDTH, HEIGHT)[i % 2]) for i in range(4)], 1)
    if len(new) and bool(((new[:, 2:] - new[:, :2]).prod(1) < 0.95 * whole).any()):
        return pixels, boxes  # an object would be cut, and its reflection would be an object without a box
    return moved, new


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
) -> tuple[DetectorNet, float, dict[str, Any]]:
    """Train a detector on some pictures of a folder.

    Returns
    -------
    tuple
        The network, its score threshold (both chosen on the held-out pictures), and the history of
        :func:`~neptune.embedded.loop.fit`.
    """
    torch.manual_seed(settings.seed)
    net = DetectorNet(width)

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = np.random.default_rng([settings.seed, epoch])
        generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
        order = rng.permutation(training)
        for start in range(0, len(order), settings.batch):
            pictures, heats, boxes = [], [], []
            for index in order[start : start + settings.batch]:
                pixels, own = to_float(folder.pixels(int(index))), folder.examples[index].boxes
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

    def step(module: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pictures, heat, box = batch
        logits, sides = module(pictures)
        return loss(logits, sides, heat, box)

    def score(module: nn.Module) -> float:
        assert isinstance(module, DetectorNet)
        found = detect_all(module, folder, held_out)
        figures = detector_figures(found, folder, held_out, best_threshold(found, folder, held_out))
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
    assert isinstance(best, DetectorNet)
    threshold = best_threshold(detect_all(best, folder, held_out), folder, held_out)
    return best, threshold, history
