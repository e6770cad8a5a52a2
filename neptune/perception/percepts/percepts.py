"""Masks, depths and readings of pictures: each model is made when it is first asked, and asked once about a content."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import numpy as np
from cachetools import LRUCache

from neptune.errors import NeptuneError, OracleError, PerceptionError
from neptune.perception import registry
from neptune.perception.oracle.caching.store import Asked, Store, store_of
from neptune.perception.percepts.kept import depth_of, mask_of, reading_of, written
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask, MaskRequest, Place
from neptune.scene.seen.texts import Reading
from neptune.scene.types import DepthEstimator, Segmenter, TextReader

KEPT = {"mask": 1024, "depth": 64, "text": 1024}
"""So many of the last values of each kind stay in memory."""

Asking = TypeVar("Asking")
Said = TypeVar("Said")


class Percepts:
    """What a segmenter, a depth estimator and a reader say of pictures. Threads may share it.

    A value is known by the pixels of the picture, what is asked (of a mask: box and words), and the model's identity;
    what has an identity is kept in a file too, for other runs.

    Parameters
    ----------
    segmenter, depth, reader
        Names (see :mod:`neptune.perception.registry`), or what answers by the protocols of
        :mod:`neptune.scene.types`. A name is made into a model when it is first asked.
    segmenter_options, depth_options, reader_options
        Passed to the constructors.
    cache
        The file of the oracle's cache, or another store; ``None``: none.
    out_of_domain
        Of pictures that a model says it was not made for: ``"abstain"``, or ``"answer"``. What asks them by program
        heeds it (:class:`~neptune.perception.percepts.oracle.PerceptOracle`).
    """

    def __init__(
        self,
        segmenter: str | Segmenter = "grabcut",
        depth: str | DepthEstimator = "embedded",
        reader: str | TextReader = "rapidocr",
        *,
        segmenter_options: Mapping[str, Any] | None = None,
        depth_options: Mapping[str, Any] | None = None,
        reader_options: Mapping[str, Any] | None = None,
        cache: str | Path | Store | None = None,
        out_of_domain: str = "abstain",
    ) -> None:
        self.names = {
            kind: given if isinstance(given, str) else str(getattr(given, "name", type(given).__name__))
            for kind, given in (("mask", segmenter), ("depth", depth), ("text", reader))
        }
        self.out_of_domain = out_of_domain
        self._about: WeakSet[Picture] = WeakSet()
        store = store_of(cache) if cache is not None else None
        self._masks: _Kept[MaskRequest, Mask] = _Kept(
            "mask", lambda: registry.segmenter(segmenter, **(segmenter_options or {})), "masks", store, mask_of
        )
        self._depths: _Kept[Picture, Depth] = _Kept(
            "depth", lambda: registry.depth_estimator(depth, **(depth_options or {})), "depth", store, depth_of
        )
        self._readings: _Kept[Picture, Reading] = _Kept(
            "text", lambda: registry.text_reader(reader, **(reader_options or {})), "read", store, reading_of
        )

    def masks(self, picture: Picture, boxes: Sequence[Place], words: str = "") -> list[Mask]:
        """Return the mask of what is in each box of a picture; all that are not known are asked in one batch.

        Raises
        ------
        PictureError, PerceptionError, MissingExtraError, ConfigError
            If the picture can not be read, or the model can not be made, or fails.
        """
        return self.all_masks([MaskRequest(picture, box, words) for box in boxes])

    def all_masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return masks of things of several pictures, as :meth:`masks`."""
        self._about.update(r.picture for r in requests)
        return self._masks.answers(requests, [(r.picture.digest, _cell(r.box), r.words) for r in requests])

    def depth(self, picture: Picture) -> Depth:
        """Return how far away all in a picture is. Errors as :meth:`masks`."""
        return self.all_depths([picture])[0]

    def all_depths(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return the depths of several pictures, as :meth:`depth`."""
        self._about.update(pictures)
        return self._depths.answers(pictures, [(p.digest, b"", "") for p in pictures])

    def depths_in(self, scenes: Sequence[Scene]) -> list[Depth]:
        """Return the depth of what each scene shows; of an estimator that knows scenes, it says it of them.

        Raises
        ------
        OracleError
            If the estimator looks at pictures, and a scene has none; other errors as :meth:`masks`.
        """
        if self._depths.knows("of_scenes"):
            return self._depths.said(scenes, "of_scenes")
        return self.all_depths([picture_of(scene) for scene in scenes])

    def read(self, picture: Picture) -> Reading:
        """Return the lines of text in a picture; none where there is no text. Errors as :meth:`masks`."""
        return self.all_readings([picture])[0]

    def all_readings(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Return the lines of text in several pictures, as :meth:`read`."""
        self._about.update(pictures)
        return self._readings.answers(pictures, [(p.digest, b"", "") for p in pictures])

    def known(self, picture: Picture) -> tuple[list[Mask], Depth | None, Reading | None]:
        """Return what is in memory of a picture that was asked about: nothing is asked, nor is it opened for this."""
        if picture not in self._about:
            return [], None, None
        digest = picture.digest
        depths, readings = self._depths.known(digest), self._readings.known(digest)
        return self._masks.known(digest), depths[0] if depths else None, readings[0] if readings else None

    def reader(self) -> TextReader:
        """Return a reader that answers from here: what is known is not read again."""
        return _Reads(self)

    def estimator(self) -> DepthEstimator:
        """Return a depth estimator that answers from here."""
        return _Measures(self)

    def segmenter(self) -> Segmenter:
        """Return a segmenter that answers from here."""
        return _Cuts(self)


class _Reads:
    """A reader over :class:`Percepts`."""

    def __init__(self, percepts: Percepts) -> None:
        self._percepts, self.name = percepts, percepts.names["text"]

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Read the words in pictures."""
        return self._percepts.all_readings(pictures)


class _Measures:
    """A depth estimator over :class:`Percepts`."""

    def __init__(self, percepts: Percepts) -> None:
        self._percepts, self.name = percepts, percepts.names["depth"]

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return the depth of each picture."""
        return self._percepts.all_depths(pictures)


class _Cuts:
    """A segmenter over :class:`Percepts`."""

    def __init__(self, percepts: Percepts) -> None:
        self._percepts, self.name = percepts, percepts.names["mask"]

    def masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return the mask of what is in each box."""
        return self._percepts.all_masks(requests)


_Key = tuple[str, bytes, str]
"""Digest of the picture, the box as bytes, words."""


class _Kept(Generic[Asking, Said]):
    """What one model has said, in memory and in a file."""

    def __init__(
        self, kind: str, make: Callable[[], Any], method: str, store: Store | None, read: Callable[[str], Said | None]
    ) -> None:
        self._kind, self._make, self._method, self._read = kind, make, method, read
        self._file = store
        self._said: LRUCache[_Key, Said] = LRUCache(KEPT[kind])
        self._lock = threading.RLock()
        self._model: Any = None

    def answers(self, asked: Sequence[Asking], keys: Sequence[_Key]) -> list[Said]:
        """Return what is said of each; what is not known is asked in one batch, each once."""
        with self._lock:  # one thread asks a model, the others find what it said
            known = {key: self._said[key] for key in keys if key in self._said}
            missing = {key: one for key, one in zip(keys, asked, strict=True) if key not in known}
            if missing:
                self._made()
                identity = getattr(self._model, "identity", None) if self._file is not None else None
                if identity is not None:
                    for key in list(missing):
                        found = self._stored(str(identity), key)
                        if found is not None:
                            known[key] = found
                            del missing[key]
                if missing:
                    said = dict(zip(missing, self.said(list(missing.values()), self._method), strict=True))
                    known |= said
                    if identity is not None:
                        self._keep(str(identity), said)
                self._said.update(known)
            return [known[key] for key in keys]

    def known(self, digest: str) -> list[Said]:
        """Return what is in memory of a picture."""
        with self._lock:
            return [said for key, said in self._said.items() if key[0] == digest]

    def knows(self, method: str) -> bool:
        """Tell whether the model has a method."""
        return hasattr(self._made(), method)

    def _made(self) -> Any:
        with self._lock:
            if self._model is None:
                self._model = self._make()
            return self._model

    def said(self, asked: Sequence[Any], method: str) -> list[Said]:
        """Ask the model; what one of one's own raises or returns by mistake is an error that names it."""
        model = self._made()
        name = str(getattr(model, "name", type(model).__name__))
        hint = "This is a mistake in the model's adapter"
        try:
            said = list(getattr(model, method)(asked))
        except (NeptuneError, MemoryError):
            raise
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise PerceptionError(f"'{name}' failed with {what}", hint=hint) from error
        wanted = {"mask": Mask, "depth": Depth, "text": tuple}[self._kind]
        if len(said) != len(asked) or not all(isinstance(one, wanted) for one in said):
            raise PerceptionError(
                f"'{name}' returned {len(said)} answers to {len(asked)} questions, or some of the wrong form",
                expected=f"as many values of type {wanted.__name__}",
                hint=hint,
            )
        return said

    def _row(self, identity: str, key: _Key) -> Asked:
        return Asked(identity, key[0], "query", self._kind, int(bool(key[1])), key[2])

    def _stored(self, identity: str, key: _Key) -> Said | None:
        assert self._file is not None
        row = self._file.get(self._row(identity, key), [key[1]]).get(key[1])
        return self._read(row[0]) if row is not None else None

    def _keep(self, identity: str, said: Mapping[_Key, Any]) -> None:
        assert self._file is not None
        texts = ((key, written(value)) for key, value in said.items())
        self._file.put((self._row(identity, key), key[1], (text,)) for key, text in texts if text is not None)


def picture_of(scene: Scene) -> Picture:
    """Return the picture of a scene; OracleError if it has none."""
    if scene.picture is None:
        raise OracleError(
            "Masks, depths and words are seen in a picture, and this scene has none",
            where=scene.name,
            hint="Give the scene its picture: Scene(…, picture=Picture(…)), or leave the question out; "
            "depth_model 'scene' takes depths from the annotation",
        )
    return scene.picture


def _cell(box: Place) -> bytes:
    return (np.asarray(box, dtype="<f4") + np.float32(0)).tobytes()
