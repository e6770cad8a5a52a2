"""What an engine sees by: an oracle and a detector, with what is put around them (caches, record, batches)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neptune.perception.detect.cache import CachedDetector, Found
from neptune.perception.oracle.caching.batcher import MicroBatcher
from neptune.perception.oracle.caching.cache import CachedOracle, has_identity
from neptune.perception.oracle.caching.exchanges import EXCHANGES, Exchanges, KeepsExchanges
from neptune.perception.oracle.caching.replay import RECORD, RecordingOracle, ReplayOracle
from neptune.perception.oracle.caching.store import Store
from neptune.perception.percepts.oracle import PerceptOracle
from neptune.perception.percepts.percepts import Percepts
from neptune.perception.replicas import OracleReplicas, detector_on, oracle_on
from neptune.scene.types import Detector, Oracle


def oracle_stack(
    oracle: str | Oracle,
    devices: Sequence[str],
    options: dict[str, Any],
    *,
    cache: str | Path | Store | None,
    record: str | Path | None,
    workers: int,
    max_batch: int,
    wait_ms: float,
    percepts: Percepts | None = None,
) -> tuple[Oracle, RecordingOracle | None, MicroBatcher | None]:
    """Return the oracle as programs ask it, and of what is around it the recorder and the batcher, where there are.

    From the inside: the oracle, one copy a device, which keeps its exchanges where a run folder is recorded; the cache,
    for oracles with an identity; who answers about masks, depths and words in its stead; the record, which gets what
    the cache says too; the batcher, where several threads or devices are to be served. Parameters and errors are those
    of :class:`neptune.engine.Engine`.
    """
    made: Oracle = oracle_on(oracle, devices, options)
    lanes = int(getattr(made, "copies", 1))
    _keep_exchanges(made, record)
    if cache is not None and has_identity(made):
        made = CachedOracle(made, cache)
    if percepts is not None and not isinstance(made, ReplayOracle):  # a record holds what they said
        made = PerceptOracle(made, percepts)
    recorder: RecordingOracle | None = None
    if record is not None:
        made = recorder = RecordingOracle(made, record)
    batcher: MicroBatcher | None = None
    if workers > 1 or len(devices) > 1:
        made = batcher = MicroBatcher(made, max_batch, wait_ms, callers=workers, lanes=lanes)
    return made, recorder, batcher


def _keep_exchanges(oracle: Oracle, record: str | Path | None) -> None:
    """Let an oracle that talks to a model keep prompts and replies beside the record of a run folder."""
    kept = None
    if record is not None and Path(record).name == RECORD:
        kept = Exchanges(Path(record).with_name(EXCHANGES))
    for one in oracle.models if isinstance(oracle, OracleReplicas) else (oracle,):
        if isinstance(one, KeepsExchanges):
            one.exchanges = kept


def detector_stack(
    detector: str | Detector | None,
    devices: Sequence[str],
    options: dict[str, Any],
    *,
    cache: str | Path | Found | None,
) -> Detector | None:
    """Return the detector, behind a cache where it has an identity; ``None`` where annotated boxes are taken.

    Parameters and errors are those of :class:`neptune.engine.Engine`.
    """
    if detector is None or detector == "scene":
        return None
    made = detector_on(detector, devices, options)
    if cache is not None and hasattr(made, "identity"):
        return CachedDetector(made, cache)
    return made
