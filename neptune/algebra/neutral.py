"""The neutral temperatures, known without torch, in which those that may be learned are held."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from neptune.algebra.late import is_loaded

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.algebra.temperature import LogicParameters

NUMBERS = (0.0, float("-inf"), 0.0, float("-inf"), 0.0, 0.0)
"""``LogicParameters().numbers()``."""
NEUTRAL: dict[str, Any] = {
    "logic": "godel",
    "theta": None,
    "quantifier_tau": 0.0,
    "iota_tau": 1.0,
    "comparison_tau": 0.0,
    "presupposition_b": 0.0,
    "oracle": {"default": {"T": 1.0, "b": 0.0}},
}
"""``LogicParameters().to_dict()``."""


def neutral_parameters() -> LogicParameters:
    """Return ``LogicParameters()``, or what stands for it."""
    return cast("LogicParameters", NeutralParameters())


class NeutralParameters:
    """``LogicParameters()``, which is made when torch is loaded, or needed: until then nothing can have changed it.

    What is not said here is the attribute of that object.
    """

    @cached_property
    def made(self) -> LogicParameters:
        """The learnable numbers themselves."""
        from neptune.algebra.temperature import LogicParameters

        return LogicParameters()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made, name)

    @property
    def quantifier_tau(self) -> float | Tensor:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.quantifier_tau if is_loaded() else 0.0

    @property
    def iota_tau(self) -> float | Tensor:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.iota_tau if is_loaded() else 1.0

    @property
    def presumption(self) -> float | Tensor:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.presumption if is_loaded() else 1.0

    def kind_of(self, name: str) -> str:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.kind_of(name) if is_loaded() else "default"

    def believed(self, kind: str, value: object, probability: float) -> float:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.believed(kind, value, probability) if is_loaded() else probability

    def numbers(self) -> tuple[float, ...]:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.numbers() if is_loaded() else NUMBERS

    def to_dict(self) -> dict[str, Any]:
        """As of :class:`~neptune.algebra.LogicParameters`."""
        return self.made.to_dict() if is_loaded() else NEUTRAL
