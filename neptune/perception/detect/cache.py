"""Detections on disk: a picture that a detector has looked at for the same labels is not looked at again."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from neptune.errors import DetectorFailedError
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, Detector
from neptune.sqlite import FAULTS, Layout, checksum, open_file

_TABLE = (
    "CREATE TABLE IF NOT EXISTS detections "
    "(key TEXT PRIMARY KEY, boxes BLOB NOT NULL, scores BLOB NOT NULL, labels TEXT NOT NULL, checksum BLOB) "
    "WITHOUT ROWID"
)
_COLUMNS = "key, boxes, scores, labels"
VERSION = 1
"""1: a checksum a row; a file from before gets them when it is opened."""


@runtime_checkable
class Found(Protocol):
    """Where a cache keeps what detectors find: :class:`FoundFile`, or what asks one in another process."""

    def get(self, key: str) -> tuple[Any, ...] | None:
        """Return the row of a key as it stands there; ``None``: there is none."""
        ...

    def put(self, values: tuple[Any, ...], replace: bool) -> None:
        """Add a row, with its checksum; one that is there stays, but where it is to be replaced."""
        ...


class CachedDetector:
    """Answers from a file what another detector found before, and keeps what it finds.

    A detection is known by the pixels of the picture, the labels, and the detector's `identity`; a picture in which
    nothing was found is known too. Several threads and processes may share a file.

    Parameters
    ----------
    inner
        The detector; it has an `identity`.
    place
        The SQLite file, made where it does not exist; or another :class:`Found`.

    Raises
    ------
    DetectorFailedError
        At any use: if the file can not be read or written.
    """

    def __init__(self, inner: Detector, place: str | Path | Found) -> None:
        self.inner, self.name = inner, inner.name
        self.found = FoundFile(place) if isinstance(place, str | Path) else place
        self.identity = str(inner.identity)  # type: ignore[attr-defined]
        self.open_vocabulary = bool(getattr(inner, "open_vocabulary", True))
        self.hits = 0
        self._lock = threading.Lock()

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture, or return what was found before; see the inner detector."""
        heeded = list(labels) if self.open_vocabulary else []
        content = json.dumps([self.identity, picture.digest, heeded], ensure_ascii=False)
        key = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        row = self.found.get(key)
        known = _read(row) if row is not None else None
        if known is not None:
            with self._lock:
                self.hits += 1
            return known
        found = self.inner.detect(picture, labels)
        said: object = list(found.labels)
        if found.domain is not None:
            said = {"labels": said, "domain": found.domain.as_dict()}
        values = (
            key,
            np.asarray(found.boxes, dtype="<f4").tobytes(),
            np.asarray(found.scores, dtype="<f4").tobytes(),
            json.dumps(said, ensure_ascii=False),
        )
        # A row that is there already stays as it is, but for a damaged one.
        self.found.put((*values, checksum(*values)), row is not None)
        return found


class FoundFile:
    """The SQLite file of what detectors found; threads and processes may share it.

    Parameters
    ----------
    path
        The file; made where it does not exist.

    Raises
    ------
    DetectorFailedError
        At any use: if it can not be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def get(self, key: str) -> tuple[Any, ...] | None:
        """Return the row of a key as it stands there; ``None``: there is none."""
        return self._run(f"SELECT {_COLUMNS}, checksum FROM detections WHERE key = ?", (key,))

    def put(self, values: tuple[Any, ...], replace: bool) -> None:
        """Add a row, with its checksum; one that is there stays, but where it is to be replaced."""
        self._run(f"INSERT OR {'REPLACE' if replace else 'IGNORE'} INTO detections VALUES (?, ?, ?, ?, ?)", values)

    def _run(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        """Run one statement in a transaction of its own: a picture takes far longer than opening the file."""
        try:
            with closing(open_file(self.path, _LAYOUT)) as file:
                found: tuple[Any, ...] | None = file.execute(statement, values).fetchone()
                return found
        except (*FAULTS, OSError) as error:
            raise DetectorFailedError(
                f"The cache of detections can not be used: {error}",
                where=str(self.path),
                hint="Move the file aside, or choose another detection_cache (null: none)",
            ) from error


def _upgrade(file: sqlite3.Connection, version: int) -> None:
    """Make the table where there is none, with a checksum for each row that is there."""
    file.execute(_TABLE)
    if "checksum" not in {row[1] for row in file.execute("PRAGMA table_info(detections)")}:
        file.execute("ALTER TABLE detections ADD COLUMN checksum BLOB")
        rows = file.execute(f"SELECT {_COLUMNS} FROM detections").fetchall()
        file.executemany("UPDATE detections SET checksum = ? WHERE key = ?", ((checksum(*row), row[0]) for row in rows))


_LAYOUT = Layout(VERSION, lambda version: ("detections",), _upgrade)


def _read(row: tuple[Any, ...]) -> Detections | None:
    """Return the detections of a row; ``None`` for one that is not as it was written."""
    *values, given = row
    _, boxes, scores, labels = values
    types = isinstance(boxes, bytes) and isinstance(scores, bytes) and isinstance(labels, str)
    if not types or given != checksum(*values) or len(boxes) % 16 or len(scores) * 4 != len(boxes):
        return None
    try:
        names, domain = json.loads(labels), None
        if isinstance(names, dict):  # of detectors that know no domain it is a plain list of labels
            names, domain = names["labels"], Domain.from_dict(names["domain"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    found = np.frombuffer(boxes, dtype="<f4").astype(np.float32).reshape(-1, 4)
    sure = np.frombuffer(scores, dtype="<f4").astype(np.float32)
    if not (np.isfinite(found).all() and np.isfinite(sure).all() and len(names) in (0, len(found))):
        return None
    return Detections(found, sure, tuple(names), domain)
