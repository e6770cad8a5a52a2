"""Pictures that requests bring: inline, sent before, or files under folders that the user allowed."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from neptune.errors import PictureError
from neptune.scene.addresses import is_address
from neptune.scene.picture import Picture

INLINE = ("data:image/", "base64,")
UPLOADED = "picture:"
"""Begins the name of a picture that was sent before."""


class TooLargeError(PictureError):
    """A picture has more bytes than a request may bring."""


class Pictures:
    """Finds the pictures of requests, and keeps the latest that were sent.

    Parameters
    ----------
    roots
        Folders whose files requests may name; none: no files.
    most_bytes
        The most bytes of one picture's file.
    kept
        How many sent pictures are kept.

    Raises
    ------
    PictureError
        If a root is no folder.
    """

    def __init__(self, roots: Sequence[str | Path] = (), most_bytes: int = 20_000_000, kept: int = 64) -> None:
        self.roots = tuple(Path(root).resolve() for root in roots)
        for root in self.roots:
            if not root.is_dir():
                raise PictureError("There is no such folder", where=f"roots: {root}")
        self.most_bytes, self._most = most_bytes, kept
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, content: bytes) -> tuple[str, Picture]:
        """Decode a picture that was sent, and keep it; return the name by which later requests may call it.

        Raises
        ------
        PictureError
            If it is no picture, damaged or too large.
        """
        if len(content) > self.most_bytes:
            raise TooLargeError(
                f"The picture has {len(content):,} bytes",
                expected=f"at most {self.most_bytes:,}",
                hint="Send a smaller one",
            )
        if not content:
            raise PictureError("The picture is empty", expected="the bytes of a picture's file")
        picture = Picture(content)
        name = UPLOADED + picture.digest[:32]
        with self._lock:
            picture = self._kept.setdefault(name, picture)
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return name, picture

    def of(self, source: str) -> Picture:
        """Return the picture that a request means.

        Parameters
        ----------
        source
            ``picture:…`` (sent before), a ``data:`` address or plain base64 of a picture's file, or the path of a file
            under one of the roots, absolute or relative to one.

        Raises
        ------
        PictureError
            If there is none, or it may not be read.
        """
        if source.startswith(UPLOADED):
            with self._lock:
                found = self._kept.get(source)
                if found is not None:
                    self._kept.move_to_end(source)
            if found is None:
                raise PictureError("The picture is not here any more", where=source[:60], hint="Send it again")
            return found
        if is_address(source):
            raise PictureError(
                "Addresses are not fetched for others", where=source[:60], hint="Send the picture itself, as base64"
            )
        if source.startswith("data:") or (self.file(source) is None and _is_base64(source)):
            return self.keep(self._decoded(source))[1]
        path = self.file(source)
        if path is None:
            raise self._no_file(source)
        if path.stat().st_size > self.most_bytes:
            raise TooLargeError(
                f"The file has {path.stat().st_size:,} bytes", where=path.name, expected=f"at most {self.most_bytes:,}"
            )
        return Picture(path)

    def file(self, source: str) -> Path | None:
        """Return the file under a root that a path means; ``None`` where there is none, or it lies elsewhere."""
        return self._under(source, Path.is_file)

    def folder(self, source: str) -> Path:
        """Return the folder under a root that a path means.

        Raises
        ------
        PictureError
            If there is none, or it lies elsewhere.
        """
        found = self._under(source, Path.is_dir)
        if found is None:
            raise self._no_file(source, "folder")
        return found

    def shown(self, path: Path) -> str:
        """Return a path as others may see it: relative to its root."""
        for root in self.roots:
            if path.resolve().is_relative_to(root):
                return path.resolve().relative_to(root).as_posix()
        return path.name

    def _under(self, source: str, fits: object) -> Path | None:
        if not source or len(source) > 4096 or "\0" in source:
            return None
        for root in self.roots:
            try:
                path = (root / source).resolve()  # links included: where they lead is what counts
                if path.is_relative_to(root) and (path.is_dir() if fits is Path.is_dir else path.is_file()):
                    return path
            except (OSError, RuntimeError, ValueError):
                continue
        return None

    def _no_file(self, source: str, what: str = "picture") -> PictureError:
        if not self.roots:
            return PictureError(
                f"No {what} of this machine may be read", where=source[:80], expected="the picture itself, as base64",
                hint="Whoever runs the server may allow folders: --roots FOLDER",
            )  # fmt: skip
        names = ", ".join(root.name or str(root) for root in self.roots)
        return PictureError(
            f"There is no such {what} under the allowed folders", where=source[:80], expected=f"one in {names}"
        )

    def _decoded(self, source: str) -> bytes:
        if source.startswith("data:"):
            head, comma, source = source.partition(",")
            if not comma or not (head.startswith(INLINE[0]) and head.endswith("base64")):
                raise PictureError(
                    "The data address holds no picture", where=head[:60], expected="data:image/…;base64,…"
                )
        if len(source) > self.most_bytes * 4 // 3 + 4:
            raise TooLargeError(
                f"The picture has about {len(source) * 3 // 4:,} bytes", expected=f"at most {self.most_bytes:,}"
            )
        try:
            return base64.b64decode(source, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PictureError(
                "The picture is no base64", expected="the bytes of a picture's file as base64"
            ) from error


def small(picture: Picture, size: tuple[int, int]) -> bytes:
    """Return a copy of a picture of at most `size` pixels, as JPEG."""
    image = picture.image.copy()
    image.thumbnail(size)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=80)
    return kept.getvalue()


def _is_base64(text: str) -> bool:
    """Tell whether a text is rather base64 than a path: the first bytes of every format of pictures are known."""
    return len(text) > 4096 or (
        len(text) >= 40 and text.startswith(("iVBOR", "/9j/", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0A", "UD"))
    )
