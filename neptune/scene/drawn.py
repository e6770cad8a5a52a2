"""Scenes of any declared world, drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.scene.annotation import Annotation

if TYPE_CHECKING:
    from dsl.vocabulary import Vocabulary

SIZE = (480, 320)
_SHARE = 0.3
"""How often a predicate or a relation that is no value is true."""


def drawn(n: int, seed: int, words: Vocabulary) -> Annotation:
    """Return what is true of a random scene of a declared world.

    Parameters
    ----------
    n
        The number of objects beside the containers.
    seed
        Of what is drawn.
    words
        The world. A sort without known values has none in the scene.
    """
    rng = np.random.default_rng(seed)
    width, height = SIZE
    holders: list[dict[str, Any]] = [
        {"sort": name, "box": [width * p[0], height * p[1], width * p[2], height * p[3]]}
        for name in words.containers
        for p in words.sorts[name].places or _side_by_side(words, name)
    ]
    rooms = [row["box"] for row in holders] or [[0, 0, width, height]]
    rows: list[dict[str, Any]] = list(holders)
    for _ in range(n):
        x0, y0, x1, y1 = rooms[int(rng.integers(len(rooms)))]
        side = min(x1 - x0, y1 - y0) * rng.uniform(0.08, 0.2)
        x, y = rng.uniform(x0, x1 - side), rng.uniform(y0, y1 - side)
        rows.append({"box": [float(v) for v in (x, y, x + side, y + side)]})
    for row in rows:
        sort = row.get("sort", "Object")
        if sort == "Object":
            row |= {s.attribute: str(rng.choice(s.values)) for s in words.sorts.values() if s.values}
        row["is"] = [
            name
            for name, known in words.predicates.items()
            if 1 in known.arities and not known.derived and known.of[:1] in ((), (sort,), ("Any",))
            if rng.uniform() < _SHARE
        ]
    relations: dict[str, list[list[int]]] = {}
    for name, known in words.predicates.items():
        earlier = known.converse is not None and known.converse in relations
        if 2 in known.arities and not known.derived and known.same is None and not earlier:
            kinds = [row.get("sort", "Object") for row in rows]
            relations[name] = [
                [x, y]
                for x in range(len(rows))
                for y in range(len(rows))
                if x != y and all(s in ("Any", kinds[k]) for s, k in zip(known.of, (x, y), strict=False))
                if (x < y or not known.symmetric) and rng.uniform() < _SHARE
            ]
    return Annotation.from_world({"size": list(SIZE), "objects": rows, "relations": relations}, words)


def _side_by_side(words: Vocabulary, name: str) -> list[tuple[float, float, float, float]]:
    """Return the place of a container of which nothing is said: its part of the picture, beside the others."""
    alike = [s for s in words.containers if not words.sorts[s].places]
    k, n = alike.index(name), len(alike)
    return [((k + 0.05) / n, 0.05, (k + 0.95) / n, 0.95)]
