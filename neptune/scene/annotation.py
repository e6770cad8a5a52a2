"""What is known to be true of a scene: in CLEVR's terms, or in those of any declared world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neptune.errors import DatasetError, did_you_mean
from neptune.scene.boxes import FloatArray

if TYPE_CHECKING:
    from dsl.vocabulary import Vocabulary

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size": ("small", "large"),
    "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
    "material": ("rubber", "metal"),
    "shape": ("cube", "sphere", "cylinder"),
}
"""The attributes of CLEVR (Johnson et al. 2017) and their values."""

RELATIONS = ("left", "right", "front", "behind")
"""The relations of CLEVR; ``left(x, y)``: x is left of y."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is known to be true of a scene, in the terms of its world.

    Parameters
    ----------
    attributes
        Attribute name → one value for each of the M annotated objects.
    relations
        Relation name → boolean matrix, shape ``(M, M)``; ``relations["left"][x, y]``: object x is left of object y.
        The diagonal is false.
    boxes
        ``(M, 4)`` pixels ``x0 y0 x1 y1``: the true boxes.
    kinds
        What each box is: ``"Object"``, or a sort of containers; ``()``: all are objects.
    facts
        Predicate of one object that is no value → of which it is true, shape ``(M,)``.
    size
        Of the picture, ``(width, height)`` in pixels, where no picture tells.
    depths
        How far away each object is, ``(M,)``, ≥ 0, small is near; ``None`` where it is not known.
    """

    attributes: Mapping[str, tuple[str, ...]]
    relations: Mapping[str, NDArray[np.bool_]]
    boxes: FloatArray
    kinds: tuple[str, ...] = ()
    facts: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    depths: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def from_clevr(record: Mapping[str, Any]) -> Annotation:
        """Read one entry of CLEVR's ``scenes.json`` (``relationships["left"][i]`` lists what is left of object i).

        Depths are read where each object has ``pixel_coords``, ``[x, y, depth]``.

        Raises
        ------
        DatasetError
            If a field is missing or an index is out of range.
        """
        where = str(record.get("image_filename", "scene"))
        try:
            objects = record["objects"]
            attributes = {name: tuple(str(o[name]) for o in objects) for name in ATTRIBUTES}
            boxes = np.array([o["bbox"] for o in objects], dtype=np.float32).reshape(-1, 4)
            relations = {}
            for name in RELATIONS:
                matrix = np.zeros((len(objects), len(objects)), dtype=np.bool_)
                rows = record["relationships"][name]
                if len(rows) != len(objects):
                    raise DatasetError(
                        f"relationships.{name} has {len(rows)} rows for {len(objects)} objects", where=where
                    )
                for y, xs in enumerate(rows):
                    matrix[np.asarray(xs, dtype=np.int64), y] = True
                relations[name] = matrix
            depths = _depths(objects)
        except KeyError as error:
            raise DatasetError(
                f"The scene has no field {error}",
                where=where,
                expected="CLEVR's scene format, with a 'bbox' for each object",
            ) from error
        except (TypeError, ValueError, IndexError) as error:
            raise DatasetError(f"The scene is malformed: {error}", where=where) from error
        return Annotation(attributes, relations, boxes, depths=depths)

    @staticmethod
    def from_world(record: Mapping[str, Any], vocabulary: Vocabulary, where: str = "scene") -> Annotation:
        """Read a scene of a declared world.

        Parameters
        ----------
        record
            ``objects``: for each box its ``box`` ``[x0, y0, x1, y1]`` in pixels; its ``sort``, if it is a container;
            the value of each of its attributes, by name; and in ``is`` the other predicates that are true of it.
            ``relations``: name → pairs ``[x, y]`` of indices; those that are read off the boxes need not be there.
            ``size``: of the picture, ``[width, height]``.
        vocabulary
            The world: its sorts, values and predicates.
        where
            What errors call the scene.

        Raises
        ------
        DatasetError
            If a field is missing or unknown, or a word or index is none of the world's.
        """
        return _Reader(vocabulary, where).annotation(record)


def _depths(objects: Sequence[Mapping[str, Any]]) -> FloatArray | None:
    """Return how far CLEVR's objects are from the camera, or ``None`` where the file does not say it of all."""
    if not all("pixel_coords" in o for o in objects):
        return None
    found = np.array([o["pixel_coords"][2] for o in objects], dtype=np.float32)
    if found.ndim != 1 or not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("pixel_coords are no [x, y, depth] with a depth ≥ 0")
    return found


