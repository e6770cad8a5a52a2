"""One engine of a run on a cluster: an actor that Ray Data hands shards to, and takes answers back from in order."""

from __future__ import annotations

import copy
import os
import pickle
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neptune.config import Config
from neptune.engine import Engine
from neptune.engine.assemble import percepts_of
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.priors import Estimates
from neptune.errors import ConfigError, NeptuneError
from neptune.runs.runner.batches import Batches, fits
from neptune.runs.runner.cluster.keeper import KeptFound, KeptStore, said
from neptune.runs.runner.cluster.models import PooledDetector, PooledOracle
from neptune.runs.runner.cluster.writing import writes
from neptune.runs.runner.flight import Flight
from neptune.runs.runner.processes.shards import Bugs, Result, Shard, gathered
from neptune.runs.runner.programs import Programs, Write
from neptune.runs.runner.samples import Asked, answer_sample
from neptune.tasks.base import Sample, Task

SHARD, RESULT = "shard", "result"
"""The columns of what goes to an engine, and of what comes back; both pickled."""


@dataclass(frozen=True)
class Home:
    """Where a run's relative paths lead: the driver's working directory, where this machine has it too."""

    folder: str

    def __call__(self) -> None:
        """Go there.

        Raises
        ------
        ConfigError
            If it is not there.
        """
        if not os.path.isdir(self.folder):
            raise ConfigError(
                f"A machine of the cluster has no folder {self.folder}",
                where="cluster",
                expected="the run's working directory on every node, with the same data",
                hint="Share it between the machines, or build the image with it",
            )
        os.chdir(self.folder)


class Answerer:
    """The class that Ray Data makes actors of.

    Parameters
    ----------
    config
        The run's.
    home
        See :class:`Home`.
    folder
        The run folder; only its name is used here.
    records
        Whether what is seen and said is recorded.
    keeper, oracles, detectors, writer
        The run's other actors; ``None``, or none: there is no such actor.
    named
        The oracle's name, and the detector's with whether it heeds labels, where they are actors.
    """

    def __init__(
        self,
        config: Config,
        home: Home,
        folder: Path,
        records: bool,
        keeper: Any,
        oracles: list[Any],
        detectors: list[Any],
        writer: Any,
        named: tuple[str, tuple[str, bool]],
    ) -> None:
        self._config, self._folder, self._writer = config, folder, writer

        def make() -> tuple[Engine, list[Task], Programs]:
            home()
            loaded = [config.load(dataset) for dataset in config.datasets]
            kept = KeptStore(keeper) if keeper is not None and config.cache_path is not None else None
            given: dict[str, Any] = {"cache": kept, "percepts": percepts_of(config, kept), "record": None}
            found = KeptFound(keeper) if keeper is not None and config.detections_path is not None else None
            given["detection_cache"] = found
            if oracles:
                given |= {"oracle": PooledOracle(oracles, named[0]), "oracle_options": {}}
            if detectors:
                given |= {"detector": PooledDetector(detectors, *named[1]), "detector_options": {}}
            if records:
                given["record"] = Path(tempfile.mkdtemp(prefix="neptune-")) / "shard.jsonl"
            programs = Programs(config if writer is None else config.model_copy(update={"code_gen_provider": "gold"}))
            return Engine.from_config(config, **given), loaded, programs

        self._made, self._error = said(make)

    def __call__(self, table: Any) -> Any:
        """Answer the shards of a table (pyarrow); return a table of what came of each."""
        import pyarrow

        results = [pickle.dumps(self._result(pickle.loads(row))) for row in table.column(SHARD).to_pylist()]
        return pyarrow.table({RESULT: pyarrow.array(results, pyarrow.large_binary())})

    def _result(self, shard: Shard) -> Result:
        if self._made is None:
            return Result(failure=self._error)
        try:
            return self._answered(shard)
        except NeptuneError as error:
            return Result(failure=error)

    def _answered(self, shard: Shard) -> Result:
        engine, loaded, programs = self._made
        task, bugs = loaded[shard.task], Bugs(self._folder)
        samples = [self._sample(task, index, name) for index, name in zip(shard.indices, shard.ids, strict=True)]
        # Nothing is known when a shard begins: what comes of it is the same wherever and however often it is answered.
        engine = copy.copy(engine)
        estimates = Estimates(engine.vocabulary, engine.context.estimates.prior)
        engine.context = replace(engine.context, kept=EvidenceKept(), estimates=estimates)
        config, recorder = self._config, engine.recorder
        items = writes(self._writer, programs, [(task, sample) for sample in samples])
        if fits(config):  # as a run on one machine makes them
            batches = Batches(engine, (Asked(config, engine, *item, bugs) for item in items), config.lazy_pictures)
            found = gathered(shard, batches, bugs, recorder)
            found.sent = batches.sent()["oracle_batches"]
            return found

        def begin(item: tuple[Task, Sample, Write]) -> Any:
            return lambda: answer_sample(config, engine, *item, bugs)

        with Flight(items, begin, config.workers) as flight:
            return gathered(shard, flight, bugs, recorder)

    @staticmethod
    def _sample(task: Task, index: int, name: str) -> Sample:
        sample = task.samples[index] if index < len(task.samples) else None
        if sample is None or str(sample.id) != name:
            raise ConfigError(
                f"A machine of the cluster reads other samples: number {index} is not {name}",
                where="data_dir",
                expected="the same data on every node",
            )
        return sample
