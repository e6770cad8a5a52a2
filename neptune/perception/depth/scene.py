"""The depth estimator that knows: how far away the objects of annotated scenes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neptune.errors import PerceptionError
from neptune.scene import Annotation, Scene
from neptune.scene.boxes import FloatArray
from neptune.scene.picture import Picture
from neptune.scene.seen.depths import LONGEST, Depth

CRISP = 1e-6
"""The spread of what is known."""


@dataclass(frozen=True, eq=False)
class KnownDepth(Depth):
    """What boxes are asked of is not the map, but the annotated objects that they show."""

    annotation: Annotation | None = None

    def at(self, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how far away the objects that boxes ``(N, 4)`` show are, and a spread that leaves no doubt.

        Of a box that shows no annotated object (IoU < 0.5) it is not a number: nothing is known of it.
        """
        assert self.annotation is not None
        assert self.annotation.depths is not None
        shown = Scene(boxes, self.size, annotation=self.annotation).true_object
        known = np.append(self.annotation.depths, np.float32(np.nan))  # -1, nothing shown, is the last one
        return known[shown].astype(np.float32), np.full(len(shown), CRISP, dtype=np.float32)


class SceneDepth:
    """Takes depths from the annotation of scenes, of CLEVR's and of made ones: a picture is not looked at.

    The upper bound of what an estimator that sees can reach, as the oracle and the detector `scene` are of theirs.
    """

    name = "scene"

    def of_scenes(self, scenes: Sequence[Scene]) -> list[Depth]:
        """Return how far away what each scene shows is.

        The map is the boxes, the nearest before all others, on a ground as far away as the farthest.

        Raises
        ------
        PerceptionError
            If the annotation of a scene does not say it.
        """
        return [_depth(scene) for scene in scenes]

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Refuse: of a picture alone nothing is known.

        Raises
        ------
        PerceptionError
            If there is a picture.
        """
        if pictures:
            raise PerceptionError(
                "The depth estimator 'scene' knows annotated objects, and nothing of a picture",
                where=pictures[0].name,
                hint="Use depth_model 'embedded', or another that looks at pictures",
            )
        return []


def _depth(scene: Scene) -> Depth:
    known = scene.annotation
    if known is None or known.depths is None:
        raise PerceptionError(
            "The depth estimator 'scene' needs a scene whose annotation says how far away its objects are",
            where=scene.name,
            expected="CLEVR's scene format, with 'pixel_coords' for each object",
            hint="Use depth_model 'embedded', or another that looks at pictures",
        )
    width, height = scene.size
    shrink = min(1.0, LONGEST / max(scene.size))
    rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
    ground = np.full((rows, columns), known.depths.max(initial=0.0), dtype=np.float32)
    for i in np.argsort(-known.depths, kind="stable").tolist():
        x0, y0, x1, y1 = np.round(known.boxes[i] * shrink).astype(int).tolist()
        ground[max(0, y0) : y1, max(0, x0) : x1] = known.depths[i]
    return KnownDepth(ground, scene.size, "CLEVR units", annotation=known)
