"""Paths that somebody else names: a dataset, a bundle, a record, a cache. One check for all of them.

What others name may lie below a folder that the user named, and nowhere else. The user's folder may be a symbolic link
itself; below it links may not lead out, unless the user says ``follow_links``. A model hub's cache, whose files are
links to its ``blobs``, counts as one folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neptune.errors import ForeignPathError

FOLLOW = "Name the folder itself, or set follow_links to true if you trust where the link leads"

_HUB_REPOSITORY = re.compile(r"(datasets|models|spaces)--[^/\\]+")
"""A repository's folder in the cache of a hub: it holds ``snapshots/<revision>/`` with links, and ``blobs/``."""


def below(root: Path, name: Any, where: str = "", *, what: str = "file", follow_links: bool = False) -> Path:
    """Return ``root / name`` for a name that a foreign file gives; nothing need be there.

    Parameters
    ----------
    root
        A folder that the user named.
    name
        What the file says: the name of a file below `root`, folders in it allowed.
    where, what
        What errors name: the place of the name, and what it is of.
    follow_links
        Whether links below `root` may lead out of it.

    Raises
    ------
    ForeignPathError
        If the name is no text, is absolute or has ``..`` in it, or what it names lies outside `root` or is no regular
        file.
    """
    relative = Path(name) if isinstance(name, str) and name and "\0" not in name else None
    if relative is None or relative.anchor or ".." in relative.parts or not relative.parts:
        raise ForeignPathError(
            f"The {what}'s name is {str(name)[:200]!r}", where=where, expected="the name of a file in the data folder"
        )
    return trusted(root / relative, [root], where, follow_links=follow_links)


def trusted(path: Path, roots: Iterable[Path], where: str = "", *, follow_links: bool = False) -> Path:
    """Return `path`, if it lies inside one of the folders and is, or could become, a regular file.

    Parameters
    ----------
    path
        A path, absolute or from the working folder; nothing need be there.
    roots
        Folders that the user named.
    where, follow_links
        As for :func:`below`.

    Raises
    ------
    ForeignPathError
        If it lies elsewhere after all links are followed (with `follow_links`: by its name), or is a folder, a device
        or a pipe.
    """
    real = os.path.abspath(path) if follow_links else os.path.realpath(path)
    if not any(_holds(root, real, follow_links) for root in roots):
        linked = os.path.abspath(path) != real
        raise ForeignPathError(
            f"{'A link leads' if linked else 'The path leads'} out of the folder",
            where=f"{where}, {path}" if where else str(path),
            expected="a file below the folder that was named",
            hint=FOLLOW if linked else "",
        )
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return path  # whoever opens it says what is wrong with it
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise ForeignPathError(f"This is {kind}", where=where or str(path), expected="a regular file")
    return path


def _holds(root: Path, real: str, follow_links: bool) -> bool:
    resolved = Path(os.path.realpath(root))
    places = [resolved, *([Path(os.path.abspath(root))] if follow_links else [])]
    hubs = (above for above in resolved.parents if _HUB_REPOSITORY.fullmatch(above.name))
    places += [hub for hub in hubs if (hub / "blobs").is_dir()]
    return any(Path(real).is_relative_to(place) for place in places)
