"""The SQLite file of a cache: which oracle said what about which boxes of which picture.

Several processes may read and write one file: it is in WAL mode, each write is one short transaction, and a row that
is there already stays as it is. A process that is killed leaves whole transactions behind, and nothing else. Each row
has a checksum over what was asked and said: one that is damaged counts as not there, and is replaced.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from neptune.errors import OracleFailedError
from neptune.sqlite import FAULTS, Layout, checksum, open_file

VERSION = 2
"""2: a checksum a row. A file of version 1 gets them when it is opened."""

LONGEST = 1_000_000
"""Characters of an answer in words."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS oracle (id INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS asked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, oracle INTEGER NOT NULL REFERENCES oracle, picture TEXT NOT NULL,
    kind TEXT NOT NULL, question TEXT NOT NULL, arity INTEGER NOT NULL, choices TEXT NOT NULL,
    UNIQUE (oracle, picture, kind, question, arity, choices));
CREATE TABLE IF NOT EXISTS score (
    asked INTEGER NOT NULL REFERENCES asked, cell BLOB NOT NULL, logit REAL NOT NULL, mass REAL NOT NULL, checksum BLOB,
    PRIMARY KEY (asked, cell)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS text (
    asked INTEGER NOT NULL REFERENCES asked, cell BLOB NOT NULL, answer TEXT NOT NULL, checksum BLOB,
    PRIMARY KEY (asked, cell)) WITHOUT ROWID;
"""
# AUTOINCREMENT: the numbers of pruned questions are not used again, which other processes may still remember.
_AT_ONCE = 900
"""Cells in one query; SQLite takes at least 999 parameters."""
_COLUMNS = {"score": "logit, mass", "query": "answer"}
_TABLE = {"score": "score", "query": "text"}


class Asked(NamedTuple):
    """One question about one picture to one oracle; the cells of one `Asked` differ by their boxes alone.

    ``kind`` is ``"score"`` or ``"query"``; ``choices`` is the JSON list of admissible answers, ``""`` for none.
    """

    identity: str
    picture: str
    kind: str
    question: str
    arity: int
    choices: str = ""


@runtime_checkable
class Store(Protocol):
    """Where a cache keeps answers: :class:`OracleStore`, or what asks one in another process."""

    def get(self, asked: Asked, cells: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """Return what is known of these cells."""
        ...

    def put(self, rows: Iterable[tuple[Asked, bytes, tuple[Any, ...]]]) -> None:
        """Add answers."""
        ...


def store_of(place: str | Path | Store) -> Store:
    """Return the store of a file, by its path; another store stays as it is."""
    return OracleStore(place) if isinstance(place, str | Path) else place


class OracleStore:
    """A file of answers; threads and processes may share it.

    Parameters
    ----------
    path
        The file; made with its folder when first needed.

    Raises
    ------
    OracleFailedError
        At any use: if the file is no cache, damaged, of a newer version, locked for a minute, or can not be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._ids: dict[Asked, int] = {}
        self._damaged: set[tuple[str, int, bytes]] = set()

    def get(self, asked: Asked, cells: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """Return what is known of these cells: cell → ``(logit, mass)``, or ``(text,)`` for a query."""
        known: dict[bytes, tuple[Any, ...]] = {}
        with self._use() as db:
            number = self._ids.get(asked) or self._find(db, asked)
            if not number:
                return known
            self._ids[asked] = number
            table, own = _TABLE[asked.kind], _digest(asked)
            select = f"SELECT cell, checksum, {_COLUMNS[asked.kind]} FROM {table} WHERE asked = ? AND cell IN "
            for start in range(0, len(cells), _AT_ONCE):
                part = cells[start : start + _AT_ONCE]
                for cell, given, *values in db.execute(select + f"({','.join('?' * len(part))})", (number, *part)):
                    if _is_whole(asked.kind, values) and given == checksum(own, cell, *values):
                        known[cell] = tuple(values)
                    else:
                        self._note_damage(table, number, cell)
        return known

    def _note_damage(self, table: str, number: int, cell: bytes) -> None:
        if not self._damaged:
            print(f"The cache {self.path} has damaged rows: what they said is asked again", file=sys.stderr)
        self._damaged.add((table, number, cell))

    def put(self, rows: Iterable[tuple[Asked, bytes, tuple[Any, ...]]]) -> None:
        """Add answers in one transaction: ``(logit, mass)`` or ``(text,)`` for each cell; known cells stay."""
        by_asked: dict[Asked, list[tuple[bytes, tuple[Any, ...]]]] = {}
        for asked, cell, values in rows:
            by_asked.setdefault(asked, []).append((cell, values))
        if not by_asked:
            return
        with self._use() as db:
            db.execute("BEGIN IMMEDIATE")
            new: dict[Asked, int] = {}
            for asked, found in by_asked.items():
                number = self._ids.get(asked)
                if number is None or not db.execute("SELECT 1 FROM asked WHERE id = ?", (number,)).fetchone():
                    self._make(db, asked)
                    number = new[asked] = self._find(db, asked)
                table, own = _TABLE[asked.kind], _digest(asked)
                bad = [(number, cell) for cell, _ in found if (table, number, cell) in self._damaged]
                db.executemany(f"DELETE FROM {table} WHERE asked = ? AND cell = ?", bad)
                marks = ",".join("?" * (3 + len(found[0][1])))
                db.executemany(
                    f"INSERT OR IGNORE INTO {table} VALUES ({marks})",
                    ((number, cell, *values, checksum(own, cell, *values)) for cell, values in found),
                )
            db.execute("COMMIT")
            self._ids |= new  # only what is in the file for good

    def contents(self) -> list[dict[str, Any]]:
        """Return one row for each oracle: ``identity``, and how many ``pictures questions scores texts`` it has."""
        with self._use() as db:
            found = db.execute(
                "SELECT identity, (SELECT count(DISTINCT picture) FROM asked WHERE oracle = o.id), "
                "(SELECT count(DISTINCT question) FROM asked WHERE oracle = o.id), "
                "(SELECT count(*) FROM score WHERE asked IN (SELECT id FROM asked WHERE oracle = o.id)), "
                "(SELECT count(*) FROM text WHERE asked IN (SELECT id FROM asked WHERE oracle = o.id)) "
                "FROM oracle o ORDER BY identity"
            ).fetchall()
        return [dict(zip(("identity", "pictures", "questions", "scores", "texts"), row)) for row in found]

    def remove(self, identities: Sequence[str]) -> None:
        """Remove all that these oracles said, and make the file smaller."""
        with self._use() as db:
            db.execute("BEGIN IMMEDIATE")
            for name in identities:
                mine = "oracle = (SELECT id FROM oracle WHERE identity = ?)"
                for table in ("score", "text"):
                    db.execute(f"DELETE FROM {table} WHERE asked IN (SELECT id FROM asked WHERE {mine})", (name,))
                db.execute(f"DELETE FROM asked WHERE {mine}", (name,))
                db.execute("DELETE FROM oracle WHERE identity = ?", (name,))
            db.execute("COMMIT")
            db.execute("VACUUM")
            self._ids.clear()

    def close(self) -> None:
        """Close the file. It opens again when it is used again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None
            self._ids.clear()

    # --- inside ---

    def _find(self, db: sqlite3.Connection, asked: Asked) -> int:
        """Return the number of what was asked, from 1; 0 where it is not in the file."""
        row = db.execute(
            "SELECT a.id FROM asked a JOIN oracle o ON a.oracle = o.id WHERE o.identity = ? AND a.picture = ? "
            "AND a.kind = ? AND a.question = ? AND a.arity = ? AND a.choices = ?",
            asked,
        ).fetchone()
        return int(row[0]) if row else 0

    def _make(self, db: sqlite3.Connection, asked: Asked) -> None:
        db.execute("INSERT OR IGNORE INTO oracle (identity) VALUES (?)", (asked.identity,))
        db.execute(
            "INSERT OR IGNORE INTO asked (oracle, picture, kind, question, arity, choices) "
            "SELECT id, ?, ?, ?, ?, ? FROM oracle WHERE identity = ?",
            (*asked[1:], asked.identity),
        )

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """Yield the open file for this thread alone; whatever SQLite says becomes one line."""
        with self._lock:
            try:
                yield self._open()
            except (*FAULTS, OSError) as error:
                connection = self._connection
                if connection is not None and connection.in_transaction:
                    connection.rollback()
                raise self._failed(error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        # A connection must not cross a fork: the child makes its own.
        self._connection, self._pid = open_file(self.path, _LAYOUT), os.getpid()
        self._ids.clear()
        return self._connection

    def _failed(self, error: Exception) -> OracleFailedError:
        said = getattr(error, "strerror", None) or str(error)
        locked = isinstance(error, sqlite3.OperationalError) and "locked" in said
        return OracleFailedError(
            f"The cache of oracle answers can not be used: {said}",
            where=str(self.path),
            expected="a file written by this program, or none",
            hint="Another process holds it: wait for that"
            if locked
            else "Move the file aside, or choose another oracle_cache (null: none)",
        )


def _digest(asked: Asked) -> bytes:
    """Return what stands for a question in the checksums of its answers."""
    return checksum(*(str(part) for part in asked))


def _is_whole(kind: str, values: Sequence[Any]) -> bool:
    """Tell whether the values of a row are of the types and lengths that are written."""
    if kind == "query":
        return isinstance(values[0], str) and len(values[0]) <= LONGEST
    return all(isinstance(value, float) and not math.isnan(value) for value in values)


def _upgrade(db: sqlite3.Connection, version: int) -> None:
    """Make the tables of a new file, or bring those of version 1 to version 2."""
    if version == 0:
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
    else:
        _add_checksums(db)


def _add_checksums(db: sqlite3.Connection) -> None:
    """Add a checksum to each row that was written whole."""
    for table, kind in (("score", "score"), ("text", "query")):
        db.execute(f"ALTER TABLE {table} ADD COLUMN checksum BLOB")
        asked = db.execute(
            "SELECT a.id, o.identity, a.picture, a.kind, a.question, a.arity, a.choices FROM asked a "
            "JOIN oracle o ON a.oracle = o.id WHERE a.kind = ?",
            (kind,),
        ).fetchall()
        for number, *parts in asked:
            own = _digest(Asked(*parts))
            rows = db.execute(f"SELECT cell, {_COLUMNS[kind]} FROM {table} WHERE asked = ?", (number,)).fetchall()
            good = [(cell, values) for cell, *values in rows if isinstance(cell, bytes) and _is_whole(kind, values)]
            db.executemany(
                f"UPDATE {table} SET checksum = ? WHERE asked = ? AND cell = ?",
                ((checksum(own, cell, *values), number, cell) for cell, values in good),
            )


_LAYOUT = Layout(VERSION, lambda version: ("oracle", "asked", "score", "text") if version else (), _upgrade)
