"""The run folder: one line a sample, written so that a kill at any moment loses and doubles nothing.

``samples.jsonl`` only grows. Each line is one `write` call, so it survives the death of the process at once, and is
forced to the disk every second (a power cut loses at most that). On resume a torn last line is cut off, and, under
another budget of the run, what comes after the last answer that is the same under both. All other files are replaced
whole. A lock that dies with its process keeps others out.
"""

from __future__ import annotations

import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from neptune.config import NEUTRAL, PASSING, Config
from neptune.config.files import without_trust
from neptune.config.paths import places
from neptune.errors import ConfigError, WriteError
from neptune.foreign import scrubbed
from neptune.perception.oracle.caching.exchanges import EXCHANGES
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs.record.files import check_own_files, compact, entries, write_json
from neptune.runs.record.kept import Kept, Record, broken, scan
from neptune.runs.record.lock import LOCK, WAIT_SECONDS, lock, lock_made, remove_empty
from neptune.runs.record.outcome import guessed
from neptune.saving import append_line, append_whole, write_error

SAMPLES, CONFIG, RESULTS = "samples.jsonl", "config.json", "results.json"
REPORT, ERRORS = "report.html", "errors.log"
META = "_run"
"""The key of ``config.json`` that holds what is no config field: versions, commit, hashes, times."""

_SYNC_SECONDS = 1.0


def first_cut_short(records: Iterable[Mapping[str, Any]], budget: int | None, each: int | None = None) -> int:
    """Return the position of the first record that was cut short by the run's budget; their number if none was.

    Parameters
    ----------
    records
        In the order in which they were written.
    budget, each
        The oracle calls that the run might make (`max_run_calls`), and each question (`max_oracle_calls`).
    """
    left, position = math.inf if budget is None else budget, -1
    for position, record in enumerate(records):
        if guessed(record) and left < (math.inf if each is None else each):
            return position
        left -= _calls(record)
    return position + 1


COUNTED = ("error", "correct", "abstained", "settled", "why", "seconds")
_COUNTED_USAGE = ("oracle_calls", "cache_hits", "oracle_cost", "code_gen_cost", "oracle_ms")


def _counted(record: Record) -> Record:
    usage = record.get("usage") or {}
    found = {name: record[name] for name in COUNTED if record.get(name) is not None}
    return found | {"usage": {name: usage[name] for name in _COUNTED_USAGE if name in usage}}


def _calls(record: Mapping[str, Any]) -> int:
    return int((record.get("usage") or {}).get("oracle_calls", 0))


def check_kind(folder: Path) -> None:
    """Check that a folder is empty, or holds a run.

    Raises
    ------
    ConfigError
        If it holds something else.
    """
    names = [path.name for path in entries(folder)]
    foreign = [name for name in names if name != LOCK and not name.endswith(".tmp")]
    if foreign and CONFIG not in names:
        raise ConfigError(
            f"The folder holds other files ({', '.join(foreign[:3])}, …) and no run",
            where=str(folder),
            hint="Choose an empty --output_dir",
        )


