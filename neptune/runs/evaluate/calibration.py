"""How far the probabilities of answers can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of equal width in [0, 1], as in Guo et al. (2017)."""

Array = NDArray[np.float64]


def calibration_error(confidence: Sequence[float] | Array, right: Sequence[bool] | Array, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap of confidence and accuracy over bins of equal width.

    Parameters
    ----------
    confidence
        N probabilities of the answers given, in [0, 1].
    right
        N: whether they were right.
    bins
        How many; a confidence on an edge belongs to the bin above it, 1 to the last.

    Returns
    -------
    float
        In [0, 1]; 0 without answers (Naeini et al. 2015).
    """
    gaps, weights = binned(confidence, right, bins)
    return float(np.abs(gaps).sum() / max(1.0, weights.sum()))


def binned(confidence: Sequence[float] | Array, right: Sequence[bool] | Array, bins: int = BINS) -> tuple[Array, Array]:
    """Return for each bin the sum of ``right - confidence`` and the number of answers, each ``(bins,)``."""
    p, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    where = places(p, bins)
    return (
        np.bincount(where, weights=hit - p, minlength=bins).astype(np.float64),
        np.bincount(where, minlength=bins).astype(np.float64),
    )


def places(confidence: Array, bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin of each confidence."""
    return np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
