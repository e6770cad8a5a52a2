"""Files that several threads and processes begin to use at once."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from neptune import sqlite


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
