"""A run's samples shared out to processes of this machine: each answers shards of pictures, records come in order.

The processes are forked from the run's own when all is checked and loaded, one thread each. A shard holds all questions
about its pictures, so that who pays for what, and what is known when, are as in one process: the records are the same.
What is held by a process when the run is killed is answered again; no process outlives the run's.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from neptune.algebra.late import is_loaded, torch
from neptune.config import Config
from neptune.errors import NeptuneError, OracleFailedError
from neptune.runs.record import Record, RunFolder
from neptune.runs.runner.batches import Batches, fits
from neptune.runs.runner.processes.shards import Bugs, InOrder, Result, Shard, gathered, raiser
from neptune.runs.runner.programs import Programs
from neptune.runs.runner.samples import Asked

if TYPE_CHECKING:
    from neptune.tasks import Task

FEWEST = 300
"""A run of fewer samples is answered by one process: what each plans for itself is most of it."""

SMALLEST, LARGEST = 16, 512
"""Samples of a shard: what a kill loses, against what goes together in one batch."""

EACH = 2
"""Shards that a process has at once: the one that it answers, and the next."""

ORACLES, DETECTORS = frozenset({"scene", "random"}), frozenset({"scene", "none"})
"""What has no weights, asks no server and keeps no file of its own: there may be one in each process."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        if quota != "max":
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)


def processes_for(config: Config, todo: Sequence[tuple[Task, int]], programs: Programs) -> int:
    """Return how many processes answer a run's samples, by `processes`; 1: the run's own.

    Where a number was asked for, and there can not be several, it is said why.
    """
    asked = config.processes
    if asked == 1 or (asked == "auto" and len(todo) < FEWEST):
        return 1
    hindered = _hindered(config, todo, programs)
    if hindered:
        if asked != "auto":
            print(f"One process answers, not {asked}: {hindered}", file=sys.stderr)
        return 1
    return min(cores() if asked == "auto" else int(asked), math.ceil(len(todo) / SMALLEST))


def _hindered(config: Config, todo: Sequence[tuple[Task, int]], programs: Programs) -> str:
    """Return why several processes can not answer a run; ``""``: they can."""
    if "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return "this system has no processes that share what is loaded"
    if config.vlm_model_name not in ORACLES or config.od_model not in DETECTORS:
        return f"models are loaded once (the oracles {', '.join(sorted(ORACLES))} are none)"
    if not fits(config) or config.schedule != "all" or config.knowledge_model_name or programs.writer is not None:
        return "budgets, schedules, certificates and language models are one run's"
    if threading.active_count() > 1:
        return "other threads are running"
    return "" if _parts(todo) is not None else "questions about a picture do not follow each other"


def _parts(todo: Sequence[tuple[Task, int]]) -> list[list[int]] | None:
    """Return the places of the samples, those of one picture together; ``None`` where others are between them."""
    parts: list[list[int]] = []
    seen: set[tuple[int, str | int]] = set()
    before: tuple[int, str | int] | None = None
    for position, (task, index) in enumerate(todo):
        picture = task.picture_of(index)
        key = id(task), position if picture is None else picture
        if key == before:
            parts[-1].append(position)
            continue
        if key in seen:
            return None
        seen.add(key)
        parts.append([position])
        before = key
    return parts


def shards_of(loaded: Sequence[Task], todo: Sequence[tuple[Task, int]], size: int) -> list[Shard]:
    """Return the samples as shards of about `size`, each with all questions about its pictures, in their order."""
    number = {id(task): at for at, task in enumerate(loaded)}
    names = {id(task): list(task.sample_ids()) for task in loaded}
    together: list[list[int]] = []
    for part in _parts(todo) or []:
        same = together and todo[together[-1][0]][0] is todo[part[0]][0]
        if same and len(together[-1]) + len(part) <= size:
            together[-1] += part
        else:
            together.append(list(part))
    found = []
    for positions in together:
        task = todo[positions[0]][0]
        indices = tuple([todo[position][1] for position in positions])
        ids = tuple([names[id(task)][index] for index in indices])
        found.append(Shard(number[id(task)], tuple(positions), indices, ids))
    return found


_LOADED = ("neptune.engine.engine", "neptune.engine.session.batch", "neptune.engine.analysis.inspection_batch")
"""What each process answers with, modules that load others late among them."""


