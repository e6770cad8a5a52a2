"""Weights read from disk, as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from neptune.errors import NeptuneError
from neptune.perception.embedded.light.layers import Array

FORMAT = "neptune-embedded-1"


def shipped(part: str) -> Path:
    """Return the file of the weights that come with the package."""
    return Path(__file__).parents[1] / "weights" / f"{part}.safetensors"


def expected_of(config: str, part: str) -> str:
    """Say what weights of a part are, and which config trains them."""
    return f"weights of the part '{part}', as run.py --config configs/{config}.json writes them"


def read(
    part: str, path: str | Path | None, error: type[NeptuneError], config: str = "train-embedded"
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the weights of a part, by default the shipped ones, and what is stored with them; numbers are float32.

    `error` is raised if they can not be read.
    """
    file, expected = Path(path) if path is not None else shipped(part), expected_of(config, part)
    if not file.is_file():
        raise error("The weights do not exist", where=str(file), expected=expected, hint="Check the path, or train")
    try:
        with safe_open(str(file), framework="numpy") as opened:
            metadata = opened.metadata() or {}
            if metadata.get("format") != FORMAT or metadata.get("part") != part:
                found = metadata.get("part", "no part of this project")
                raise error(f"The file holds {found}", where=str(file), expected=expected)
            about = json.loads(metadata["about"])
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as reason:
        raise error(f"The weights can not be read: {reason}", where=str(file), expected=expected) from reason
    return {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in arrays.items()}, about
