"""Batches that fit: prepared ahead, split where memory runs out, and no size that failed is tried again.

Items are prepared one by one in threads; one more thread puts the next batch together while the model works on this
one. Thus a batch is as large as what was prepared says, not as what was guessed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar

from neptune.errors import OracleFailedError
from neptune.perception.device_failures import free_memory, is_out_of_memory

T = TypeVar("T")
P = TypeVar("P")

TOKENS = {"cpu": 4096, "cuda": 32768}
"""Tokens of a batch to begin with, by kind of device; it shrinks where memory runs out."""

AHEAD = 8
"""Threads that prepare items, at most."""

WINDOW = 256
"""Items that are prepared ahead at most."""


class Batches:
    """Decides how many rows go through the model at once.

    Parameters
    ----------
    batch_size
        Rows at most; ``"auto"``: by the tokens of a row and what the memory has been found to hold.
    kind
        ``"cpu"``, ``"cuda"``, …
    """

    def __init__(self, batch_size: int | Literal["auto"], kind: str) -> None:
        self.most = batch_size if batch_size != "auto" else None
        self.tokens = TOKENS.get(kind, TOKENS["cuda"])
        self.ahead = 0 if kind == "cpu" else min((os.cpu_count() or 2) // 2, AHEAD)
        """Threads that prepare while the model works; on a CPU they would only take its time."""
        self.relieve: Callable[[], bool] = lambda: False
        """Called where memory runs out: lets go of what can be made again, and tells whether there was something."""
        self._pool: ThreadPoolExecutor | None = None
        self._next: ThreadPoolExecutor | None = None

    def rows(self, length: int) -> int:
        """Return how many rows of so many tokens go at once, at least 1."""
        fit = max(self.tokens // max(length, 1), 1)
        return fit if self.most is None else min(self.most, fit)

    def run(
        self,
        items: Sequence[T],
        length: Callable[[T], int],
        prepare: Callable[[Sequence[T]], P],
        work: Callable[[Sequence[T], P], None],
        what: str,
        begin: Callable[[T], None] | None = None,
    ) -> None:
        """Prepare and do slices of the items that cover them in order, smaller ones where memory runs out.

        Parameters
        ----------
        items
            Sorted so that neighbours are of similar length.
        length
            Tokens of an item; it may wait until the item is prepared.
        prepare
            Puts a slice together, on the CPU; called in another thread where slices are prepared ahead.
        work
            Called with a slice and what was prepared; it must be safe to call again with a part of a slice that failed.
        what
            What an item is, for the error.
        begin
            Lets threads prepare an item, without waiting for it; called often for one item.

        Raises
        ------
        OracleFailedError
            If memory runs out for a single item: pictures are scaled to one size, so the next would not fit either.
        """

        def slice_from(start: int) -> tuple[Sequence[T], P]:
            if begin is not None:
                for item in items[start : start + WINDOW]:
                    begin(item)
            longest, stop = 0, start
            while stop < len(items):
                longest = max(longest, length(items[stop]))
                most = self.rows(longest)
                if self.ahead and begin is not None:  # the model would wait for all items of a large first slice
                    most = min(most, max(-(-most // 4), 2 * start))
                if stop > start and stop - start >= most:
                    break
                stop += 1
            part = items[start:stop]
            return part, prepare(part)

        done = 0
        ready = self._later(slice_from, 0)
        while done < len(items):
            part, prepared = ready()
            done += len(part)
            ready = self._later(slice_from, done)
            try:
                work(part, prepared)
                failed = False
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not self.relieve():
                    if len(part) == 1:
                        raise OracleFailedError(
                            f"Memory runs out for {what} of about {length(part[0])} tokens, even alone",
                            expected="room for the model and one picture",
                            hint='Lower "max_pixels" in vlm_options, use "quantisation": "4bit", a smaller model, '
                            "or a device_map",
                        ) from error
                    self._shrink(part, length)
                failed = True
            if failed:  # outside of the handler, which would keep the failed tensors alive
                done -= len(part)
                del prepared
                ready = self._later(slice_from, done)
                free_memory()

    @property
    def threads(self) -> ThreadPoolExecutor | None:
        """The threads that prepare items, kept: each has a processor of its own, which is not cheap to copy."""
        if self.ahead and self._pool is None:
            self._pool = ThreadPoolExecutor(self.ahead, "neptune-prepare")
            self._next = ThreadPoolExecutor(1, "neptune-batch")
        return self._pool

    def close(self) -> None:
        """Stop the threads that prepare."""
        for pool in (self._pool, self._next):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._pool = self._next = None

    def _later(self, function: Callable[[int], P], start: int) -> Callable[[], P]:
        """Call a function in another thread where there are threads, else when its result is needed."""
        if self.threads is None or self._next is None:
            return partial(function, start)
        return self._next.submit(function, start).result

    def _shrink(self, part: Sequence[T], length: Callable[[T], int]) -> None:
        """Let no batch be larger than half of the one that failed."""
        self.tokens = min(self.tokens, max(length(item) for item in part) * (len(part) // 2))
        if self.most is not None:
            self.most = min(self.most, len(part) // 2)
