"""A scene: the boxes of one picture, and what its annotation (if any) says about them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neptune.errors import DatasetError, PictureError
from neptune.scene.annotation import ATTRIBUTES, Annotation, drawn
from neptune.scene.boxes import FloatArray, Place, View, iou
from neptune.scene.domain import Domain
from neptune.scene.picture import Picture

if TYPE_CHECKING:
    from dsl.vocabulary import Vocabulary


class Views(Protocol):
    """Makes the scenes of pictures that a scene's picture, or its film, leads to."""

    @property
    def times(self) -> tuple[float, ...]:
        """When each frame of the film that is looked at is shown, in seconds; none where there is no film."""
        ...

    def scene(self, scene: Scene, view: View) -> Scene:
        """Return the scene of a picture, by the steps that make it."""
        ...

    def value(self, scene: Scene, view: View) -> Any:
        """Return what the steps make, where it is no picture."""
        ...


@dataclass(frozen=True, eq=False)
class Scene:
    """The objects of one picture.

    Parameters
    ----------
    boxes
        ``(N, 4)`` float32, pixels, ``x0 y0 x1 y1``, origin at the top left. Object i is box i.
    size
        ``(width, height)`` in pixels.
    picture
        The picture, or ``None`` for a synthetic scene.
    annotation
        The truth, for the `scene` oracle and the metrics, or ``None``.
    scores
        The detector's score of each box, shape ``(N,)``; ones where boxes are given.
    name
        What records and errors call it.
    domain
        How far the picture is from those that its detector was trained on, where that can tell.
    kinds
        What each box is, in a world of containers: ``"Object"``, or a sort of containers; ``()``: all are objects.
    whole
        Where it is one region of another scene's picture, that scene; else ``None``.
    views
        Makes the scenes of pictures that this one leads to: frames, and what picture tools make. An engine sets it.
    """

    boxes: FloatArray
    size: tuple[int, int]
    picture: Picture | None = None
    annotation: Annotation | None = None
    scores: FloatArray | None = None
    name: str = "scene"
    domain: Domain | None = None
    kinds: tuple[str, ...] = ()
    whole: Scene | None = None
    views: Views | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, dtype=np.float32).reshape(-1, 4)
        object.__setattr__(self, "boxes", boxes)
        if self.scores is None:
            object.__setattr__(self, "scores", np.ones(len(boxes), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: not what an engine has set, nor what follows from the rest."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"views": None}

    @cached_property
    def true_object(self) -> NDArray[np.int64]:
        """For each box the annotated object it shows, by the highest IoU ≥ 0.5, or -1; shape ``(N,)``."""
        if self.annotation is None or not len(self.annotation):
            return np.full(len(self), -1, dtype=np.int64)
        overlaps = iou(self.boxes, self.annotation.boxes)
        if self.kinds and self.annotation.kinds:  # a container is never taken for what fills it
            overlaps = overlaps * (np.array(self.kinds)[:, None] == np.array(self.annotation.kinds)[None])
        best = overlaps.argmax(axis=1) if len(self) else np.zeros(0, dtype=np.int64)
        return np.where(overlaps[np.arange(len(self)), best] >= 0.5, best, -1)

    def region(self, box: tuple[float, float, float, float]) -> Scene:
        """Return the scene of one region of this one's picture, a single box: the same object each time.

        Of a :class:`~neptune.scene.boxes.Place` it is one of the picture that the place is in: of all of it that
        picture's scene, with all of its objects.

        Raises
        ------
        NeptuneError
            If that picture can not be made.
        """
        if isinstance(box, Place):
            if self.views is None:
                raise PictureError("No other picture is known of this scene", where=self.name)
            there = self.views.scene(self, box.view)
            return there if box.whole else there.region((box[0], box[1], box[2], box[3]))
        if box not in self._regions:
            boxes = np.array([box], dtype=np.float32)
            self._regions[box] = Scene(
                boxes, self.size, self.picture, self.annotation, name=self.name, domain=self.domain, whole=self
            )
        return self._regions[box]

    @cached_property
    def _regions(self) -> dict[tuple[float, float, float, float], Scene]:
        return {}

    @staticmethod
    def from_annotation(annotation: Annotation, picture: Picture | None = None, name: str = "") -> Scene:
        """Make a scene whose boxes are the true ones.

        Raises
        ------
        DatasetError
            If a box lies outside the picture: the scene file does not fit its picture.
        """
        size = picture.size if picture is not None else annotation.size or (480, 320)
        boxes = annotation.boxes
        label = name or (picture.name if picture else "scene")
        if len(boxes) and (
            boxes.min() < 0
            or boxes[:, 2].max() > size[0]
            or boxes[:, 3].max() > size[1]
            or (boxes[:, 2:] <= boxes[:, :2]).any()
        ):
            raise DatasetError(
                f"The scene does not fit its picture of {size[0]}×{size[1]} pixels: a box lies outside or has no area",
                where=label,
                hint="Check that scenes.json and the picture belong together",
            )
        return Scene(boxes, size, picture, annotation, name=label, kinds=annotation.kinds)

    @staticmethod
    def synthetic(n: int, seed: int = 0, vocabulary: Vocabulary | None = None) -> Scene:
        """Make a scene of `n` objects without a picture: with CLEVR's attributes and places, or of a declared world.

        Attributes are uniform and independent. Places are uniform on the ground; ``left``/``right`` order the
        objects by one axis, ``behind``/``front`` by the other (no ties), and boxes and depths follow by a simple
        perspective.
        In another world than CLEVR's each declared value, predicate and relation is drawn at random; containers stand
        at their places, or side by side, and objects lie in them.
        The same `n`, `seed` and world always give the same scene. The `scene` oracle answers its questions.

        Parameters
        ----------
        n
            The number of objects; containers are not counted.
        seed
            Of what is drawn.
        vocabulary
            The world; by default CLEVR's.

        Raises
        ------
        ValueError
            If `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n is {n}; expected a number of objects ≥ 0")
        name = f"synthetic-{n}-{seed}"
        if vocabulary is None or vocabulary.name == "clevr":
            return Scene.from_annotation(_clevr(n, seed), name=name)
        return Scene.from_annotation(drawn(n, seed, vocabulary), name=name)


NEAREST, FARTHEST = 7.0, 14.0
"""How far away the objects of made scenes are, about as CLEVR's are, in its units."""


def _clevr(n: int, seed: int) -> Annotation:
    rng = np.random.default_rng(seed)
    attributes = {name: tuple(rng.choice(values, n).tolist()) for name, values in ATTRIBUTES.items()}
    # Ranks with jitter: distinct coordinates for any n, so that relations are strict orders.
    across = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / max(n, 1)
    depth = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / max(n, 1)
    relations = {
        "left": across[:, None] < across[None, :],
        "right": across[:, None] > across[None, :],
        "behind": depth[:, None] < depth[None, :],
        "front": depth[:, None] > depth[None, :],
    }
    side = np.array([44.0 if size == "large" else 24.0 for size in attributes["size"]]) * (0.7 + 0.6 * depth)
    centre_x, centre_y = 30 + 420 * across, 80 + 200 * depth
    boxes = np.stack(
        [centre_x - side / 2, centre_y - side / 2, centre_x + side / 2, centre_y + side / 2], axis=1
    ).astype(np.float32)
    return Annotation(attributes, relations, boxes, depths=(FARTHEST - (FARTHEST - NEAREST) * depth).astype(np.float32))
