"""Guesses at what has not been asked: for the order of asking only, never for an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from dsl.plan import Predicate
from dsl.vocabulary import Vocabulary
from neptune.scene import Scene
from neptune.scene.types import IntArray

Floats = NDArray[np.float64]
Prior = Callable[[Scene, Predicate, IntArray], "Floats | None"]
"""Guesses the probabilities of a predicate at tuples of objects ``(M, arity)``, shape ``(M,)``; ``None``: no idea."""

PSEUDO_COUNT = 4.0
"""How many answers the vocabulary's guess weighs against those seen."""

SCENES_KEPT = 64
"""Of so many scenes guesses are kept."""

_NOT_GUESSED: Final[Any] = object()

_AXES = {"left": (0, 1.0), "right": (0, -1.0), "behind": (1, 1.0), "front": (1, -1.0)}


def box_prior(scene: Scene, predicate: Predicate, tuples: IntArray) -> Floats | None:
    """Guess ``left right front behind`` from the boxes: what is behind stands higher in the picture.

    A logistic curve of the distance between the boxes' feet, in a twentieth of the picture's size; ``None`` for
    another predicate.
    """
    if predicate.name not in _AXES or predicate.arity != 2:
        return None
    axis, sign = _AXES[predicate.name]
    boxes = scene.boxes.astype(np.float64)
    place = (boxes[:, 0] + boxes[:, 2]) / 2 if axis == 0 else boxes[:, 3]
    gap = sign * (place[tuples[:, 1]] - place[tuples[:, 0]]) / (scene.size[axis] / 20)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(gap, -30.0, 30.0))))


def all_tuples(shape: tuple[int, ...]) -> IntArray:
    """Return all places of an array, ``(M, len(shape))``, in order."""
    return np.indices(shape, dtype=np.int64).reshape(len(shape), math.prod(shape)).T


@dataclass(slots=True)
class Frequency:
    """How often a predicate was true so far.

    Parameters
    ----------
    start
        The guess before anything was seen, in (0, 1).
    siblings
        The other values of its sort; none if it is no value.
    true, asked
        How often it was true, of how many answers.
    """

    start: float
    siblings: tuple[Predicate, ...]
    true: float = 0.0
    asked: float = 0.0

    @property
    def estimate(self) -> float:
        """The estimated probability that it is true of some objects, in (0, 1)."""
        return (self.true + PSEUDO_COUNT * self.start) / (self.asked + PSEUDO_COUNT)


class Estimates:
    """How often each predicate was true so far, on all scenes that one engine has seen.

    Parameters
    ----------
    vocabulary
        A value of a sort of K values starts at 1/K; anything else at ½.
    prior
        A better guess at each tuple of objects, or ``None``.
    """

    def __init__(self, vocabulary: Vocabulary | None = None, prior: Prior | None = None) -> None:
        self.vocabulary, self.prior = vocabulary, prior
        self._seen: dict[Predicate, Frequency] = {}
        self._everywhere: LRUCache[int, tuple[Scene, dict[Predicate, Floats | None]]] = LRUCache(SCENES_KEPT)

    def copy(self) -> Estimates:
        """Return the same estimates, which then learn for themselves."""
        found = Estimates(self.vocabulary, self.prior)
        found._seen = {predicate: replace(seen) for predicate, seen in self._seen.items()}
        return found

    def everywhere(self, scene: Scene, predicate: Predicate) -> Floats | None:
        """Return the better guess at a predicate at all tuples of a scene's objects, ``(N, …)``, in (0, 1); ``None``
        where there is none."""
        if self.prior is None:
            return None
        kept = self._everywhere.get(id(scene))
        if kept is None or kept[0] is not scene:
            kept = self._everywhere[id(scene)] = (scene, {})
        found: Floats | None = kept[1].get(predicate, _NOT_GUESSED)
        if found is _NOT_GUESSED:
            shape = (len(scene),) * predicate.arity
            guessed = self.prior(scene, predicate, all_tuples(shape))
            found = kept[1][predicate] = None if guessed is None else np.clip(guessed, 1e-3, 1 - 1e-3).reshape(shape)
        return found

    def learn(self, predicate: Predicate, true: int, asked: int) -> None:
        """Add what the oracle said: `true` of `asked` times."""
        found = self.of(predicate)
        found.true += true
        found.asked += asked

    def of(self, predicate: Predicate) -> Frequency:
        """Return how often the predicate was true; what is learned of it is added there."""
        found = self._seen.get(predicate)
        if found is None:
            siblings = self.siblings(predicate)
            found = self._seen.setdefault(predicate, Frequency(1.0 / max(len(siblings) + 1, 2), siblings))
        return found

    def frequency(self, predicate: Predicate) -> float:
        """Return the estimated probability that the predicate is true of some objects, in (0, 1)."""
        return self.of(predicate).estimate

    def siblings(self, predicate: Predicate) -> tuple[Predicate, ...]:
        """Return the other values of the predicate's sort, as predicates; none if it is no value."""
        values: tuple[str, ...] = ()
        if self.vocabulary is not None and predicate.arity == 1 and predicate.name:
            sort = self.vocabulary.sort_of_value(predicate.name)
            values = self.vocabulary.values(sort) if sort else ()
        return tuple(Predicate(v, 1) for v in values if v != predicate.name)

    def probabilities(self, scene: Scene, predicate: Predicate, tuples: IntArray) -> Floats:
        """Return estimated probabilities of a predicate at tuples ``(M, arity)``: shape ``(M,)``, in (0, 1)."""
        if self.prior is not None:
            guessed = self.prior(scene, predicate, tuples)
            if guessed is not None:
                return np.clip(guessed, 1e-3, 1 - 1e-3)
        return np.full(len(tuples), self.frequency(predicate))
