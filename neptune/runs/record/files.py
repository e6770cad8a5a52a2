"""Files as a run writes them: values as JSON can hold them, and a file replaced whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neptune.foreign import scrubbed
from neptune.saving import RESUME, write_whole
from neptune.words import jsonable

__all__ = ["jsonable", "write_atomic", "write_json"]


def write_atomic(path: Path, text: str) -> None:
    """Replace a file of a run as a whole: a reader sees the old content or the new one, never half of it,
    and no key that is known.

    Raises
    ------
    WriteError
        If the system refuses; see :mod:`neptune.saving`.
    """
    write_whole(path, scrubbed(text), f"{path.name} of the run", RESUME)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically, two spaces of indent; errors as :func:`write_atomic`."""
    write_atomic(path, json.dumps(jsonable(data), ensure_ascii=False, indent=2, allow_nan=False) + "\n")
