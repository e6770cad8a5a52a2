"""SQLite files that threads and processes share."""

from __future__ import annotations

import sqlite3
import time

BUSY_SECONDS = 60.0
"""How long to wait for another's transaction."""


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
