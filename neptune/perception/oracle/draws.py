"""Random numbers that depend on a key and a place only, never on the order in which they are drawn.

Counter-based (SplitMix64's finaliser over key and place): the same cell of the same question has the same
number in every batch, thread and process.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neptune.scene.types import IntArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = (np.uint64(k) for k in (30, 27, 31, 11))


@lru_cache(maxsize=65536)
def key_of(*parts: object) -> int:
    """Return a 64-bit key for a tuple of texts and numbers."""
    text = "\x1f".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def uniform(key: int, objects: IntArray, stream: int = 0) -> NDArray[np.float64]:
    """Return one number in (0, 1) for each row of `objects` ``(M, arity)``: shape ``(M,)``.

    `stream` gives independent numbers for the same key and place.
    """
    state = np.full(len(objects), (key + stream * 0xD1342543DE82EF95) % 2**64, dtype=np.uint64)
    for column in np.asarray(objects, dtype=np.int64).T:
        state = _mix(state + (column.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    state = _mix(state + _GOLDEN)
    return ((state >> _11).astype(np.float64) + 0.5) * 2.0**-53


def normal(key: int, objects: IntArray) -> NDArray[np.float64]:
    """Return one number of the standard normal distribution for each row of `objects`: shape ``(M,)``."""
    radius = np.sqrt(-2.0 * np.log(uniform(key, objects, 1)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(key, objects, 2)))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)
