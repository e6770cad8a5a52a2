"""How far away objects of CLEVR are: a small head over what the scorer sees in their boxes, and the ground under them.

The head is fitted to the depths of CLEVR's ``pixel_coords``. The ground is a plane, of which the inverse of the depth
is a linear function of the pixel (Hartley and Zisserman, *Multiple View Geometry*); its three numbers are fitted to the
training scenes, and scaled to the objects of each picture, since the camera moves a little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptune.perception.embedded.sizes import HEIGHT, WIDTH

FARTHEST = 60.0
"""CLEVR units: where the ground would be farther away, or is not seen, the map says this."""


class DepthNet(nn.Module):
    """Features of boxes to depths.

    Parameters
    ----------
    features
        Length of the features of a box, as :meth:`~neptune.perception.embedded.scorer_net.ScorerNet.encode` gives them.
    hidden
        Units of the hidden layer.
    """

    mean: Tensor
    scale: Tensor
    ground: Tensor

    def __init__(self, features: int = 266, hidden: int = 192) -> None:
        super().__init__()
        self.features, self.hidden = features, hidden
        self.mix = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("ground", torch.tensor([0.1, 0.0, 0.0]))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return depths and their spreads > 0 of boxes with features ``(K, F)``, each ``(K,)``, in CLEVR's units."""
        out = self.mix((features - self.mean) / self.scale).float()
        return 10.0 + 3.0 * out[:, 0], functional.softplus(out[:, 1] - 2.0) + 0.005

    def plane(self, boxes: Tensor, depths: Tensor) -> Tensor:
        """Return the map of a picture, ``(HEIGHT / 2, WIDTH / 2)``: the ground, and on it boxes at their depths.

        Parameters
        ----------
        boxes
            ``(N, 4)`` canvas pixels.
        depths
            ``(N,)``.
        """
        rows, columns = torch.arange(HEIGHT // 2) * 2 + 1.0, torch.arange(WIDTH // 2) * 2 + 1.0
        ys, xs = torch.meshgrid(rows.to(depths.device), columns.to(depths.device), indexing="ij")
        inverse = self.inverse(xs, ys)
        if len(boxes):
            # Where an object stands, halfway between its middle and its lower edge, the ground is about as far as it.
            foot = self.inverse((boxes[:, 0] + boxes[:, 2]) / 2, 0.25 * boxes[:, 1] + 0.75 * boxes[:, 3])
            inverse = inverse * (1 / depths / foot.clamp(min=1 / FARTHEST)).median()
        found = 1 / inverse.clamp(min=1 / FARTHEST)
        for at in torch.argsort(depths, descending=True).tolist():
            x0, y0, x1, y1 = (boxes[at] / 2).round().int().clamp(min=0).tolist()
            found[y0:y1, x0:x1] = depths[at]
        return found

    def inverse(self, xs: Tensor, ys: Tensor) -> Tensor:
        """Return one over the depth of the ground at canvas pixels."""
        a, b, c = self.ground.unbind()
        return a + b * (xs / WIDTH) + c * (ys / HEIGHT)
