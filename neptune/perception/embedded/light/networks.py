"""The detector and the scorer in NumPy: see :mod:`neptune.perception.embedded.detector_net` and ``scorer_net``."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neptune.perception.embedded.concepts import AXES, KINDS, SAME, VALUES
from neptune.perception.embedded.light.layers import (
    Array,
    Weights,
    block,
    chain,
    conv,
    convolution,
    domain_score,
    doubled,
    halved,
    linear,
    log_sum_exp,
    pooled,
    relu,
    softplus,
)
from neptune.perception.embedded.light.pictures import centred, crops, geometry
from neptune.perception.embedded.said import Thresholds, boxes_at
from neptune.scene import ATTRIBUTES
from neptune.scene.types import Detections


class Detector:
    """One picture ``(1, HEIGHT, WIDTH, 3)``, centred, to centre probabilities and side distances.

    Parameters
    ----------
    weights
        Those of :class:`~neptune.perception.embedded.detector_net.DetectorNet`.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._stem = chain(conv(weights, "stem.1"), conv(weights, "stem.2"))
        self._at8 = chain(conv(weights, "stride8.0", 2), block(weights, "stride8.1"))
        self._at16 = chain(conv(weights, "stride16.0", 2), block(weights, "stride16.1"), block(weights, "stride16.2"))
        self._at32 = chain(conv(weights, "stride32.0", 2), block(weights, "stride32.1"))
        self._up16, self._merge16 = conv(weights, "up16"), conv(weights, "merge16")
        self._merge8 = chain(conv(weights, "merge8.0"), conv(weights, "merge8.1"))
        self._head, self._bias = convolution(weights, "head"), weights["head.bias"]

    def __call__(self, picture: Array) -> tuple[Array, Array, float | None]:
        """Return the centres' probabilities ``(ROWS, COLUMNS)``, the distances to the four sides ``(4, ROWS, COLUMNS)``
        in canvas pixels, and how far the picture is from those of training, where the weights can tell."""
        _, height, width, _ = picture.shape
        cells = picture.reshape(height // 4, 4, width // 4, 4, 3).transpose(0, 2, 4, 1, 3)
        at8 = self._at8(self._stem(np.ascontiguousarray(cells).reshape(1, height // 4, width // 4, 48)))
        at16 = self._at16(at8)
        known = domain_score(self._weights, pooled(at8, at16))
        low = at16 + doubled(self._up16(self._at32(at16)))
        fine = self._merge8(at8 + doubled(self._merge16(low)))
        out = (self._head(fine) + self._bias)[0]
        rows, columns, _ = out.shape
        spread = out.reshape(rows, columns, 5, 2, 2).transpose(2, 0, 3, 1, 4).reshape(5, 2 * rows, 2 * columns)
        heat = np.float32(1.0) / (np.float32(1.0) + np.exp(-spread[0]))
        return heat, softplus(spread[1:] + np.float32(1.0)) * np.float32(16.0), known

    def found(self, pixels: NDArray[np.uint8], thresholds: Thresholds) -> tuple[Detections, float | None]:
        """Return the boxes of a picture on the canvas ``(HEIGHT, WIDTH, 3)``, and how far it is from training."""
        heat, sides, known = self(centred(pixels)[None])
        around = np.lib.stride_tricks.sliding_window_view(np.pad(heat, 1), (3, 3)).max((2, 3))
        return boxes_at((around == heat) & (heat >= thresholds.score), heat, sides, thresholds), known


class Scorer:
    """Boxes of a picture to features, and features to yes/no logits.

    Parameters
    ----------
    weights
        Those of :class:`~neptune.perception.embedded.scorer_net.ScorerNet`.
    features
        Length of what is seen in a box, before its geometry.
    """

    def __init__(self, weights: Weights, features: int) -> None:
        self._weights, self._length = weights, features
        self.temperature = weights["temperature"]
        self._fine = chain(conv(weights, "look.0", 2), conv(weights, "look.1", 2), block(weights, "look.2"))
        self._coarse = chain(conv(weights, "look.3", 2), block(weights, "look.4"))
        self._last = chain(conv(weights, "look.5", 2), conv(weights, "look.6"))
        self._mix = linear(weights, "mix.0"), linear(weights, "mix.3")
        self._attributes = {a: linear(weights, f"attributes.{a}") for a in ATTRIBUTES}
        self._place = linear(weights, "place.0"), linear(weights, "place.2")

    def encode(self, picture: Array, boxes: Array) -> Array:
        """Return the features of each box ``(N, 4)``, canvas pixels, of a picture ``(1, HEIGHT, WIDTH, 3)``."""
        where = geometry(boxes)
        seen = self._last(self._coarse(self._fine(crops(picture, boxes))))
        flat = seen.transpose(0, 3, 1, 2).reshape(len(boxes), math.prod(seen.shape[1:]))
        first, second = self._mix
        mixed = relu(second(relu(first(np.concatenate([flat, where], 1)))))
        return np.concatenate([mixed, where], 1)

    def domain(self, picture: Array) -> float | None:
        """Return how far a picture is from those of training; ``None`` where the weights can not tell."""
        half = halved(picture)
        fine = self._fine(np.concatenate([half, np.zeros_like(half[..., :1])], -1))
        return domain_score(self._weights, pooled(fine, self._coarse(fine)))

    def values(self, features: Array, attribute: str) -> Array:
        """Return the log-probability of each value of an attribute, ``(K, values)``."""
        logits = self._attributes[attribute](features[:, : self._length]) / self.temperature[KINDS.index(attribute)]
        out: Array = logits - log_sum_exp(logits)[:, None]
        return out

    def logits(self, features: Array, concept: str, objects: Array) -> Array:
        """Return the yes/no logit of a concept for M tuples of objects ``(M, arity)``, ``(M,)``."""
        if concept in VALUES:
            attribute, index = VALUES[concept]
            log_p = self.values(features[objects[:, 0]], attribute)
            out: Array = log_p[:, index] - _none_of(log_p)[:, index]
            return out
        first, second = objects[:, 0], objects[:, 1]
        if concept in AXES:
            axis, sign = AXES[concept]
            said = self._place[1](relu(self._place[0](features)))
            spread = (softplus(said[:, 2:] - np.float32(2.0)) + np.float32(0.01)) * self.temperature[len(ATTRIBUTES) :]
            place = said[:, :2] * np.float32(3.0)
            gap = place[first, axis] - place[second, axis]
            apart: Array = np.float32(sign) * gap / np.hypot(spread[first, axis], spread[second, axis])
            return apart
        log_p = self.values(features, SAME[concept])
        both = log_sum_exp(log_p[first] + log_p[second])
        same: Array = both - log_sum_exp(log_p[first] + _none_of(log_p[second]))
        return same


def _none_of(log_p: Array) -> Array:
    """Return ``ln(1 - p)`` of each value, from log-probabilities ``(K, V)``."""
    count = log_p.shape[1]
    return np.stack([log_sum_exp(np.delete(log_p, i, 1)) for i in range(count)], 1)
