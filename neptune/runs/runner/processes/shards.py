"""Shards: samples that are answered together elsewhere, what comes of them, and their records in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neptune.config import Config
from neptune.errors import NeptuneError
from neptune.perception.oracle.caching.replay import RECORD, RecordingOracle
from neptune.perception.oracle.random import RandomOracle
from neptune.runs.record import Record, RunFolder
from neptune.runs.runner.samples import FATAL


@dataclass(frozen=True)
class Shard:
    """Samples that one engine answers together: all questions about some pictures.

    Parameters
    ----------
    task
        The place of their dataset in the config.
    positions
        Of the samples among all that are to be answered, ascending.
    indices, ids
        Of the samples in their dataset.
    """

    task: int
    positions: tuple[int, ...]
    indices: tuple[int, ...]
    ids: tuple[str, ...]


@dataclass
class Result:
    """What came of a shard.

    Parameters
    ----------
    positions
        The shard's.
    said
        For each sample, in order, its record, or what is no matter of this sample alone. After a model that fails,
        there is no more.
    evidence
        The lines of what was seen and said.
    bugs
        Samples with the traceback of an unexpected exception.
    sent
        Calls of the oracle, as :meth:`~neptune.runs.runner.batches.Batches.sent` counts them.
    failure
        What keeps this engine from answering at all.
    """

    positions: tuple[int, ...] = ()
    said: list[Record | BaseException] = field(default_factory=list)
    evidence: bytes = b""
    bugs: list[tuple[str, str]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    failure: NeptuneError | None = None


class Bugs:
    """The run's folder, as far as one sample needs it: tracebacks are handed to the driver."""

    def __init__(self, path: Path) -> None:
        self.path, self.found = path, list[tuple[str, str]]()

    def log_bug(self, sample: str, traceback: str) -> None:
        """Keep the traceback of an unexpected exception."""
        self.found.append((sample, traceback))


def gathered(
    shard: Shard, gives: Iterable[Callable[[], Record]], bugs: Bugs, recorder: RecordingOracle | None
) -> Result:
    """Return what came of a shard, whose records `gives` make where they are answered."""
    if recorder is not None:
        recorder.handed_over()  # what was left of others is not this shard's
    found = Result(shard.positions, bugs=bugs.found)
    for give in gives:
        try:
            record = give()
        except FATAL as error:
            found.said.append(error)
            continue
        if recorder is not None and record.get("evidence") is not None:
            record["evidence"] = recorder.number(record["evidence"])
        found.said.append(record)
    if recorder is not None:
        found.evidence = recorder.handed_over()
    return found


class InOrder:
    """Takes what came of shards, wherever they were answered, and yields what gives each record in the samples' order.

    Parameters
    ----------
    folder
        Gets evidence and tracebacks, before the records that they belong to.

    Attributes
    ----------
    recorder
        Numbers the evidence of records, as one process does; ``None``: nothing is recorded.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder, self._stopped = folder, False
        self._sent: Counter[str] = Counter()
        self.recorder: RecordingOracle | None = None

    def stop(self) -> None:
        """Yield no further sample."""
        self._stopped = True

    def open_record(self, config: Config) -> None:
        """Open the file of what is seen and said, where the config has one."""
        if (record := record_of(config, self._folder.path)) is not None:
            self.recorder = RecordingOracle(RandomOracle(), record)

    def close_session(self) -> None:
        """Keep what was sent to the oracle among the facts of the run's session."""
        if self._sent:
            self._folder.session["oracle_batches"] = dict(self._sent)

    def in_order(self, results: Iterable[Result | Callable[[], Record]]) -> Iterator[Callable[[], Record]]:
        """Yield what gives the records of shards; what is no result ends them."""
        waiting: dict[int, Callable[[], Record]] = {}
        at, left = 0, iter(results)
        while not self._stopped:
            result = next(left, None)
            if result is not None and not isinstance(result, Result):
                yield result
                return
            if result is not None:
                waiting |= self._taken(result)
            while waiting and (at in waiting or result is None):
                if (give := waiting.pop(at, None)) is not None:
                    yield give
                    if self._stopped:
                        return
                at += 1
            if result is None:
                return

    def _taken(self, result: Result) -> dict[int, Callable[[], Record]]:
        """Return what gives each record of a shard, by its place, after all that they refer to is in the folder."""
        if result.failure is not None:
            raise result.failure
        if self.recorder is not None:
            self.recorder.take_over(result.evidence)
        for sample, traceback in result.bugs:
            self._folder.log_bug(sample, traceback)
        self._sent.update(result.sent)
        shared: dict[str, _Shared] = {}
        found: dict[int, Callable[[], Record]] = {}
        for position, said in zip(result.positions, result.said, strict=False):  # after a model that fails, fewer
            if isinstance(said, BaseException):
                found[position] = raiser(said)
                continue
            if said.get("evidence") is not None:
                said["evidence"] = shared.setdefault(said["evidence"], _Shared())
            found[position] = _giver(said)
        return found


class _Shared:
    """Stands for the evidence of a picture, which the samples of a shard share."""


def raiser(error: BaseException) -> Callable[[], Record]:
    """Return what raises an error in a record's stead."""
    return lambda: _raise(error)


def _raise(error: BaseException) -> Record:
    raise error


def _giver(record: Record) -> Callable[[], Record]:
    return lambda: record


def record_of(config: Config, folder: Path) -> Path | None:
    """Return the file of what is seen and said in a run."""
    if config.record_oracle == "auto":
        return folder / RECORD
    return Path(config.record_oracle) if config.record_oracle else None
