"""A run's samples on a cluster: cut into shards, dealt out by Ray Data, and yielded in their order as records."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.errors import NeptuneError
from neptune.perception.oracle.caching.exchanges import EXCHANGES
from neptune.perception.oracle.caching.replay import RECORD
from neptune.runs.record import Record, RunFolder
from neptune.runs.runner.cluster.connect import STORE_MB, Places, connected, is_served, ray_
from neptune.runs.runner.cluster.keeper import Keeper, lost, told
from neptune.runs.runner.cluster.models import CALLS, DetectorActor, OracleActor
from neptune.runs.runner.cluster.worker import RESULT, SHARD, Answerer, Home
from neptune.runs.runner.cluster.writing import WriterActor
from neptune.runs.runner.processes.shards import InOrder, Result, Shard, raiser, record_of
from neptune.runs.runner.programs import Programs

if TYPE_CHECKING:
    from neptune.tasks import Task

LEAST, MOST = 8, 256
"""Samples of a shard: what a worker that dies loses, against what dealing one out takes."""

EACH = 8
"""Shards of each engine, at least, where there are samples enough: none waits long for the last."""

WINDOW = 16
"""Shards of one window: a picture whose questions do not follow each other goes together within it, and so many shards
are held until the first of their samples is there."""

_SERIAL = count()


def cut(loaded: Sequence[Task], todo: Sequence[tuple[Task, int]], size: int) -> Iterator[Shard]:
    """Yield the samples as shards of about `size`: each has all questions about its pictures, as far as a window goes.

    Windows follow each other in the samples' order. A picture with more than twice as many questions is cut.
    """
    number = {id(task): at for at, task in enumerate(loaded)}
    names = {id(task): list(task.sample_ids()) for task in loaded}

    def shard(positions: list[int]) -> Shard:
        items = [todo[position] for position in positions]
        task = items[0][0]
        known = names[id(task)]
        indices = tuple(index for _, index in items)
        return Shard(number[id(task)], tuple(positions), indices, tuple(known[index] for index in indices))

    for start in range(0, len(todo), WINDOW * size):
        about: dict[tuple[int, str | int], list[int]] = {}
        for position in range(start, min(start + WINDOW * size, len(todo))):
            task, index = todo[position]
            picture = task.picture_of(index)
            about.setdefault((number[id(task)], position if picture is None else picture), []).append(position)
        waiting: list[int] = []
        for (at, _), positions in about.items():
            for part in (positions[k : k + 2 * size] for k in range(0, len(positions), 2 * size)):
                if waiting and (number[id(todo[waiting[0]][0])] != at or len(waiting) + len(part) > size):
                    yield shard(sorted(waiting))
                    waiting = []
                waiting += part
        if waiting:
            yield shard(sorted(waiting))


class ClusterFlight(InOrder):
    """Answers samples on the cluster of `cluster`, and yields what gives the record of each, in their order.

    Use as a context manager: leaving it ends its actors, and the cluster where it was started for this run.

    Parameters
    ----------
    config
        The run's.
    loaded, todo
        The datasets, and the samples that have no record yet.
    programs
        Is told what the language model used.
    folder
        Gets evidence and tracebacks, before the records that they belong to.

    Attributes
    ----------
    recorder
        Numbers the evidence of records, as on one machine; ``None``: nothing is recorded.

    Raises
    ------
    NeptuneError
        If there is no such cluster, or a model can not be made there.
    """

    def __init__(
        self,
        config: Config,
        loaded: Sequence[Task],
        todo: Sequence[tuple[Task, int]],
        programs: Programs,
        folder: RunFolder,
    ) -> None:
        super().__init__(folder)
        self._config, self._loaded, self._todo = config, loaded, todo
        self._programs, self._stack = programs, ExitStack()

    def __enter__(self) -> ClusterFlight:
        with ExitStack() as stack:
            self.places = stack.enter_context(connected(self._config))
            self._actors = _Actors(self._config, self.places, self._folder.path.resolve(), self._programs)
            stack.callback(self._actors.end)
            self._actors.wait()
            self.open_record(self._config)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._folder.session["cluster"] = self.places.as_dict()
        self.close_session()
        self._stack.close()

    def __iter__(self) -> Iterator[Callable[[], Record]]:
        return self.in_order(self._until_lost())

    def _until_lost(self) -> Iterator[Result | Callable[[], Record]]:
        """Yield what came of the shards, in their order; at last, where the cluster fails, what says so."""
        ray = ray_()
        try:
            yield from self._results()
        except ray.exceptions.RayError as error:
            yield raiser(lost(error))

    def _results(self) -> Iterator[Result]:
        """Yield what came of the shards, in their order."""
        ray = ray_()
        given = self._config.cluster_options
        context = ray.data.DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        limits = context.execution_options.resource_limits
        store = int(given.get("object_store_mb", STORE_MB)) * 2**20
        context.execution_options.resource_limits = limits.copy(object_store_memory=store)
        size = min(MOST, max(LEAST, len(self._todo) // (EACH * self.places.engines)))
        shards = [{SHARD: pickle.dumps(s)} for s in cut(self._loaded, self._todo, int(given.get("shard", size)))]
        with ray.data.DataContext.current(context):
            answered = ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(
                Answerer,
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=min(self.places.engines, len(shards))),
                num_cpus=1,  # what dies is restarted, as often as need be: Ray Data's default
                fn_constructor_kwargs=self._actors.of_engines(),
            )
            for table in answered.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in table.column(RESULT).to_pylist():
                    result = pickle.loads(row)
                    assert isinstance(result, Result)
                    yield result


class _Actors:
    """The actors of a run beside its engines."""

    def __init__(self, config: Config, places: Places, folder: Path, programs: Programs) -> None:
        ray = ray_()
        self._config, self._programs, self._folder = config, programs, folder
        self._home = Home(os.getcwd())
        self._name = f"neptune-{os.getpid()}-{next(_SERIAL)}"
        forever = {"max_restarts": -1, "max_task_retries": -1}
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        beside = forever | {"num_cpus": 0, "scheduling_strategy": here}
        record = record_of(config, folder)
        exchanges = record is not None and record.name == RECORD

        def made(what: type, name: str, options: dict[str, Any], *arguments: Any) -> Any:
            return ray.remote(what).options(name=f"{self._name}-{name}", **options).remote(*arguments)

        files = [path.resolve() if path else None for path in (config.cache_path, config.detections_path)]
        beside_record = record.resolve().with_name(EXCHANGES) if record is not None and exchanges else None
        self._keeper = made(Keeper, "cache", beside | {"max_concurrency": 8}, *files, beside_record)
        pool = forever | {"num_cpus": places.pool_cpus}
        oracle = pool | {"num_gpus": places.oracle_gpus, "max_concurrency": CALLS}
        if is_served(config):
            oracle["num_cpus"] = 0  # it waits for the server
        self._oracles = [
            made(OracleActor, f"oracle-{k}", oracle, config, self._home, self._keeper, exchanges)
            for k in range(places.oracles)
        ]
        detector = pool | {"num_gpus": places.detector_gpus}
        self._detectors = [
            made(DetectorActor, f"detector-{k}", detector, config, self._home, self._keeper)
            for k in range(places.detectors)
        ]
        self._writer: Any = None
        if programs.writer is not None and programs.writer.chat:
            at_once = {"max_concurrency": config.code_gen_concurrency}
            self._writer = made(WriterActor, "writer", beside | at_once, config, self._home)
        self._named: tuple[str, tuple[str, bool]] = ("", ("", True))

    def wait(self) -> None:
        """Wait until all models are made.

        Raises
        ------
        NeptuneError
            If one can not be.
        """
        names = [told(actor.about.remote()) for actor in self._oracles]
        found = [told(actor.about.remote()) for actor in self._detectors]
        if self._writer is not None:
            told(self._writer.about.remote())
        self._named = (names[0] if names else "", found[0] if found else ("", True))

    def of_engines(self) -> dict[str, Any]:
        """Return what an engine's constructor takes."""
        return {
            "config": self._config,
            "home": self._home,
            "folder": self._folder,
            "records": record_of(self._config, self._folder) is not None,
            "keeper": self._keeper,
            "oracles": self._oracles,
            "detectors": self._detectors,
            "writer": self._writer,
            "named": self._named,
        }

    def end(self) -> None:
        """End them; the file of programs is brought into its final form."""
        ray = ray_()
        try:
            if self._writer is not None:
                self._programs.elsewhere = told(self._writer.close.remote())
        except NeptuneError:
            pass  # the cluster is gone; each program is in the file's journal
        for actor in (*self._oracles, *self._detectors, self._keeper, self._writer):
            if actor is not None:
                ray.kill(actor)
