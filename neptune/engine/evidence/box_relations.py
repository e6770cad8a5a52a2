"""What is read off the boxes instead of asked: left, right, above, below, larger and smaller.

Of two objects the centres (or the areas) of their boxes are compared; of one, its box's centre with the picture's.
Equal ones are neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neptune.scene import Scene

_MEASURED = {
    "left": ("x", -1.0),
    "right": ("x", 1.0),
    "above": ("y", -1.0),
    "below": ("y", 1.0),
    "larger": ("area", 1.0),
    "smaller": ("area", -1.0),
}
"""What is compared, and with which sign the first one is greater. The origin of a picture is at its top left."""


def holds(scene: Scene, what: str, arity: int) -> NDArray[np.bool_]:
    """Return of which objects it is true, shape ``(N,) * arity``.

    Parameters
    ----------
    scene
        Its boxes and the size of its picture.
    what
        A key of :data:`dsl.vocabulary.derived.BOXES`.
    arity
        2, or 1 for what :data:`dsl.vocabulary.derived.OF_ONE` holds.
    """
    measure, sign = _MEASURED[what]
    x0, y0, x1, y1 = scene.boxes.astype(np.float64).T
    values = {"x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "area": (x1 - x0) * (y1 - y0)}[measure]
    if arity == 1:
        return np.asarray(sign * (values - scene.size[0 if measure == "x" else 1] / 2) > 0)
    return np.asarray(sign * (values[:, None] - values[None, :]) > 0)
