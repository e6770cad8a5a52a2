"""What tuning shows: how far probabilities can be trusted before and after, and how the likelihood fell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neptune.learn.tune.measure import Judged
from neptune.plots import save_figure
from neptune.runs.evaluate.calibration import BINS, calibration_error, places

BLUE, ORANGE = "#2f6f8f", "#d98c5f"


def draw_reliability(sides: Sequence[tuple[str, Sequence[Judged]]], path: Path, title: str) -> None:
    """Write a reliability diagram: the share of right answers over their confidence, one panel for each side.

    Bars show how many answers are in a bin; the vertical line in a bin is its gap.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(sides), 4.2), layout="constrained")
    axes = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axis, (name, judged) in zip(axes, sides, strict=True):
        told = [j for j in judged if j.confidence is not None]
        p = np.array([j.confidence for j in told], dtype=np.float64)
        right = np.array([j.right for j in told], dtype=np.float64)
        where = places(p)
        count = np.bincount(where, minlength=BINS)
        edges = np.arange(BINS) / BINS
        axis.bar(edges, count / max(1, len(p)), 1 / BINS, align="edge", color="0.9", label="share of answers")
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="perfect")
        filled = np.flatnonzero(count)
        x = np.bincount(where, weights=p, minlength=BINS)[filled] / count[filled]
        y = np.bincount(where, weights=right, minlength=BINS)[filled] / count[filled]
        axis.vlines(x, x, y, color=ORANGE, linewidth=2)
        axis.scatter(x, y, s=12 + 14 * np.log10(count[filled]), color=BLUE, zorder=3, label="accuracy")
        accuracy = right.mean() if len(right) else 0.0
        axis.set_title(f"{name}\nECE {calibration_error(p, right):.3f}, accuracy {accuracy:.3f}", fontsize=10)
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)
        axis.set_xlabel("confidence of the answer")
    axes[0].set_ylabel("share of answers that are right")
    axes[0].legend(loc="upper left", fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path, 120)


def draw_curve(history: dict[str, Any], path: Path, title: str) -> None:
    """Write the learning curve: mean negative log-likelihood after each epoch, and the epoch that was kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    training, validation = history["training"], history["validation"]
    axis.plot(np.arange(1, len(training) + 1), training, color=ORANGE, marker="o", markersize=3, label="training")
    axis.plot(np.arange(len(validation)), validation, color=BLUE, marker="o", markersize=3, label="validation")
    axis.axvline(history["best_epoch"], color="0.6", linewidth=1, linestyle="--", label="kept")
    axis.set_xlabel("epoch")
    axis.set_ylabel("−ln P(right answer), nats")
    axis.legend(fontsize=8, frameon=False)
    axis.set_title(title, fontsize=10)
    save_figure(figure, path, 120)