class _Reader:
    """Reads the records of one world."""

    def __init__(self, words: Vocabulary, where: str) -> None:
        self.words, self.where = words, where
        self.sorts = {s.attribute: s for s in words.sorts.values() if not s.of_things}

    def annotation(self, record: Mapping[str, Any]) -> Annotation:
        self.only(record, {"objects", "relations", "size", "name"}, "the scene")
        rows = record.get("objects")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.fault("'objects' is no list of objects", '[{"box": [x0, y0, x1, y1], …}, …]')
        boxes = np.array([self.box(row, k) for k, row in enumerate(rows)], dtype=np.float32).reshape(-1, 4)
        kinds = tuple(self.kind(row, k) for k, row in enumerate(rows))
        attributes = {name: tuple(self.value(row, name, k) for k, row in enumerate(rows)) for name in self.sorts}
        for k, row in enumerate(rows):
            self.only(row, {"box", "sort", "is", *self.sorts}, f"object {k}")
        facts: dict[str, NDArray[np.bool_]] = {}
        for k, row in enumerate(rows):
            for word in self.listed(row.get("is", []), f"object {k}: 'is'"):
                name = self.predicate(word, 1)
                facts.setdefault(name, np.zeros(len(rows), dtype=np.bool_))[k] = True
        for name, known in self.words.predicates.items():
            if 1 in known.arities and not known.derived:
                facts.setdefault(name, np.zeros(len(rows), dtype=np.bool_))
        return Annotation(
            attributes, self.relations(record, len(rows)), boxes, kinds if self.words.containers else (), facts,
            self.size(record),
        )  # fmt: skip

    def fault(self, what: str, expected: str = "", hint: str = "") -> DatasetError:
        return DatasetError(what, where=self.where, expected=expected, hint=hint)

    def only(self, row: Any, known: set[str], what: str) -> None:
        if not isinstance(row, Mapping):
            raise self.fault(f"{what} is no object", "a JSON object")
        for name in row:
            if name not in known:
                raise self.fault(
                    f"{what} has an unknown field '{name}'", ", ".join(sorted(known)), did_you_mean(name, known)
                )

    def listed(self, row: Any, what: str) -> list[str]:
        if not isinstance(row, list) or not all(isinstance(word, str) for word in row):
            raise self.fault(f"{what} is no list of words")
        return row

    def box(self, row: Mapping[str, Any], k: int) -> list[float]:
        box = row.get("box")
        numbers = isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box)
        if not numbers or not (box[0] < box[2] and box[1] < box[3]):  # type: ignore[index]
            raise self.fault(f"object {k}: 'box' is {box!r}", "[x0, y0, x1, y1] in pixels, x0 < x1 and y0 < y1")
        return [float(v) for v in box]  # type: ignore[union-attr]

    def kind(self, row: Mapping[str, Any], k: int) -> str:
        sort = row.get("sort", "Object")
        known = ("Object", *self.words.containers)
        if sort not in known:
            hint = did_you_mean(str(sort), known)
            raise self.fault(f"object {k}: 'sort' is {sort!r}", f"one of {', '.join(known)}", hint)
        return str(sort)

    def value(self, row: Mapping[str, Any], attribute: str, k: int) -> str:
        word = row.get(attribute)
        if word is None:
            return ""
        sort = self.sorts[attribute]
        value = self.words.value_named(str(word))
        if sort.values and value not in sort.values:
            hint = did_you_mean(str(word), sort.values)
            raise self.fault(f"object {k}: '{attribute}' is {word!r}", f"one of {', '.join(sort.values)}", hint)
        return str(value if sort.values else word)

    def predicate(self, word: str, arity: int) -> str:
        name = self.words.canonical(word, arity)
        known = [n for n, p in self.words.predicates.items() if arity in p.arities]
        if name not in known:
            hint = did_you_mean(word, known)
            raise self.fault(
                f"'{word}' is no predicate of {arity} object(s)", ", ".join(known) or "none is declared", hint
            )
        return name

    def relations(self, record: Mapping[str, Any], n: int) -> dict[str, NDArray[np.bool_]]:
        rows = record.get("relations", {})
        if not isinstance(rows, Mapping):
            raise self.fault("'relations' is no object", '{"near": [[0, 1], …]}')
        found: dict[str, NDArray[np.bool_]] = {
            name: np.zeros((n, n), dtype=np.bool_)
            for name, known in self.words.predicates.items()
            if 2 in known.arities and not known.derived and known.same is None
        }
        for word, pairs in rows.items():
            name = self.predicate(word, 2)
            for pair in pairs if isinstance(pairs, list) else [pairs]:
                fits = isinstance(pair, list) and len(pair) == 2 and all(type(v) is int and 0 <= v < n for v in pair)
                if not fits:
                    raise self.fault(f"relations.{word} has {pair!r}", f"pairs [x, y] of indices below {n}")
                self.relate(found, name, pair[0], pair[1])
        return found

    def relate(self, found: dict[str, NDArray[np.bool_]], name: str, x: int, y: int) -> None:
        """Enter that x stands in a relation to y, with what follows: its converse, or its symmetry."""
        if name not in found:
            raise self.fault(f"'{name}' follows from other things, and is not annotated")
        found[name][x, y] = True
        converse = self.words.converse(name)
        if converse in found:
            found[converse][y, x] = True
        if self.words.symmetric(name):
            found[name][y, x] = True

    def size(self, record: Mapping[str, Any]) -> tuple[int, int] | None:
        size = record.get("size")
        if size is None:
            return None
        if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(v) is int and v > 0 for v in size):
            raise self.fault(f"'size' is {size!r}", "[width, height] in pixels")
        return size[0], size[1]


# --- drawn at random -----------------------------------------------------------------------------

DRAWN_SIZE = (480, 320)
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
    width, height = DRAWN_SIZE
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
    return Annotation.from_world({"size": list(DRAWN_SIZE), "objects": rows, "relations": relations}, words)


def _side_by_side(words: Vocabulary, name: str) -> list[tuple[float, float, float, float]]:
    """Return the place of a container of which nothing is said: its part of the picture, beside the others."""
    alike = [s for s in words.containers if not words.sorts[s].places]
    k, n = alike.index(name), len(alike)
    return [((k + 0.05) / n, 0.05, (k + 0.95) / n, 0.95)]
