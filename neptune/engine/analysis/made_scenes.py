"""Small crisp scenes of a world, made in order: all of them where they can be counted, else drawn at random.

In CLEVR's world a scene of n objects is n combinations of values, from left to right, and their order from behind
to the front; only what some programs speak of is varied. In another declared world scenes are drawn.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from dsl.vocabulary import Vocabulary
from neptune.errors import ConfigError
from neptune.scene import ATTRIBUTES, Annotation, Scene

_WORD = re.compile(r"[A-Za-z_]+")
_ACROSS = frozenset({"left", "right"})
_DEPTH = frozenset({"front", "behind"})
_SIZE = (480, 320)


class Varied:
    """What programs speak of, and so what is varied.

    Parameters
    ----------
    programs
        Their texts.
    vocabulary
        The world.

    Attributes
    ----------
    values
        Attribute → the values that objects take: all where the attribute itself is spoken of, else those named and one
        other.
    depth
        Whether the order from behind to the front matters; `ordered`: whether any order does.
    countable
        Whether all scenes can be made: the world is CLEVR's, and every word is one of its.
    """

    def __init__(self, programs: Sequence[str], vocabulary: Vocabulary) -> None:
        words = {w for text in programs for w in _WORD.findall(text)}
        said = {_plain(vocabulary, word) for word in words} | words
        self.countable = vocabulary.name == "clevr"
        self.values = {name: self._taken(name, values, said, vocabulary) for name, values in ATTRIBUTES.items()}
        spoken = " ".join(said)
        self.depth = any(word in spoken for word in (*_DEPTH, "back", "rear"))
        self.ordered = self.depth or any(word in spoken for word in _ACROSS)

    @staticmethod
    def _taken(name: str, values: tuple[str, ...], said: set[str], vocabulary: Vocabulary) -> tuple[str, ...]:
        sort = next((s for s, declared in vocabulary.sorts.items() if declared.attribute == name), name)
        whole = {name, sort, f"same_{name}", *vocabulary_synonyms(vocabulary, sort)}
        compared = name == "size" and any("large" in w or "small" in w or "big" in w for w in said)
        if whole & said or compared:
            return values
        named = tuple(v for v in values if v in said)
        other = next((v for v in values if v not in named), None)
        return named if other is None else (*named, other)

    @property
    def kinds(self) -> list[dict[str, str]]:
        """The combinations of values that an object can have."""
        names = list(self.values)
        return [dict(zip(names, row, strict=True)) for row in itertools.product(*self.values.values())]

    def count(self, n: int) -> int:
        """Return how many scenes of n objects there are."""
        k = math.prod(len(v) for v in self.values.values())
        objects = k**n if self.ordered else math.comb(k + n - 1, n)
        return objects * (math.factorial(n) if self.depth else 1)

    def every(self, n: int) -> Iterator[Scene]:
        """Yield all scenes of n objects, each once."""
        kinds = self.kinds
        rows = itertools.product(kinds, repeat=n) if self.ordered else itertools.combinations_with_replacement(kinds, n)
        for row in rows:
            for depth in itertools.permutations(range(n)) if self.depth else [tuple(range(n))]:
                yield clevr_scene(row, depth)

    def drawn(self, n: int, rng: np.random.Generator) -> Scene:
        """Return a random scene of n objects."""
        kinds = self.kinds
        row = [kinds[k] for k in rng.integers(0, len(kinds), n)]
        return clevr_scene(row, tuple(rng.permutation(n).tolist()))


def vocabulary_synonyms(vocabulary: Vocabulary, sort: str) -> tuple[str, ...]:
    """Return the other names of a sort."""
    return tuple(other for other, name in vocabulary.sort_synonyms.items() if name == sort)


def _plain(vocabulary: Vocabulary, word: str) -> str:
    return str(vocabulary.synonyms.get(word, word))


def clevr_scene(objects: Sequence[dict[str, str]], depth: Sequence[int]) -> Scene:
    """Return a scene of CLEVR's world: objects from left to right, with each one's rank from behind to the front."""
    n = len(objects)
    attributes = {name: tuple(o[name] for o in objects) for name in ATTRIBUTES}
    x, y = np.arange(n), np.array(depth, dtype=np.int64)
    relations = {
        "left": x[:, None] < x[None, :],
        "right": x[:, None] > x[None, :],
        "behind": y[:, None] < y[None, :],
        "front": y[:, None] > y[None, :],
    }
    side = np.array([44.0 if size == "large" else 24.0 for size in attributes["size"]])
    centre_x, centre_y = _SIZE[0] * (x + 0.5) / max(n, 1), 60 + (_SIZE[1] - 120) * (y + 0.5) / max(n, 1)
    boxes = np.stack([centre_x - side / 2, centre_y - side / 2, centre_x + side / 2, centre_y + side / 2], 1)
    name = "made-" + "|".join(f"{'-'.join(o.values())}@{d}" for o, d in zip(objects, depth, strict=True))
    return Scene.from_annotation(Annotation(attributes, relations, boxes.astype(np.float32)), name=name)


def scene_of_test(test: Mapping[str, Any], number: int) -> Scene:
    """Return the scene of a program's test; :func:`neptune.engine.analysis.differing.run_tests` says its form.

    Raises
    ------
    ConfigError
        If it is malformed: what, and in which test.
    """
    where = f"test {number}"
    if not isinstance(test, Mapping) or set(test) != {"objects", "answer"} or not isinstance(test["objects"], list):
        raise ConfigError(
            "A test is malformed", where=where, expected='{"objects": [{"color": "red"}, …], "answer": …}'
        )
    rows, depth = [], []
    for k, given in enumerate(test["objects"]):
        if not isinstance(given, Mapping):
            raise ConfigError(f"object {k} is no object", where=where, expected='{"color": "red", …}')
        for name, value in given.items():
            known = ATTRIBUTES.get(name, ()) if name != "depth" else range(len(test["objects"]))
            if value not in known or isinstance(value, bool):
                names = [*ATTRIBUTES, "depth"]
                said = f"'{name}' of object {k} is {value!r}" if name in names else f"object {k} has no '{name}'"
                expected = ", ".join(map(str, known)) or ", ".join(names)
                raise ConfigError(said, where=where, expected=expected)
        rows.append({name: str(given.get(name, values[0])) for name, values in ATTRIBUTES.items()})
        depth.append(int(given.get("depth", k)))
    if len(set(depth)) < len(depth):
        raise ConfigError("two objects are equally deep", where=where, expected="each depth once, from 0")
    return clevr_scene(rows, depth)


def in_words(scene: Scene) -> str:
    """Return a made scene in words: its objects from left to right, and who is before whom."""
    annotation = scene.annotation
    if annotation is None or not len(annotation):
        return "nothing at all"
    names = [" ".join(annotation.attributes[a][k] for a in annotation.attributes) for k in range(len(annotation))]
    listed = ", ".join(f"object {k}: {name}" for k, name in enumerate(names))
    if len(names) == 1 or "behind" not in annotation.relations:
        return listed
    order = np.argsort(annotation.relations["behind"].sum(1))[::-1]
    return f"from left to right {listed}; from behind to the front {', '.join(f'object {k}' for k in order)}"


_FILL = {"gray": "#7f7f7f", "brown": "#8b5a2b", "purple": "#8e44ad", "cyan": "#17becf", "yellow": "#e0c000"}
_SHAPES = {
    "cube": '<rect x="{0:.0f}" y="{1:.0f}" width="{2:.0f}" height="{2:.0f}" {3}/>',
    "sphere": '<circle cx="{4:.0f}" cy="{5:.0f}" r="{6:.0f}" {3}/>',
    "cylinder": '<rect x="{0:.0f}" y="{1:.0f}" width="{2:.0f}" height="{2:.0f}" rx="{7:.0f}" {3}/>',
}


def svg_of(scene: Scene) -> str:
    """Return a made scene as a drawing: seen from above, the front below; metal has a white rim.

    What another world has no word for is drawn as a grey square with a dark rim.
    """
    attributes, (width, height) = scene.annotation.attributes if scene.annotation else {}, scene.size
    size = f'width="{width}" height="{height}"'
    # Its own size is the picture's, so that it has one where it is an image by itself.
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} role="img">']
    parts.append(f"<title>{escape(in_words(scene))}</title>")
    parts.append(f'<rect {size} fill="#d9d9d9"/>')
    for k, (x0, y0, x1, _) in enumerate(scene.boxes.tolist()):
        side, colour = x1 - x0, attributes["color"][k] if "color" in attributes else ""
        rim = "#fff" if "material" in attributes and attributes["material"][k] == "metal" else "#333"
        fill = _FILL.get(colour, colour if colour in ATTRIBUTES["color"] else "#7f7f7f")
        style = f'fill="{fill}" stroke="{rim}" stroke-width="4"'
        shape = _SHAPES.get(attributes["shape"][k] if "shape" in attributes else "", _SHAPES["cube"])
        parts.append(shape.format(x0, y0, side, style, x0 + side / 2, y0 + side / 2, side / 2, side / 3))
        parts.append(f'<text x="{x0:.0f}" y="{y0 - 6:.0f}" font-size="18">{k}</text>')
    return "".join([*parts, "</svg>"])
