"""The axes of arrays about formulas: one of length N for each free variable, sorted by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dsl.plan import Term
from neptune.scene.types import IntArray

Mask = NDArray[np.bool_]
Axes = tuple[str, ...]


class Sizes:
    """How many objects each variable may stand for: N, unless said otherwise."""

    def __init__(self, count: int, but: Mapping[str, int]) -> None:
        self._count, self._but = count, but

    def shape(self, names: Axes) -> tuple[int, ...]:
        """Return the shape of an array over some variables."""
        return tuple([self._but.get(v, self._count) for v in names])


ArrayT = TypeVar("ArrayT", NDArray[np.float64], NDArray[np.bool_])


@lru_cache(maxsize=4096)
def sorted_axes(names: frozenset[str]) -> Axes:
    """Return the order of the axes of an array over some variables."""
    return tuple(sorted(names))


def some(mask: Mask) -> bool:
    """Tell whether any of a mask is true: quicker than ``any``."""
    return b"\1" in mask.tobytes()


def every(mask: Mask) -> bool:
    """Tell whether all of a mask is true: quicker than ``all``."""
    return b"\0" not in mask.tobytes()


def places(mask: Mask) -> IntArray:
    """Return where a mask is true, in order: ``(M, axes)``."""
    return np.array(mask.nonzero(), dtype=np.int64).T if mask.ndim else np.argwhere(mask)


def project(array: ArrayT, have: Axes, want: Axes) -> ArrayT:
    """Return the maximum over the axes not wanted (of booleans: whether any is true); those wanted are among those
    there."""
    if have == want:
        return array
    gone, order = _projection(have, want)
    reduced = np.maximum.reduce(array, axis=gone) if gone else array
    return np.asarray(reduced if order is None else reduced.transpose(order))


@lru_cache(maxsize=4096)
def _projection(have: Axes, want: Axes) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return which axes are reduced, and the order of the others, where it changes."""
    kept = [v for v in have if v in want]
    order = tuple([kept.index(v) for v in want])
    return tuple([i for i, v in enumerate(have) if v not in want]), None if order == (*range(len(want)),) else order


def shape_of(sizes: int | Sizes, names: Axes) -> tuple[int, ...]:
    """Return the shape of an array over some variables: of N cells each, or as sizes say."""
    return (sizes,) * len(names) if isinstance(sizes, int) else sizes.shape(names)


def spread(array: ArrayT, have: Axes, want: Axes, n: int | Sizes) -> ArrayT:
    """Return the array over more axes, by repetition."""
    if have == want:
        return array
    order, index = _spreading(have, want)
    array = np.asarray(array)
    if order is not None:
        array = array.transpose(order)
    if len(have) == len(want):
        return array
    (out := np.empty(shape_of(n, want), dtype=array.dtype))[...] = array[index]
    return out


@lru_cache(maxsize=4096)
def _spreading(have: Axes, want: Axes) -> tuple[tuple[int, ...] | None, tuple[slice | None, ...]]:
    """Return the order of the axes there, where it changes, and the index that puts the others between them."""
    order = tuple([have.index(v) for v in want if v in have])
    index = tuple([slice(None) if v in have else None for v in want])
    return None if order == (*range(len(have)),) else order, index


@lru_cache(maxsize=4096)
def placing(terms: tuple[Term, ...]) -> tuple[tuple[int | slice, ...] | None, tuple[int, ...] | None]:
    """Return the index that puts the given objects of an atom into its table, and the order of the axes left, sorted by
    name; each ``None`` where it changes nothing."""
    names = [t for t in terms if isinstance(t, str)]
    index = tuple([t if isinstance(t, int) else slice(None) for t in terms])
    order = tuple([names.index(v) for v in sorted(names)])
    return None if len(names) == len(terms) else index, None if order == (*range(len(names)),) else order
