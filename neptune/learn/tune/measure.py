"""How good answers and their probabilities are: likelihood, Brier score, calibration error and accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neptune.algebra import LogicParameters
from neptune.engine.session.soft_answers import SoftAnswer, same_answer, soft_answers
from neptune.errors import OracleError
from neptune.learn.finetune.targets import Target, loss_of
from neptune.learn.tune import bootstrap
from neptune.learn.tune.fit import engine_of
from neptune.learn.tune.logits import CachedLogits
from neptune.learn.tune.samples import Shown
from neptune.runs.evaluate.calibration import BINS, Array, calibration_error, places
from neptune.scene.types import ScoreRequest


@dataclass(frozen=True, slots=True)
class Judged:
    """One question, answered.

    Parameters
    ----------
    id, family, picture
        Which question.
    confidence, right
        Of the answer that a run gives: the probability that its record tells, in [0, 1] (``None``: none), and whether
        it is right.
    nll, brier
        Of the distribution over all answers (soft answers): ``-ln P(right answer)`` in nats, and
        ``Σ (P(answer) - [right])²`` in [0, 2].
    likely, believed
        The probability of that distribution's most probable answer, and whether that answer is right.
    """

    id: str
    family: str
    picture: str
    confidence: float | None
    right: bool
    nll: float
    brier: float
    likely: float
    believed: bool


def judge(
    parameters: LogicParameters, shown: Sequence[Shown], logits: CachedLogits, batch: int = 40, **arguments: Any
) -> list[Judged]:
    """Answer the questions, once as a run does, once as a distribution; those without evidence are wrong.

    Parameters
    ----------
    parameters
        The numbers to answer with.
    shown
        Pictures with questions.
    logits
        The oracle.
    batch
        Pictures at once.
    arguments
        Of the engine: vocabulary, limits, distinct_variables.
    """
    engine = engine_of(parameters, **(arguments | {"oracle": logits}))
    out = []
    for start in range(0, len(shown), batch):
        part = shown[start : start + batch]
        asked = [(s, e) for s in part for e in s.examples]
        pairs = [(e.program, s.scene) for s, e in asked]
        with torch.no_grad():
            soft = soft_answers(engine.context, pairs, logits)
        for (s, e), answer, distribution in zip(asked, engine.run_many(pairs), soft, strict=True):
            right = not answer.abstained and same_value(answer.value, e.target)
            scores = _scores(distribution, e.target)
            out.append(Judged(e.id, e.family, s.path.name, answer.probability, right, *scores))
    return out


def same_value(value: Any, target: Target) -> bool:
    """Tell whether an answer's value is the target's: yes is not 1, and a list of one object is that object."""
    if target.kind == "object" and isinstance(value, list) and len(value) == 1:
        value = value[0]
    return same_answer(value, target.value)


def _scores(answer: SoftAnswer | None, target: Target) -> tuple[float, float, float, bool]:
    """Return NLL, Brier score, the highest probability, and whether it is the right answer's."""
    if answer is None or not answer.values:
        return -float(np.log(1e-6)), 1.0, 0.0, False
    p = answer.probabilities.detach().numpy()
    hits = np.array([same_value(v, target) for v in answer.values])
    # What the distribution does not list (a value that it can not give) has the probability 0.
    missed = 0.0 if hits.any() else 1.0
    best = int(p.argmax())
    brier = float(((p - hits) ** 2).sum()) + missed
    return float(loss_of(answer, target).detach()), brier, float(p[best]), bool(hits[best])


def calibration_interval(
    confidence: Sequence[float] | Array,
    right: Sequence[bool] | Array,
    clusters: Sequence[Hashable],
    *,
    bins: int = BINS,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the calibration error, drawing clusters (pictures) anew.

    Small calibration errors are overestimated by every resample, as by the figure itself: chance makes gaps too.
    """
    p, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not len(p):
        return None
    number: dict[Hashable, int] = {}
    at = np.array([number.setdefault(c, len(number)) for c in clusters], dtype=np.int64)
    gaps, sizes = np.zeros((len(number), bins)), np.zeros(len(number))
    np.add.at(gaps, (at, places(p, bins)), hit - p)
    np.add.at(sizes, at, 1.0)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(number), np.full(len(number), 1 / len(number)), resamples).astype(np.float64)
    errors = np.abs(drawn @ gaps).sum(1) / (drawn @ sizes)
    low, high = np.quantile(errors, (0.025, 0.975))
    return float(low), float(high)


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return what is reported of answers: each figure with its 95 % interval, pictures drawn anew.

    ``accuracy`` and ``ece`` are of the answers that a run gives with the probability that it records; ``nll``,
    ``brier``, ``soft_accuracy`` and ``soft_ece`` of the distribution over answers.
    """
    clusters = [j.picture for j in judged]

    def mean(values: Sequence[float]) -> dict[str, Any]:
        ends = bootstrap.interval(values, clusters)
        return {"value": float(np.mean(values)), "interval": _rounded(ends)}

    def error(confidence: Sequence[float], right: Sequence[bool], of: Sequence[str]) -> dict[str, Any]:
        ends = calibration_interval(confidence, right, of)
        return {"value": calibration_error(confidence, right), "interval": _rounded(ends)}

    told = [j for j in judged if j.confidence is not None]
    return {
        "questions": len(judged),
        "pictures": len(set(clusters)),
        "accuracy": mean([float(j.right) for j in judged]),
        "ece": error([j.confidence or 0.0 for j in told], [j.right for j in told], [j.picture for j in told]),
        "nll": mean([j.nll for j in judged]),
        "brier": mean([j.brier for j in judged]),
        "soft_accuracy": mean([float(j.believed) for j in judged]),
        "soft_ece": error([j.likely for j in judged], [j.believed for j in judged], clusters),
    }


def _rounded(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else [round(ends[0], 4), round(ends[1], 4)]


def leaf_figures(parameters: LogicParameters, shown: Sequence[Shown], logits: CachedLogits) -> dict[str, Any]:
    """Return ``accuracy`` and ``ece`` of the oracle's single answers, "is it red?", as the annotation has them.

    Every cell that the programs of these pictures need counts once; the confidence is ``max(p, 1 - p)``. Questions that
    the annotation does not know (of a picture as a whole, in free words) are left out.
    """
    from neptune.perception.oracle.scene import SceneOracle

    truth, by_name = SceneOracle(), {s.scene.name: s for s in shown}
    confidence: list[Array] = []
    right: list[NDArray[np.bool_]] = []
    clusters: list[str] = []
    for (name, _, arity), table in logits.tables.items():
        if name not in by_name or not arity:
            continue
        cells = np.argwhere(table.asked & ~np.isnan(table.logits))
        request = ScoreRequest(by_name[name].scene, table.question, cells)
        try:
            (true,) = truth.score([request])
        except OracleError:
            continue
        with torch.no_grad():
            said = torch.from_numpy(table.logits[tuple(cells.T)])
            found = parameters.calibrate(said, table.question.predicate or "default").double().numpy()
        confidence.append(1 / (1 + np.exp(-np.abs(found))))
        right.append((found > 0) == (true.logits > 0))
        clusters += [name] * len(cells)
    p, hit = np.concatenate([*confidence, np.zeros(0)]), np.concatenate([*right, np.zeros(0, np.bool_)])
    return {
        "cells": len(p),
        "accuracy": {
            "value": float(hit.mean()) if len(hit) else 0.0,
            "interval": _rounded(bootstrap.interval(hit.astype(np.float64), clusters)),
        },
        "ece": {"value": calibration_error(p, hit), "interval": _rounded(calibration_interval(p, hit, clusters))},
    }
