"""The detector that knows: the true boxes of an annotated picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neptune.errors import DetectorError
from neptune.scene import Annotation
from neptune.scene.picture import Picture
from neptune.scene.types import Detections


class SceneDetector:
    """Hands out the boxes of an annotation, in its order, each with score 1.

    Parameters
    ----------
    annotation
        The annotation of the picture, where this detector is made for one; else give it to :meth:`detect`.
    """

    name = "scene"
    open_vocabulary = False

    def __init__(self, annotation: Annotation | None = None) -> None:
        self.annotation = annotation

    def detect(self, picture: Picture, labels: Sequence[str] = (), annotation: Annotation | None = None) -> Detections:
        """Return the annotated boxes; `labels` are not needed.

        Raises
        ------
        DetectorError
            If there is no annotation.
        """
        known = annotation if annotation is not None else self.annotation
        if known is None:
            raise DetectorError(
                "The detector 'scene' needs an annotated picture",
                where=picture.name,
                hint="Use od_model 'embedded' for a picture without annotation",
            )
        count = len(known)
        boxes = np.asarray(known.boxes, dtype=np.float32).reshape(-1, 4)
        return Detections(boxes, np.ones(count, dtype=np.float32), ("",) * count)
