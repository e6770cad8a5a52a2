"""The scorer: one look at each box gives features; small heads read attributes and the place on the ground.

Relations compare places ("right of" is a larger first coordinate), so that ``left`` and ``right`` are exact
converses, and ``same_*`` compare the two objects' attributes. Everything is differentiable:
:meth:`ScorerNet.logits` may be trained through programs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptune.perception.embedded.canvas import crops, geometry
from neptune.perception.embedded.concepts import AXES, KINDS, SAME, VALUES
from neptune.perception.embedded.detector_net import Block, conv
from neptune.perception.embedded.domain import PictureDomain, pooled
from neptune.scene import ATTRIBUTES


class ScorerNet(nn.Module):
    """Boxes of pictures to features, and features to yes/no logits.

    Parameters
    ----------
    width
        Channels of the first layer.
    features
        Length of the feature vector of a box.
    dropout
        Share of features dropped in training.
    """

    temperature: Tensor

    def __init__(self, width: int = 32, features: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.width, self.features = width, features
        self.look = nn.Sequential(
            conv(4, width, 2),
            conv(width, 2 * width, 2),
            Block(2 * width),
            conv(2 * width, 4 * width, 2),
            Block(4 * width),
            conv(4 * width, 4 * width, 2),
            conv(4 * width, 2 * width, kernel=1),
            nn.Flatten(),
        )
        self.mix = nn.Sequential(
            nn.Linear(4 * 4 * 2 * width + 10, features),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(features, features),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.attributes = nn.ModuleDict({a: nn.Linear(features, len(v)) for a, v in ATTRIBUTES.items()})
        self.place = nn.Sequential(nn.Linear(features + 10, features // 2), nn.ReLU(), nn.Linear(features // 2, 4))
        self.register_buffer("temperature", torch.ones(len(KINDS)))
        self.domain = PictureDomain(2 * (2 * width + 4 * width))

    def encode(self, pictures: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return the features of each box, ``(sum n, F)``.

        `pictures` is ``(B, 3, HEIGHT, WIDTH)`` from :func:`~neptune.perception.embedded.canvas.to_float`; `boxes` holds
        for each picture ``(n, 4)`` canvas pixels. The last ten features are the box's geometry.
        """
        where = geometry(torch.cat(boxes))
        seen = self.look(crops(pictures, boxes).contiguous(memory_format=torch.channels_last))
        return torch.cat([self.mix(torch.cat([seen.float(), where], 1)), where], 1)

    def glance(self, pictures: Tensor) -> Tensor:
        """Return the features ``(B, D)`` by which pictures, as in :meth:`encode`, are known to be of the domain.

        The whole picture is looked at as a box is, at half size: what boxes there are makes no difference.
        """
        half = functional.avg_pool2d(pictures, 2)
        everywhere = torch.cat([half, torch.zeros_like(half[:, :1])], 1).contiguous(memory_format=torch.channels_last)
        fine = self.look[:3](everywhere)
        return pooled(fine, self.look[3:5](fine))

    def values(self, features: Tensor, attribute: str) -> Tensor:
        """Return the log-probability of each value of an attribute, ``(K, values)``; each row sums to 1."""
        logits = self.attributes[attribute](features[:, : self.features]).float()
        return functional.log_softmax(logits / self.temperature[KINDS.index(attribute)], 1)

    def places(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return places on the ground and their spreads > 0, each ``(K, 2)``, in CLEVR's units.

        The first axis points to the right, the second towards the camera.
        """
        out = self.place(features).float()
        spread = functional.softplus(out[:, 2:] - 2.0) + 0.01
        return out[:, :2] * 3.0, spread * self.temperature[len(ATTRIBUTES) :]

    def logits(self, features: Tensor, concept: str, objects: Tensor) -> Tensor:
        """Return the yes/no logit of a concept for M tuples of objects, ``(M,)``; differentiable.

        Parameters
        ----------
        features
            ``(K, F)`` from :meth:`encode`.
        concept
            A name of :data:`~neptune.perception.embedded.concepts.CONCEPTS`.
        objects
            ``(M, arity)`` integer indices into `features`.

        Raises
        ------
        KeyError
            If the concept is unknown.
        """
        if concept in VALUES:
            attribute, index = VALUES[concept]
            log_p = self.values(features[objects[:, 0]], attribute)
            return log_p[:, index] - none_of(log_p)[:, index]
        if concept in AXES:
            axis, sign = AXES[concept]
            place, spread = self.places(features)
            first, second = objects[:, 0], objects[:, 1]
            gap = place[first, axis] - place[second, axis]
            return sign * gap / torch.hypot(spread[first, axis], spread[second, axis])
        attribute = SAME[concept]
        log_p = self.values(features, attribute)
        first, second = log_p[objects[:, 0]], log_p[objects[:, 1]]
        return torch.logsumexp(first + second, 1) - torch.logsumexp(first + none_of(second), 1)


def none_of(log_p: Tensor) -> Tensor:
    """Return ``log(1 - p)`` of each value, from log-probabilities ``(K, V)``; stable where p is near 1."""
    v = log_p.shape[1]
    others = ~torch.eye(v, dtype=torch.bool, device=log_p.device)
    return torch.stack([torch.logsumexp(log_p[:, others[i]], 1) for i in range(v)], 1)