class ProcessFlight(InOrder):
    """Answers samples in processes of their own, and yields what gives the record of each, in their order.

    Use as a context manager: leaving it ends the processes.

    Parameters
    ----------
    config
        The run's.
    loaded, todo
        The datasets, and the samples that have no record yet.
    programs
        Gives the programs.
    folder
        The run's.
    count
        How many processes.
    """

    def __init__(
        self,
        config: Config,
        loaded: Sequence[Task],
        todo: Sequence[tuple[Task, int]],
        programs: Programs,
        folder: RunFolder,
        count: int,
    ) -> None:
        super().__init__(folder)
        size = min(LARGEST, max(SMALLEST, math.ceil(len(todo) / (EACH * count))))
        self._shards = shards_of(loaded, todo, size)
        self._config, self._loaded, self._programs, self._count = config, loaded, programs, count
        self._connections: list[Connection[Any, Any]] = []
        self._stack = ExitStack()

    def __enter__(self) -> ProcessFlight:
        for module in _LOADED:  # once, and not in each process
            import_module(module)
        with ExitStack() as stack:
            self.open_record(self._config)
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neptune-")))
            for k in range(self._count):
                here, there = multiprocessing.Pipe()
                self._connections.append(here)
                path = own / f"{k}.jsonl" if self.recorder is not None else None
                made = _Answers(self._config, self._loaded, self._programs, self._folder.path, path)
                arguments = made, there, list(self._connections)
                process = multiprocessing.get_context("fork").Process(target=_serve, args=arguments, daemon=True)
                process.start()
                there.close()
                stack.callback(_end, process, here)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        self.close_session()

    def __iter__(self) -> Iterator[Callable[[], Record]]:
        return self.in_order(self._results())

    def _results(self) -> Iterator[Result | Callable[[], Record]]:
        """Yield what came of the shards, in their order."""
        free = deque(self._connections * EACH)
        has: dict[Connection[Any, Any], deque[int]] = {c: deque() for c in self._connections}
        came: dict[int, Result] = {}
        sent = 0
        for at in range(len(self._shards)):
            while at not in came:
                try:
                    while free and sent < min(len(self._shards), at + 2 * EACH * self._count):
                        connection = free.popleft()
                        connection.send(self._shards[sent])
                        has[connection].append(sent)
                        sent += 1
                    for ready in wait([c for c, those in has.items() if those]):
                        connection = cast("Connection[Any, Any]", ready)
                        came[has[connection].popleft()] = pickle.loads(connection.recv_bytes())
                        free.append(connection)
                except (EOFError, OSError):
                    hint = "Often there is not enough memory: try --processes 1. The same command resumes"
                    lost = OracleFailedError("A process that answers samples has ended", where="processes", hint=hint)
                    yield raiser(lost)
                    return
            yield came.pop(at)


def _end(process: multiprocessing.process.BaseProcess, connection: Connection[Any, Any]) -> None:
    connection.close()
    process.terminate()
    process.join()


def _serve(answers: _Answers, connection: Connection[Any, Any], others: list[Connection[Any, Any]]) -> None:
    """Answer shards until the run ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's: it ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with(os.getppid())
    for other in others:  # of the run's process, which alone may hold them
        other.close()
    if is_loaded():
        torch.set_num_threads(1)
    else:
        os.environ["OMP_NUM_THREADS"] = "1"  # read where torch is loaded later
    with suppress(EOFError, OSError):
        while True:
            shard = connection.recv()
            connection.send_bytes(pickle.dumps(answers.result(shard)))


def _die_with(parent: int) -> None:
    """End this process when the run's ends, however it does."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


class _Answers:
    """What one process answers with; made in the run's, used in its own."""

    def __init__(
        self, config: Config, loaded: Sequence[Task], programs: Programs, folder: Path, record: Path | None
    ) -> None:
        self._config, self._loaded, self._programs = config, loaded, programs
        self._folder, self._record = folder, record
        self._made: Any = None

    def result(self, shard: Shard) -> Result:
        """Return what came of a shard."""
        from neptune.engine import Engine

        if self._made is None:
            try:
                engine = Engine.from_config(self._config, record=self._record)
            except NeptuneError as error:
                return Result(failure=error)
            self._made = engine, Batches(engine, ())
        engine, batches = self._made
        task, bugs, before = self._loaded[shard.task], Bugs(self._folder), batches.sent()["oracle_batches"]
        items = self._programs.ahead((task, task.samples[index]) for index in shard.indices)
        gives = batches.answered(Asked(self._config, engine, *item, bugs) for item in items)
        found = gathered(shard, gives, bugs, engine.recorder)
        found.sent = {name: count - before[name] for name, count in batches.sent()["oracle_batches"].items()}
        return found
