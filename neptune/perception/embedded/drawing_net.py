"""The scorer of drawings: it looks at one box at a time, and tells the values of a few attributes.

What it sees of a box are the box's own pixels and its size, nothing beside it: the same shape has the same scores
wherever it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CROP = 20
"""Side of what the network sees of a box, in pixels of its input."""
USUAL = 0.2
"""The usual side of a shape, in shares of the picture's height: sides are told apart around it."""
SPREAD = 50.0
"""By which they are multiplied then, so that those of NLVR are -5, 0 and 5: a few steps of training tell them apart."""


class DrawingNet(nn.Module):
    """Crops of boxes to features, and features to yes/no logits of values.

    Parameters
    ----------
    attributes
        Attribute → its values, of which each object has one.
    width
        Channels of the first layer.
    features
        Length of the feature vector of a box.
    """

    def __init__(self, attributes: Mapping[str, Sequence[str]], width: int = 12, features: int = 48) -> None:
        super().__init__()
        self.attributes = {name: tuple(values) for name, values in attributes.items()}
        self.width, self.features = width, features
        self.look = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.mix = nn.Sequential(nn.Linear(2 * width * (CROP // 4) ** 2, features), nn.ReLU())
        self.heads = nn.ModuleDict({name: nn.Linear(features + 2, len(v)) for name, v in self.attributes.items()})

    @property
    def attribute_of(self) -> dict[str, str]:
        """Value → its attribute."""
        return {value: name for name, values in self.attributes.items() for value in values}

    def encode(self, crops: Tensor, sides: Tensor) -> Tensor:
        """Return the features of N boxes, ``(N, F + 2)``, from what :func:`cut` gives; the last two are its sides."""
        return torch.cat([self.mix(self.look(crops)), (sides - USUAL) * SPREAD], 1)

    def values(self, features: Tensor, attribute: str) -> Tensor:
        """Return the log-probability of each value of an attribute, ``(N, values)``; each row sums to 1."""
        return functional.log_softmax(self.heads[attribute](features), 1)

    def logits(self, features: Tensor, value: str, objects: Tensor) -> Tensor:
        """Return the yes/no logits of a value for M objects (indices into `features`), ``(M,)``; differentiable."""
        attribute = self.attribute_of[value]
        log_p = self.values(features[objects], attribute)
        at = self.attributes[attribute].index(value)
        others = [i for i in range(log_p.shape[1]) if i != at]
        return log_p[:, at] - torch.logsumexp(log_p[:, others], 1)


def cut(pixels: np.ndarray, boxes: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return what the network sees of each box of one picture.

    Parameters
    ----------
    pixels
        ``(height, width, 3)``, uint8.
    boxes
        ``(N, 4)`` pixels, ``x0 y0 x1 y1``.

    Returns
    -------
    tuple
        The box's pixels, scaled to ``(N, 3, CROP, CROP)``, centred at 0; and its width and height in shares of the
        picture's height, ``(N, 2)``. Both are made of whole pixels alone, so that equal boxes give equal numbers.
    """
    height, width = pixels.shape[:2]
    whole = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float().div(127.5).sub(1.0)
    crops, sides = torch.zeros(len(boxes), 3, CROP, CROP), torch.zeros(len(boxes), 2)
    for i, (x0, y0, x1, y1) in enumerate(np.asarray(boxes, dtype=np.float64)):
        left, top = min(max(0, int(np.floor(x0))), width - 1), min(max(0, int(np.floor(y0))), height - 1)
        right, bottom = min(width, max(left + 1, int(np.ceil(x1)))), min(height, max(top + 1, int(np.ceil(y1))))
        part = whole[None, :, top:bottom, left:right]
        crops[i] = functional.interpolate(part, (CROP, CROP), mode="bilinear", antialias=True)[0]
        sides[i] = torch.tensor([right - left, bottom - top]) / height
    return crops, sides


def canonical(crops: Tensor, sides: Tensor) -> Tensor:
    """Return an order of boxes that depends on what they show, not on where they are: indices ``(N,)``.

    Networks round a little differently at different places of a batch; boxes in this order always stand at the same.
    """
    keys = [(c.numpy().tobytes(), s.numpy().tobytes()) for c, s in zip(crops, sides, strict=True)]
    return torch.tensor(sorted(range(len(keys)), key=keys.__getitem__), dtype=torch.int64)