class RunFolder:
    """A locked run folder. Use as a context manager.

    Parameters
    ----------
    path
        The folder; created if missing.
    config
        The resolved config, kept but for the fields of this call alone (:data:`neptune.config.PASSING`).
    facts
        What else decides the answers: file → SHA-256. Compared on resume.
    meta
        What is merely recorded: versions, git commit, name.
    fresh
        Start afresh: an earlier run in this folder is moved aside to ``<folder>.1``, ``.2``, …
    clear
        Takes away what an earlier run has left, when the folder is locked; with it another process, which writes for
        a moment as this one will, is waited for.

    Raises
    ------
    ConfigError
        If another process writes this folder, it can not be written, it is no run folder, or it holds a
        run whose answers were made with another config, or with more calls than `max_run_calls` is now.
    WriteError
        If the disk is full or fails.

    As a context manager, it leaves no trace of a run that is refused before its first answer: a folder that it made
    is taken away, and an earlier run that was moved aside goes back.

    Attributes
    ----------
    records : Kept
        What is there, in the order in which it was written; it stays on the disk.
    resumed : list
        Of the records that were there, what a run counts on (:data:`COUNTED`); who has read it may empty it.
    session : dict
        What the results say of this session alone.
    reopened : int
        Answers that were taken back: under an earlier `max_run_calls`, the first of them was cut short.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        facts: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        *,
        fresh: bool = False,
        clear: Callable[[Path], None] | None = None,
    ) -> None:
        self.path = path
        fields = config.model_dump(mode="json", exclude=set(PASSING))
        self._config = {**without_trust(fields), "output_dir": str(path)}
        self._facts, self._meta = dict(facts or {}), dict(meta or {})
        self.moved_to: Path | None = None
        self.reopened = 0
        self.resumed: list[Record] = []
        self.session: dict[str, Any] = {}
        self._file: io.FileIO | None = None
        self._synced = 0.0
        check_own_files(path)
        self._lock, self._made = lock_made(path, WAIT_SECONDS if clear else 0.0)
        self._new = False
        try:
            check_kind(path)
            if clear is not None:
                clear(path)
            self._new = not (path / CONFIG).exists()
            for left in path.glob(".*.tmp"):  # of a process that was killed while it wrote
                left.unlink(missing_ok=True)
            if fresh and (path / CONFIG).exists():
                self._move_aside()
            self.records = self._resume()
        except BaseException as error:
            self.records = Kept(path / SAMPLES)
            self._abandon()
            if isinstance(error, OSError):
                raise write_error(error, path, "The run folder") from error
            raise

    # --- opening ---

    def _move_aside(self) -> None:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.{number}")).exists():
            number += 1
        os.replace(self.path, aside)
        self.moved_to, self._new, self._made = aside, True, [self.path]
        old, self._lock = self._lock, lock(self.path)
        os.close(old)

    def _resume(self) -> Kept:
        config_file = self.path / CONFIG
        records = Kept(self.path / SAMPLES)
        meta: dict[str, Any] = {**self._meta, "hashes": self._facts, "started": _now(), "resumed": []}
        way = os.path.relpath(Path(), self.path)  # the config's paths are taken from here, wherever the folder is read
        if config_file.exists():
            try:
                before = json.loads(config_file.read_text(encoding="utf-8"))
                old = before.pop(META)
                before = without_trust(before)
            except (ValueError, KeyError, OSError, AttributeError) as error:
                raise broken(f"The run's config can not be read: {error}", config_file) from error
            for record, size in scan(self.path / SAMPLES):
                records.add(record, size)
                self.resumed.append(_counted(record))
            if records:  # a run that never answered anything may be mended and started again
                self._refuse_difference(before, old.get("hashes", {}), old.get("relative_to"))
                kept = self._within_budget(records, before.get("max_run_calls"))
                self.reopened = len(records) - len(kept)
                records, self.resumed = kept, self.resumed[: len(kept)]
                again = {k: v for k, v in self._meta.items() if old.get(k) != v}
                meta = {**old, "resumed": [*old.get("resumed", []), {"at": _now(), **again}]}
            if (self.path / SAMPLES).exists():
                os.truncate(self.path / SAMPLES, records.bytes)
        write_json(config_file, {**self._config, META: {**meta, "relative_to": Path(way).as_posix()}})
        return records

    def _refuse_difference(self, before: Mapping[str, Any], hashes: Mapping[str, str], way: str | None) -> None:
        # The same file may be named from another working directory.
        then = places(before, Config, self.path / way if way else Path())
        now = places(self._config, Config, Path())
        differences = [
            f"'{name}' was {json.dumps(before.get(name))} and is now {json.dumps(value)}"
            for name, value in self._config.items()
            if name not in NEUTRAL and name in before and then[name] != now[name]
        ]
        differences += [
            f"the content of {name} has changed" for name, value in self._facts.items() if hashes.get(name) != value
        ]
        if differences:
            raise ConfigError(
                f"This folder holds a run with another config: {'; '.join(differences)}",
                where=str(self.path),
                hint="Choose another --output_dir, or --resume false to move it aside and start afresh",
            )

    def _within_budget(self, records: Kept, before: int | None) -> Kept:
        """Return the first records, as many as are the same under the budget of this run and that of before."""
        budget = self._config["max_run_calls"]
        if budget == before:
            return records
        kept = records.first(first_cut_short(self.resumed, before, self._config["max_oracle_calls"]))
        spent = sum(_calls(record) for record in self.resumed[: len(kept)])
        if budget is not None and spent > budget:
            raise ConfigError(
                f"'max_run_calls' is now {budget}, and the answers that are there took {spent} calls",
                where=str(self.path),
                hint="Raise it, choose another --output_dir, or --resume false to start afresh",
            )
        return kept

    # --- writing ---

    def append(self, record: Record) -> None:
        """Add one sample's line. After this call it survives a ``kill -9``.

        Raises
        ------
        WriteError
            If it can not be written: the lines before it stay, and it leaves no half of its own.
        """
        line = compact(record) + "\n"
        try:
            if self._file is None:
                self._file = io.FileIO(self.path / SAMPLES, "ab")
            content = scrubbed(line).encode("utf-8", "backslashreplace")
            append_whole(self._file, content)
            now = time.monotonic()
            if now - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = now
        except OSError as error:
            raise self._failed(error) from error
        self.records.add(record, len(content))

    def log_bug(self, sample: str, traceback: str) -> None:
        """Append the traceback of an unexpected exception to ``errors.log``."""
        text = scrubbed(f"--- {_now()} sample {sample}\n{traceback}\n")
        append_line(self.path / ERRORS, text.encode("utf-8", "backslashreplace"), "The log of errors")

    def close(self) -> None:
        """Force everything to the disk and release the lock. May be called twice.

        Raises
        ------
        WriteError
            If the disk does not take it. The lock is released all the same.
        """
        file, self._file = self._file, None
        try:
            if file is not None:
                try:
                    os.fsync(file.fileno())
                finally:
                    file.close()
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._unlock()

    def _failed(self, error: OSError) -> WriteError:
        return write_error(error, self.path / SAMPLES, "The record")

    def _unlock(self) -> None:
        if self._lock >= 0:
            with suppress(OSError):
                os.close(self._lock)  # the lock goes with its descriptor
            self._lock = -1

    def _abandon(self) -> None:
        """Close after an error, which is the one to be told of. Of a run without an answer, nothing is left."""
        answered = self.records or ((self.path / SAMPLES).is_file() and (self.path / SAMPLES).stat().st_size)
        if self._new and self._lock >= 0 and not answered:
            self._discard()
        with suppress(WriteError):
            self.close()
        if self.moved_to is not None and not self.path.exists():
            with suppress(OSError):
                os.replace(self.moved_to, self.path)
                self.moved_to = None

    def _discard(self) -> None:
        """Take away what this run has written, and the folders that it made. The lock is held."""
        # Only what is known to be this run's: whatever else is there by now keeps the folder.
        for name in (CONFIG, SAMPLES, RECORD, EXCHANGES, RESULTS, REPORT, LOCK):
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)
        remove_empty(self._made)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
