"""A lawful, differentiable soft logic over named variables; usable alone, with no scene and no oracle.

>>> from neptune.algebra import ProbabilisticTensor, logic
>>> cube = ProbabilisticTensor([0.9, 0.2, 0.6], ["x"])
>>> left = ProbabilisticTensor([[0.0, 0.8, 0.9], [0.2, 0.0, 0.7], [0.1, 0.3, 0.0]], ["x", "y"])
>>> round((cube & left).exists(["x", "y"]).item(), 2)
0.9
"""

from neptune.algebra import logic
from neptune.algebra.errors import AlgebraError
from neptune.algebra.logic import Frank, Logic
from neptune.algebra.temperature import LogicParameters, OracleTemperature
from neptune.algebra.tensor import ProbabilisticTensor
from neptune.algebra.tensor.comparison import compare_counts, soft_equal, soft_greater
from neptune.algebra.tensor.expectation import expectation

__all__ = ["AlgebraError", "Frank", "Logic", "LogicParameters", "OracleTemperature", "ProbabilisticTensor"]
__all__ += ["compare_counts", "expectation", "logic", "soft_equal", "soft_greater"]
