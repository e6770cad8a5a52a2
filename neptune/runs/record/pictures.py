"""The pictures that records name. A record may be another's file: what it names is checked before it is shown.

A picture is shown, served or packed if it lies below one of the folders that this run was told of, is a regular file,
and decodes as a picture. Anything else is left out; its sample says what was wrong when it was asked.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from neptune.config import Config
from neptune.errors import ForeignPathError, PictureError
from neptune.files import trusted
from neptune.scene.decoding import FORMATS, MAX_BYTES, decode, looks_like_picture

BESIDE = ("images", "train2014", "gta_image")
"""Folders beside a dataset's in which its pictures may lie."""

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"} | {
    kind: f".{kind.lower()}" for kind in FORMATS if kind not in ("JPEG", "MPO", "TIFF")
}


class RecordedPictures:
    """Finds the pictures that records name.

    Parameters
    ----------
    roots
        Folders below which they may lie; ``None``: anywhere, for records that this process has made.
    follow_links
        Whether links below these folders may lead out of them.

    Attributes
    ----------
    outside
        What was named and lies in none of them.
    """

    def __init__(self, roots: Sequence[Path] | None = None, follow_links: bool = False) -> None:
        self.roots = None if roots is None else tuple(roots)
        self.outside: set[str] = set()
        self._follow_links = follow_links

    @staticmethod
    def of(config: Config, *folders: Path) -> RecordedPictures:
        """Return the finder for a run of a config that the user gave: its data folder, and more `folders`."""
        return RecordedPictures([*_data_roots(config.data_dir), *folders], config.follow_links)

    @staticmethod
    def of_folders(folders: Sequence[Path], data_dir: str | None, follow_links: bool = False) -> RecordedPictures:
        """Return the finder for run folders, which may be another's: their own files, and what lies below a data folder
        that the user names. What their configs name counts for nothing."""
        return RecordedPictures([*folders, *_data_roots(data_dir)], follow_links)

    def file(self, name: str) -> Path | None:
        """Return the file that a record names, if its header is that of a picture; ``None``: it is not to be shown."""
        path = Path(name)
        try:
            if self.roots is not None:
                trusted(path, self.roots, follow_links=self._follow_links)
        except (ForeignPathError, ValueError, OSError):
            self.outside.add(name)
            return None
        return path if looks_like_picture(path) else None

    def original(self, name: str) -> tuple[bytes, str] | None:
        """Return a picture's file, and the ending of its format; it is decoded, to be sure that it is one."""
        found = self._decoded(name)
        return None if found is None else (found[0], _ENDINGS[found[2]])

    def shown(self, name: str) -> tuple[bytes, str] | None:
        """Return what a browser shows of a picture, and its media type: a JPEG where it does not show the format."""
        found = self._decoded(name)
        if found is None:
            return None
        content, image, kind = found
        media = FORMATS[kind]
        if media is None:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=90)
            return buffer.getvalue(), "image/jpeg"
        return content, media

    def _decoded(self, name: str) -> tuple[bytes, Image.Image, str] | None:
        path = self.file(name)
        try:
            if path is None or path.stat().st_size > MAX_BYTES:
                return None
            content = path.read_bytes()
            image, _, kind = decode(io.BytesIO(content), name)
        except (PictureError, OSError):
            return None
        return content, image, kind


def _data_roots(given: str | None) -> list[Path]:
    if not given or given.startswith("hf:"):
        return []
    data = Path(given).expanduser()
    # COCO's pictures may lie beside RefCOCO's folder.
    return [data, *(data.resolve().parent / name for name in BESIDE)]
