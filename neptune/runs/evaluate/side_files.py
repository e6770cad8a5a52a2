"""Side files of a run: what is found out about its samples afterwards, in ``judge.jsonl``, ``blame.jsonl``, …

``samples.jsonl`` is never changed. Each line of these files is about one sample (`dataset` and `id`), is written at
once, and survives a kill; what is there is not found out again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from neptune.foreign import scrubbed
from neptune.runs.record import key, write_atomic
from neptune.saving import append_line, write_error

NAMES = ("judge", "blame", "beside", "variants")
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

    Raises
    ------
    WriteError
        If there is a file that can not be read and mended.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self._what = f"{self.path.name} of the run"
        self.rows: dict[tuple[str, str], Row] = {}
        self._lock = threading.Lock()
        try:
            self._read()
        except OSError as error:
            raise write_error(error, self.path, self._what) from error

    def _read(self) -> None:
        """Read the rows, and cut off a line that a power cut has torn, with what was written after it."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        whole = 0
        for line in content.split(b"\n")[:-1]:
            try:
                row = json.loads(line)
                self.rows[key(row)] = row
            except (ValueError, KeyError, TypeError):
                break
            whole += len(line) + 1
        if len(content) > whole:
            os.truncate(self.path, whole)

    def add(self, row: Row) -> None:
        """Add a sample's row; a later one replaces it.

        Raises
        ------
        WriteError
            If it can not be written; the file is as it was.
        """
        line = (scrubbed(json.dumps(row, ensure_ascii=False)) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            append_line(self.path, line, self._what)
            self.rows[key(row)] = row


def forget_others(folder: Path, there: Collection[tuple[str, str]]) -> None:
    """Drop the rows of samples that are not there, by their keys: they were about answers that were taken back."""
    there = frozenset(there)
    for name in NAMES:
        path = folder / f"{name}.jsonl"
        rows = SideFile(folder, name).rows if path.is_file() else {}
        if not rows.keys() <= there:
            kept = (json.dumps(row, ensure_ascii=False) + "\n" for who, row in rows.items() if who in there)
            write_atomic(path, "".join(kept))


def has_side_files(folder: Path) -> bool:
    """Tell whether anything was found out about the samples of a run afterwards."""
    return any((folder / f"{name}.jsonl").is_file() for name in NAMES)


def attach(folder: Path, records: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the records, each with the fields of :data:`NAMES` that are known of it."""
    found = {name: SideFile(folder, name).rows for name in NAMES if (folder / f"{name}.jsonl").is_file()}
    for record in records:
        row = dict(record)
        for name, rows in found.items():
            if known := rows.get(key(record)):
                row[name] = {k: v for k, v in known.items() if k not in ("dataset", "id")}
        yield row
