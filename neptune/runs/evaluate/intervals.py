"""The one kind of interval that a run's figures have: Clopper and Pearson's, over pictures.

Questions about one picture are right or wrong together: a detector that misses an object spoils all of them. An
interval that takes them for independent is too narrow. The exact binomial interval (Clopper and Pearson 1934) is
therefore taken for as many samples as the questions are worth (Korn and Graubard 1998): their number divided by how
much the picture they share widens the spread of the mean, and corrected for few pictures. For one question a picture
that is Clopper and Pearson's interval itself. It holds where all answers are right too, where resampling, and
everything else that looks at the spread alone, would claim certainty.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""The intervals' level."""

METHOD = "95 % Clopper–Pearson intervals over pictures"
"""What they are called wherever they are shown."""

Array = NDArray[np.float64]


def interval(
    values: Sequence[float] | Array, clusters: Sequence[Hashable] | None = None, *, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return the interval of a mean.

    Parameters
    ----------
    values
        N numbers in [0, 1]: 1 for right and 0 for wrong, or an IoU.
    clusters
        What each value belongs to, e.g. its picture; ``None``: each stands alone.
    level
        In (0, 1).

    Returns
    -------
    tuple of float or None
        Low and high end, in [0, 1]; ``None`` without values.
    """
    flat = np.asarray(values, dtype=np.float64)
    if not len(flat):
        return None
    return _exact(float(flat.mean()), _worth(flat, *_by_cluster(flat, clusters), level), (1.0 - level) / 2)


def difference_interval(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable] | None = None, *, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return the interval of the second share minus the first, of the same N samples.

    The difference is the share won minus the share lost. Each has its interval (:func:`interval`), and they are put
    together by the method of variance estimates recovery (Zou and Donner 2008).

    Parameters
    ----------
    first, second
        Whether each sample is right in either run.
    clusters, level
        As for :func:`interval`.

    Returns
    -------
    tuple of float or None
        Low and high end, in [-1, 1]; ``None`` without values.
    """
    before, after = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    if not len(before):
        return None
    won, lost = (after & ~before).astype(np.float64), (before & ~after).astype(np.float64)
    of_won, of_lost = interval(won, clusters, level=level), interval(lost, clusters, level=level)
    assert of_won is not None
    assert of_lost is not None
    (won_low, won_high), (lost_low, lost_high) = of_won, of_lost
    up, down = float(won.mean()), float(lost.mean())
    together = _correlation(won, lost, clusters)

    def reach(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 + other**2 - 2 * together * one * other, 0.0)))

    low = up - down - reach(up - won_low, lost_high - down)
    return max(low, -1.0), min(up - down + reach(won_high - up, down - lost_low), 1.0)


def _exact(share: float, trials: float, tail: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share seen in so many trials, neither of which need be whole."""
    from scipy.special import betaincinv  # the quantile of a Beta distribution, without all of scipy.stats

    hits, misses = share * trials, (1.0 - share) * trials
    low = betaincinv(hits, misses + 1.0, tail) if hits > 0 else 0.0
    high = betaincinv(hits + 1.0, misses, 1.0 - tail) if misses > 0 else 1.0
    return float(low), float(high)


def _worth(values: Array, sums: Array, sizes: Array, level: float) -> float:
    """Return how many independent yes/no samples N values in so many clusters are worth, at least one."""
    from scipy.special import stdtrit  # the quantile of Student's distribution

    n, c = len(values), len(sums)
    mean, spread = float(values.mean()), float(values.var())
    if c == 1 or spread < 1e-15:
        return float(c)  # nothing tells how pictures differ: each is worth one sample
    alone = spread / (n - 1)
    shared = c / (c - 1) * float(((sums - mean * sizes) ** 2).sum()) / n**2
    tail = (1.0 + level) / 2
    few = float(stdtrit(n - 1, tail) / stdtrit(c - 1, tail)) ** 2
    return max(n * mean * (1 - mean) / spread * min(alone / shared if shared > 0 else 1.0, 1.0) * few, 1.0)


def _correlation(won: Array, lost: Array, clusters: Sequence[Hashable] | None) -> float:
    """Return the correlation of the two shares as estimated from the clusters; 0 where one does not vary."""
    (wins, sizes), (losses, _) = _by_cluster(won, clusters), _by_cluster(lost, clusters)
    one, other = wins - won.mean() * sizes, losses - lost.mean() * sizes
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 1e-12 else 0.0


def _by_cluster(values: Array, clusters: Sequence[Hashable] | None) -> tuple[Array, Array]:
    """Return the sum and the number of the values of each cluster, shape ``(C,)``."""
    if clusters is None:
        return values, np.ones_like(values)
    number: dict[Hashable, int] = {}
    at = np.array([number.setdefault(c, len(number)) for c in clusters], dtype=np.int64)
    return np.bincount(at, weights=values).astype(np.float64), np.bincount(at).astype(np.float64)
