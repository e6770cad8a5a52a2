"""The one cache of a run: an actor on the driver's machine over the SQLite files, asked by all others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from neptune.errors import ModelFailedError, NeptuneError, OracleError, OracleFailedError
from neptune.perception.detect.cache import FoundFile
from neptune.perception.oracle.caching.exchanges import Exchanges
from neptune.perception.oracle.caching.store import Asked, OracleStore
from neptune.runs.runner.cluster.connect import ray_


class Keeper:
    """An actor: keeps what oracles and detectors say, and what is said to models.

    Parameters
    ----------
    cache, detections
        The SQLite files; ``None``: nothing is kept.
    exchanges
        The file of prompts and replies; ``None``: none.
    """

    def __init__(self, cache: Path | None, detections: Path | None, exchanges: Path | None) -> None:
        self._store = OracleStore(cache) if cache is not None else None
        self._found = FoundFile(detections) if detections is not None else None
        self._exchanges = Exchanges(exchanges) if exchanges is not None else None

    def get(self, asked: Asked, cells: Sequence[bytes]) -> Said:
        """Return what is known of cells."""
        assert self._store is not None
        store = self._store
        return said(lambda: store.get(asked, cells))

    def put(self, rows: list[tuple[Asked, bytes, tuple[Any, ...]]]) -> Said:
        """Keep what was said of cells."""
        assert self._store is not None
        store = self._store
        return said(lambda: store.put(rows))

    def find(self, key: str) -> Said:
        """Return the row of a detection."""
        assert self._found is not None
        found = self._found
        return said(lambda: found.get(key))

    def keep(self, values: tuple[Any, ...], replace: bool) -> Said:
        """Keep the row of a detection."""
        assert self._found is not None
        found = self._found
        return said(lambda: found.put(values, replace))

    def exchange(self, text: bytes) -> Said:
        """Keep what a model was sent and said."""
        assert self._exchanges is not None
        exchanges = self._exchanges
        return said(lambda: exchanges.write(text))


class KeptStore:
    """The oracle's cache, as other actors use it: see :class:`~neptune.perception.oracle.caching.store.Store`."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    def get(self, asked: Asked, cells: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """Return what is known of cells."""
        found: dict[bytes, tuple[Any, ...]] = told(self._keeper.get.remote(asked, list(cells)))
        return found

    def put(self, rows: Iterable[tuple[Asked, bytes, tuple[Any, ...]]]) -> None:
        """Keep what was said of cells."""
        if new := list(rows):
            told(self._keeper.put.remote(new))


class KeptFound:
    """The cache of detections, as other actors use it: see :class:`~neptune.perception.detect.cache.Found`."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    def get(self, key: str) -> tuple[Any, ...] | None:
        """Return the row of a key."""
        found: tuple[Any, ...] | None = told(self._keeper.find.remote(key))
        return found

    def put(self, values: tuple[Any, ...], replace: bool) -> None:
        """Keep a row."""
        told(self._keeper.keep.remote(values, replace))


class KeptExchanges(Exchanges):
    """The file of prompts and replies, as an oracle on another machine writes it."""

    def __init__(self, keeper: Any) -> None:
        super().__init__(Path())
        self._keeper = keeper

    def write(self, text: bytes) -> None:
        """Add a line."""
        told(self._keeper.exchange.remote(text))


Said = tuple[Any, NeptuneError | None]
"""What comes back from an actor: a value, or an error of ours as it was raised there."""


def said(work: Callable[[], Any]) -> Said:
    """Return what work comes to; an error that is not ours is one of the oracle's, in its words."""
    try:
        return work(), None
    except NeptuneError as error:
        return None, error
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return None, OracleError(f"On the cluster, unexpected {what}")


def told(reference: Any) -> Any:
    """Return what an actor says, once Ray has it; raise the error that was raised there.

    Raises
    ------
    NeptuneError
        As there.
    OracleFailedError
        If Ray could not bring an answer: the actor or its machine is gone for good.
    """
    ray = ray_()
    try:
        value, error = ray.get(reference)
    except ray.exceptions.RayError as gone:
        raise lost(gone) from gone
    if error is not None:
        raise error
    return value


def lost(error: Exception) -> ModelFailedError:
    """Return what ends a run whose cluster fails; the records so far are in the run folder."""
    what = " ".join(str(error).split())[:300]
    return OracleFailedError(f"The cluster fails: {what}", where="cluster", hint="The same command resumes")
