"""The programs that models have written, kept: a JSON file, safe for several processes and for a kill.

    {"format": "neptune-programs", "programs": {key: {"question": …, "task": …, "programs": […], …}}}

A new program is one line at the end of a journal beside the file (``<file>.new``), written under a lock. When the
store is closed, or the journal is long, the lines are merged into the JSON file, which is replaced whole. A reader
reads both. NePTune's plain files, ``{"question": "program"}``, are read too and never changed.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError, WriteError
from neptune.resources import data_root
from neptune.saving import append_line, lock_of, locked, write_error, write_whole
from neptune.writer.cache import MOST_BYTES, ProgramCache, normal_question, read_object

FORMAT = "neptune-programs"
WHAT, HINT = "The program cache", "Make room, or choose another program_cache_address"
"""For errors of writing."""

_LONG = 500

Entry = dict[str, Any]
"""``question task model prompt_hash settings programs notes usage``, and ``dispute`` where programs differ; `programs`
are ``{"program", "weight"}``."""


def make_key(question: str, task: str, prompt_hash: str, model: str, settings: Mapping[str, Any]) -> str:
    """Return the key of a program: everything that can change it, and nothing else."""
    content = json.dumps(
        [normal_question(question), task, prompt_hash, model, dict(settings)], sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class ProgramStore:
    """Programs by key, and by question. May be used from many threads and processes.

    Parameters
    ----------
    path
        A JSON file, gzipped if its name ends in ``.gz``; it need not exist yet. A plain file is read only: what is
        written goes beside it, to ``<name>-written.json``; of a packaged one, into ``programs/`` of the working
        directory.
    writable
        Whether programs will be added; otherwise the file must exist.

    Raises
    ------
    DatasetError
        If the file can not be read, or holds something else.
    """

    def __init__(self, path: str | Path, *, writable: bool = True) -> None:
        self.path = Path(path)
        self.plain: ProgramCache | None = None
        self._entries: dict[str, Entry] = {}
        self._by_question: dict[str, list[Entry]] = {}
        self._lines = 0
        self._lock = threading.RLock()
        data = read_object(self.path) if self.path.exists() or not (writable or self._journal().exists()) else None
        if data is not None and data.get("format") != FORMAT:
            self.plain = ProgramCache.load(self.path)
            packaged = self.path.resolve().is_relative_to((data_root() / "programs").resolve())
            beside = Path("programs") if packaged else self.path.parent
            self.path = beside / f"{self.path.name.split('.json')[0]}-written.json"
        with self._locked(writable):
            self._load()

    def _journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def __len__(self) -> int:
        return len(self._entries) + (len(self.plain) if self.plain else 0)

    # --- reading ---------------------------------------------------------------------------------

    def get(self, key: str) -> Entry | None:
        """Return the entry of a key, or ``None``."""
        with self._lock:
            return self._entries.get(key)

    def find(self, question: str, task: str | None = None, model: str | None = None) -> Entry | None:
        """Return an entry of a question, whatever its prompt and settings were; the newest of those that fit.

        Entries of `task` come before others; entries of another model than `model`, if one is given, do not count.
        A plain file's programs fit every task and model, and come last.
        """
        with self._lock:
            found = [e for e in self._by_question.get(normal_question(question), ()) if model in (None, e.get("model"))]
        if found:
            return max(found, key=lambda e: e.get("task") == task if task else False) if task else found[-1]
        program = self.plain.get(question) if self.plain else None
        return {"question": question, "programs": [{"program": program, "weight": 1.0}]} if program else None

    def _load(self) -> None:
        if self.path.exists():
            data = read_object(self.path)
            programs = data.get("programs")
            if data.get("format") != FORMAT or not isinstance(programs, dict):
                raise DatasetError(
                    "The program cache holds something else", where=str(self.path), expected=f"format {FORMAT!r}"
                )
            for key, entry in programs.items():
                if _is_entry(entry):
                    self._keep(key, entry)
        for key, entry in self._journal_lines():
            self._keep(key, entry)

    def _keep(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        self._by_question.setdefault(normal_question(entry["question"]), []).insert(0, entry)

    def _journal_lines(self) -> Iterator[tuple[str, Entry]]:
        if not self._journal().exists():
            return
        if self._journal().stat().st_size > MOST_BYTES:
            raise DatasetError(
                "The journal of the program cache is too long",
                where=str(self._journal()),
                expected=f"{MOST_BYTES:,} bytes",
            )
        for line in self._journal().read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError, TypeError, RecursionError):  # a line that a kill has torn
                key, entry = json.loads(line)
                if isinstance(key, str) and _is_entry(entry):
                    yield key, entry

    # --- writing ---------------------------------------------------------------------------------

    def add(self, key: str, entry: Entry) -> None:
        """Keep an entry. After this call it survives a ``kill -9``.

        Raises
        ------
        WriteError
            If it can not be written.
        """
        line = b"\n" + json.dumps([key, entry], ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._keep(key, entry)
            try:
                with self._locked():
                    # The line break before it closes a line that a kill has torn.
                    append_line(self._journal(), line, WHAT, HINT)
                    self._lines += 1
                    if self._lines >= _LONG:
                        self._merge()
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        """Merge the journal into the JSON file. May be called twice."""
        with self._lock:
            if not self._journal().exists():
                return
            try:
                with self._locked():
                    self._merge()
            except OSError as error:
                raise self._unwritable(error) from error

    def _merge(self) -> None:
        """Write the JSON file anew: what it holds by now, other processes' lines, ours. The lock is held."""
        programs = read_object(self.path).get("programs", {}) if self.path.exists() else {}
        programs |= dict(self._journal_lines())
        text = json.dumps({"format": FORMAT, "programs": programs}, ensure_ascii=False, indent=1, sort_keys=True)
        content = text.encode("utf-8", "backslashreplace") + b"\n"
        if self.path.suffix == ".gz":
            content = gzip.compress(content, mtime=0)
        write_whole(self.path, content, WHAT, HINT)
        self._journal().unlink(missing_ok=True)
        self._lines = 0

    def _locked(self, make: bool = True) -> contextlib.AbstractContextManager[None]:
        """Hold the file's lock; without `make`, only if it is there and may be taken: nothing is created."""
        if make or os.access(lock_of(self.path), os.W_OK):
            return locked(self.path, WHAT, HINT)
        return contextlib.nullcontext()

    def _unwritable(self, error: OSError) -> WriteError:
        return write_error(error, self.path, WHAT, HINT)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("question"), str)
        and isinstance(entry.get("programs"), list)
        and bool(entry["programs"])
        and all(
            isinstance(p, dict) and isinstance(p.get("program"), str) and _is_weight(p.get("weight", 1.0))
            for p in entry["programs"]
        )
    )


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
