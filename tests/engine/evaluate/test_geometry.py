"""Geometry by declaration: each kind on a scene that one can draw, units and tolerance, and laws on random scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.vocabulary.geometry import ARITIES, CONVERSE, Geometry
from neptune.engine.evidence.box_relations import holds
from neptune.scene import Scene

#  0 a container on the left, 1 one on the right; in the left: 2 at the bottom left, 3 on it, 4 right of 2 by a gap
#  of 10; in the right: 5 in the top right corner; outside of both: 6.
BOXES = [
    [0, 0, 100, 100],
    [200, 0, 300, 100],
    [0, 80, 20, 100],
    [2, 60, 22, 79],
    [30, 80, 50, 100],
    [280, 0, 300, 20],
    [140, 40, 160, 60],
]
SCENE = Scene(np.array(BOXES, np.float32), (400, 100), kinds=("Box", "Box", *["Object"] * 5))

TWO: list[tuple[dict[str, Any], set[tuple[int, int]]]] = [
    ({"kind": "inside"}, {(2, 0), (3, 0), (4, 0), (5, 1)}),
    ({"kind": "contains"}, {(0, 2), (0, 3), (0, 4), (1, 5)}),
    ({"kind": "inside", "by": "boxes", "within": "Box"}, {(2, 0), (3, 0), (4, 0), (5, 1)}),
    ({"kind": "touching", "gap": 1}, {(2, 3), (3, 2)}),
    ({"kind": "touching", "gap": 0}, set()),
    ({"kind": "touching", "gap": 0.01, "unit": "container"}, {(2, 3), (3, 2)}),
    ({"kind": "touching", "gap": 0.0025, "unit": "picture"}, {(2, 3), (3, 2)}),
    ({"kind": "touching", "gap": 0.002, "unit": "picture"}, set()),
    ({"kind": "touching", "gap": 10}, {(2, 3), (3, 2), (2, 4), (4, 2), (3, 4), (4, 3)}),
    ({"kind": "above", "within": "Box"}, {(3, 2), (3, 4)}),
    ({"kind": "below", "within": "Box"}, {(2, 3), (4, 3)}),
    ({"kind": "above", "within": "Box", "by": "boxes"}, {(3, 2), (3, 4)}),
    ({"kind": "left", "within": "Box"}, {(2, 3), (2, 4), (3, 4)}),
    ({"kind": "left", "within": "Box", "tolerance": 3}, {(2, 4), (3, 4)}),
    ({"kind": "left", "within": "Box", "by": "boxes"}, {(2, 4), (3, 4)}),
    ({"kind": "column", "within": "Box", "tolerance": 2}, {(2, 3), (3, 2)}),
    ({"kind": "column", "within": "Box"}, set()),
    ({"kind": "column", "within": "Box", "by": "boxes"}, {(2, 3), (3, 2)}),
    ({"kind": "row", "within": "Box"}, {(2, 4), (4, 2)}),
    ({"kind": "together"}, {(a, b) for a in (2, 3, 4) for b in (2, 3, 4) if a != b}),
    ({"kind": "nearest", "within": "Box"}, {(3, 2), (2, 3), (2, 4)}),
    ({"kind": "larger", "within": "Box"}, {(2, 3), (4, 3)}),
    ({"kind": "larger", "within": "Box", "tolerance": 1}, set()),
]


def pairs(geometry: Geometry) -> set[tuple[int, int]]:
    """Return the pairs of objects and containers of which it is true, those of a container with another left out."""
    table = holds(SCENE, geometry, 2)
    whole = geometry.kind in ("inside", "contains")
    return {(int(a), int(b)) for a, b in zip(*np.nonzero(table), strict=True) if a != b and (whole or min(a, b) > 1)}


@pytest.mark.parametrize(("fields", "expected"), TWO)
def test_two_boxes(fields: dict[str, Any], expected: set[tuple[int, int]]) -> None:
    assert pairs(Geometry(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "edge"}, {2, 4, 5}),
        ({"kind": "edge", "side": "bottom"}, {2, 4}),
        ({"kind": "edge", "side": "left"}, {2}),
        ({"kind": "edge", "side": "left", "gap": 2}, {2, 3}),
        ({"kind": "edge", "side": "left", "gap": 0.02, "unit": "container"}, {2, 3}),
        ({"kind": "edge", "side": "top"}, {5}),
        ({"kind": "corner"}, {2, 5}),
        ({"kind": "corner", "side": "top_right"}, {5}),
        ({"kind": "corner", "side": "bottom_left"}, {2}),
        ({"kind": "corner", "side": "bottom_right", "gap": 50}, {4}),
        ({"kind": "left", "within": "Box"}, {2, 3, 4, 6}),
        ({"kind": "above", "within": "Box"}, {5}),
        ({"kind": "sort", "within": "Object"}, {2, 3, 4, 5, 6}),
    ],
)
def test_one_box(fields: dict[str, Any], expected: set[int]) -> None:
    found = np.flatnonzero(holds(SCENE, Geometry(**fields), 1))
    assert {int(k) for k in found if k > 1} == expected


boxes = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(1, 20), st.integers(1, 20)), min_size=0, max_size=6
).map(lambda rows: [[x, y, x + w, y + h] for x, y, w, h in rows])


@settings(max_examples=60, deadline=None)
@given(rows=boxes, data=st.data())
def test_converses_and_symmetry(rows: list[list[int]], data: st.DataObject) -> None:
    kinds = tuple(data.draw(st.sampled_from(["Object", "Box"])) for _ in rows)
    scene = Scene(np.array(rows, np.float32).reshape(-1, 4), (100, 100), kinds=kinds)
    kind = data.draw(st.sampled_from(sorted(CONVERSE)))
    geometry = Geometry(
        kind,
        gap=data.draw(st.sampled_from([0.0, 3.0])),
        tolerance=data.draw(st.sampled_from([0.0, 2.0])),
        within=data.draw(st.sampled_from(["", "Box"])),
        by=data.draw(st.sampled_from(["centres", "boxes"])),
        unit=data.draw(st.sampled_from(["pixel", "picture", "container"])),
    )
    table = holds(scene, geometry, 2)
    assert table.shape == (len(rows),) * 2
    assert (holds(scene, geometry.converse, 2) == table.T).all()
    if kind in ("left", "right", "above", "below", "larger", "smaller"):
        assert not (table & table.T).any()


@pytest.mark.parametrize("kind", sorted(ARITIES))
def test_a_scene_without_boxes(kind: str) -> None:
    scene = Scene(np.zeros((0, 4), np.float32), (10, 10))
    for arity in ARITIES[kind]:
        assert holds(scene, Geometry(kind), arity).shape == (0,) * arity
