"""``neptune-reasoner examples``: the packaged sample pictures, questions and annotations, as files of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from neptune.errors import ConfigError
from neptune.resources import data_root

SAMPLES = ("clevr", "formats")
"""The folders of ``examples/`` that are packaged."""


def write_examples(folder: Path) -> int:
    """Write what is packaged into a folder, and return how many files these are; what is there is left as it is.

    Raises
    ------
    ConfigError
        If the folder can not be written.
    """
    source, number = data_root() / "examples", 0
    try:
        for name in SAMPLES:
            for path in sorted(p for p in (source / name).rglob("*") if p.is_file()):
                place = folder / path.relative_to(source)
                if not place.exists():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, place)
                number += 1
    except OSError as error:
        raise ConfigError(
            f"The examples can not be written: {error.strerror or error}", where=str(folder), hint="Name another folder"
        ) from error
    return number
