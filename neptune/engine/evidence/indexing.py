"""Tuples of objects as arrays: all of them, those without repetition, and their places in a flat table."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neptune.scene.types import IntArray

FEW = 32
"""So many numbers are put in a dict sooner than it takes to call NumPy."""


@lru_cache(maxsize=256)
def off_diagonal(n: int, k: int, symmetric: bool = False) -> IntArray:
    """Return all k-tuples of distinct objects out of n, in lexicographic order: shape ``(M, k)``, read-only.

    k = 0 gives the one empty tuple, shape ``(1, 0)``. With `symmetric` (k = 2) only pairs i < j.
    """
    if k == 0:
        tuples = np.zeros((1, 0), dtype=np.int64)
    elif k == 2 and symmetric:
        tuples = np.stack(np.triu_indices(n, 1), axis=1).astype(np.int64)
    else:
        tuples = np.indices((n,) * k, dtype=np.int64).reshape(k, -1).T
        tuples = np.ascontiguousarray(tuples[distinct(tuples)])
    tuples.flags.writeable = False
    return tuples


@lru_cache(maxsize=256)
def all_flat(n: int, arity: int, symmetric: bool) -> IntArray:
    """Return the tuples of :func:`off_diagonal` as flat indices, shape ``(M,)``, read-only."""
    tuples = off_diagonal(n, arity, symmetric)
    if arity == 0:
        return np.zeros(1, dtype=np.int64)
    flat = np.zeros(len(tuples), dtype=np.int64)
    for column in tuples.T:
        flat = flat * n + column
    flat.flags.writeable = False
    return flat


@lru_cache(maxsize=256)
def diagonal(n: int, arity: int) -> NDArray[np.bool_]:
    """Return where a tuple of objects names one twice, shape ``(n,) * arity``; read-only."""
    out = np.zeros((n,) * arity, dtype=np.bool_)
    grid = np.indices((n,) * arity) if arity else np.zeros((0,))
    for i, j in itertools.combinations(range(arity), 2):
        out |= grid[i] == grid[j]
    out.flags.writeable = False
    return out


def distinct(tuples: IntArray) -> NDArray[np.bool_]:
    """Return which rows of ``(M, k)`` name no object twice: shape ``(M,)``."""
    keep = np.ones(len(tuples), dtype=np.bool_)
    for i, j in itertools.combinations(range(tuples.shape[1]), 2):
        keep &= tuples[:, i] != tuples[:, j]
    return keep


def unique(flat: IntArray) -> IntArray:
    """Return the values without repetition, in order of first appearance."""
    if len(flat) > FEW and (flat[1:] > flat[:-1]).all():
        return flat
    once = dict.fromkeys(flat.tolist())
    return flat if len(once) == len(flat) else np.array(list(once), dtype=np.int64)


def unflatten(flat: IntArray, shape: tuple[int, ...]) -> IntArray:
    """Return flat indices into a table as rows of objects: shape ``(M, len(shape))``."""
    if not shape:
        return np.zeros((len(flat), 0), dtype=np.int64)
    if len(shape) == 1:
        return flat[:, None]
    rows = np.empty((len(flat), len(shape)), dtype=np.int64)
    for place in range(len(shape) - 1, 0, -1):
        flat, rows[:, place] = np.divmod(flat, shape[place])
    rows[:, 0] = flat
    return rows
