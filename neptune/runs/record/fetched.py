"""A fetched picture is kept with the run: its address may hold another one tomorrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neptune.saving import replacing

if TYPE_CHECKING:
    from neptune.scene.picture import Picture

PICTURES = "pictures"
"""The folder of fetched pictures in the run folder."""


def place_of(picture: Picture | None, folder: Path, *, seen: bool = True) -> str | None:
    """Return the file of a picture, for its record; one that was fetched is written into the run folder first.

    Parameters
    ----------
    picture
        The picture.
    folder
        The run folder.
    seen
        Whether it was looked at: else none is fetched.
    """
    if picture is not None and picture.path is not None:
        return str(picture.path)
    if picture is None or picture.address is None or not seen:
        return None
    path = folder / PICTURES / f"{picture.digest[:24]}.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, "The fetched picture") as file:
            picture.image.save(file, "PNG")
    return str(path)
