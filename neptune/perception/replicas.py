"""One oracle, or detector, on each of several devices.

Threads, not processes: a forward pass releases Python's lock while the device works, pictures and scenes need no
copying between processes, one cache and one record serve all, and an error arrives where it was caused. What Python
itself costs for each batch is shared by all devices; a server of its own (``vlm_model_name: openai``) is the way
where that is too much.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from neptune.errors import ConfigError
from neptune.perception import registry
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, Detector, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

Model = TypeVar("Model")


def devices_of(gpus: Sequence[int]) -> tuple[str, ...]:
    """Return the devices of GPU numbers: ``("cuda:0", "cuda:1")``; none for no numbers.

    Raises
    ------
    ConfigError
        If a GPU is not there, or named twice; the message says how many there are.
    """
    if not gpus:
        return ()
    import torch

    there = torch.cuda.device_count()
    missing = [gpu for gpu in gpus if not 0 <= gpu < there]
    if missing:
        known = f"{there} ({', '.join(map(str, range(there)))})" if there else "none"
        raise ConfigError(
            f"GPU {missing[0]} is asked for, and the GPUs that torch sees here are: {known}",
            where="gpus",
            hint="Name those that are there, or leave out --gpus to run on the CPU",
        )
    if len(set(gpus)) < len(gpus):
        raise ConfigError(f"A GPU is named twice: {' '.join(map(str, gpus))}", where="gpus")
    return tuple(f"cuda:{gpu}" for gpu in gpus)


def check_devices(devices: Sequence[str], **models: object) -> None:
    """Check that some model can use the devices: ``check_devices(devices, oracle="openai", detector="dino")``.

    Raises
    ------
    ConfigError
        If none of them runs on a device, or one is an unknown name.
    """
    if devices and not any(takes_device(kind, name) for kind, name in models.items()):
        listed = " nor ".join(f"the {kind} '{getattr(name, 'name', name)}'" for kind, name in models.items())
        raise ConfigError(f"Neither {listed} runs on a GPU", where="gpus", hint="Leave out --gpus")


def oracle_on(name: str | Oracle, devices: Sequence[str], options: dict[str, Any]) -> Oracle:
    """Return the oracle of a name: a copy on each device, as one; or, where it uses none, as its options say.

    Raises
    ------
    ConfigError
        As :func:`neptune.perception.registry.oracle`, and if the options name a device of their own.
    """
    return _copies("oracle", registry.oracle, OracleReplicas, name, devices, options)


def detector_on(name: str | Detector, devices: Sequence[str], options: dict[str, Any]) -> Detector:
    """Return the detector of a name, as :func:`oracle_on` does for oracles."""
    return _copies("detector", registry.detector, DetectorReplicas, name, devices, options)


def takes_device(kind: str, name: object) -> bool:
    """Return whether a model, by its name, runs on a device that can be chosen."""
    return isinstance(name, str) and "device" in registry.signature_of(kind, name).parameters


def check_placed(kind: str, name: object, options: Mapping[str, Any]) -> None:
    """Check that the options of a model do not say where it runs, as ``gpus`` does.

    Raises
    ------
    ConfigError
        If they do. A copy with a `device_map` would spread over all GPUs, whichever is its own.
    """
    for option in ("device", "device_map"):
        if options.get(option) is not None:
            raise ConfigError(
                f"Both 'gpus' and the option '{option}' ({options[option]}) are given",
                where=f"{kind} '{name}'",
                hint="Leave one of them out: gpus puts one copy on each, device_map spreads one copy over all"
                if option == "device_map"
                else "Leave one of them out",
            )


def _copies(
    kind: str,
    make: Callable[..., Model],
    as_one: Callable[[list[Model]], Model],
    name: str | Model,
    devices: Sequence[str],
    options: dict[str, Any],
) -> Model:
    if not devices or not takes_device(kind, name):
        return make(name, **options)
    check_placed(kind, name, options)
    made = [make(name, **{**options, "device": device}) for device in devices]
    return made[0] if len(made) == 1 else as_one(made)


class Replicas(Generic[Model]):
    """Copies of one model, each lent to one thread at a time; who finds none free waits.

    Parameters
    ----------
    models
        At least one. They answer alike, each on its own device, and are one model to every cache.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        if not models:
            raise ValueError("there must be at least one copy")
        self._first, self.copies, self.models = models[0], len(models), tuple(models)
        self.name: str = models[0].name  # type: ignore[attr-defined]
        self._free: queue.SimpleQueue[Model] = queue.SimpleQueue()
        for model in models:
            self._free.put(model)

    def __getattr__(self, name: str) -> Any:
        if name == "identity":
            return self._first.identity  # type: ignore[attr-defined]
        raise AttributeError(name)

    @contextmanager
    def borrow(self) -> Iterator[Model]:
        """Lend a free copy for the length of a ``with`` statement."""
        model = self._free.get()
        try:
            yield model
        finally:
            self._free.put(model)


class OracleReplicas(Replicas[Oracle]):
    """Copies of one oracle: each call goes to one that is free. Called from as many threads as there are copies."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, in order, by a free copy."""
        with self.borrow() as oracle:
            return oracle.score(requests)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, in order, by a free copy."""
        with self.borrow() as oracle:
            return oracle.query(requests)

    def domain(self, scene: Scene) -> Domain | None:
        """Return what a free copy says of a picture."""
        with self.borrow() as oracle:
            return domain_of(oracle, scene)


class DetectorReplicas(Replicas[Detector]):
    """Copies of one detector: each picture goes to one that is free."""

    def __init__(self, models: Sequence[Detector]) -> None:
        super().__init__(models)
        self.open_vocabulary = getattr(models[0], "open_vocabulary", True)

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture, by a free copy."""
        with self.borrow() as detector:
            return detector.detect(picture, labels)
