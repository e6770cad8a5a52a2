"""SQLite files that threads and processes share, and that may come from somewhere else.

A file is opened so that nothing in its schema runs, holds the tables that are expected and nothing else, and each of
its rows carries a checksum: a row that was damaged is no answer.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

BUSY_SECONDS = 60.0
"""How long to wait for another's transaction."""


MOST_BYTES = 64_000_000
"""Of one value, or one statement."""


FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file leads to: SQLite's own words about it may be no text."""


class Layout(NamedTuple):
    """What the files of a kind hold, in the versions there have been.

    ``version`` is the one that is written, from 1. ``tables(found)`` names those that a file of a version may hold; a
    new file, and one from before there were versions, says 0. ``upgrade(connection, found)`` brings a file from such a
    version to ``version``, inside a transaction that is begun and ended by others.
    """

    version: int
    tables: Callable[[int], Iterable[str]]
    upgrade: Callable[[sqlite3.Connection, int], None]


def open_file(path: Path, layout: Layout) -> sqlite3.Connection:
    """Open a file, made where there is none, and brought to the version that is written.

    Others may open, make or upgrade it at the same time: version and tables are looked at in one transaction, so
    what another does is seen whole or not at all; and again where the file must be changed, which one does at a time.
    Threads may share the connection, one at a time; a fork must not. It begins no transaction by itself.

    Raises
    ------
    sqlite3.Error
        If it is no such file: it holds anything but its tables (a view or a trigger is a program of somebody else's),
        is of a newer version, damaged, or locked for `BUSY_SECONDS`.
    OSError
        If its folder can not be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        patiently(connection, "PRAGMA journal_mode = WAL")
        # No function of its schema is called, no value is without bounds.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.execute("BEGIN")
        if _looked_at(connection, layout) < layout.version:
            connection.execute("COMMIT")
            patiently(connection, "BEGIN IMMEDIATE")
            found = _looked_at(connection, layout)
            if found < layout.version:
                layout.upgrade(connection, found)
                connection.execute(f"PRAGMA user_version = {layout.version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _looked_at(connection: sqlite3.Connection, layout: Layout) -> int:
    """Return the version of a file that may be used, inside a transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > layout.version:
        raise sqlite3.DatabaseError(f"it has version {version}, and this program knows {layout.version}")
    known = {*layout.tables(version), "sqlite_sequence"}
    for kind, name, owner in connection.execute("SELECT type, name, tbl_name FROM sqlite_master"):
        good = name in known if kind == "table" else kind == "index" and name.startswith("sqlite_") and owner in known
        if not good:
            raise sqlite3.DatabaseError(f"it is another program's database ({kind} {name})"[:200])
    return int(version)


def checksum(*parts: object) -> bytes:
    """Return 8 bytes that tell a row of such parts from one that was changed."""
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, bytes):
            raw = part
        elif isinstance(part, str):
            raw = part.encode("utf-8", "replace")
        else:
            raw = struct.pack("<d", part) if isinstance(part, float) else repr(part).encode()
        found.update(len(raw).to_bytes(4, "little") + raw)
    return found.digest()


def patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement that SQLite refuses at once, without waiting, while another connection is at the same one.

    The change to WAL is such a statement, and a transaction that begins while it is made.

    Raises
    ------
    sqlite3.Error
        If it fails otherwise, or the file stays locked for `BUSY_SECONDS`.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
