"""LOTUS' rule and one by exact binomial tests, for a single predicate: used by ``guarantees.py --parts lotus``.

The cascade of LOTUS (Patel et al. 2024) answers yes above a threshold of the proxy's score, no below another, and asks
the oracle between; both follow from a sample, by an asymptotic bound. Written anew here, for targets of precision and
recall.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from dsl.plan import Predicate
from neptune.learn.certify.decisions import Decisions
from neptune.scene.types import Oracle, ScoreRequest

Floats = NDArray[np.float64]
DELTA, DRAWS = 0.05, 500


def lotus_edge(values: Floats, upper: bool) -> float:
    """Return LOTUS' asymptotic bound of a mean: mean ± σ/√n · √(2 ln 1/δ)."""
    n = len(values)
    edge = values.std() / np.sqrt(n) * np.sqrt(2 * np.log(1 / DELTA)) if n else np.inf
    return float(values.mean() + edge if upper else values.mean() - edge) if n else (1.0 if upper else 0.0)


def lotus_thresholds(s: Floats, y: NDArray[np.bool_], target: float) -> tuple[float, float]:
    """Return LOTUS' thresholds of a sample: yes from the first on (precision), no below the second (recall)."""
    grid = np.unique(s)
    positive = y.astype(np.float64)
    recall_of = {t: positive[s >= t].sum() / max(positive.sum(), 1) for t in grid}
    t0 = max((t for t in grid if recall_of[t] >= target), default=grid[0])
    hit, missed = positive * (s >= t0), positive * (s < t0)
    high, low = lotus_edge(hit, True), max(lotus_edge(missed, False), 0.0)
    raised = high / (high + low) if high + low > 0 else 1.0
    no = max((t for t in grid if recall_of[t] >= raised), default=grid[0])
    yes = min((t for t in grid if lotus_edge(positive[s >= t], False) >= target), default=np.inf)
    return float(max(yes, no)), float(no)


def tested_thresholds(s: Floats, y: NDArray[np.bool_], target: float) -> tuple[float, float]:
    """Return thresholds by exact binomial tests on a fixed grid, delta shared out among its levels and both targets."""
    grid = 1 / (1 + np.exp(-np.linspace(-6, 6, 13)))
    level, alpha = DELTA / 2 / len(grid), 1 - target
    yes, no = np.inf, 0.0
    for t in grid[::-1]:
        taken = s >= t
        if taken.any() and binom.cdf((~y[taken]).sum(), taken.sum(), alpha) <= level:
            yes = float(t)
    for t in grid:
        if y.any() and binom.cdf((s[y] < t).sum(), y.sum(), alpha) <= level:
            no = float(t)
    return max(yes, no), no


def beside_lotus(s: Floats, y: NDArray[np.bool_], target: float = 0.9) -> list[dict[str, Any]]:
    """Return for both rules how often of 500 samples precision and recall over all fall below the target.

    What lies between the thresholds goes to the oracle, and is right.
    """
    out = []
    for n in (50, 100, 500):
        for rule in (lotus_thresholds, tested_thresholds):
            rng, low_precision, low_recall, asked = np.random.default_rng(n), 0, 0, 0.0
            for _ in range(DRAWS):
                k = rng.integers(0, len(s), n)
                yes, no = rule(s[k], y[k], target)
                sure, between = s >= yes, (s >= no) & (s < yes)
                low_precision += bool(sure.any() and y[sure].mean() < target)
                low_recall += bool(y[s >= no].sum() / y.sum() < target)
                asked += between.mean() / DRAWS
            name = rule.__name__.removesuffix("_thresholds")
            out.append(
                {"n": n, "rule": name, "precision": low_precision, "recall": low_recall, "asked": round(asked, 3)}
            )
    return out


def cells(decisions: Decisions, proxy: Oracle, word: str = "rubber") -> tuple[Floats, NDArray[np.bool_]]:
    """Return the proxy's probabilities of a word at all objects of the pool, and what is true."""
    scenes = {id(q.scene): q.scene for q in decisions.questions}
    question = decisions.context.wording.question(Predicate(word, 1))
    s, y = [], []
    for scene in scenes.values():
        request = ScoreRequest(scene, question, np.arange(len(scene))[:, None])
        s.append(proxy.score([request])[0].logits)
        y.append(decisions.context.oracle.score([request])[0].logits > 0)
    return 1 / (1 + np.exp(-np.concatenate(s).astype(np.float64))), np.concatenate(y)
