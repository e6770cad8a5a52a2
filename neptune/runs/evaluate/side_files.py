"""Side files of a run: what is found out about its samples afterwards, in ``judge.jsonl`` and ``blame.jsonl``.

``samples.jsonl`` is never changed. Each line of these files is about one sample (`dataset` and `id`), is written at
once, and survives a kill; what is there is not found out again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neptune.errors import NeptuneError
from neptune.runs.record import key, write_atomic

NAMES = ("judge", "blame")
"""The side files there may be, each the name of the field under which a record shows it."""

Row = dict[str, Any]


class SideFile:
    """One side file: rows by dataset and id. Safe to use from many threads.

    Parameters
    ----------
    folder
        The run folder.
    name
        One of :data:`NAMES`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.rows: dict[tuple[str, str], Row] = {}
        self._lock = threading.Lock()
        whole = 0
        for line in self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else ():
            try:
                row = json.loads(line)
                self.rows[key(row)] = row
            except (ValueError, KeyError, TypeError):
                break  # torn by a power cut: what follows was written after it
            whole += len(line) + 1
        if self.path.is_file() and self.path.stat().st_size > whole:
            with open(self.path, "r+b") as file:
                file.truncate(whole)

    def add(self, row: Row) -> None:
        """Add a sample's row; a later one replaces it.

        Raises
        ------
        NeptuneError
            If it can not be written.
        """
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            try:
                with open(self.path, "ab", buffering=0) as file:
                    file.write(line)
            except OSError as error:
                raise NeptuneError(
                    f"The row can not be written: {error.strerror}",
                    where=str(self.path),
                    hint="Make room, then give the same command again: it resumes",
                ) from error
            self.rows[key(row)] = row


def forget_others(folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Drop the rows of samples that are not among the records: they were about answers that were taken back."""
    there = {key(r) for r in records}
    for name in NAMES:
        path = folder / f"{name}.jsonl"
        rows = SideFile(folder, name).rows if path.is_file() else {}
        if not rows.keys() <= there:
            kept = (json.dumps(row, ensure_ascii=False) + "\n" for who, row in rows.items() if who in there)
            write_atomic(path, "".join(kept))


def attach(folder: Path, records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the records, each with the fields ``judge`` and ``blame`` where they are known."""
    found = {name: SideFile(folder, name).rows for name in NAMES if (folder / f"{name}.jsonl").is_file()}
    attached = []
    for record in records:
        row = dict(record)
        for name, rows in found.items():
            if known := rows.get(key(record)):
                row[name] = {k: v for k, v in known.items() if k not in ("dataset", "id")}
        attached.append(row)
    return attached
