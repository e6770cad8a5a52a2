"""What a conversation may use before it ends without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from neptune.errors import ConfigError, one_of

ENDS = {
    "answered": "the model answered, or a program returned the answer",
    "turns": "all turns were used",
    "pictures": "a block showed more pictures than may be shown",
    "tokens": "the next reply could take more tokens than there are",
    "money": "the next reply could cost more than there is",
    "oracle_calls": "the programs asked the oracle as often as they may",
    "seconds": "the time was over",
    "refused": "three programs running were refused, or three replies were none",
    "repeats": "the model wrote the same program three times running",
    "no_code": "a reply had neither code nor an answer (PyVision's way to end)",
    "model": "the model failed, refused or was cut off",
}
"""How a conversation can end: the word in the record, and what it means."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """What one conversation may use.

    Parameters
    ----------
    turns
        Replies of the model, ≥ 1.
    pictures
        Pictures that it is shown, those of the question included; 0: none is shown, of a model that takes texts alone.
    tokens
        Tokens that it reads and writes, all requests together.
    money
        In the currency of the prices; ``None``: any.
    oracle_calls
        Calls of the oracle by its programs; ``None``: any.
    seconds
        Of the whole conversation.

    Raises
    ------
    ConfigError
        If one of them is below 1 (money: not above 0).
    """

    turns: int = 10
    pictures: int = 32
    tokens: int = 200_000
    money: float | None = None
    oracle_calls: int | None = None
    seconds: float = 600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = {"money": 0.0, "seconds": 0.0, "pictures": -0.001}.get(field.name, 0.999)
            if value is not None and not value > least:
                raise ConfigError(
                    f"'turn_limits.{field.name}' is {value}",
                    expected="0 or more" if field.name == "pictures" else "a number above 0",
                    hint="Leave it out for the usual",
                )

    @classmethod
    def of(cls, turns: int, given: Mapping[str, Any], prices: Mapping[str, float]) -> TurnLimits:
        """Return the limits that a config says.

        Raises
        ------
        ConfigError
            If one is unknown or no number, or money is limited where no price is known.
        """
        known = [field.name for field in fields(cls) if field.name != "turns"]
        for name, value in given.items():
            if name not in known:
                raise ConfigError(f"There is no limit 'turn_limits.{name}'", **one_of(name, known))
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"'turn_limits.{name}' is {value!r}", expected="a number")
            if name in ("pictures", "tokens", "oracle_calls") and value != int(value):
                raise ConfigError(f"'turn_limits.{name}' is {value!r}", expected="a whole number")
        if "money" in given and not any(prices.values()):
            raise ConfigError(
                "'turn_limits.money' limits money, and no price is known",
                expected='code_gen_prices, e.g. {"prompt": 0.15, "completion": 0.6} for a million tokens',
                hint="Add the model's prices, or limit tokens instead",
            )
        return cls(turns, **given)
