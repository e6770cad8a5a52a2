"""The records of a run as a list that stays on the disk: in memory are the place and the name of each, and no more."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from pydantic_core import from_json

from neptune.errors import ConfigError

Record = dict[str, Any]
"""One line of ``samples.jsonl``."""


def key(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return what identifies a sample within a run: its dataset and id."""
    return str(record["dataset"]), str(record["id"])


class Kept(Sequence[Record]):
    """The records of a ``samples.jsonl``, in the order in which they were written; each is read when it is looked at.

    Only whole lines that were added here count: the file may go on growing. Threads may read it.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    keys
        What identifies each (:func:`key`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = array("Q")
        self.keys: list[tuple[str, str]] = []

    @property
    def bytes(self) -> int:
        """How many bytes of the file hold the records."""
        return self._ends[-1] if self._ends else 0

    def add(self, record: Mapping[str, Any], size: int) -> None:
        """Count one more line of the file, of so many bytes with its end."""
        dataset, name = key(record)
        self.keys.append((sys.intern(dataset), name))
        self._ends.append(self.bytes + size)

    def first(self, count: int) -> Kept:
        """Return the first records as a list of their own."""
        found = Kept(self._path)
        found._ends, found.keys = self._ends[:count], self.keys[:count]
        return found

    def in_order(self, datasets: Sequence[str]) -> Iterator[Record]:
        """Yield the records by dataset, in this order; those of others come last."""
        place = {name: position for position, name in enumerate(datasets)}
        at = [place.get(dataset, len(place)) for dataset, _ in self.keys]
        if at == sorted(at):
            return iter(self)
        return (self[k] for k in sorted(range(len(at)), key=at.__getitem__))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Record]:
        if not self._ends:
            return
        with open(self._path, "rb") as file:
            for _ in range(len(self._ends)):
                yield _parsed(file.readline())

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        start = self._ends[at - 1] if at else 0
        with open(self._path, "rb") as file:
            file.seek(start)
            return _parsed(file.read(self._ends[at] - start))


def _parsed(line: bytes) -> Record:
    """Return the record of a line; ``ValueError`` if it is no JSON."""
    record: Record
    try:
        record = from_json(line)  # in a third of the time that Python's own takes
    except ValueError:  # half a character, or very deep: Python's own reads more
        record = json.loads(line)
    return record


def scan(path: Path) -> Iterator[tuple[Record, int]]:
    """Yield the records of a ``samples.jsonl`` with the bytes of each.

    A last line that is torn (no newline, or no JSON) is left out. A missing file holds no records.

    Raises
    ------
    ConfigError
        If another line is damaged or a sample occurs twice: this file was not written by a run alone.
    """
    if not path.is_file():
        return
    seen: set[tuple[str, str]] = set()
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = _parsed(line)
                identity = key(record)
            except (ValueError, KeyError, TypeError, RecursionError):
                rest = file.read()
                if b"\n" not in rest and not rest.strip(b"\0"):
                    return  # the last line: torn by a power cut
                raise broken(f"Line {number} is damaged", path) from None
            if identity in seen:
                raise broken(f"Line {number} repeats sample {identity[1]!r}", path)
            seen.add(identity)
            yield record, len(line)


def read_samples(path: Path) -> tuple[list[Record], int]:
    """Read ``samples.jsonl``; return its records and the number of bytes that hold them, errors as of :func:`scan`.

    Cut the file to the returned length: a last line that is torn is left out.
    """
    found = list(scan(path))
    return [record for record, _ in found], sum(size for _, size in found)


def broken(what: str, path: Path) -> ConfigError:
    """Return the error for a run folder that holds something else."""
    return ConfigError(what, where=str(path), hint="Use --resume false to start afresh")
