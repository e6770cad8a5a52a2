"""The scenes of pictures: detected once, and kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from cachetools import LRUCache

from dsl.vocabulary.sorts import Share
from neptune.engine.evidence.kept import SCENES_KEPT
from neptune.errors import DetectorError, NeptuneError
from neptune.scene import Annotation, Scene
from neptune.scene.boxes import Detections
from neptune.scene.picture import Picture
from neptune.scene.types import Detector

ANYTHING = "object"
"""What a detector of any words looks for where no label is given."""

_Key = tuple[str, int, tuple[str, ...]]


class Scenes:
    """Makes the scenes of pictures by one detector. Threads may share it; a picture is looked at by one of them.

    Parameters
    ----------
    detector
        The detector; ``None`` where the annotated boxes are taken.
    name
        Its name; ``"scene"`` for the annotated boxes, ``None`` if there is no detector at all.
    containers
        Where the containers of the world are, each with its sort: they follow what the detector finds.
    """

    def __init__(
        self, detector: Detector | None, name: str | None, containers: Sequence[tuple[str, Share]] = ()
    ) -> None:
        self.detector, self.name, self.containers = detector, name, tuple(containers)
        self.open_vocabulary = detector is not None and bool(getattr(detector, "open_vocabulary", True))
        """Whether what is found depends on labels; a detector that does not say is taken to depend on them."""
        self._kept: LRUCache[_Key, tuple[Picture | None, Annotation | None, Scene]] = LRUCache(SCENES_KEPT)
        self._detecting: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def scene(self, picture: Picture | None, annotation: Annotation | None = None, labels: Sequence[str] = ()) -> Scene:
        """Return the scene of a picture: see :meth:`neptune.engine.Engine.scene`.

        Raises
        ------
        PictureError, DetectorError, DatasetError
            As there.
        """
        if self.detector is None:
            if self.name != "scene":
                raise DetectorError("No detector is configured", expected="od_model", hint='e.g. od_model "embedded"')
            if annotation is None:
                raise DetectorError(
                    "The detector 'scene' needs an annotated picture",
                    where=picture.name if picture else "",
                    hint='Use od_model "embedded" for a picture without annotation',
                )
        heeded = (tuple(labels) or (ANYTHING,)) if self.open_vocabulary else ()
        key = (_identity(picture), id(annotation), heeded)
        with self._lock:
            found = self._kept.get(key)
            mine = self._detecting.setdefault(key, threading.Lock())
        if found is None:
            with mine:  # the first thread detects, the others wait for it
                with self._lock:
                    found = self._kept.get(key)
                if found is None:
                    # Picture and annotation are kept too, so that their ids stay theirs.
                    found = (picture, annotation, self._detect(picture, annotation, heeded))
                    with self._lock:  # before `mine` is free: who waits for it must find the scene
                        self._kept[key] = found
        with self._lock:
            self._detecting.pop(key, None)
        return found[2]

    def _detect(self, picture: Picture | None, annotation: Annotation | None, labels: tuple[str, ...]) -> Scene:
        if self.detector is None:
            assert annotation is not None
            return Scene.from_annotation(annotation, picture)
        if picture is None:
            raise DetectorError("There is no picture to look at")
        # Where nothing is found, the scene has no objects: none is counted, nothing exists in it.
        found = _found(self.detector, picture, labels)
        scene = Scene(found.boxes, picture.size, picture, annotation, found.scores, picture.name, found.domain)
        return with_containers(scene, self.containers)


def _found(detector: Detector, picture: Picture, labels: tuple[str, ...]) -> Detections:
    """Return what a detector finds; whatever one of one's own raises or returns by mistake is an error that names it.

    Raises
    ------
    DetectorError
        If it fails, or what it returns is not of the form that its protocol says.
    """
    name = str(getattr(detector, "name", type(detector).__name__))
    adapter = "This is a mistake in the detector's adapter"
    try:
        found = detector.detect(picture, labels)
    except (NeptuneError, MemoryError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        what = f"The detector '{name}' failed with {' '.join(said.split())[:300]}"
        raise DetectorError(what, where=picture.name, hint=adapter) from error
    said = "" if isinstance(found, Detections) else type(found).__name__
    if not said:
        boxes, scores = np.asarray(found.boxes), np.asarray(found.scores)
        fits = boxes.shape == (len(scores), 4) and {boxes.dtype.kind, scores.dtype.kind} <= set("fiu")
        said = "" if fits else f"boxes of shape {boxes.shape}, {boxes.dtype}, scores of shape {scores.shape}"
    if said:
        raise DetectorError(
            f"The detector '{name}' returned an answer of the wrong form: {said}",
            where=picture.name,
            expected="Detections, with boxes of shape (N, 4) and N scores",
            hint=adapter,
        )
    return found


def with_containers(scene: Scene, containers: Sequence[tuple[str, Share]]) -> Scene:
    """Return a scene of objects with the containers that are in every picture of its world, after the objects."""
    if not containers or scene.kinds:
        return scene
    width, height = scene.size
    places = [(x0 * width, y0 * height, x1 * width, y1 * height) for _, (x0, y0, x1, y1) in containers]
    boxes = np.concatenate([scene.boxes, np.array(places, dtype=np.float32)])
    assert scene.scores is not None
    scores = np.concatenate([scene.scores, np.ones(len(places), dtype=np.float32)])
    kinds = ("Object",) * len(scene) + tuple(sort for sort, _ in containers)
    return replace(scene, boxes=boxes, scores=scores, kinds=kinds)


def _identity(picture: Picture | None) -> str:
    """Return what tells pictures apart without opening them: a file changes when it is written anew."""
    if picture is None:
        return ""
    if picture.path is None:
        return picture.digest
    try:
        found = picture.path.stat()
    except OSError:
        return str(picture.path)  # what is wrong with it is said when it is opened
    return f"{picture.path} {found.st_mtime_ns} {found.st_size}"
