"""Samples in flight: several are answered at once, in threads, and their results come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from neptune.config import Config

Item = TypeVar("Item")
Result = TypeVar("Result")


class Flight(Generic[Item, Result]):
    """Works on items, `workers` at a time, and yields what gives the result of each, in the order of the items.

    With one worker, nothing is begun before the result of the item before was used, and no thread is started. Use as
    a context manager: leaving it by an exception drops what is in flight.

    Parameters
    ----------
    items
        What to work on; taken from one after the other, in the caller's thread.
    begin
        Called in the caller's thread when an item's turn has come; what it returns gives the result, in any thread.
    workers
        The most items in flight.
    may_start
        Whether another item may begin while so many are in flight; none are always enough.
    """

    def __init__(
        self,
        items: Iterable[Item],
        begin: Callable[[Item], Callable[[], Result]],
        workers: int = 1,
        may_start: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._items, self._begin, self._may_start = items, begin, may_start
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "sample") if workers > 1 else None
        self._stopped = False

    def __iter__(self) -> Iterator[Callable[[], Result]]:
        if self._pool is None:
            for item in self._items:
                if self._stopped:
                    return
                yield self._begin(item)
            return
        flying: deque[Future[Result]] = deque()
        for item in self._items:
            while flying and (len(flying) >= self._workers or not self._may_start(len(flying))):
                yield flying.popleft().result
            if self._stopped:
                break
            flying.append(self._pool.submit(self._begin(item)))
        while flying:
            yield flying.popleft().result

    def stop(self) -> None:
        """Begin no further item. Those in flight are finished and yielded."""
        self._stopped = True

    def __enter__(self) -> Flight[Item, Result]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)


class Budget:
    """The oracle calls that a run may still make, dealt out so that all workers together keep to them.

    With `max_run_calls` alone, samples are answered one after the other: none can be told what is left before the one
    before it is done. With `max_oracle_calls` besides, as many are in flight as could all spend that. (Where they share
    a picture, who of them is first asks the cells that the others find known: such a budget then cuts them elsewhere.)

    Parameters
    ----------
    config
        Its `max_run_calls`, `max_oracle_calls` and `code_gen_samples` are read.
    spent
        Calls of the run so far.
    """

    def __init__(self, config: Config, spent: int = 0) -> None:
        self._total, self._spent = config.max_run_calls, spent
        each = config.max_oracle_calls
        self._most = None if each is None else each * config.code_gen_samples
        """The most calls of one question: each of its programs has a budget of its own."""

    @property
    def left(self) -> int | None:
        """Calls that the next question may make; ``None``: any number."""
        return None if self._total is None else max(self._total - self._spent, 0)

    def spend(self, calls: int) -> None:
        """Count the calls of a sample that is done."""
        self._spent += calls

    def allows(self, in_flight: int) -> bool:
        """Tell whether one more sample may begin before those in flight are done.

        It may where it can have all that it would have after them. Else it waits, so that the run never spends more
        than it may.
        """
        if self.left is None or in_flight == 0:
            return True
        return self._most is not None and self.left >= self._most * (in_flight + 1)
