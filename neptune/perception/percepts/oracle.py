"""The oracle with eyes for masks, depths and words: what is asked of those goes to their models, all else to it.

So what they say is batched, counted, recorded and replayed as what the oracle says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neptune.perception.percepts.percepts import Percepts, picture_of
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import Depth
from neptune.scene.seen.masks import Mask, MaskRequest, Place
from neptune.scene.seen.texts import belief, inside, joined, letters
from neptune.scene.types import Cost, FloatArray, Oracle, QueryRequest, ScoreRequest, Scores, Texts, domain_of

CERTAIN = 13.8
"""The logit of what is certain: p = 1 - 1e-6."""
FARTHEST = 30.0
AREA_DOUBT = 0.05
"""An area is known up to this share of it: what masks without a network were off by, on rendered objects."""


class PerceptOracle:
    """Answers what models of masks, depths and words are asked; passes all else on.

    Parameters
    ----------
    inner
        The oracle.
    percepts
        The models.
    """

    def __init__(self, inner: Oracle, percepts: Percepts) -> None:
        self.inner, self.percepts = inner, percepts

    def __getattr__(self, name: str) -> Any:
        """Have all else that the oracle has: its name, its identity, its module."""
        if name in ("inner", "percepts"):  # while it is copied, there is none yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions, each by whom it is for.

        Raises
        ------
        OracleError
            As the oracle; or if a scene without a picture is asked about what only a picture shows.
        PictureError, PerceptionError, MissingExtraError
            If a model can not be made, or fails.
        """
        if not any(r.question.percept for r in requests):
            return self.inner.score(requests)
        others = [r for r in requests if not r.question.percept]
        said = iter(self.inner.score(others) if others else [])
        seen = self._seen([r for r in requests if r.question.percept])
        return [self._scores(r, seen) if r.question.percept else next(said) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions, each by whom it is for; errors as :meth:`score`."""
        if not any(r.question.percept for r in requests):
            return self.inner.query(requests)
        others = [r for r in requests if not r.question.percept]
        said = iter(self.inner.query(others) if others else [])
        seen = self._seen([r for r in requests if r.question.percept])
        return [self._texts(r, seen) if r.question.percept else next(said) for r in requests]

    def domain(self, scene: Scene) -> Domain | None:
        """Return what the oracle says of a picture."""
        return domain_of(self.inner, scene)

    # --- inside ---

    def _seen(self, requests: Sequence[ScoreRequest | QueryRequest]) -> _Seen:
        """Ask each model once for all that the requests need."""
        wanted: dict[tuple[int, Place], MaskRequest] = {}
        scenes: dict[int, Scene] = {}
        pictures: dict[int, Picture] = {}
        for request in requests:
            percept, scene = request.question.percept, request.scene
            assert percept is not None
            if percept.kind == "depth":
                scenes[id(scene)] = scene
            elif percept.kind == "mask":
                picture = picture_of(scene)
                for box in _boxes(request).values():
                    wanted[id(picture), box] = MaskRequest(picture, box)
            else:
                picture = picture_of(scene)
                pictures[id(picture)] = picture
        masks = self.percepts.all_masks(list(wanted.values())) if wanted else []
        depths = self.percepts.depths_in(list(scenes.values())) if scenes else []
        readings = self.percepts.all_readings(list(pictures.values())) if pictures else []
        return _Seen(
            dict(zip(wanted, masks, strict=True)),
            dict(zip(scenes, depths, strict=True)),
            dict(zip(pictures, readings, strict=True)),
        )

    def _doubt(self, depth: Depth, cells: int) -> tuple[bool, Cost | None]:
        """Return whether a depth may be used, and what is said of it where the picture is out of domain."""
        if depth.domain is None or not depth.domain.outside:
            return True, None
        if self.percepts.out_of_domain == "answer":
            return True, Cost(remarks=(str(depth.domain),))
        return False, Cost(failures={str(depth.domain): cells})

    def _scores(self, request: ScoreRequest, seen: _Seen) -> Scores:
        percept = request.question.percept
        assert percept is not None
        rows = np.asarray(request.objects, dtype=np.int64)
        boxes, key, cost = _boxes(request), id(request.scene.picture), None
        logits: Any
        if percept.kind == "depth":
            depth = seen.depths[id(request.scene)]
            usable, cost = self._doubt(depth, len(rows))
            values, spreads = depth.at(request.scene.boxes)
            if percept.what == "nearer":
                gap = values[rows[:, 1]] - values[rows[:, 0]]
                logits = gap / np.hypot(spreads[rows[:, 0]], spreads[rows[:, 1]])
            else:
                logits = (np.float32(percept.limit) - values[rows[:, 0]]) / spreads[rows[:, 0]]
            if not usable:
                logits = np.full(len(rows), np.nan)
        elif percept.kind == "mask":
            masks = {i: seen.masks[key, box] for i, box in boxes.items()}
            logits = np.array(
                [_of_masks(percept.what, percept.limit, [masks[i] for i in row]) for row in rows.tolist()]
            )
        else:
            reading = seen.readings[key]
            words = letters(percept.words)
            found = []
            for (i,) in rows.tolist():
                lines = inside(reading, boxes[i])
                only = percept.what == "reads" or letters(joined(lines)) == words
                found.append(_logit(belief(lines, percept.words) if only else 0.0))
            logits = np.array(found)
        clipped = np.clip(np.asarray(logits, dtype=np.float32), -FARTHEST, FARTHEST)
        return Scores(clipped, np.ones(len(rows), dtype=np.float32), cost)

    def _texts(self, request: QueryRequest, seen: _Seen) -> Texts:
        percept = request.question.percept
        assert percept is not None
        rows = [row[0] for row in np.asarray(request.objects, dtype=np.int64).tolist()]
        boxes, key = _boxes(request), id(request.scene.picture)
        if percept.kind == "depth":
            depth = seen.depths[id(request.scene)]
            usable, cost = self._doubt(depth, len(rows))
            values = depth.at(request.scene.boxes)[0].tolist()
            return Texts([f"{values[i]:.6g}" if usable and values[i] == values[i] else None for i in rows], cost)
        if percept.kind == "mask":
            return Texts([f"{seen.masks[key, boxes[i]].area:.6g}" for i in rows])
        return Texts([joined(inside(seen.readings[key], boxes[i])) for i in rows])


class _Seen:
    """What the models said of what a batch is about: by picture, and of masks by box too; of depths by scene (ids)."""

    def __init__(
        self, masks: dict[tuple[int, Place], Mask], depths: dict[int, Depth], readings: dict[int, Any]
    ) -> None:
        self.masks, self.depths, self.readings = masks, depths, readings


def _boxes(request: ScoreRequest | QueryRequest) -> dict[int, Place]:
    """Return the box of each object that a request is about."""
    objects = np.unique(np.asarray(request.objects, dtype=np.int64)).tolist()
    found: FloatArray = request.scene.boxes
    return {i: (float(found[i, 0]), float(found[i, 1]), float(found[i, 2]), float(found[i, 3])) for i in objects}


def _of_masks(what: str, limit: float, masks: list[Mask]) -> float:
    """Return the logit of a truth about masks; of a mask of nothing, what it would have to cover is false."""
    first, second = masks[0], masks[-1]
    if what == "larger_than":
        return (first.area - limit) / max(1.0, AREA_DOUBT * first.area)
    if what == "larger":
        doubt = max(1.0, AREA_DOUBT * float(np.hypot(first.area, second.area)))
        return (first.area - second.area) / doubt
    if not first.area or not second.area:
        return -CERTAIN
    if what == "inside":
        return _logit(first.shared(second.filled()) / first.area)
    return _logit(first.shared(second) / min(first.area, second.area))


def _logit(p: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.clip(np.log(p) - np.log1p(-p) if p < 1 else CERTAIN, -CERTAIN, CERTAIN))
