"""Axes with names: alignment by variable, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from neptune.algebra.errors import AlgebraError, did_you_mean
from neptune.algebra.late import torch

if TYPE_CHECKING:
    from torch import Tensor

Domain: TypeAlias = "dict[str, Tensor]"


def show(vars: Sequence[str], shape: Sequence[int]) -> str:
    """Return ``(x=3, y=3)`` for the variables and sizes of a tensor."""
    return "(" + ", ".join(f"{v}={n}" for v, n in zip(vars, shape)) + ")"


def name_list(vars: str | Sequence[str]) -> tuple[str, ...]:
    """Return variables as a tuple; one string is one variable."""
    return (vars,) if isinstance(vars, str) else tuple(vars)


def check_vars(vars: Sequence[str], shape: Sequence[int]) -> None:
    """Raise AlgebraError unless there is one distinct, non-empty name for each axis."""
    if any(not isinstance(v, str) or not v for v in vars):
        raise AlgebraError(f"variables {list(vars)}", expected="non-empty names")
    if len(set(vars)) != len(vars):
        raise AlgebraError(f"a variable is named twice in {list(vars)}", expected="one distinct name for each axis")
    if len(vars) != len(shape):
        raise AlgebraError(
            f"{len(vars)} variables {list(vars)} for values of shape {tuple(shape)}",
            expected="one variable for each axis",
            hint="name every axis, or reshape the values",
        )


def check_domain(
    domain: Mapping[str, Tensor | None] | None, vars: Sequence[str], shape: Sequence[int], device: torch.device
) -> Domain:
    """Return the masks of a domain, checked; a mask without padding is dropped (it says nothing)."""
    out: Domain = {}
    for var, given in (domain or {}).items():
        if var not in vars:
            raise AlgebraError(f"the domain names '{var}', which is not in {list(vars)}", hint=did_you_mean(var, vars))
        if given is None:
            continue
        mask = torch.as_tensor(given)
        size = shape[list(vars).index(var)]
        if mask.dtype != torch.bool or tuple(mask.shape) != (size,):
            raise AlgebraError(
                f"the domain of '{var}' is {mask.dtype} of shape {tuple(mask.shape)}",
                expected=f"booleans of shape ({size},), False for padding",
            )
        if mask.device != device:
            raise AlgebraError(
                f"the domain of '{var}' is on {mask.device}, the values on {device}", hint="move one with .to(device)"
            )
        if not bool(mask.all()):
            out[var] = mask
    return out


def positions(wanted: str | Sequence[str], vars: Sequence[str], shape: Sequence[int]) -> list[int]:
    """Return the axes of the wanted variables, in their order.

    Raises
    ------
    AlgebraError
        If a variable is unknown or given twice.
    """
    names = name_list(wanted)
    if len(set(names)) != len(names):
        raise AlgebraError(f"a variable is named twice in {list(names)}")
    for name in names:
        if name not in vars:
            raise AlgebraError(
                f"no variable '{name}' in {show(vars, shape)}",
                expected="one of " + ", ".join(f"'{v}'" for v in vars) if vars else "a tensor that has it",
                hint=did_you_mean(name, vars),
            )
    return [list(vars).index(name) for name in names]


def merge(
    vars_a: tuple[str, ...],
    shape_a: Sequence[int],
    domain_a: Domain,
    vars_b: tuple[str, ...],
    shape_b: Sequence[int],
    domain_b: Domain,
) -> tuple[tuple[str, ...], Domain]:
    """Return the variables and domain of two tensors together: the left one's axes, then what the right one adds.

    Raises
    ------
    AlgebraError
        If a variable of both has two sizes or two domains.
    """
    for var in vars_a:
        if var not in vars_b:
            continue
        size_a, size_b = shape_a[vars_a.index(var)], shape_b[vars_b.index(var)]
        if size_a != size_b:
            raise AlgebraError(
                f"'{var}' has {size_a} objects in {show(vars_a, shape_a)} and {size_b} in {show(vars_b, shape_b)}",
                expected="the same objects for the same variable",
                hint="rename one of them, or build both from the same scene",
            )
        mask_a, mask_b = domain_a.get(var), domain_b.get(var)
        if mask_a is not mask_b and (mask_a is None or mask_b is None or not torch.equal(mask_a, mask_b)):
            raise AlgebraError(
                f"'{var}' has two domains: {_mask(mask_a)} in {show(vars_a, shape_a)} and "
                f"{_mask(mask_b)} in {show(vars_b, shape_b)}",
                expected="the same padding for the same variable",
                hint="give both tensors the same domain",
            )
    new = tuple(v for v in vars_b if v not in vars_a)
    return vars_a + new, {**domain_a, **domain_b}


def _mask(mask: Tensor | None) -> str:
    return "no padding" if mask is None else "".join("1" if m else "0" for m in mask.tolist())


def view(x: Tensor, vars: Sequence[str], out: Sequence[str]) -> Tensor:
    """Return x with its axes in the order of `out`, and an axis of size 1 for each variable that it lacks."""
    if tuple(vars) == tuple(out):
        return x
    at = list(vars)
    x = x.permute([at.index(v) for v in out if v in at])
    return x[tuple(slice(None) if v in at else None for v in out)]


def mask_of(domain: Domain, vars: Sequence[str], names: Sequence[str]) -> Tensor | None:
    """Return one mask, broadcastable to axes `vars`, that is False where any of the variables `names` is padding."""
    out: Tensor | None = None
    for name in names:
        if name in domain:
            one = view(domain[name], (name,), vars)
            out = one if out is None else out & one
    return out
