"""Work in turn: a few threads compute, the rest of the requests wait in line, and too many are sent away."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from neptune.errors import NeptuneError

T = TypeVar("T")


class BusyError(NeptuneError):
    """Too many requests wait already, or this one took too long."""

    status = 503


class Work:
    """Does what requests ask for, first come, first served.

    Parameters
    ----------
    threads
        How many are worked on at once.
    waiting
        How many may wait.
    seconds
        The most that one may take, waiting included.
    """

    def __init__(self, threads: int = 2, waiting: int = 512, seconds: float = 60.0) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._most, self._seconds, self._now = threads + waiting, seconds, 0

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that runs in a thread.

        Raises
        ------
        BusyError
            If too many wait, or the time is up; a thread that has begun ends its work all the same.
        """
        if self._now >= self._most:
            raise BusyError(f"{self._now:,} requests are waiting already", hint="Ask again in a second")
        self._now += 1
        job = asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(work, *arguments))
        job.add_done_callback(self._done)
        finished, _ = await asyncio.wait([job], timeout=self._seconds)
        if not finished:
            job.cancel()
            raise BusyError(f"This took longer than {self._seconds:g} seconds", hint="Ask less at once")
        return job.result()

    def _done(self, job: asyncio.Future[Any]) -> None:
        self._now -= 1
        if not job.cancelled():
            job.exception()  # it was said to whoever waited, if anybody did

    def close(self) -> None:
        """Let no new work begin."""
        self._pool.shutdown(wait=False, cancel_futures=True)
