"""Confidence intervals of means by the bootstrap (Efron 1979), resampling pictures rather than questions.

Questions about one picture are right or wrong together: a detector that misses an object spoils all of them. The
units that are drawn with replacement are therefore clusters, here pictures (Davison and Hinkley 1997, section 3.8).
Losses and calibration errors are no shares: runs, whose figures are, have :mod:`neptune.runs.evaluate.intervals`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
"""How often a sample is drawn anew."""

LEVEL = 0.95
"""The intervals' level."""

_BLOCK = 4_000_000
"""Draws held in memory at once."""


def interval(
    values: Sequence[float] | NDArray[np.floating],
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of a mean.

    Parameters
    ----------
    values
        N numbers: 1 for right and 0 for wrong, or a loss.
    clusters
        What each value belongs to, e.g. its picture; ``None``: each stands alone.
    level
        In (0, 1).
    resamples
        How many samples are drawn.
    seed
        Of the draws: the same values always give the same interval.

    Returns
    -------
    tuple of float or None
        Low and high end; ``None`` without values, and where all clusters have the same mean: every resample would be
        the same, which is no certainty.
    """
    flat = np.asarray(values, dtype=np.float64)
    if not len(flat):
        return None
    sums, sizes = _by_cluster(flat, clusters)
    each = sums / sizes
    if (each == each[0]).all():
        return None
    return _percentiles(sums, sizes, level, resamples, seed)


def _by_cluster(
    values: NDArray[np.float64], clusters: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum and the number of the values of each cluster, shape ``(C,)``."""
    if clusters is None:
        return values, np.ones_like(values)
    number: dict[Hashable, int] = {}
    at = np.array([number.setdefault(c, len(number)) for c in clusters], dtype=np.int64)
    return np.bincount(at, weights=values).astype(np.float64), np.bincount(at).astype(np.float64)


def _percentiles(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], level: float, resamples: int, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // len(sums))
    means = []
    for start in range(0, resamples, step):
        drawn = rng.integers(0, len(sums), (min(step, resamples - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    tail = (1.0 - level) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1.0 - tail))
    return float(low), float(high)
