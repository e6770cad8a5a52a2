"""A lawful, differentiable soft logic over named variables; usable alone, with no scene and no oracle.

>>> from neptune.algebra import ProbabilisticTensor, logic
>>> cube = ProbabilisticTensor([0.9, 0.2, 0.6], ["x"])
>>> left = ProbabilisticTensor([[0.0, 0.8, 0.9], [0.2, 0.0, 0.7], [0.1, 0.3, 0.0]], ["x", "y"])
>>> round((cube & left).exists(["x", "y"]).item(), 2)
0.9
"""

from typing import TYPE_CHECKING, Any

from neptune.algebra import logic
from neptune.algebra.errors import AlgebraError
from neptune.algebra.logic import Frank, Logic
from neptune.algebra.tensor import ProbabilisticTensor
from neptune.algebra.tensor.comparison import compare_counts, soft_equal, soft_greater
from neptune.algebra.tensor.expectation import expectation

if TYPE_CHECKING:
    from neptune.algebra.temperature import LogicParameters, OracleTemperature

__all__ = ["AlgebraError", "Frank", "Logic", "LogicParameters", "OracleTemperature", "ProbabilisticTensor"]
__all__ += ["compare_counts", "expectation", "logic", "soft_equal", "soft_greater"]


def __getattr__(name: str) -> Any:
    if name in ("LogicParameters", "OracleTemperature"):  # modules of torch, which is loaded for them
        from neptune.algebra import temperature

        return getattr(temperature, name)
    raise AttributeError(f"module 'neptune.algebra' has no attribute {name!r}")
