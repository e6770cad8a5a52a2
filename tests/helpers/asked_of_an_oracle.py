"""Questions with an over-confident oracle's probabilities, and the right answer of each."""

from __future__ import annotations

import numpy as np

ANSWERS = ("red", "green", "blue", "gray")


def question(rng: np.random.Generator, sharpness: float) -> tuple[dict[str, float], str]:
    """Return an oracle's probabilities, over-confident ones, and the right answer."""
    logits = rng.normal(0, sharpness, len(ANSWERS))
    said = np.exp(2 * logits) / np.exp(2 * logits).sum()
    true = np.exp(logits) / np.exp(logits).sum()
    return dict(zip(ANSWERS, said.tolist(), strict=True)), str(rng.choice(ANSWERS, p=true))
