"""Figures need matplotlib, which is an extra: said before the work starts, not after it."""

from __future__ import annotations

from neptune.errors import MissingExtraError


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
