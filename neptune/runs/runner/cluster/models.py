"""Oracle and detector as pools of actors, and how an engine asks them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from cachetools import LRUCache

from neptune.config import Config
from neptune.engine.evidence.kept import SCENES_KEPT
from neptune.errors import NeptuneError
from neptune.perception.detect.cache import CachedDetector
from neptune.perception.oracle.caching.batcher import MicroBatcher
from neptune.perception.oracle.caching.cache import CachedOracle, has_identity
from neptune.perception.oracle.caching.exchanges import KeepsExchanges
from neptune.perception.replicas import detector_on, oracle_on, takes_device
from neptune.runs.runner.cluster.keeper import KeptExchanges, KeptFound, KeptStore, Said, said, told
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.identity import picture_key, scene_digest
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

CALLS = 64
"""Calls of engines that wait in one oracle's actor, each in a thread, to be sent as one batch."""


class OracleActor:
    """An actor: one oracle behind the run's cache, which gathers what engines ask into batches.

    Parameters
    ----------
    config
        The run's; its oracle, options and batches are read.
    home
        Makes this process ready to read the run's files.
    keeper
        The run's :class:`~neptune.runs.runner.cluster.keeper.Keeper`; ``None``: nothing is kept.
    exchanges
        Whether what is said to the model is kept.
    """

    def __init__(self, config: Config, home: Callable[[], None], keeper: Any, exchanges: bool) -> None:
        self._oracle: Oracle | None = None
        self._scenes: LRUCache[str, Scene] = LRUCache(4 * SCENES_KEPT)
        self._lock = threading.Lock()
        self._error: NeptuneError | None = None

        def make() -> Oracle:
            home()
            device = devices("oracle", config.vlm_model_name)
            made = oracle_on(config.vlm_model_name, device, dict(config.vlm_options))
            if isinstance(made, KeepsExchanges):
                made.exchanges = KeptExchanges(keeper) if exchanges else None
            if keeper is not None and config.cache_path is not None and has_identity(made):
                made = CachedOracle(made, KeptStore(keeper))
            return MicroBatcher(made, config.max_batch, config.batch_wait_ms)

        self._oracle, self._error = said(make)

    def about(self) -> Said:
        """Return the oracle's name, once it is made."""
        return (self._oracle.name if self._oracle is not None else None), self._error

    def ask(self, kind: str, requests: list[Any]) -> Said:
        """Answer requests: ``score``, ``query``."""
        return self._error_or(lambda oracle: getattr(oracle, kind)([self._known(r) for r in requests]))

    def domain(self, scene: Scene) -> Said:
        """Return what the oracle says of a picture."""
        return self._error_or(lambda oracle: domain_of(oracle, self._scene(scene)))

    def _error_or(self, work: Callable[[Oracle], Any]) -> Said:
        oracle = self._oracle
        return said(lambda: work(oracle)) if oracle is not None else (None, self._error)

    def _known(self, request: Any) -> Any:
        scene = self._scene(request.scene)
        if isinstance(request, QueryRequest):
            return QueryRequest(scene, request.question, request.objects, request.choices)
        return ScoreRequest(scene, request.question, request.objects)

    def _scene(self, scene: Scene) -> Scene:
        """Return the scene as it came first: its picture is read once."""
        digest = scene_digest(scene)
        with self._lock:
            return self._scenes.setdefault(digest, scene)


class PooledOracle:
    """The oracle of an engine on a cluster: a picture is always asked about at the same actor.

    So no cell is asked twice, whoever asks, and what a model keeps of a picture is used again.

    Parameters
    ----------
    actors
        At least one :class:`OracleActor`.
    name
        The oracle's.
    """

    cell_cost = "dear"

    def __init__(self, actors: Sequence[Any], name: str) -> None:
        self._actors, self.name = list(actors), name

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, in order."""
        return self._ask("score", requests)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, in order."""
        return self._ask("query", requests)

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the oracle says of a picture."""
        found: Domain | None = told(self._of(scene).domain.remote(scene))
        return found

    def _ask(self, kind: str, requests: Sequence[Any]) -> list[Any]:
        places: dict[int, list[int]] = defaultdict(list)
        for at, request in enumerate(requests):
            places[self._number(request.scene)].append(at)
        flying = [
            (those, self._actors[number].ask.remote(kind, [requests[at] for at in those]))
            for number, those in places.items()
        ]
        answers: list[Any] = [None] * len(requests)
        for those, reference in flying:
            for at, answer in zip(those, told(reference), strict=True):
                answers[at] = answer
        return answers

    def _of(self, scene: Scene) -> Any:
        return self._actors[self._number(scene)]

    def _number(self, scene: Scene) -> int:
        return crc32(picture_key(scene).encode()) % len(self._actors)


class DetectorActor:
    """An actor: one detector behind the run's cache. Parameters are those of :class:`OracleActor`."""

    def __init__(self, config: Config, home: Callable[[], None], keeper: Any) -> None:
        self._detector: Any = None

        def make() -> Any:
            home()
            made = detector_on(config.od_model, devices("detector", config.od_model), dict(config.od_options))
            if keeper is not None and config.detections_path is not None and hasattr(made, "identity"):
                return CachedDetector(made, KeptFound(keeper))
            return made

        self._detector, self._error = said(make)

    def about(self) -> Said:
        """Return the detector's name and whether it heeds labels, once it is made."""
        made = self._detector
        known = None if made is None else (made.name, bool(getattr(made, "open_vocabulary", True)))
        return known, self._error

    def detect(self, picture: Picture, labels: tuple[str, ...]) -> Said:
        """Find the objects of a picture."""
        if self._detector is None:
            return None, self._error
        return said(lambda: self._detector.detect(picture, labels))


class PooledDetector:
    """The detector of an engine on a cluster: a picture is always looked at by the same actor."""

    def __init__(self, actors: Sequence[Any], name: str, open_vocabulary: bool) -> None:
        self._actors, self.name, self.open_vocabulary = list(actors), name, open_vocabulary

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture."""
        actor = self._actors[crc32(picture.digest.encode()) % len(self._actors)]
        found: Detections = told(actor.detect.remote(picture, tuple(labels)))
        return found


def devices(kind: str, name: str) -> tuple[str, ...]:
    """Return where an actor's model runs: on the GPU that Ray has lent to it, or as its options say."""
    from neptune.runs.runner.cluster.connect import ray_

    return ("cuda:0",) if ray_().get_gpu_ids() and takes_device(kind, name) else ()
