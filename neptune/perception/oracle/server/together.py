"""Many cells asked side by side: each is told of when it is answered, and one error ends all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from typing import Any, TypeVar

T = TypeVar("T")


def side_by_side(
    pool: Executor,
    requests: Sequence[Any],
    ask: Callable[[Any, int, threading.Event], T],
    tell: Callable[[int, int, T], None],
) -> list[list[T]]:
    """Ask every cell of the requests, and return the answers in order.

    Parameters
    ----------
    pool
        Runs `ask`.
    requests
        Each with ``objects``, one row a cell.
    ask
        Takes a request, the row, and an event that says to stop.
    tell
        Is called in this thread with the request's place, the row and the answer, in the order of the answers.

    Raises
    ------
    Exception
        The first that an `ask` raised, after what was under way has been told of.
    """
    stop = threading.Event()
    futures: dict[Future[T], tuple[int, int]] = {
        pool.submit(ask, request, row, stop): (k, row)
        for k, request in enumerate(requests)
        for row in range(len(request.objects))
    }
    found: dict[tuple[int, int], T] = {}
    wrong: Exception | None = None
    try:
        for future in as_completed(futures):
            try:
                said = found[futures[future]] = future.result()
            except CancelledError:
                continue
            except Exception as error:
                wrong = wrong or error
                _end(stop, futures)
                continue
            tell(*futures[future], said)
    except BaseException:  # interrupted, or `tell` failed: what is under way is not waited for
        _end(stop, futures)
        raise
    if wrong is not None:
        raise wrong
    return [[found[k, row] for row in range(len(request.objects))] for k, request in enumerate(requests)]


def _end(stop: threading.Event, futures: dict[Future[T], tuple[int, int]]) -> None:
    stop.set()
    for future in futures:
        future.cancel()
