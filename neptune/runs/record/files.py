"""Files as a run writes them: values as JSON can hold them, and a file replaced whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from neptune.words import jsonable

__all__ = ["jsonable", "write_atomic", "write_json"]


def write_atomic(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old content or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A text that came with a stray surrogate becomes its \udcxx escape, which is what JSON wants too.
    with open(temporary, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically, two spaces of indent."""
    write_atomic(path, json.dumps(jsonable(data), ensure_ascii=False, indent=2, allow_nan=False) + "\n")
