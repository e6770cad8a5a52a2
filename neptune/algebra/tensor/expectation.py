"""A description used as an argument: ``left(x, the y)`` is the expectation of the atom under the description."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from neptune.algebra.convert import into_unit
from neptune.algebra.errors import AlgebraError
from neptune.algebra.late import torch
from neptune.algebra.tensor.axes import mask_of, merge, name_list, positions
from neptune.algebra.tensor.table import Names, Table

if TYPE_CHECKING:
    from torch import Tensor

TableT = TypeVar("TableT", bound=Table)


def _masked(t: Table, vars: tuple[str, ...]) -> Tensor:
    cells = t.values.double()  # summed in float64: the order of the axes changes no bit of the outcome
    mask = mask_of(t.domain or {}, t.vars, [v for v in vars if v in t.vars])
    return cells if mask is None else cells.masked_fill(~mask, 0.0)


def expectation(atom: TableT, weights: Table, var: Names) -> TableT:
    """Return ``Σ w·r`` over `var`: how true the atom is of the object meant.

    Parameters
    ----------
    atom
        The probabilities r.
    weights
        Weights w from :meth:`~neptune.algebra.ProbabilisticTensor.iota`: non-negative, summing to at most 1 over `var`.
    var
        The variable of the description, or several; each in `weights`.

    Returns
    -------
    ProbabilisticTensor
        Over the other variables of both, the atom's first; in [0, 1]; 0 where the domain is empty. Contracted
        without a joint tensor.

    Raises
    ------
    AlgebraError
        If a variable is missing from the weights, if the weights sum to more than 1, or if sizes, domains,
        dtypes or devices of the two differ.
    """
    names = name_list(var)
    dims = positions(names, weights.vars, weights.shape)
    for what in ("dtype", "device"):
        if getattr(atom, what) != getattr(weights, what):
            raise AlgebraError(
                f"{what}s {getattr(atom, what)} and {getattr(weights, what)}", expected="one", hint="use .to(…)"
            )
    vars, domain = merge(atom.vars, atom.shape, atom.domain or {}, weights.vars, weights.shape, weights.domain or {})
    w = _masked(weights, names)
    if dims and w.numel() and float(w.detach().sum(dims).max()) > 1.0 + 1e-3:
        raise AlgebraError(
            f"the weights over {list(names)} sum to more than 1", expected="a distribution", hint="use .iota(…)"
        )
    rest = tuple(v for v in vars if v not in names)
    number = {v: i for i, v in enumerate(vars)}
    summed = torch.einsum(
        _masked(atom, names),
        [number[v] for v in atom.vars],
        w,
        [number[v] for v in weights.vars],
        [number[v] for v in rest],
    ).to(atom.dtype)
    return atom._make(rest, domain, atom.logic, values=into_unit(summed))
