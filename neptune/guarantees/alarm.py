"""An alarm that may be looked at after every picture: a test martingale; and what is audited for it.

The hypothesis: what is audited errs at most as often as it did in calibration. Each audited picture is a bet against
it; while it is true the wealth does not grow on average, so that it ever reaches 1/level has a chance of at most
`level` (Ville 1939), however often one looks and whenever one stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from neptune.errors import ConfigError

STAKES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Shares of the largest stake that are bet with, each with an equal part of the wealth. The best one is about what the
mean exceeds the hypothesis by: small ones are for mistakes that are rare even under a shift."""

PART = 0.1
"""Of an audited picture's ground atoms that were left to the proxy so many are asked."""


def sampling(share: float) -> tuple[float, float]:
    """Return how a share of what is left to a proxy is audited: of so many pictures, so many of the ground atoms.

    A few atoms of each picture would say less: whether *any* of those that were asked is wrong is bounded by 1, and
    what calibration can rule out is a share of pictures, so that a picture's bet should be likely to be lost where the
    proxy is wrong. Many atoms of few pictures would say less as well: mistakes on one picture go together.

    Parameters
    ----------
    share
        In [0, 1].

    Returns
    -------
    tuple
        The share of pictures, and of their atoms; their product is `share`.

    Raises
    ------
    ConfigError
        If it is out of its range.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"audit is {share}", expected="a share in [0, 1]")
    part = max(share, PART)
    return share / part, part


def seen_mistakes(mistakes: Sequence[float], part: float) -> float:
    """Return the chance that an audit of a picture sees a mistake, as the mean over its questions, in [0, 1].

    Parameters
    ----------
    mistakes
        Of each of its questions, how many ground atoms the proxy has on the wrong side.
    part
        Each of them is asked with this chance.
    """
    return sum(1.0 - (1.0 - part) ** n for n in mistakes) / len(mistakes) if mistakes else 0.0


@dataclass(slots=True)
class Alarm:
    """The wealth of bets against "the mean is at most `at_most`".

    Parameters
    ----------
    at_most
        The mean under the hypothesis, in (0, 1).
    level
        The chance of a false alarm over a whole run, however long, in (0, 1).

    Attributes
    ----------
    wealth
        Of all bets together; begins at 1.
    rang_at
        After how many observations it rang; ``None``: not yet.

    Raises
    ------
    ConfigError
        If `at_most` or `level` is out of its range.
    """

    at_most: float
    level: float = 0.05
    seen: int = 0
    rang_at: int | None = None
    _parts: list[float] = field(default_factory=lambda: [1.0] * len(STAKES))

    def __post_init__(self) -> None:
        for name in ("at_most", "level"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ConfigError(f"{name} is {value}", expected="a number between 0 and 1")

    @property
    def wealth(self) -> float:
        """The wealth: the mean of the bets' parts."""
        return sum(self._parts) / len(self._parts)

    @property
    def rings(self) -> bool:
        """Whether the alarm has rung: it stays so."""
        return self.rang_at is not None

    def see(self, value: float) -> bool:
        """Take one observation, and return whether the alarm rings.

        Parameters
        ----------
        value
            A number ≥ 0 whose expectation, given all before, is at most `at_most` under the hypothesis.

        Raises
        ------
        ConfigError
            If it is negative.
        """
        if not value >= 0.0:
            raise ConfigError(f"an observation is {value}", expected="a number ≥ 0")
        self.seen += 1
        # Stakes below 1/at_most: the worst observation, 0, leaves something.
        self._parts = [
            part * (1.0 + stake / self.at_most * (value - self.at_most))
            for part, stake in zip(self._parts, STAKES, strict=True)
        ]
        if self.rang_at is None and self.wealth >= 1.0 / self.level:
            self.rang_at = self.seen
        return self.rings
