"""Truth values over named variables: the tensor, its axes, comparisons and expectations of such tensors."""

from neptune.algebra.tensor.tensor import ProbabilisticTensor

__all__ = ["ProbabilisticTensor"]
