"""A Ray cluster is found or started, and its places are dealt out: engines, oracles, detectors."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from neptune.config import Config
from neptune.errors import ConfigError, MissingExtraError
from neptune.perception import registry
from neptune.perception.replicas import takes_device

AUTO = "auto"
STORE_MB = 200
"""Megabytes of a node's object store, where a cluster is started here, and of what Ray Data holds at once elsewhere:
what travels is small."""

STARTS, TOO_SLOW = 3, "timed out during startup"
"""So often a cluster is started here where Ray says this: half a minute, all that a node gets, may be too little."""


def ray_() -> Any:
    """Return the module ``ray``, which tells nobody how it is used.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(
            "A run on a cluster needs Ray, which is not installed",
            where="cluster",
            hint='Install the extra, on each node: pip install "neptune-reasoner[ray]"',
        ) from error
    return ray


@dataclass(frozen=True)
class Places:
    """How many actors of each kind a run has on its cluster, and what each takes.

    Parameters
    ----------
    nodes
        Nodes of the cluster.
    engines
        Engines, a CPU each.
    oracles, detectors
        Actors of their own; 0: each engine has its own.
    oracle_gpus, detector_gpus
        GPUs of each; may be a part of one.
    pool_cpus
        CPUs of each of them.
    """

    nodes: int
    engines: int
    oracles: int = 0
    detectors: int = 0
    oracle_gpus: float = 0.0
    detector_gpus: float = 0.0
    pool_cpus: float = 0.0

    @classmethod
    def of(cls, config: Config, resources: Mapping[str, float], nodes: int) -> Places:
        """Return what fits a run and the cluster's resources, unless `cluster_options` say otherwise.

        An oracle whose calls are dear is a pool of its own: one actor a GPU, or one for a server; so is a detector that
        is a large network. With one GPU they share it.
        """
        said = config.cluster_options
        cpus, gpus = max(int(resources.get("CPU", 1)), 1), float(resources.get("GPU", 0))
        apart, served = is_apart(config), is_served(config)
        finders = int(said.get("detectors", 1)) if looks_apart(config) else 0
        share = 0.5 if apart and not served and finders and gpus < 2 else 1.0
        oracle_gpus = float(said.get("oracle_gpus", share if gpus and not served else 0)) if apart else 0.0
        detector_gpus = float(said.get("detector_gpus", share if gpus else 0)) if finders else 0.0
        fitting = int((gpus - finders * detector_gpus) / oracle_gpus) if oracle_gpus else 1
        oracles = int(said.get("oracles", max(fitting, 1))) if apart else 0
        pool = (0 if served else oracles) + finders
        pool_cpus = 1.0 if pool and cpus > pool else 0.0
        engines = int(said.get("engines", max(cpus - int(pool * pool_cpus), 1)))
        return cls(nodes, engines, oracles, finders, oracle_gpus, detector_gpus, pool_cpus)

    def as_dict(self) -> dict[str, Any]:
        """Return what the results keep of it."""
        return {name: value for name, value in asdict(self).items() if value and not name.endswith("cpus")}


def is_apart(config: Config) -> bool:
    """Tell whether a run's oracle is a pool of its own: its calls are what the run costs."""
    return registry.is_dear(config.vlm_model_name)


def is_served(config: Config) -> bool:
    """Tell whether a run's oracle is a server's client, which takes no GPU."""
    address = registry.address_of("oracle", config.vlm_model_name) or ""
    return address.startswith("neptune.perception.oracle.server.")


def looks_apart(config: Config) -> bool:
    """Tell whether a run's detector is a pool of its own: a large network."""
    address = registry.address_of("detector", config.od_model) or ""
    return ".transformers:" in address and takes_device("detector", config.od_model)


@contextmanager
def connected(config: Config) -> Iterator[Places]:
    """Connect to the cluster of `cluster` and yield the places there; leave it as it was found.

    ``auto`` is the cluster that this machine belongs to; where there is none, one is started here for the run.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    ConfigError
        If there is no cluster at the address, or it has another version of Ray or Python.
    """
    ray = ray_()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, config)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        yield Places.of(config, ray.cluster_resources(), len(nodes))
    finally:
        if mine:
            ray.shutdown()


def _connect(ray: Any, config: Config) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = str(config.cluster)
    try:
        ray.init(address=address, **quiet)
        return
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address != AUTO or not isinstance(error, ConnectionError):
            what = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"The cluster can not be reached: {what}",
                where=f"cluster: {address}",
                expected="auto, or HOST:PORT of the head of a running Ray cluster, with the same versions of Ray "
                "and Python",
                hint="Start one: ray start --head; of another machine, use `ray job submit` (docs/scale.md)",
            ) from error
    store = int(config.cluster_options.get("object_store_mb", STORE_MB)) * 2**20
    cpus = os.cpu_count() or 1
    for further in reversed(range(STARTS)):
        try:
            ray.init(num_cpus=cpus, object_store_memory=store, include_dashboard=False, **quiet)
            break
        except Exception as error:  # whatever Ray says: there is no cluster
            ray.shutdown()
            if further and TOO_SLOW in str(error):
                continue
            what = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"No Ray cluster is running here, and none could be started: {what}",
                where="cluster: auto",
                hint="Start one: ray start --head",
            ) from error
    print(f"No Ray cluster is running here: one of {cpus} CPUs was started for this run", file=sys.stderr)
