"""``neptune-reasoner examples``: the packaged sample pictures, questions and annotations, as files of one's own."""

from __future__ import annotations

from pathlib import Path

from neptune.resources import data_root
from neptune.saving import write_whole

SAMPLES = ("clevr", "formats", "nlvr")
"""The folders of ``examples/`` that are packaged."""


def write_examples(folder: Path) -> int:
    """Write what is packaged into a folder, and return how many files these are; what is there is left as it is.

    Raises
    ------
    WriteError
        If the folder can not be written; no half of a file is left.
    """
    source, number = data_root() / "examples", 0
    for name in SAMPLES:
        for path in sorted(p for p in (source / name).rglob("*") if p.is_file()):
            place = folder / path.relative_to(source)
            if not place.exists():
                write_whole(place, path.read_bytes(), "The examples", "Name another folder")
            number += 1
    return number
