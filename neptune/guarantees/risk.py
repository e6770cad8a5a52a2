"""Tests that a mean of losses is small: Hoeffding–Bentkus p-values, Learn-then-Test along a fixed sequence, and a
bound of a mean by betting.

One loss a picture, in [0, 1]; pictures are independent and alike, what is asked of one picture need not be. After
Bates et al. 2021, Angelopoulos et al. 2021, and Waudby-Smith & Ramdas 2024.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.errors import ConfigError

Floats = NDArray[np.float64]

ROUNDING = 1e-9
"""So much larger a sum of losses may come out by adding them in another order."""


def p_value(losses: Sequence[float] | Floats, alpha: float) -> float:
    """Return a p-value of "the expected loss is above alpha": small where the losses speak against it.

    The smaller of Hoeffding's (in the form of relative entropy) and Bentkus' bound. Under the hypothesis it is at most
    u with a probability of at most u, for losses of any distribution on [0, 1].

    Parameters
    ----------
    losses
        n losses in [0, 1], independent and alike.
    alpha
        The risk, in (0, 1).

    Raises
    ------
    ConfigError
        If alpha is not in (0, 1), or a loss not in [0, 1].
    """
    from scipy.stats import binom  # a second to load, and few runs need it

    values = _checked(losses, alpha)
    n = len(values)
    if not n:
        return 1.0
    mean = float(values.mean())
    if mean >= alpha:
        return 1.0
    hoeffding = math.exp(-n * _entropy(mean, alpha))
    bentkus = math.e * float(binom.cdf(math.ceil(float(values.sum()) - ROUNDING), n, alpha))
    return min(1.0, hoeffding, bentkus)


def _entropy(a: float, b: float) -> float:
    """Return the relative entropy of a coin of chance a from one of chance b."""
    first = a * math.log(a / b) if a > 0 else 0.0
    return first + ((1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0.0)


def _checked(losses: Sequence[float] | Floats, alpha: float) -> Floats:
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha is {alpha}", expected="a number between 0 and 1")
    values = np.asarray(losses, dtype=np.float64)
    if values.size and not bool(((values >= 0.0) & (values <= 1.0)).all()):
        raise ConfigError("a loss is out of its range", expected="losses in [0, 1]")
    return values


def fewest(alpha: float, delta: float) -> int:
    """Return how many pictures without any loss are the fewest that allow "at most alpha" at confidence 1 − delta.

    No valid test gets by with fewer: a picture that always fails with chance alpha shows no failure among n with
    chance (1 − alpha)ⁿ.

    Raises
    ------
    ConfigError
        If alpha or delta is not in (0, 1).
    """
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0.0 < value < 1.0:
            raise ConfigError(f"{name} is {value}", expected="a number between 0 and 1")
    n = max(math.ceil(math.log(delta) / math.log1p(-alpha)), 1)
    return n if (1 - alpha) ** n <= delta else n + 1


def fixed_sequence(losses: Iterable[Any], alpha: float, delta: float) -> int:
    """Return how many of some choices hold: tested in the order given, up to the first that fails.

    Learn-then-Test with a fixed sequence: all choices returned have a risk of at most alpha, all at once with
    probability 1 − delta, and whichever of them is then used.

    Parameters
    ----------
    losses
        For each choice its n losses, the safest first; looked at only as far as needed.
    alpha, delta
        The risk and the chance of being wrong about it, in (0, 1).
    """
    held = 0
    for column in losses:
        if p_value(column, alpha) > delta:
            break
        held += 1
    return held


STAKES = (0.3, 0.6, 0.95)
"""Shares of the largest stake that :func:`upper_bound` bets with, each with an equal part of the wealth."""


def upper_bound(losses: Sequence[float] | Floats, delta: float) -> float:
    """Return an upper bound of the expected loss that holds with probability 1 − delta: the largest mean against which
    bets on the losses being smaller do not win 1/delta.

    It is nearer to the mean than the largest risk that :func:`p_value` does not rule out where losses differ little, as
    small shares do; no bound of n losses is below 1 − delta^(1/n).

    Raises
    ------
    ConfigError
        If a loss is not in [0, 1].
    """
    values = _checked(losses, 0.5)
    if not len(values):
        return 1.0
    low, high = float(values.mean()), 1.0
    for _ in range(50):
        mean = (low + high) / 2
        if not low < mean < high:
            break
        if _wealth(values, mean) >= math.log(1.0 / delta):
            high = mean
        else:
            low = mean
    return high


def _wealth(values: Floats, mean: float) -> float:
    """Return the logarithm of what bets against "the mean is at least `mean`" have come to."""
    stakes = np.array(STAKES)[:, None] / (1.0 - mean)  # the worst loss, 1, leaves something
    each = np.log1p(stakes * (mean - values)).sum(1)
    return float(each.max() + np.log(np.exp(each - each.max()).mean()))
