"""Geometry by declaration: what a predicate means on boxes, with its units and tolerance.

A vocabulary says it in the field ``derive`` of a predicate, ``{"geometry": "touching", "gap": 2, "within": "Box"}``;
``gap``, ``tolerance`` and ``unit`` may be declared once for all, in the field ``geometry`` of the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsl.errors import did_you_mean
from dsl.vocabulary.fields import VocabularyError, only
from dsl.vocabulary.sorts import Sort

CONVERSE: Mapping[str, str] = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "larger": "smaller",
    "smaller": "larger",
    "inside": "contains",
    "contains": "inside",
    "touching": "touching",
    "column": "column",
    "row": "row",
    "together": "together",
}
"""Relations of two boxes, each with the one that its two arguments swapped make."""

_NUMBERS = frozenset({1, 2})
ARITIES: Mapping[str, frozenset[int]] = {
    **{kind: _NUMBERS if kind in ("left", "right", "above", "below") else frozenset({2}) for kind in CONVERSE},
    "nearest": frozenset({2}),
    "edge": frozenset({1}),
    "corner": frozenset({1}),
}
"""Kind → of how many boxes it says something."""

UNITS = ("pixel", "picture", "container")
SIDES: Mapping[str, tuple[str, ...]] = {
    "edge": ("any", "left", "right", "top", "bottom"),
    "corner": ("any", "top_left", "top_right", "bottom_left", "bottom_right"),
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """What is read off boxes.

    Parameters
    ----------
    kind
        A key of :data:`ARITIES`. ``left right above below``: of two boxes, their centres compared; of one, in which
        half of its container or picture it is. ``larger smaller``: areas. ``inside contains``: a box in a container.
        ``touching``: not farther apart than `gap`. ``column row``: one above (beside) the other. ``together``: in one
        container. ``nearest``: no other box of its kind is nearer to the second. ``edge corner``: not farther than
        `gap` from a side (two sides) of its container, or of the picture where nothing contains it. ``sort``: it is one
        of `within`, containers or ``Object``; no file declares it.
    gap
        The largest distance of what touches, ≥ 0, in units.
    tolerance
        Differences up to this are none, ≥ 0, in units.
    unit
        ``pixel``; ``picture``, ``container``: the longer side of the picture, or of what contains the box, is 1.
    within
        A sort of containers: only boxes in one and the same of them are related. ``""``: wherever they are.
    side
        Of ``edge`` and ``corner``: which; see :data:`SIDES`.
    by
        ``centres``, or ``boxes``: wholly beyond (inside); of ``column`` and ``row``, overlapping.
    """

    kind: str
    gap: float = 0.0
    tolerance: float = 0.0
    unit: str = "pixel"
    within: str = ""
    side: str = "any"
    by: str = "centres"

    @property
    def converse(self) -> Geometry:
        """What the relation with its two arguments swapped means."""
        return dataclasses.replace(self, kind=CONVERSE[self.kind])

    @property
    def symmetric(self) -> bool:
        """Whether the order of the two boxes does not matter."""
        return CONVERSE.get(self.kind) == self.kind


def geometry(row: Mapping[str, Any], given: Geometry, sorts: Mapping[str, Sort], where: str) -> Geometry:
    """Return the geometry of a field ``derive``.

    Parameters
    ----------
    row
        The field's value.
    given
        What the file declares for all.
    sorts
        The sorts of the vocabulary.
    where
        The field's place in the file, for errors.

    Raises
    ------
    VocabularyError
        If a field is unknown, or its value is none that it can have.
    """
    kind = row["geometry"]
    if kind not in ARITIES:
        near = did_you_mean(str(kind), ARITIES)
        raise VocabularyError(f"{where}.geometry: expected one of {', '.join(ARITIES)}, not {kind!r}. {near}".rstrip())
    own = {"geometry", "gap", "tolerance", "unit", "within", "by"} | ({"side"} if kind in SIDES else set())
    only(row, own, where)
    found = dataclasses.replace(given, kind=kind)
    said = {n: _word(row[n], n, kind, sorts, f"{where}.{n}") for n in ("within", "side", "by") if n in row}
    found = dataclasses.replace(found, within=said.get("within", ""), side=said.get("side", "any"))
    found = dataclasses.replace(found, by=said.get("by", "centres"))
    return measures(row, found, where)


def measures(row: Mapping[str, Any], given: Geometry, where: str) -> Geometry:
    """Return a geometry with the ``gap``, ``tolerance`` and ``unit`` of a field, where they are there."""
    gap, tolerance = (_length(row.get(n, usual), f"{where}.{n}") for n, usual in _lengths(given))
    unit = row.get("unit", given.unit)
    if unit not in UNITS:
        raise VocabularyError(f"{where}.unit: expected one of {', '.join(UNITS)}, not {unit!r}")
    return dataclasses.replace(given, gap=gap, tolerance=tolerance, unit=unit)


def _lengths(given: Geometry) -> tuple[tuple[str, float], ...]:
    return ("gap", given.gap), ("tolerance", given.tolerance)


def _length(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise VocabularyError(f"{where}: expected a number of units ≥ 0, not {value!r}")
    return float(value)


def _word(value: Any, name: str, kind: str, sorts: Mapping[str, Sort], where: str) -> str:
    containers = [s.name for s in sorts.values() if s.container]
    known = {"within": containers, "side": SIDES.get(kind, ()), "by": ("centres", "boxes")}[name]
    if not isinstance(value, str) or value not in known:
        what = "a sort of containers" if name == "within" else "one of " + ", ".join(known)
        near = did_you_mean(str(value), known)
        raise VocabularyError(f"{where}: expected {what}, not {value!r}. {near}".rstrip())
    return value
