"""The curve of a fine-tuning: the loss of each step, and the share of right answers at each evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neptune.plots import save_figure


def draw_curve(
    losses: Sequence[float],
    scores: Sequence[tuple[int, float]],
    first: float | None,
    path: Path,
    title: str = "LoRA, with the loss at the answers",
    label: str = "loss (nats a question)",
) -> None:
    """Write the picture.

    Parameters
    ----------
    losses
        Of each step, in nats a question.
    scores
        ``(step, share of right answers)``.
    first
        The share before the training, or ``None``.
    path
        A PNG.
    title, label
        Of the picture, and of the losses.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    steps = np.arange(1, len(losses) + 1)
    axis.plot(steps, losses, color="#b07020", linewidth=1)
    axis.set_xlabel("step")
    axis.set_ylabel(label, color="#b07020")
    axis.set_ylim(bottom=0)
    if scores:
        points = ([(0, first)] if first is not None else []) + list(scores)
        other = axis.twinx()
        other.plot([s for s, _ in points], [100 * a for _, a in points], color="#2f6f8f", marker="o", markersize=3)
        other.set_ylim(0, 102)
        other.set_ylabel("right answers (%)", color="#2f6f8f")
    axis.set_title(title, fontsize=10)
    save_figure(figure, path, 130)
