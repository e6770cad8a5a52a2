"""Figures need matplotlib, which is an extra: said before the work starts, not after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neptune.errors import MissingExtraError
from neptune.saving import replacing


def save_figure(figure: Any, path: Path, dpi: int) -> None:
    """Write a figure of matplotlib as a PNG, whole or not at all.

    Raises
    ------
    WriteError
        If it can not be written.
    """
    with replacing(path, "The figure") as file:
        figure.savefig(file, format="png", dpi=dpi)


def require_matplotlib(task: str) -> None:
    """Check that a task's figures can be drawn.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "matplotlib is not installed; the task draws its figures with it",
            where=f"task '{task}'",
            hint='Install it: pip install "neptune-reasoner[plots]"',
        ) from error
