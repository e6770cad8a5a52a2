"""Several copies of one model, each used by one thread at a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Member = TypeVar("Member")


class Pool(Generic[Member]):
    """Lends its members, one to a borrower; who finds none free waits.

    Parameters
    ----------
    members
        At least one.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        if not members:
            raise ValueError("a pool needs at least one member")
        self.members = tuple(members)
        self._free: queue.SimpleQueue[Member] = queue.SimpleQueue()
        for member in members:
            self._free.put(member)

    @contextmanager
    def borrow(self) -> Iterator[Member]:
        """Lend a free member for the length of a ``with`` statement."""
        member = self._free.get()
        try:
            yield member
        finally:
            self._free.put(member)
