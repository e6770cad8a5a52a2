"""Layers of the shipped networks, for values alone: maps are ``(B, H, W, C)`` float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Layer: TypeAlias = Callable[[Array], Array]
Weights: TypeAlias = Mapping[str, Array]
"""Name → array, float32, as torch names and shapes them."""

EPSILON = 1e-5
"""Added to variances by torch's batch norm."""


def convolution(weights: Weights, name: str, stride: int = 1) -> Layer:
    """Return a convolution of odd kernels that keeps the size, or divides it by `stride`; no bias."""
    weight = weights[f"{name}.weight"]
    outputs, _, side, _ = weight.shape
    flat = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(-1, outputs)
    pad = side // 2

    def run(x: Array) -> Array:
        if side == 1 and stride == 1:
            each: Array = x @ flat
            return each
        padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::stride, ::stride]
        batch, rows, columns = windows.shape[:3]
        seen = np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3)).reshape(batch * rows * columns, len(flat))
        made: Array = (seen @ flat).reshape(batch, rows, columns, outputs)
        return made

    return run


def norm(weights: Weights, name: str) -> Layer:
    """Return a batch norm with the statistics of training; it changes what it is given."""
    factor = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + np.float32(EPSILON))
    shift = weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * factor

    def run(x: Array) -> Array:
        x *= factor
        x += shift
        return x

    return run


def relu(x: Array) -> Array:
    """Return max(x, 0), in place."""
    return np.maximum(x, np.float32(0.0), out=x)


def conv(weights: Weights, name: str, stride: int = 1) -> Layer:
    """Return :func:`neptune.perception.embedded.detector_net.conv`: convolution, batch norm and ReLU."""
    first, second = convolution(weights, f"{name}.0", stride), norm(weights, f"{name}.1")
    return lambda x: relu(second(first(x)))


def block(weights: Weights, name: str) -> Layer:
    """Return a :class:`neptune.perception.embedded.detector_net.Block`."""
    first = conv(weights, f"{name}.first")
    second, last = convolution(weights, f"{name}.second.0"), norm(weights, f"{name}.second.1")

    def run(x: Array) -> Array:
        out = last(second(first(x)))
        out += x
        return relu(out)

    return run


def linear(weights: Weights, name: str) -> Layer:
    """Return ``x @ weightᵀ + bias`` of rows ``(N, F)``."""
    weight, bias = np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"]
    return lambda x: x @ weight + bias


def chain(*layers: Layer) -> Layer:
    """Return layers one after the other."""

    def run(x: Array) -> Array:
        for layer in layers:
            x = layer(x)
        return x

    return run


def doubled(x: Array) -> Array:
    """Return maps twice as large, each cell four times."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def halved(x: Array) -> Array:
    """Return maps half as large: means of four cells."""
    batch, rows, columns, channels = x.shape
    out: Array = x.reshape(batch, rows // 2, 2, columns // 2, 2, channels).mean((2, 4), dtype=np.float32)
    return out


def softplus(x: Array) -> Array:
    """Return ``ln(1 + eˣ)``; x itself beyond 20."""
    out: Array = np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, np.float32(20.0)))))
    return out


def log_sum_exp(x: Array) -> Array:
    """Return the logarithm of the sum of exponentials along the last axis; -∞ alone stays."""
    most = x.max(-1, keepdims=True)
    out: Array = np.log(np.exp(x - most).sum(-1)) + most[..., 0]
    return out


def pooled(*maps: Array) -> Array:
    """Return mean and deviation of each channel of maps, ``(B, 2 × sum C)``."""
    found = []
    for at in maps:
        flat = at.reshape(len(at), -1, at.shape[-1]).astype(np.float64)
        found += [flat.mean(1), flat.std(1, ddof=1)]
    return np.concatenate(found, 1)


def domain_score(weights: Weights, features: Array) -> float | None:
    """Return how far the one picture of pooled features is from those of training (up to 1: it is one of them);
    ``None`` where the weights can not tell."""
    limit = float(weights["domain.limit"]) if "domain.limit" in weights else 0.0
    if limit <= 0:
        return None
    offset = (features[0] - weights["domain.mean"]) / weights["domain.scale"]
    return float(np.sqrt(np.square(offset @ weights["domain.whiten"]).mean())) / limit
