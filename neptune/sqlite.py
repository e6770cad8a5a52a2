"""SQLite files that threads and processes share, and that may come from somewhere else.

A file is opened so that nothing in its schema runs, holds the tables that are expected and nothing else, and each of
its rows carries a checksum: a row that was damaged is no answer.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import time
from collections.abc import Iterable

BUSY_SECONDS = 60.0
"""How long to wait for another's transaction."""


MOST_BYTES = 64_000_000
"""Of one value, or one statement."""


FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file leads to: SQLite's own words about it may be no text."""


def harden(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Make an open file safe to read: no function of its schema is called, no value is without bounds.

    Raises
    ------
    sqlite3.Error
        If it holds anything but these tables: a view or a trigger is a program of somebody else's.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    known = {*tables, "sqlite_sequence"}
    for kind, name, owner in connection.execute("SELECT type, name, tbl_name FROM sqlite_master"):
        good = name in known if kind == "table" else kind == "index" and name.startswith("sqlite_") and owner in known
        if not good:
            raise sqlite3.DatabaseError(f"it is another program's database ({kind} {name})"[:200])


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
