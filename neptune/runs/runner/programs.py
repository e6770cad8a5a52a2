"""Where a run's programs come from: the dataset, a file, or a language model that is asked ahead of need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from neptune.config import Config
from neptune.engine.assemble import writer_of
from neptune.writer.writer import Written

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

Write = Callable[[], Written]
"""Gives the program of one sample, or raises why there is none."""


class Programs:
    """The programs of a run. Close it when the run ends.

    Parameters
    ----------
    config
        Its ``code_gen_*`` fields and `program_cache_address` are read.

    Raises
    ------
    NeptuneError
        If the program cache can not be read, or the provider's key or package is missing.
    """

    def __init__(self, config: Config) -> None:
        self.writer = writer_of(config)
        self.elsewhere = ""
        """In words, what the model used on a cluster."""
        self._ahead = config.code_gen_concurrency if self.writer and self.writer.chat else 0
        self._pool = ThreadPoolExecutor(self._ahead, "writer") if self._ahead else None

    def ahead(self, samples: Iterable[tuple[Task, Sample]]) -> Iterator[tuple[Task, Sample, Write]]:
        """Yield the samples in order, each with what gives its program; a model is asked for the next ones too."""
        if self._pool is None:
            for task, sample in samples:
                yield task, sample, self._direct(task, sample)
            return
        waiting: deque[tuple[Task, Sample, Future[Written]]] = deque()
        for task, sample in samples:
            waiting.append((task, sample, self._pool.submit(self._direct(task, sample))))
            if len(waiting) > self._ahead:
                first, asked, future = waiting.popleft()
                yield first, asked, future.result
        for first, asked, future in waiting:
            yield first, asked, future.result

    def _direct(self, task: Task, sample: Sample) -> Write:
        def write() -> Written:
            sample.check()
            if self.writer is None:
                return Written(sample.gold(), source="gold")
            return self.writer.write(sample.question, task.name)

        return write

    def prompt_hashes(self, tasks: Iterable[str]) -> dict[str, str]:
        """Return task → hash of its prompt; empty where no model is asked."""
        if self.writer is None or self.writer.chat is None:
            return {}
        return {task: self.writer.prompt_hash(task) for task in tasks}

    def spent(self) -> str:
        """Return in words what the language model used in this session; ``""`` if nothing."""
        if self.elsewhere:
            return self.elsewhere
        spent = self.writer.spent if self.writer is not None else None
        if spent is None or not spent.calls:
            return ""
        money = f", {spent.cost:.4f} in money" if spent.cost else ""
        tokens = f"{spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens"
        return f"{spent.calls:,} requests for programs, {tokens}{money}"

    def close(self) -> None:
        """Drop what was asked ahead and not begun; bring the cache into its final form."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self.writer is not None:
            self.writer.close()

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
