"""Fits what a network takes for a picture of its domain: from training pictures, and changes that they may undergo.

A picture of the domain stays one when it is scaled, compressed, or made a little brighter: such changes are among what
the mean and the spread of the features are taken from. No picture of another kind has a part in it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor

from neptune.perception.embedded.canvas import to_float
from neptune.perception.embedded.detector_net import DetectorNet
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.perception.embedded.sizes import HEIGHT, WIDTH

CHANGES = 2
"""So many changed copies of each picture are looked at beside it."""

REACH = 0.99
"""The share of pictures, changed ones among them, that lie within the limit."""

SHRINKAGE = 0.05
"""How far the covariance is drawn towards the identity: there are few pictures for so many features."""

FOLDS = 5
"""A picture's distance, for the limit, is taken from a fit without it: with it, it would be too small."""

Pixels = Callable[[int], Tensor]
"""A picture's index → uint8 ``(3, HEIGHT, WIDTH)``."""


def fit_domain(
    net: DetectorNet | ScorerNet,
    pixels: Pixels,
    indices: Sequence[int],
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, float]:
    """Fit ``net.domain`` to pictures. With fewer than two the network can not tell.

    Parameters
    ----------
    net
        The trained network.
    pixels, indices
        Which pictures are of its domain.
    seed
        Of the changes.
    progress
        Told of the share of pictures looked at.

    Returns
    -------
    dict
        ``pictures``, ``limit`` (in units of the spread), and ``changed_outside``, the share of changed pictures beyond.
    """
    own = net.domain
    own.limit.zero_()
    if len(indices) < 2:
        return {"pictures": len(indices), "limit": 0.0, "changed_outside": 0.0}
    seen = looked_at(net, pixels, indices, seed, CHANGES, progress)
    changed = np.arange(len(seen)) % (CHANGES + 1) > 0
    fold = np.arange(len(seen)) // (CHANGES + 1) % min(FOLDS, len(indices))
    distances = np.empty(len(seen))
    for left_out in np.unique(fold):
        mean, scale, whiten = _spread(seen[fold != left_out])
        distances[fold == left_out] = _distance(seen[fold == left_out], mean, scale, whiten)
    limit = float(np.quantile(distances, REACH))
    mean, scale, whiten = _spread(seen)
    for buffer, value in ((own.mean, mean), (own.scale, scale), (own.whiten, whiten), (own.limit, np.array(limit))):
        buffer.copy_(torch.from_numpy(value))
    own.whiten.copy_(own.whiten.half())  # as it is kept on disk
    return {
        "pictures": len(indices),
        "limit": round(limit, 4),
        "changed_outside": round(float((distances[changed] > limit).mean()), 4),
    }


def share_outside(net: DetectorNet | ScorerNet, pixels: Pixels, indices: Sequence[int]) -> float:
    """Return the share of pictures that the network takes for out of domain, in [0, 1]."""
    seen = torch.from_numpy(looked_at(net, pixels, indices)).float()
    device = net.domain.mean.device
    return float((net.domain(seen.to(device)) > 1).float().mean()) if net.domain.fitted else 0.0


@torch.inference_mode()
def looked_at(
    net: DetectorNet | ScorerNet,
    pixels: Pixels,
    indices: Sequence[int],
    seed: int = 0,
    changes: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> NDArray[np.float64]:
    """Return the features ``(n × (1 + changes), D)`` of n pictures, each followed by those of changed copies."""
    device = next(net.parameters()).device
    net.eval()
    rows = []
    for place, index in enumerate(indices):
        picture = pixels(index)
        rng = np.random.default_rng([seed, index])
        several = torch.stack([picture, *(changed_a_little(picture, rng) for _ in range(changes))])
        canvas = to_float(several.to(device)).contiguous(memory_format=torch.channels_last)
        rows.append(net.glance(canvas).double().cpu().numpy())
        progress((place + 1) / len(indices))
    return np.concatenate(rows)


def changed_a_little(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a picture, uint8 ``(3, HEIGHT, WIDTH)``, as it may come from other hands: brighter or darker, with more or
    less contrast, tinted, noisy, scaled and scaled back, compressed; each change or not."""
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(math.exp(rng.uniform(-0.3, 0.3)))
    if rng.random() < 0.3:
        image = ImageEnhance.Contrast(image).enhance(math.exp(rng.uniform(-0.25, 0.25)))
    if rng.random() < 0.3:
        tint, noise = np.exp(rng.uniform(-0.06, 0.06, 3)), rng.normal(0, rng.uniform(0, 5), (HEIGHT, WIDTH, 3))
        image = Image.fromarray((np.asarray(image) * tint + noise).round().clip(0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        size = rng.uniform(0.4, 2.0)
        image = image.resize((round(WIDTH * size), round(HEIGHT * size)), Image.Resampling.BICUBIC)
    if rng.random() < 0.4:
        kept = io.BytesIO()
        image.save(kept, "JPEG", quality=int(rng.integers(35, 96)))
        image = Image.open(kept)
    if image.size != (WIDTH, HEIGHT):
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)  # as `to_canvas` does
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).contiguous()


def _spread(seen: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return mean and deviation of each feature ``(D,)``, and what turns standardised features into uncorrelated ones
    of deviation 1, ``(D, D)``."""
    mean, scale = seen.mean(0), seen.std(0) + 1e-3
    standard = (seen - mean) / scale
    identity = np.eye(seen.shape[1])
    covariance = (1 - SHRINKAGE) * (standard.T @ standard) / len(seen) + SHRINKAGE * identity
    return mean, scale, np.linalg.cholesky(np.linalg.inv(covariance))


def _distance(
    seen: NDArray[np.float64], mean: NDArray[Any], scale: NDArray[Any], whiten: NDArray[Any]
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.sqrt((((seen - mean) / scale @ whiten) ** 2).mean(1))
    return found
