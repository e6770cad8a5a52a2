"""Sets of answers that hold the right one, and answers that are withheld: split conformal, and selective risk.

Both are about the truth, and need labels. One question a picture is drawn, or all of a picture are weighed as one, as
what is asked of one picture goes together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from neptune.errors import ConfigError
from neptune.guarantees.risk import fewest

Floats = NDArray[np.float64]
A = TypeVar("A", bound=Hashable)

LEVELS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Confidences from which on a question may be answered, fixed before any data are seen."""


def scores_of(chances: Mapping[A, float], draw: float = 1.0) -> dict[A, float]:
    """Return how strange each answer is: the mass of the answers that are likelier, and its own, drawn from.

    Parameters
    ----------
    chances
        Answer → its probability; they sum to at most 1.
    draw
        In [0, 1]: of the answer's own mass so much counts. 1: all of it, sets are never empty where there is an
        answer; a uniform draw for each question makes the coverage exact, and sets may be empty.
    """
    total, found = 0.0, {}
    for answer in sorted(chances, key=lambda a: (-chances[a], str(a))):
        found[answer] = total + draw * chances[answer]
        total += chances[answer]
    return found


TIES = 1e-9
"""So much a draw weighs beside a probability: it tells apart what is equally likely, and nothing else."""


def unlikely_of(chances: Mapping[A, float], draw: float = 1.0) -> dict[A, float]:
    """Return how unlikely each answer is: the sets by this score are the smallest on average (Sadinle et al. 2019).

    Parameters
    ----------
    chances
        Answer → its probability in [0, 1].
    draw
        In [0, 1]. A uniform draw for each question parts those that are equally likely, so that coverage is exact.
    """
    return {a: 1.0 - p + TIES * draw for a, p in sorted(chances.items(), key=lambda pair: (-pair[1], str(pair[0])))}


def threshold(
    strangeness: Sequence[float] | Floats, alpha: float, weights: Sequence[float] | Floats | None = None
) -> float:
    """Return the largest strangeness that a set takes in, so that the truth is missed with a chance of at most alpha.

    Parameters
    ----------
    strangeness
        Of the right answers of n questions, exchangeable with the next one.
    alpha
        In (0, 1).
    weights
        Of the questions, summing to the number of groups (a picture's questions share 1); ``None``: each is a group of
        its own. The next question is drawn from a new group, which weighs 1.

    Returns
    -------
    float
        Infinite where there are too few: every answer is in the set.

    Raises
    ------
    ConfigError
        If alpha is not in (0, 1), or there is another number of weights.
    """
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha is {alpha}", expected="a number between 0 and 1")
    values = np.asarray(strangeness, dtype=np.float64)
    weighed = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(weighed) != len(values):
        raise ConfigError(f"{len(weighed)} weights for {len(values)} questions")
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weighed[order])
    needed = (1.0 - alpha) * (float(weighed.sum()) + 1.0)
    at = int(np.searchsorted(mass, needed - 1e-9))
    return float(values[order][at]) if at < len(values) else math.inf


class AnswerSets(Generic[A]):
    """Sets of answers with coverage of at least 1 − alpha: one threshold for all, or (Mondrian) one a family.

    Parameters
    ----------
    alpha
        The chance of missing the right answer, in (0, 1).
    thresholds
        Family → threshold; ``""`` that of all families together, for those that were not seen.
    score
        How strange each answer is: :func:`scores_of`, or :func:`unlikely_of`.
    """

    def __init__(
        self,
        alpha: float,
        thresholds: Mapping[str, float],
        score: Callable[[Mapping[A, float], float], dict[A, float]] = scores_of,
    ) -> None:
        self.alpha, self.thresholds, self._score = alpha, dict(thresholds), score

    @classmethod
    def fitted(
        cls,
        strangeness: Sequence[float],
        alpha: float,
        families: Sequence[str] | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> AnswerSets[A]:
        """Fit thresholds on questions with known answers.

        Parameters
        ----------
        strangeness
            Of the right answers (:func:`scores_of`); infinite where the right one is not among the answers.
        alpha
            In (0, 1).
        families
            Of the questions: coverage holds within each (Mondrian); ``None``: over all.
        groups
            What questions share (their picture): a group's questions weigh 1 together.
        """
        names = ["" for _ in strangeness] if families is None else list(families)
        shared: Sequence[Hashable] = list(range(len(names))) if groups is None else list(groups)
        found = {"": cls._fitted(strangeness, shared, alpha)}
        for family in dict.fromkeys(names):
            mine = [k for k, name in enumerate(names) if name == family]
            found[family] = cls._fitted([strangeness[k] for k in mine], [shared[k] for k in mine], alpha)
        return cls(alpha, found)

    @staticmethod
    def _fitted(strangeness: Sequence[float], groups: Sequence[Hashable], alpha: float) -> float:
        sizes: dict[Hashable, int] = {}
        for group in groups:
            sizes[group] = sizes.get(group, 0) + 1
        return threshold(strangeness, alpha, [1.0 / sizes[group] for group in groups])

    def of(self, chances: Mapping[A, float], family: str = "", draw: float = 1.0) -> list[A]:
        """Return the set of answers of a question, the likeliest first.

        With `draw` 1 and any probable answer it is not empty. A family that was not seen has the threshold of all,
        and no guarantee of its own.
        """
        limit = self.thresholds.get(family, self.thresholds[""])
        strange = self._score(chances, draw)
        kept = [a for a, value in strange.items() if value <= limit]
        if not kept and draw == 1.0 and strange:
            kept = [next(iter(strange))]
        return kept


def selective_threshold(
    confidence: Sequence[float], wrong: Sequence[bool], groups: Sequence[Hashable], alpha: float, delta: float
) -> float:
    """Return the least confidence with which a question is answered, so that P(wrong | answered) ≤ alpha with
    confidence 1 − delta; infinite where none can be.

    Each of :data:`LEVELS` is tested by the exact binomial tail, at delta shared out among them (Bonferroni). One
    question a group counts, the first, so that they are independent.

    Parameters
    ----------
    confidence
        In [0, 1], of n questions.
    wrong
        Whether their answers are wrong.
    groups
        Their pictures.
    alpha, delta
        In (0, 1).
    """
    from scipy.stats import binom  # a second to load, and few runs need it

    fewest(alpha, delta)  # checks both
    first: dict[Hashable, int] = {}
    for k, group in enumerate(groups):
        first.setdefault(group, k)
    sure = np.array([confidence[k] for k in first.values()], dtype=np.float64)
    bad = np.array([wrong[k] for k in first.values()], dtype=np.bool_)
    for level in LEVELS:
        answered = sure >= level
        n = int(answered.sum())
        if n and binom.cdf(int(bad[answered].sum()), n, alpha) <= delta / len(LEVELS):
            return level
    return math.inf


def risk_coverage(confidence: Sequence[float], wrong: Sequence[bool]) -> list[tuple[float, float]]:
    """Return the risk–coverage curve: for each share of questions answered, the surest first, the share of wrong ones.

    Questions of equal confidence are answered together: the curve has one point a distinct confidence.
    """
    sure, bad = np.asarray(confidence, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    if not len(sure):
        return []
    order = np.argsort(-sure, kind="stable")
    sure, bad = sure[order], bad[order]
    last = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    count = np.arange(1, len(sure) + 1)
    return [(float(count[k] / len(sure)), float(bad[: k + 1].mean())) for k in last]
