"""Files as a run writes them: values as JSON can hold them, and a file replaced whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neptune.files import trusted
from neptune.foreign import scrubbed
from neptune.runs.record.lock import LOCK
from neptune.saving import RESUME, write_whole
from neptune.words import jsonable

__all__ = ["check_own_files", "compact", "jsonable", "write_atomic", "write_json"]

_READ = (".json", ".jsonl", ".log")
"""How the names of files end that are read, or added to, in a run folder."""


def check_own_files(folder: Path) -> None:
    """Check that what is read, or added to, in a run folder lies in it: the folder may be another's.

    Raises
    ------
    ForeignPathError
        If one of its files is a link that leads out of it, or no regular file.
    """
    for path in entries(folder):
        if path.suffix in _READ or path.name == LOCK:
            trusted(path, [folder], "the run folder")


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing where there is none (another process may take it away by now)."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def compact(data: Any) -> str:
    """Return JSON on one line, without spaces: values as JSON can hold them, as :func:`jsonable` makes them."""
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):  # a number of numpy, or one that is not finite
        return json.dumps(jsonable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


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
