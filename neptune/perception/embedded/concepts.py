"""What the scorer knows: the values of four attributes, four relations, and four ``same_*``."""

from __future__ import annotations

from neptune.scene import ATTRIBUTES, RELATIONS

VALUES: dict[str, tuple[str, int]] = {
    value: (attribute, index) for attribute, values in ATTRIBUTES.items() for index, value in enumerate(values)
}
"""Value → its attribute and its index among the attribute's values."""

SAME: dict[str, str] = {f"same_{attribute}": attribute for attribute in ATTRIBUTES}
"""``same_color`` → ``color``."""

AXES: dict[str, tuple[int, float]] = {"right": (0, 1.0), "left": (0, -1.0), "front": (1, 1.0), "behind": (1, -1.0)}
"""Relation → the axis of the ground it compares (0 to the right, 1 towards the camera), and its sign."""

KINDS: tuple[str, ...] = (*ATTRIBUTES, "across", "depth")
"""The predicate kinds, each with a temperature of its own: four attributes and two axes."""

CONCEPTS: dict[str, int] = {**dict.fromkeys(VALUES, 1), **dict.fromkeys(RELATIONS, 2), **dict.fromkeys(SAME, 2)}
"""Concept → its arity."""
