"""The last step of tuning: what an answer is reported with is made to mean how often such answers are right.

The descent (:mod:`neptune.learn.tune.fit`) makes single scores and the logic mean what they say; what is left is what
no number of theirs can say, as when a wrong score is always a sure one. Each kind of answer gets a T and b of its own
(Platt 1999), by likelihood on the pictures tuned on; no answer changes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from neptune.algebra import LogicParameters
from neptune.algebra.convert import EPSILON
from neptune.algebra.temperature import B_LIMIT, T_MAX, T_MIN
from neptune.engine import Engine
from neptune.learn.tune.measure import same_value
from neptune.learn.tune.samples import Shown

FEWEST = 30
"""A kind of answer of which fewer are known is left as it is."""

Reported = tuple[str, object, float, bool]
"""The kind of an answer, the answer, its probability in (0, 1), and whether it was right."""


def reported(engine: Engine, shown: Sequence[Shown], batch: int = 20) -> list[Reported]:
    """Return what an engine answers to the questions about pictures; what is certain, or abstained, is left out."""
    found: list[Reported] = []
    for start in range(0, len(shown), batch):
        asked = [(s, e) for s in shown[start : start + batch] for e in s.examples]
        for (_, e), a in zip(asked, engine.run_many([(e.program, s.scene) for s, e in asked]), strict=True):
            if not a.abstained and a.probability is not None and 0 < a.probability < 1:
                found.append((a.kind, a.value, a.probability, same_value(a.value, e.target)))
    return found


def fit_answers(found: Iterable[Reported]) -> dict[str, tuple[float, float]]:
    """Return the T and b of each kind of answer of which there are :data:`FEWEST`, by likelihood.

    The targets are smoothed as Platt (1999, section 2.2) does, so that answers that are all right ask for no
    certainty.
    """
    by_kind: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for kind, value, p, right in found:
        # Of a truth, what is fitted is the probability of yes.
        by_kind[kind].append((1 - p, not right) if value is False else (p, right))
    return {kind: _platt(pairs) for kind, pairs in sorted(by_kind.items()) if len(pairs) >= FEWEST}


def with_answers(parameters: LogicParameters, answers: Mapping[str, tuple[float, float]]) -> LogicParameters:
    """Return the parameters with these numbers of answers, and no others."""
    numbers = {k: v for k, v in parameters.to_dict().items() if k != "answers"}
    return LogicParameters.from_dict(numbers | {"answers": {k: {"T": T, "b": b} for k, (T, b) in answers.items()}})


def _platt(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    p = np.clip(np.array([p for p, _ in pairs]), EPSILON, 1 - EPSILON)
    logits = np.log(p) - np.log1p(-p)
    right = np.array([r for _, r in pairs])
    yes, no = int(right.sum()), int((~right).sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(x: NDArray[np.float64]) -> float:
        z = logits * math.exp(-x[0]) + x[1]
        return float((np.logaddexp(0.0, z) - target * z).mean())

    limits = [(math.log(T_MIN), math.log(T_MAX)), (-B_LIMIT, B_LIMIT)]
    best = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=limits)
    return round(math.exp(float(best.x[0])), 4), round(float(best.x[1]), 4)
