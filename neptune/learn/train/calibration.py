"""Makes a scorer's probabilities mean what they say: one temperature a predicate kind, and a figure of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.measure import Evidence, concepts_of_kind, gather, pooled
from neptune.perception.embedded.concepts import AXES, KINDS, SAME, VALUES
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.plots import require_matplotlib, save_figure
from neptune.scene import ATTRIBUTES

BINS = 15


def expected_calibration_error(evidence: Evidence, bins: int = BINS) -> float:
    """Return the mean gap between confidence and accuracy, over bins of equal width; in [0, 1].

    Confidence is that of the answer given, ``max(p, 1 - p)``, in [0.5, 1] (Guo et al. 2017).
    """
    confidence, right = _binned(evidence, bins)
    total = sum(len(c) for c in confidence)
    gaps = sum(len(c) * abs(float(c.mean()) - float(r.mean())) for c, r in zip(confidence, right) if len(c))
    return gaps / max(1, total)


def _binned(evidence: Evidence, bins: int) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    """Return confidences and correctness in each bin."""
    confidence = 1 / (1 + np.exp(-np.abs(evidence.logits)))
    right = (evidence.logits > 0) == evidence.truth
    edges = np.linspace(0.5, 1.0, bins + 1)
    where = np.clip(np.digitize(confidence, edges) - 1, 0, bins - 1)
    return [confidence[where == b] for b in range(bins)], [right[where == b] for b in range(bins)]


def calibrate(net: ScorerNet, folder: ClevrFolder, held_out: Sequence[int], *, jitter: float, seed: int) -> list[float]:
    """Set the scorer's temperatures by likelihood on held-out pictures.

    Boxes are jittered as a detector's would be, three times. A kind without a single mistake would ask for a
    temperature of 0; one mistake more is therefore counted than was seen (Laplace's rule).

    Returns
    -------
    list
        The temperatures, in the order of :data:`~neptune.perception.embedded.concepts.KINDS`, each in [0.25, 4].
    """
    net.temperature.fill_(1.0)
    rounds = [gather(net, folder, held_out, jitter=jitter, seed=seed + r)[0] for r in range(3)]
    for number, kind in enumerate(KINDS):
        concepts = concepts_of_kind(kind)
        if kind in ATTRIBUTES:
            # The yes/no logits of an object's values are its log-probabilities: log p = log sigmoid(logit).
            stacked = np.concatenate([np.stack([r[c].logits for c in concepts], 1) for r in rounds])
            truth = np.concatenate([np.stack([r[c].truth for c in concepts], 1).argmax(1) for r in rounds])
            log_p = -np.logaddexp(0.0, -stacked)
        else:
            found = [pooled(r, concepts) for r in rounds]
            logit = np.concatenate([e.logits for e in found])
            log_p = np.stack([np.zeros_like(logit), logit], 1)
            truth = np.concatenate([e.truth for e in found]).astype(np.int64)
        net.temperature[number] = fit_temperature(log_p, truth)
    return [round(float(t), 4) for t in net.temperature]


def fit_temperature(logits: NDArray[np.float64], truth: NDArray[np.int64], mistakes: float = 1.0) -> float:
    """Return the temperature T of the highest likelihood of ``softmax(logits / T)``.

    Parameters
    ----------
    logits
        ``(N, V)``, unnormalised.
    truth
        ``(N,)`` index of the right value.
    mistakes
        How many wrong answers of average confidence to add.
    """
    if not len(truth):
        return 1.0
    grid = np.geomspace(0.25, 4.0, 97)
    losses = []
    for t in grid:
        z = torch.from_numpy(logits / t)
        log_p = torch.log_softmax(z, 1)
        right = log_p.gather(1, torch.from_numpy(truth)[:, None])[:, 0]
        others = torch.scatter(log_p, 1, torch.from_numpy(truth)[:, None], -torch.inf).logsumexp(1)
        losses.append(float(-right.sum() - mistakes * others.mean()))
    return float(grid[int(np.argmin(losses))])


def calibration_errors(evidence: dict[str, Evidence]) -> dict[str, float]:
    """Return the expected calibration error of all questions (``all``), and of each group of them."""
    groups = groups_of(evidence)
    return {name: expected_calibration_error(pooled(evidence, concepts)) for name, concepts in groups.items()}


def groups_of(evidence: dict[str, Evidence]) -> dict[str, list[str]]:
    """Return group name → concepts: ``all``, the attributes, ``relations``, ``same``."""
    values = {a: [v for v, (own, _) in VALUES.items() if own == a] for a in ATTRIBUTES}
    return {"all": list(evidence), **values, "relations": list(AXES), "same": list(SAME)}


def draw(evidence: dict[str, Evidence], path: Path, title: str) -> None:
    """Write a reliability diagram: accuracy over confidence for attributes, relations and ``same_*``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib("train")
    from matplotlib.figure import Figure

    groups = {"attributes": list(VALUES), "relations": list(AXES), "same size, colour …": list(SAME)}
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (name, concepts) in zip(axes, groups.items()):
        chosen = pooled(evidence, concepts)
        confidence, right = _binned(chosen, BINS)
        axis.plot([0.5, 1], [0.5, 1], color="0.6", linewidth=1, linestyle="--", label="perfect")
        filled = [b for b in range(BINS) if len(confidence[b])]
        x = [float(confidence[b].mean()) for b in filled]
        y = [float(right[b].mean()) for b in filled]
        size = [12 + 18 * np.log10(len(confidence[b])) for b in filled]
        axis.vlines(x, x, y, color="#d98c5f", linewidth=1.5)
        axis.scatter(x, y, s=size, color="#2f6f8f", zorder=3, label="answers (larger: more)")
        error = expected_calibration_error(chosen)
        axis.set_title(f"{name}\nECE {error:.4f}, accuracy {chosen.accuracy:.4f}", fontsize=10)
        axis.set_xlim(0.48, 1.02)
        axis.set_ylim(-0.04, 1.04)
        axis.set_xlabel("confidence of the answer")
    axes[0].set_ylabel("share of answers that are right")
    axes[0].legend(loc="lower left", fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path, 130)


def temperatures(net: ScorerNet) -> dict[str, float]:
    """Return kind → temperature."""
    values: Tensor = net.temperature.detach().cpu()
    return {kind: round(float(t), 4) for kind, t in zip(KINDS, values)}
