"""Many cells asked side by side: each is told of when it is answered, and one error ends all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def side_by_side(
    pool: Executor,
    requests: Sequence[Any],
    ask: Callable[[Any, int, threading.Event], T],
    tell: Callable[[int, int, T], None],
    ahead: int,
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
    ahead
        Most cells that are asked and not told of: where `tell` can not keep answers, no more are paid for.

    Raises
    ------
    Exception
        The first that an `ask` raised, after what was under way has been told of.
    """
    stop = threading.Event()
    cells = ((k, row) for k, request in enumerate(requests) for row in range(len(request.objects)))
    flying: dict[Future[T], tuple[int, int]] = {}
    ended: SimpleQueue[Future[T]] = SimpleQueue()

    def asked(k: int, row: int) -> T:
        if stop.is_set():
            raise CancelledError
        try:
            return ask(requests[k], row, stop)
        except Exception:
            stop.set()  # before this thread takes the next cell
            raise

    def send(count: int) -> None:
        for k, row in islice(cells, count):
            future = pool.submit(asked, k, row)
            flying[future] = k, row
            future.add_done_callback(ended.put)

    found: dict[tuple[int, int], T] = {}
    wrong: Exception | None = None
    try:
        send(ahead)
        while flying:
            future = ended.get()
            cell = flying.pop(future)
            try:
                said = found[cell] = future.result()
            except CancelledError:
                continue
            except Exception as error:
                wrong = wrong or error
                _end(stop, flying)
                continue
            tell(*cell, said)
            if wrong is None:
                send(1)
    except BaseException:  # interrupted, or `tell` failed: what is under way is not waited for
        _end(stop, flying)
        raise
    if wrong is not None:
        raise wrong
    return [[found[k, row] for row in range(len(request.objects))] for k, request in enumerate(requests)]


def _end(stop: threading.Event, futures: Iterable[Future[T]]) -> None:
    stop.set()
    for future in list(futures):
        future.cancel()
