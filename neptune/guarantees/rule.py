"""What a certificate of answers says a run is to do: which answers are in a question's set, or how sure one must be."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from neptune.guarantees.conformal import AnswerSets, selective_threshold, unlikely_of

A = TypeVar("A", bound=Hashable)


class AnswerRule(BaseModel):
    """Sets of answers (``sets``), or answers given only where they are sure enough (``selective``).

    ``thresholds`` has for each family, ``"dataset: family"``, and for all (``""``), how unlikely an answer may be to be
    in the set; ``None``: any. ``randomised``: coverage is exact, and sets may be empty. ``least_confidence`` is the
    probability from which on an answer is given; ``None``: none is. ``covered``, ``size`` and ``answered`` are what
    came of it on the calibration questions themselves: not an estimate of what is to come.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["sets", "selective"]
    randomised: bool = False
    thresholds: dict[str, float | None] = Field(default_factory=dict)
    least_confidence: float | None = None
    covered: float | None = None
    size: float | None = None
    answered: float | None = None

    def set_of(self, chances: Mapping[A, float], family: str, draw: float = 1.0) -> list[A]:
        """Return the set of answers, the likeliest first; with no chances known, no answer can be left out: empty.

        Parameters
        ----------
        chances
            Answer → its probability.
        family
            ``"dataset: family"``; one that was not calibrated has the threshold of all, and no guarantee of its own.
        draw
            Of the question (:func:`draw_of`), where the rule is randomised.
        """
        limits = {name: math.inf if value is None else value for name, value in self.thresholds.items()}
        sets: AnswerSets[A] = AnswerSets(0.5, limits, unlikely_of)
        return sets.of(chances, family, draw if self.randomised else 1.0)

    def gives(self, confidence: float | None) -> bool:
        """Whether an answer of this probability is given; of one that is not known, it is not."""
        return self.least_confidence is not None and (confidence or 0.0) >= self.least_confidence


def sets_rule(
    unlikely: Sequence[float], families: Sequence[str], groups: Sequence[Hashable], alpha: float, randomised: bool
) -> AnswerRule:
    """Return the rule of sets that hold the right answer with a chance of at least 1 − alpha, in each family.

    Parameters
    ----------
    unlikely
        Of n questions, how unlikely the right answer was (:func:`~neptune.guarantees.conformal.unlikely_of`); infinite
        where it was not among the answers.
    families, groups
        Of the questions: ``"dataset: family"``, and the picture.
    alpha
        In (0, 1).
    randomised
        Whether `unlikely` was made with a draw for each question.
    """
    sets: AnswerSets[str] = AnswerSets.fitted(unlikely, alpha, families, groups)
    finite = {name: value if math.isfinite(value) else None for name, value in sets.thresholds.items()}
    return AnswerRule(kind="sets", randomised=randomised, thresholds=finite)


def selective_rule(
    confidence: Sequence[float], wrong: Sequence[bool], groups: Sequence[Hashable], alpha: float, delta: float
) -> AnswerRule:
    """Return the rule of answers that are wrong with a chance of at most alpha where they are given, at confidence
    1 − delta; parameters as of :func:`~neptune.guarantees.conformal.selective_threshold`."""
    least = selective_threshold(confidence, wrong, groups, alpha, delta)
    return AnswerRule(kind="selective", least_confidence=least if math.isfinite(least) else None)


def draw_of(seed: int, dataset: str, name: str) -> float:
    """Return a question's uniform draw in [0, 1): the same in every run with this seed."""
    digest = hashlib.sha256(f"{seed}|{dataset}|{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
