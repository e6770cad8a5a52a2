"""Programs on synthetic scenes, made as the transfer tasks make theirs: puzzles and referring expressions.

How many attributes a description has follows the frequencies in CLEVR-Transfer's files.
"""

from __future__ import annotations

import numpy as np

from neptune.scene import ATTRIBUTES, RELATIONS, Annotation, Scene

PUZZLE_ATTRIBUTES = (0.01, 0.31, 0.50, 0.165, 0.015)
"""Chance of 0, 1, … 4 attributes in a puzzle's description."""

REFEXP_ATTRIBUTES = (0.0, 0.57, 0.42, 0.01, 0.0)
REFEXP_RELATIONS = (0.25, 0.26, 0.49)
"""Chance of 0, 1, 2 relations in a referring expression."""

TRIES = 20_000

DescribedObject = tuple[tuple[str, str], ...]


def describe(rng: np.random.Generator, truth: Annotation, index: int, sizes: tuple[float, ...]) -> DescribedObject:
    """Describe an object by some of its attributes."""
    names = list(ATTRIBUTES)
    chosen = sorted(rng.choice(4, rng.choice(5, p=np.array(sizes) / sum(sizes)), replace=False))
    return tuple((names[k], truth.attributes[names[k]][index]) for k in chosen)


def describe_one(
    rng: np.random.Generator, truth: Annotation, index: int, among: np.ndarray, more: bool
) -> DescribedObject | None:
    """Describe an object so that the description fits no other of those given; ``None`` if it does.

    With `more` attributes are added until it does not, the most telling ones first.
    """
    description = describe(rng, truth, index, REFEXP_ATTRIBUTES)
    names = [n for n in ("size", "material", "shape", "color") if n not in dict(description)]
    while (fits(truth, description) & among).sum() > 1:
        if not names or not more:
            return None
        name = names.pop()
        description = (*description, (name, truth.attributes[name][index]))
    return description


def fits(truth: Annotation, description: DescribedObject) -> np.ndarray:
    """Return which objects a description fits, shape ``(N,)``."""
    out = np.ones(len(truth), dtype=bool)
    for name, value in description:
        out &= np.array(truth.attributes[name]) == value
    return out


def words(description: DescribedObject, var: str) -> list[str]:
    """Return the literals of a description."""
    return [f"{value}({var})" for _, value in description]


def puzzle(scene: Scene, seed: int) -> tuple[str, bool]:
    """Return a puzzle of four objects and three relations, and its answer: even seeds are solvable."""
    rng = np.random.default_rng([seed, len(scene), 1])
    truth = scene.annotation
    assert truth is not None
    wanted = seed % 2 == 0
    for _ in range(TRIES):
        objects = rng.choice(len(scene), 4, replace=False)
        descriptions = [describe(rng, truth, int(o), PUZZLE_ATTRIBUTES) for o in objects]
        pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
        relations = []
        for k in rng.choice(len(pairs), 3, replace=False):
            a, b = pairs[k]
            holds = [r for r in RELATIONS if truth.relations[r][objects[a], objects[b]]]
            relations.append((a, b, str(rng.choice(holds if wanted else RELATIONS))))
        if solvable(truth, descriptions, relations) == wanted:
            literals = [w for k, d in enumerate(descriptions) for w in words(d, f"x{k + 1}")]
            literals += [f"{r}(x{a + 1}, x{b + 1})" for a, b, r in relations]
            body = " and ".join(literals)
            for k in (4, 3, 2, 1):
                body = f"exists(Object, lambda x{k}: {body})"
            return body, wanted
    raise RuntimeError("no such puzzle was found")


def solvable(truth: Annotation, descriptions: list[DescribedObject], relations: list[tuple[int, int, str]]) -> bool:
    """Tell whether some four objects fit (two of them may be one)."""
    candidates = [fits(truth, d) for d in descriptions]
    total = np.ones((1, 1, 1, 1), dtype=bool)
    for k, ok in enumerate(candidates):
        total = total & ok.reshape([-1 if i == k else 1 for i in range(4)])
    for a, b, name in relations:
        matrix = truth.relations[name]
        shape = [1, 1, 1, 1]
        shape[a] = shape[b] = len(truth)
        total = total & (matrix if a < b else matrix.T).reshape(shape)
    return bool(total.any())


def refexp(scene: Scene, seed: int) -> tuple[str, int]:
    """Return an expression with 0 to 2 relations whose every description fits one object, and that object."""
    rng = np.random.default_rng([seed, len(scene), 2])
    truth = scene.annotation
    assert truth is not None
    shape = rng.choice(4, p=[REFEXP_RELATIONS[0], REFEXP_RELATIONS[1], *([REFEXP_RELATIONS[2] / 2] * 2)])
    for attempt in range(TRIES):
        target = int(rng.integers(len(scene)))
        made = _refexp(rng, truth, target, int(shape), attempt > 1000)
        if made is not None:
            return f"point(Object, lambda x: {made})", target
    raise RuntimeError("no such expression was found")


def _refexp(rng: np.random.Generator, truth: Annotation, target: int, shape: int, more: bool) -> str | None:
    """0: no relation, 1: one, 2: two to two anchors, 3: two, nested."""
    everything = np.ones(len(truth), dtype=bool)
    others = [int(k) for k in rng.permutation(len(truth)) if k != target]
    among, relations = everything, []
    for var, anchor in zip({0: "", 1: "y", 2: "yz", 3: "y"}[shape], others):
        here, tail = everything, []
        if shape == 3:
            last = others[2]
            beyond = describe_one(rng, truth, last, everything, more)
            if beyond is None:
                return None
            relation = _relation(rng, truth, anchor, last)
            here = truth.relations[relation][:, last]
            tail = [f"{relation}({var}, iota(Object, lambda z: {' and '.join(words(beyond, 'z'))}))"]
        described = describe_one(rng, truth, anchor, here, more)
        if described is None:
            return None
        relation = _relation(rng, truth, target, anchor)
        among = among & truth.relations[relation][:, anchor]
        inner = " and ".join([*words(described, var), *tail])
        relations.append(f"{relation}(x, iota(Object, lambda {var}: {inner}))")
    description = describe_one(rng, truth, target, among, more)
    return None if description is None else " and ".join([*words(description, "x"), *relations])


def _relation(rng: np.random.Generator, truth: Annotation, a: int, b: int) -> str:
    return str(rng.choice([r for r in RELATIONS if truth.relations[r][a, b]]))
