"""An alarm that may be looked at after every picture: a test martingale.

The hypothesis: what is audited errs at most as often as it did in calibration. Each picture is a bet against it; while
it is true the wealth does not grow on average, so that it ever reaches 1/level has a chance of at most `level` (Ville
1939), however often one looks and whenever one stops.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neptune.errors import ConfigError

STAKES = (0.05, 0.1, 0.2, 0.4, 0.7)
"""Shares of the largest stake that are bet with, each with an equal part of the wealth."""


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
