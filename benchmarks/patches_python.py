"""Programs over regions run by Python itself, over the crisp answers of an oracle: what ours are compared with.

    PYTHONPATH=. python benchmarks/patches_python.py < JOB.json > RESULT.json

The job names a scene, an oracle, a vocabulary and program texts that have passed the checker (so that no name in them
leads out). This file is the only one that executes any; run it in a sandbox (`bwrap`) where there is one. Regions are
those of ViperGPT's interface: everything is asked at once, a truth is p > ½, a list is what was found.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from dsl.percepts import Percept
from dsl.plan import Predicate
from dsl.vocabulary import Vocabulary
from neptune.engine.evidence.questions import Wording
from neptune.engine.patches.questions import ABOUT, WHAT, WHAT_PICTURE, is_yes_no, phrase
from neptune.perception import registry
from neptune.perception.percepts.oracle import PerceptOracle
from neptune.perception.percepts.percepts import Percepts
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, Question, ScoreRequest

ANYTHING = {"object", "objects", "thing", "things", "item", "items", "anything", "something"}
ATTRIBUTES = ("color", "shape", "material", "size")


class World:
    """A scene and an oracle, and what was asked of it so far."""

    def __init__(self, scene: Scene, oracle: Any, vocabulary: Vocabulary, query: str = "") -> None:
        self.scene, self.oracle, self.vocabulary, self.query = scene, oracle, vocabulary, query
        self.wording = Wording.load(vocabulary=vocabulary)
        self.asked: dict[tuple[Any, ...], Any] = {}
        self.calls = 0

    def _at(self, place: Any) -> tuple[Scene, np.ndarray, int]:
        if place is None:
            return self.scene, np.zeros((1, 0), dtype=np.int64), 0
        if isinstance(place, int):
            return self.scene, np.array([[place]], dtype=np.int64), 1
        return self.scene.region(place), np.zeros((1, 1), dtype=np.int64), 1

    def chance(self, place: Any, text: str, predicate: str = "") -> float:
        """Return p(yes) of a question about a place: an object, a box, or None for the picture."""
        self.calls += 1
        if (text, place) not in self.asked:
            scene, objects, arity = self._at(place)
            request = ScoreRequest(scene, Question(text, arity, predicate), objects)
            logit = float(self.oracle.score([request])[0].logits[0])
            self.asked[text, place] = 1 / (1 + math.exp(-logit))
        return self.asked[text, place]

    def said(self, place: Any, words: str) -> float:
        """Return how true a phrase is; known words one by one, the least true counts."""
        parts = self.known(words)
        names = parts if parts is not None else [phrase(words).replace(" ", "_") or "object"]
        arity = 0 if place is None else 1
        chances = [1.0]
        for name in names:
            canonical = self.vocabulary.canonical(name, 1)
            chances.append(self.chance(place, self.wording.question(Predicate(canonical, arity)).text, canonical))
        return min(chances)

    def number(self, place: Any, percept: Percept) -> float:
        """Return what a model of depths says of a place."""
        self.calls += 1
        if (percept, place) not in self.asked:
            scene, objects, arity = self._at(place)
            question = Question(percept.question, arity, percept.name, percept=percept)
            self.asked[percept, place] = float(self.oracle.query([QueryRequest(scene, question, objects)])[0][0])
        found: float = self.asked[percept, place]
        return found

    def known(self, words: str) -> list[str] | None:
        """Return the vocabulary's names in a phrase, or None."""
        found = []
        for word in phrase(words).split():
            forms = (word, word.removesuffix("s"))
            single = next((w for w in forms if w in ANYTHING or self.vocabulary.knows(w, 1)), "")
            if not single:
                return None
            if single not in ANYTHING and not self.vocabulary.is_vacuous(single):
                found.append(single)
        return found if phrase(words) else None

    def text(self, place: Any, asked: str, attribute: str = "") -> str:
        """Return the oracle's words."""
        self.calls += 1
        if ("?", asked, place) not in self.asked:
            scene, objects, arity = self._at(place)
            request = QueryRequest(scene, Question(asked, arity, attribute), objects)
            self.asked["?", asked, place] = self.oracle.query([request])[0][0]
        return self.asked["?", asked, place]


