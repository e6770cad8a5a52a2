"""Files as a run writes them: values as JSON can hold them, and a file replaced whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def jsonable(value: Any) -> Any:
    """Return `value` as JSON can hold it: tuples and arrays as lists, NaN as null, else text."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [jsonable(v) for v in value]
    return str(value)


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
