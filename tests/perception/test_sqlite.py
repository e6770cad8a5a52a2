"""Files that several threads and processes begin to use at once."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import resource
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neptune import sqlite
from neptune.errors import DatasetError, DetectorError, OracleFailedError
from neptune.perception.detect.cache import CachedDetector
from neptune.perception.oracle.caching.store import Asked, OracleStore
from neptune.scene.picture import Picture
from neptune.scene.types import Detections
from neptune.writer import cache as cache_module
from neptune.writer.cache import ProgramCache
from neptune.writer.store import ProgramStore

ASKED = Asked("model", "picture", "score", "is it red?", 1)
SAID = Asked("model", "picture", "query", "what is it?", 1)
CELL = b"c" * 16
PICTURE = Picture(np.zeros((8, 8, 3), np.uint8))


def changed(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(statement, values)


class Finder:
    """A detector that counts how often it looks."""

    name, identity, open_vocabulary = "finder", "finder", False

    def __init__(self) -> None:
        self.looked = 0

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        self.looked += 1
        return Detections(np.array([[1, 1, 5, 5]], np.float32), np.array([0.9], np.float32), ("cup",))


@pytest.mark.parametrize("statement", ["PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE"])
def test_what_is_refused_at_once_is_tried_again(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    late = sqlite3.connect(path, timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        late.execute(statement)
    release = threading.Timer(0.2, holder.execute, ["ROLLBACK"])
    release.start()
    sqlite.patiently(late, statement)
    release.join()


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(tmp_path / "file.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    late = sqlite3.connect(tmp_path / "file.sqlite", timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite.patiently(late, "BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        sqlite.patiently(late, "BEGONE")


class Interrupted(sqlite3.Connection):
    """A connection before whose every statement another's work may come."""

    before: Callable[[], None] = staticmethod(lambda: None)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        type(self).before()
        return super().execute(*args)


def oracle_says(path: Path) -> None:
    store = OracleStore(path)
    store.put([(ASKED, CELL, (1.5, 0.9))])
    assert store.get(ASKED, [CELL]) == {CELL: (1.5, 0.9)}
    store.close()


def detector_finds(path: Path) -> None:
    assert CachedDetector(Finder(), path).detect(PICTURE).labels == ("cup",)


def of_version_1(path: Path) -> None:
    oracle_says(path)
    for table in ("score", "text"):
        changed(path, f"ALTER TABLE {table} DROP COLUMN checksum")
    changed(path, "PRAGMA user_version = 1")


def of_version_0(path: Path) -> None:
    detector_finds(path)
    changed(path, "ALTER TABLE detections DROP COLUMN checksum")
    changed(path, "PRAGMA user_version = 0")


