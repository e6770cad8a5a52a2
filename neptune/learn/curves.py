"""Learning curves: losses with the answers that are right now and then, or what is right after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neptune.plots import save_figure


def draw_losses(
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


def draw_scores(
    scores: Sequence[float], path: Path, label: str, title: str, steps: Sequence[tuple[float, str]] = ()
) -> None:
    """Write the learning curve: what is right of what was held out after each epoch.

    Parameters
    ----------
    scores
        Shares, one an epoch.
    path
        A PNG.
    label, title
        Of the shares, and of the picture.
    steps
        Of a curriculum: the epoch until which it is in force, and its words.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(np.arange(1, len(scores) + 1), [100 * s for s in scores], color="#2f6f8f", marker="o", markersize=3)
    for row, (until, words) in enumerate(steps):
        axis.axvline(until, color="0.75", linewidth=1, linestyle="--")
        axis.text(until, 2 + 6 * row, f"{words} ", ha="right", fontsize=7)
    axis.set_ylim(0, 102)
    axis.set_xlabel("epoch")
    axis.set_ylabel(label)
    axis.set_title(title, fontsize=10)
    save_figure(figure, path, 130)