def api(world: World) -> dict[str, Any]:
    """Return the names that a program is run with."""
    width, height = world.scene.size

    class ImagePatch:
        def __init__(self, image: Any, left: Any = None, lower: Any = None, right: Any = None, upper: Any = None):
            of = image if isinstance(image, ImagePatch) else None
            self.place: Any = of.place if of else None
            self.left, self.lower = (of.left, of.lower) if of else (0, 0)
            self.right, self.upper = (of.right, of.upper) if of else (width, height)
            self.noun = of.noun if of else ""
            if (left, lower, right, upper) != (None,) * 4:
                edges = [self.left + (left or 0), self.lower + (lower or 0)]
                edges += [self.left + right if right is not None else self.right]
                edges += [self.lower + upper if upper is not None else self.upper]
                self._cut(*edges)

        def _cut(self, left: float, lower: float, right: float, upper: float) -> None:
            left, lower = max(left, self.left), max(lower, self.lower)
            right, upper = min(right, self.right), min(upper, self.upper)
            if left >= right or lower >= upper:
                raise ValueError("no area")
            if (left, lower, right, upper) != (self.left, self.lower, self.right, self.upper):
                self.left, self.lower, self.right, self.upper = left, lower, right, upper
                self.place = (float(left), float(height - upper), float(right), float(height - lower))

        def __eq__(self, other: object) -> bool:  # as here, and not in Python: two regions of one place are equal
            return isinstance(other, ImagePatch) and self.place == other.place

        def __hash__(self) -> int:
            return hash(self.place)

        width = property(lambda self: self.right - self.left)
        height = property(lambda self: self.upper - self.lower)
        horizontal_center = property(lambda self: (self.left + self.right) / 2)
        vertical_center = property(lambda self: (self.lower + self.upper) / 2)
        cropped_image = property(lambda self: self)
        shape = property(lambda self: [3, self.height, self.width])

        def _inside(self) -> list[int]:
            found = []
            for k, (x0, y0, x1, y1) in enumerate(world.scene.boxes.tolist()):
                x, y = (x0 + x1) / 2, height - (y0 + y1) / 2
                if self.left <= x <= self.right and self.lower <= y <= self.upper:
                    found.append((x0 + x1, k))
            return [k for _, k in sorted(found)]

        def find(self, object_name: str) -> list[Any]:
            found = []
            chances = [1.0 if phrase(object_name) in ANYTHING else world.said(k, object_name) for k in self._inside()]
            for k, chance in zip(self._inside(), chances, strict=True):
                if chance > 0.5:
                    patch = ImagePatch(None)
                    x0, y0, x1, y1 = world.scene.boxes[k].tolist()
                    patch.left, patch.lower, patch.right, patch.upper = x0, height - y1, x1, height - y0
                    patch.place, patch.noun = k, phrase(object_name)
                    found.append(patch)
            return found

        def exists(self, object_name: str) -> bool:
            return bool(self.find(object_name))

        def verify_property(self, object_name: str, visual_property: str) -> bool:
            noun, words = phrase(object_name), phrase(visual_property)
            if isinstance(self.place, int):
                if noun in ANYTHING or noun in ("", self.noun) or not self.noun or world.known(noun) is not None:
                    return world.said(self.place, words) > 0.5
                return world.chance(self.place, f"is the {noun} of the object in the red box {words}?") > 0.5
            if world.known(noun) is not None and world.known(words) is not None:
                return any(min(world.said(k, noun), world.said(k, words)) > 0.5 for k in self._inside())
            return self._truth(f"is the {noun or 'picture'} {words}?")

        def _truth(self, question: str) -> bool:
            return world.chance(self.place, question if self.place is None else ABOUT.format(question)) > 0.5

        def simple_query(self, question: str | None = None) -> str:
            if question is not None and is_yes_no(question):
                return "yes" if self._truth(" ".join(question.split())) else "no"
            if question is not None and isinstance(self.place, int) and world.vocabulary.sorts:
                for attribute in ATTRIBUTES:
                    if f" {attribute} " in f" {question.lower().rstrip('?')} ":
                        return world.text(self.place, world.wording.query(attribute).text, attribute)
            asked = WHAT_PICTURE if self.place is None else WHAT
            if question is not None:
                words = " ".join(question.split())
                asked = words if self.place is None else ABOUT.format(words)
            return world.text(self.place, asked)

        def compute_depth(self) -> float:
            return world.number(self.place, Percept("depth", "depth"))

        def best_text_match(self, option_list: list[str], prefix: str | None = None) -> str:
            options = list(dict.fromkeys(option_list))
            if len(options) == 1:
                return options[0]
            said = [o if world.known(o) is not None else f"{prefix or ''} {o}".strip() for o in options]
            chances = [world.said(self.place, s) for s in said]
            return options[chances.index(max(chances))]

        def crop(self, left: float, lower: float, right: float, upper: float) -> Any:
            left, lower, right, upper = int(left), int(lower), int(right), int(upper)
            if left >= right or lower >= upper:
                raise ValueError("no area")
            made = ImagePatch(self)
            x, y = self.left, self.lower
            made._cut(x + left - 10, y + lower - 10, x + right + 10, y + upper + 10)
            return made

        def overlaps_with(self, left: Any, lower: Any = 0, right: Any = 0, upper: Any = 0) -> bool:
            if isinstance(left, ImagePatch):
                left, lower, right, upper = left.left, left.lower, left.right, left.upper
            return self.left <= right and self.right >= left and self.lower <= upper and self.upper >= lower

    def best_image_match(list_patches: list[Any], content: Any, return_index: bool = False) -> Any:
        texts = [content] if isinstance(content, str) else list(content)
        if not list_patches:
            return None
        place = 0
        if len(list_patches) > 1:
            means = [sum(world.said(p.place, t) for t in texts) / len(texts) for p in list_patches]
            place = means.index(max(means))
        return place if return_index else list_patches[place]

    def distance(a: Any, b: Any) -> float:
        if not isinstance(a, ImagePatch):
            return abs(a - b)
        across, along = max(0, a.left - b.right, b.left - a.right), max(0, a.lower - b.upper, b.lower - a.upper)
        if across or along:
            return math.hypot(across, along)
        shared = max(0, min(a.right, b.right) - max(a.left, b.left))
        shared *= max(0, min(a.upper, b.upper) - max(a.lower, b.lower))
        return -shared / (a.width * a.height + b.width * b.height - shared)

    whole = ImagePatch(None)
    return {
        "ImagePatch": ImagePatch,
        "best_image_match": best_image_match,
        "distance": distance,
        "bool_to_yesno": lambda b: "yes" if b else "no",
        "coerce_to_numeric": float,
        "image": whole,
        "query": world.query,
        "possible_answers": [],
        "math": math,
        "np": SimpleNamespace(mean=statistics.fmean, median=statistics.median, round=round),
        "__builtins__": {
            f.__name__: f
            for f in (abs, all, any, bool, dict, enumerate, float, int, len, list, max, min, range, round, set, sorted,
                      str, sum, tuple, zip)
        },
    }  # fmt: skip


def shown(value: Any) -> Any:
    """Return a result as JSON can hold it: a region by its object or its box."""
    place = getattr(value, "place", value)
    if hasattr(value, "place"):
        return {"object": place} if isinstance(place, int) else {"box": list(place) if place else "picture"}
    if isinstance(value, list | tuple | set):
        return [shown(v) for v in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else repr(type(value))


def run(text: str, world: World) -> dict[str, Any]:
    """Run one program whose body is that of a function; return its result, or Python's error, and what was asked."""
    names = api(world)
    try:
        exec(compile(text, "<program>", "exec"), names)
        value = shown(names["execute_command"]())
        return {"value": value, "asked": len(world.asked), "calls": world.calls}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "asked": len(world.asked), "calls": world.calls}


def main() -> None:
    """Answer the job on standard input."""
    job = json.load(sys.stdin)
    vocabulary = Vocabulary.load(job["vocabulary"]) if job["vocabulary"] else Vocabulary.open()
    oracle = PerceptOracle(registry.oracle(job["oracle"]), Percepts(depth="scene"))
    results = []
    for item in job["programs"]:
        world = World(Scene.synthetic(job["objects"], seed=item["seed"]), oracle, vocabulary, item["query"])
        results.append(run(item["program"], world))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