def is_newer(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0.02)) as file:
        file.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("first", "use", "others"),
    [
        (None, oracle_says, oracle_says),
        (of_version_1, oracle_says, oracle_says),
        (None, oracle_says, is_newer),
        (None, detector_finds, detector_finds),
        (of_version_0, detector_finds, detector_finds),
        (None, detector_finds, is_newer),
    ],
)
def test_another_may_use_the_file_between_any_two_statements(
    first: Callable[[Path], None] | None,
    use: Callable[[Path], None],
    others: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes before the first statement, in a next file before the second, and so on to the last."""
    plain, when, left = sqlite3.connect, 0, -1
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)

    def before() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            with monkeypatch.context() as alone:
                alone.setattr(sqlite3, "connect", plain)
                try:
                    others(path)
                except (OracleFailedError, DetectorError, sqlite3.OperationalError) as error:
                    locked.append(str(error))

    while left < 0:
        path, left, locked, newer = tmp_path / f"{when}.sqlite", when, list[str](), list[str]()
        if first is not None:
            first(path)
        with monkeypatch.context() as patched:
            patched.setattr(Interrupted, "before", staticmethod(before))
            patched.setattr(sqlite3, "connect", partial(plain, factory=Interrupted))
            try:
                use(path)
            except (OracleFailedError, DetectorError) as error:
                newer.append(str(error))
        assert all("locked" in said for said in locked), locked
        assert all("version 99" in said and others is is_newer for said in newer), newer
        if locked:
            others(path)  # it was refused while the first one wrote
        when += 1
    assert when > 10


# --- files that come from somewhere else ---


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache.sqlite"
    store = OracleStore(path)
    store.put([(ASKED, CELL, (1.5, 0.9)), (ASKED, b"d" * 16, (2.5, 0.8)), (SAID, CELL, ("a cup",))])
    store.close()
    return path


DAMAGE = [
    "UPDATE score SET logit = -1.5 WHERE logit = 1.5",
    "UPDATE score SET mass = 0.1 WHERE logit = 1.5",
    "UPDATE score SET logit = 'high' WHERE logit = 1.5",
    "UPDATE score SET logit = x'00' WHERE logit = 1.5",
    "UPDATE score SET logit = 9e999 WHERE logit = 1.5",
    "UPDATE score SET checksum = NULL WHERE logit = 1.5",
    "UPDATE score SET checksum = 'x' WHERE logit = 1.5",
    "UPDATE asked SET question = CASE kind WHEN 'score' THEN 'is it blue?' ELSE question END",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_a_row_that_was_changed_is_no_answer(statement: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(cache, statement)
    asked = ASKED._replace(question="is it blue?") if "blue" in statement else ASKED
    store = OracleStore(cache)
    assert CELL not in store.get(asked, [CELL, b"d" * 16])
    assert ("d" * 16).encode() not in store.get(asked, [b"d" * 16]) or "blue" not in statement
    assert "damaged" in capsys.readouterr().err
    store.put([(asked, CELL, (1.5, 0.9))])
    assert store.get(asked, [CELL]) == {CELL: (1.5, 0.9)}
    assert OracleStore(cache).get(asked, [CELL]) == {CELL: (1.5, 0.9)}, "it was replaced in the file"


def test_a_text_that_was_changed_is_no_answer(cache: Path) -> None:
    for value in ("'a knife'", "7", "x'ff'", "CAST(x'fffe' AS TEXT)", "printf('%.2000000c', 'x')"):
        changed(cache, f"UPDATE text SET answer = {value}")
        assert OracleStore(cache).get(SAID, [CELL]) == {}


@pytest.mark.parametrize(
    "statement",
    ["CREATE TRIGGER t AFTER INSERT ON score BEGIN DELETE FROM score; END", "CREATE VIEW v AS SELECT 1",
     "CREATE TABLE more (x)", "CREATE INDEX i ON score (logit)"],
)  # fmt: skip
def test_a_file_with_more_than_its_tables_is_refused(statement: str, cache: Path, tmp_path: Path) -> None:
    changed(cache, statement)
    with pytest.raises(OracleFailedError, match="another program's database"):
        OracleStore(cache).get(ASKED, [CELL])


def test_a_file_of_version_1_gets_its_checksums(cache: Path) -> None:
    for table in ("score", "text"):
        changed(cache, f"ALTER TABLE {table} DROP COLUMN checksum")
    changed(cache, "PRAGMA user_version = 1")
    store = OracleStore(cache)
    assert store.get(ASKED, [CELL]) == {CELL: (1.5, 0.9)}
    assert store.get(SAID, [CELL]) == {CELL: ("a cup",)}
    store.put([(ASKED, b"e" * 16, (0.5, 0.5))])
    assert set(OracleStore(cache).get(ASKED, [CELL, b"d" * 16, b"e" * 16])) == {CELL, b"d" * 16, b"e" * 16}


@pytest.mark.parametrize(
    "statement",
    ["boxes = x'00'", "boxes = zeroblob(16)", "boxes = 'x'", "scores = x'0000c07f'", "labels = '[1]'", "labels = '['",
     "labels = '[\"knife\"]'", "checksum = NULL"],
)  # fmt: skip
def test_a_detection_that_was_changed_is_looked_for_again(statement: str, tmp_path: Path) -> None:
    path, inner = tmp_path / "d.sqlite", Finder()
    detector = CachedDetector(inner, path)
    detector.detect(PICTURE)
    detector.detect(PICTURE)
    assert inner.looked == 1
    changed(path, f"UPDATE detections SET {statement}")
    assert detector.detect(PICTURE).boxes.tolist() == [[1, 1, 5, 5]]
    assert detector.detect(PICTURE).labels == ("cup",)
    assert (inner.looked, detector.hits) == (2, 2)


def test_detections_of_before_are_kept(tmp_path: Path) -> None:
    path, inner = tmp_path / "d.sqlite", Finder()
    CachedDetector(inner, path).detect(PICTURE)
    changed(path, "ALTER TABLE detections DROP COLUMN checksum")
    changed(path, "PRAGMA user_version = 0")
    assert CachedDetector(inner, path).detect(PICTURE).labels == ("cup",)
    assert inner.looked == 1
    changed(path, "CREATE TRIGGER t AFTER INSERT ON detections BEGIN DELETE FROM detections; END")
    with pytest.raises(DetectorError, match="another program's database"):
        CachedDetector(inner, path).detect(PICTURE)


def test_every_flipped_byte_of_a_cache_is_an_answer_or_an_error(cache: Path, tmp_path: Path, full: bool) -> None:
    good, rng = cache.read_bytes(), random.Random(2)
    path = tmp_path / "flipped.sqlite"
    for _ in range(2_000 if full else 60):
        content = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        for extra in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            extra.unlink(missing_ok=True)
        path.write_bytes(bytes(content))
        store = OracleStore(path)
        with contextlib.suppress(OracleFailedError):
            assert store.get(ASKED, [CELL]) in ({}, {CELL: (1.5, 0.9)})
            assert store.get(SAID, [CELL]) in ({}, {CELL: ("a cup",)})
        store.close()


# --- programs, compressed ---


def test_a_compressed_file_of_programs_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.json.gz"
    path.write_bytes(gzip.compress(b'{"a": "' + b" " * 400_000_000 + b'"}', 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError, match="more than 256,000,000 bytes"):
        ProgramCache.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 900_000  # kilobytes
    for content in (b"[" * 100_000, b'{"a": ' + b"9" * 5_000 + b"}", b'{"a": {}}', b"\x1f\x8b", b'{"b": []}'):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(DatasetError):
            ProgramCache.load(path)
    path.write_bytes(gzip.compress(b'{"question": "program"}'))
    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "MOST_BYTES", 10)
        with pytest.raises(DatasetError, match="more than 10 bytes"):
            ProgramCache.load(path)
    weights = {"question": "a", "programs": [{"program": "1", "weight": "NaN"}]}
    (tmp_path / "w.json").write_text(json.dumps({"format": "neptune-programs", "programs": {"k": weights}}))
    assert ProgramStore(tmp_path / "w.json", writable=False).find("a") is None
