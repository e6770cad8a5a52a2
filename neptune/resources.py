"""Finds what ships beside the code: in a checkout, or inside an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
"""The folder of this package; a checkout has ``prompts/`` and ``configs/`` beside it, a wheel in ``data/``."""


def prompts() -> Path:
    """Return the folder of the prompts."""
    installed = PACKAGE / "data" / "prompts"
    return installed if installed.is_dir() else PACKAGE.parent / "prompts"
