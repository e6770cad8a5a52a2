"""The detector that finds nothing: for questions about whole pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neptune.scene.picture import Picture
from neptune.scene.types import Detections


class NoDetector:
    """Looks at nothing, and finds nothing."""

    name = "none"
    open_vocabulary = False

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Return no boxes."""
        return Detections(np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.float32))
