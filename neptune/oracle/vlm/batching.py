"""Batches that fit: split where memory runs out, and remembered, so that the same size is not tried again."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from neptune.errors import OracleError

T = TypeVar("T")

TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens of a batch to begin with, by kind of device; it shrinks where memory runs out."""

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

    def rows(self, length: int) -> int:
        """Return how many rows of so many tokens go at once, at least 1."""
        fit = max(self.tokens // max(length, 1), 1)
        return fit if self.most is None else min(self.most, fit)

    def run(
        self, items: Sequence[T], length: Callable[[T], int], work: Callable[[Sequence[T]], None], what: str
    ) -> None:
        """Call `work` on slices of the items that cover them in order, smaller ones where memory runs out.

        Parameters
        ----------
        items
            Sorted so that neighbours are of similar length.
        length
            Tokens of an item.
        work
            Called with a slice; it must be safe to call again with a part of a slice that failed.
        what
            What an item is, for the error.

        Raises
        ------
        OracleError
            If memory runs out for a single item.
        """
        start = 0
        while start < len(items):
            count = self.rows(max(length(items[start]), length(items[-1])))
            part = items[start : start + count]
            try:
                work(part)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise _does_not_fit(length(part[0]), what) from error
                longest = max(length(item) for item in part)
                self.tokens = min(self.tokens, longest * (len(part) // 2))
                if self.most is not None:
                    self.most = min(self.most, len(part) // 2)
                failed = True
            else:
                failed = False
                start += len(part)
            if failed:  # outside of the handler, which would keep the failed tensors alive
                _release()


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


def _does_not_fit(length: int, what: str) -> OracleError:
    return OracleError(
        f"Memory runs out for {what} of about {length} tokens, even alone",
        expected="room for the model and one picture",
        mend='Lower "max_pixels" in vlm_options, use "quantisation": "4bit", a smaller model, or a device_map',
    )
