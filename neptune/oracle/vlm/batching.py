"""Batches that fit: prepared ahead, split where memory runs out, and no size that failed is tried again."""

from __future__ import annotations

import gc
import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar

from neptune.errors import OracleFailedError

T = TypeVar("T")
P = TypeVar("P")

TOKENS = {"cpu": 4096, "cuda": 32768}
"""Tokens of a batch to begin with, by kind of device; it shrinks where memory runs out."""

AHEAD = 8
"""Batches prepared ahead at most, each in a thread of its own."""

_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


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
        """Batches that other threads prepare while the model works; on a CPU they would only take its time."""
        self._pool: ThreadPoolExecutor | None = None

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
    ) -> None:
        """Prepare and do slices of the items that cover them in order, smaller ones where memory runs out.

        Parameters
        ----------
        items
            Sorted so that neighbours are of similar length.
        length
            Tokens of an item.
        prepare
            Makes a slice ready, on the CPU; called in other threads where slices are prepared ahead.
        work
            Called with a slice and what was prepared; it must be safe to call again with a part of a slice that failed.
        what
            What an item is, for the error.

        Raises
        ------
        OracleFailedError
            If memory runs out for a single item: pictures are scaled to one size, so the next would not fit either.
        """
        done, begun = 0, 0
        waiting: deque[tuple[Sequence[T], Callable[[], P]]] = deque()
        pool = self._threads()
        while done < len(items):
            while begun < len(items) and len(waiting) <= self.ahead:
                count = self.rows(max(length(items[begun]), length(items[-1])))
                part = items[begun : begun + count]
                begun += len(part)
                waiting.append((part, pool.submit(prepare, part).result if pool else partial(prepare, part)))
            part, ready = waiting.popleft()
            try:
                work(part, ready())
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise _does_not_fit(length(part[0]), what) from error
                self._shrink(part, length)
                failed = True
            else:
                done, failed = done + len(part), False
            if failed:  # outside of the handler, which would keep the failed tensors alive
                waiting.clear()
                begun = done
                _release()

    def close(self) -> None:
        """Stop the threads that prepare batches."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _threads(self) -> ThreadPoolExecutor | None:
        """The threads that prepare batches, kept: each has a processor of its own, which is not cheap to copy."""
        if self.ahead and self._pool is None:
            self._pool = ThreadPoolExecutor(self.ahead, "neptune-prepare")
        return self._pool

    def _shrink(self, part: Sequence[T], length: Callable[[T], int]) -> None:
        """Let no batch be larger than half of the one that failed."""
        self.tokens = min(self.tokens, max(length(item) for item in part) * (len(part) // 2))
        if self.most is not None:
            self.most = min(self.most, len(part) // 2)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, on a GPU or the CPU."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _release() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _does_not_fit(length: int, what: str) -> OracleFailedError:
    return OracleFailedError(
        f"Memory runs out for {what} of about {length} tokens, even alone",
        expected="room for the model and one picture",
        mend='Lower "max_pixels" in vlm_options, use "quantisation": "4bit", a smaller model, or a device_map',
    )
