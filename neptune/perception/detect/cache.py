"""Detections on disk: a picture that a detector has looked at for the same labels is not looked at again."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np

from neptune.errors import DetectorError
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, Detector
from neptune.sqlite import BUSY_SECONDS, patiently

_TABLE = (
    "CREATE TABLE IF NOT EXISTS detections "
    "(key TEXT PRIMARY KEY, boxes BLOB NOT NULL, scores BLOB NOT NULL, labels TEXT NOT NULL) WITHOUT ROWID"
)


class CachedDetector:
    """Answers from a file what another detector found before, and keeps what it finds.

    A detection is known by the pixels of the picture, the labels, and the detector's `identity`; a picture in which
    nothing was found is known too. Several threads and processes may share a file.

    Parameters
    ----------
    inner
        The detector; it has an `identity`.
    path
        The SQLite file; made where it does not exist.

    Raises
    ------
    DetectorError
        At any use: if the file can not be read or written.
    """

    def __init__(self, inner: Detector, path: str | Path) -> None:
        self.inner, self.name, self.path = inner, inner.name, Path(path)
        self.identity = str(inner.identity)  # type: ignore[attr-defined]
        self.open_vocabulary = bool(getattr(inner, "open_vocabulary", True))
        self.hits = 0
        self._lock = threading.Lock()

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture, or return what was found before; see the inner detector."""
        heeded = list(labels) if self.open_vocabulary else []
        content = json.dumps([self.identity, picture.digest, heeded], ensure_ascii=False)
        key = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        row = self._run("SELECT boxes, scores, labels FROM detections WHERE key = ?", (key,))
        if row is not None:
            with self._lock:
                self.hits += 1
            boxes = np.frombuffer(row[0], dtype="<f4").astype(np.float32).reshape(-1, 4)
            scores = np.frombuffer(row[1], dtype="<f4").astype(np.float32)
            return Detections(boxes, scores, tuple(json.loads(row[2])))
        found = self.inner.detect(picture, labels)
        self._run(
            "INSERT OR IGNORE INTO detections VALUES (?, ?, ?, ?)",
            (
                key,
                np.asarray(found.boxes, dtype="<f4").tobytes(),
                np.asarray(found.scores, dtype="<f4").tobytes(),
                json.dumps(list(found.labels), ensure_ascii=False),
            ),
        )
        return found

    def _run(self, statement: str, values: tuple[object, ...]) -> tuple[bytes, bytes, str] | None:
        """Run one statement in a transaction of its own: a picture takes far longer than opening the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as file, file:
                patiently(file, "PRAGMA journal_mode=WAL")
                file.execute(_TABLE)
                found: tuple[bytes, bytes, str] | None = file.execute(statement, values).fetchone()
                return found
        except (sqlite3.Error, OSError) as error:
            raise DetectorError(
                f"The cache of detections can not be used: {error}",
                where=str(self.path),
                hint="Move the file aside, or choose another detection_cache (null: none)",
            ) from error
