"""Whether a picture is one of those that a network was trained on.

A network's features of such pictures lie close together: how far another picture's lie from their mean, in units of
their spread in each direction (Mahalanobis distance; Lee et al. 2018), says how little it is one of them.
`neptune.learn.train.domain` fits mean, spread and limit, from training pictures alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neptune.perception.embedded import said


class PictureDomain(nn.Module):
    """Mean and spread of a network's features of the pictures that it was trained on; part of its weights.

    Parameters
    ----------
    length
        The number of features D of a picture.
    """

    mean: Tensor
    scale: Tensor
    whiten: Tensor
    limit: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("scale", torch.ones(length))
        self.register_buffer("whiten", torch.zeros(length, length))
        self.register_buffer("limit", torch.zeros(()))

    @property
    def fitted(self) -> bool:
        """Whether it can tell: weights of before it was there, or of an unfinished training, can not."""
        return float(self.limit) > 0

    def distance(self, features: Tensor) -> Tensor:
        """Return how far pictures with features ``(B, D)`` are from the mean, ``(B,)``: about 1 for training ones."""
        offset = (features - self.mean) / self.scale
        return (offset @ self.whiten).square().mean(1).sqrt()

    def forward(self, features: Tensor) -> Tensor:
        """Return the score of pictures with features ``(B, D)``, ``(B,)`` ≥ 0: up to 1 they are of the domain."""
        return self.distance(features) / self.limit


def pooled(*maps: Tensor) -> Tensor:
    """Return mean and deviation of each channel of feature maps ``(B, C, H, W)``, as ``(B, 2 × sum C)`` float32."""
    found = []
    for at in maps:
        flat = at.float().flatten(2)
        found += [flat.mean(2), flat.std(2)]
    return torch.cat(found, 1)


def is_blank(pixels: Tensor) -> bool:
    """Return whether a picture, uint8 ``(3, H, W)``, has one colour: there is nothing in it to be mistaken for."""
    return said.is_blank(pixels.permute(1, 2, 0).cpu().numpy())
