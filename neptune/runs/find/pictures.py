"""The pictures of folders, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from neptune.errors import DatasetError
from neptune.scene.addresses import is_address

ENDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")


def pictures_in(places: Sequence[str]) -> list[str]:
    """Return the pictures that are named, each once: files and addresses, and those of folders and of the folders in
    them, in the order of their paths. Hidden files and links to folders are not followed.

    Raises
    ------
    DatasetError
        If there is no such file or folder, or a folder holds no picture.
    """
    found: list[str] = []
    for place in places:
        path = Path(place)
        if is_address(place) or path.is_file():
            found.append(place)
        elif path.is_dir():
            inside = sorted(_below(path))
            if not inside:
                raise DatasetError("There is no picture in the folder", where=place, expected=", ".join(ENDS))
            found += inside
        else:
            raise DatasetError("There is no such picture or folder", where=place)
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[str]:
    for top, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(ENDS) and not name.startswith("."):
                yield os.path.join(top, name)
