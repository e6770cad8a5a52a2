"""A small scene that is easy to reason about by hand."""

from __future__ import annotations

import numpy as np

from neptune.scene import Annotation, Scene

OBJECTS = [  # size, color, material, shape; place across, depth
    ("large", "red", "metal", "cube", 0, 3),
    ("small", "red", "rubber", "sphere", 1, 2),
    ("small", "blue", "rubber", "cube", 2, 1),
    ("large", "green", "metal", "sphere", 3, 0),
]


def scene(objects: list[tuple[str, str, str, str, int, int]] = OBJECTS) -> Scene:
    attributes = {name: tuple(o[i] for o in objects) for i, name in enumerate(("size", "color", "material", "shape"))}
    x = np.array([o[4] for o in objects], dtype=float)
    depth = np.array([o[5] for o in objects], dtype=float)
    relations = {
        "left": x[:, None] < x[None, :],
        "right": x[:, None] > x[None, :],
        "behind": depth[:, None] < depth[None, :],
        "front": depth[:, None] > depth[None, :],
    }
    boxes = np.array([[20 + 60 * o[4], 100, 50 + 60 * o[4], 130] for o in objects], dtype=np.float32)
    return Scene.from_annotation(Annotation(attributes, relations, boxes.reshape(-1, 4)))
