"""Rules from examples: how often a hidden rule is among the first three that are found, and what confounders do.

    python benchmarks/induction.py DATA/clevr/train [RULES] [PICTURES] [SEED]
    python benchmarks/induction.py DATA/nlvr [RULES] [PICTURES] [SEED]       the boxes of dev's drawings

Hidden rules of up to three literals are drawn from the grammar, truths and examples by the annotation; what the search
sees are the scores of the embedded models. A rule counts as found if one of the first three is it, or agrees with it on
at least 95 % of 50 other pictures, half of them positive where there are as many.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import dsl
from neptune import Engine, Scene, tasks
from neptune.learn.induce.ranking import Ranked, bits_of, ranked
from neptune.learn.induce.rules import FORMS, Rule, value
from neptune.learn.induce.search import Search
from neptune.learn.induce.tables import Tables, Words, padded, scores, without
from neptune.scene import Annotation

Scored = tuple[Any, Any, Any]
EXAMPLES, FRESH, AGREES = 6, 50, 0.95


def collect(folder: Path, pictures: int) -> tuple[Words, list[Scored], list[Scored]]:
    """Return the words of a world, and of each picture the annotated and the seen scores."""
    if (folder / "dev.json").exists():
        return drawn(folder, pictures)
    records = json.loads((folder / "scenes.json").read_text())["scenes"][:pictures]
    truth, eyes = Engine("scene", "scene"), Engine("embedded", "embedded")
    words = Words.of(truth.vocabulary)
    scenes = [Scene.from_annotation(Annotation.from_clevr(r)) for r in records]
    known = [scores(truth, s, words) for s in scenes]
    seen = [scores(eyes, eyes.scene(str(folder / "images" / r["image_filename"])), words) for r in records]
    return words, known, seen


def drawn(folder: Path, pictures: int) -> tuple[Words, list[Scored], list[Scored]]:
    """Return the same of NLVR: drawings, each once, spread over all of dev."""
    world = dsl.Vocabulary.load("nlvr")
    truth = Engine(oracle="scene", detector="scene", vocabulary=world)
    eyes = Engine(oracle="drawings", detector="regions", vocabulary=world)
    words = Words.of(world)
    samples = list({str(s.picture): s for s in tasks.load("nlvr", str(folder), split="dev").samples}.values())
    samples = samples[:: max(1, len(samples) // pictures)][:pictures]
    known = [scores(truth, truth.scene(s.picture, s.annotation), words) for s in samples]
    return words, known, [scores(eyes, eyes.scene(s.picture), words) for s in samples]


def hidden(words: Words, truth: Tables, rng: np.random.Generator) -> tuple[Rule, NDArray[np.bool_]]:
    """Return a rule of up to three literals that is true of enough pictures, and false of enough."""
    while True:
        rule = draw(words, rng)
        true = value(truth, rule) > 0
        if min(true.sum(), (~true).sum()) >= EXAMPLES + FRESH // 4:
            return rule, true


def draw(words: Words, rng: np.random.Generator) -> Rule:
    """Return a rule drawn from the grammar."""

    def literals(count: int) -> tuple[tuple[int, bool], ...]:
        sorts: dict[str, int] = {}
        for k in rng.permutation(len(words.unary)).tolist():
            sorts.setdefault(words.sort_of.get(words.unary[k], words.unary[k]), k)
        return tuple(sorted((k, bool(rng.uniform() < 0.15)) for k in list(sorts.values())[:count]))

    form = str(rng.choice(["exists", "exists", "pair", "pair", "both", "no", "at_least", "exactly"]))
    if form == "pair":
        first, second = ((1, 0), (1, 1), (0, 1), (2, 0))[int(rng.integers(4))]
        return Rule(form, literals(first), literals(second), int(rng.integers(len(words.binary))))
    if form == "both":
        first, second = ((1, 1), (1, 2))[int(rng.integers(2))]
        return Rule(form, literals(first), literals(second))
    count = int(rng.integers(1, 4))
    number = {"at_least": int(rng.integers(2, 4)), "exactly": int(rng.integers(1, 4))}.get(form, 0)
    return Rule(form, literals(count if form == "exists" else min(count, 2)), number=number)


def induced(parts: list[Scored], positive: NDArray[np.bool_], words: Words) -> tuple[list[Ranked], float, int]:
    """Return the first three rules, the seconds of processor time, and how many rules were tried."""
    started = time.process_time()
    tables = padded(parts)
    found = Search(tables, positive, words, 3, frozenset(FORMS)).run()
    first = ranked(found, tables, positive, words, 3)
    return first, time.process_time() - started, found.tried


CONFOUNDED: dict[str, tuple[str, str, str]] = {
    "large cube": ("gray", "Color", "exists(Object, lambda x: large(x) and cube(x))"),
    "metal sphere": ("blue", "Color", "exists(Object, lambda x: metal(x) and sphere(x))"),
    "small cylinder": ("red", "Color", "exists(Object, lambda x: small(x) and cylinder(x))"),
    "large metal": ("cylinder", "Shape", "exists(Object, lambda x: large(x) and metal(x))"),
    "rubber cube": ("small", "Size", "exists(Object, lambda x: rubber(x) and cube(x))"),
}
"""A rule in words → the confounder: all that follow the rule have it, none of the others does; its sort; the rule."""


def confounded(words: Words, known: list[Scored], seen: list[Scored], world: dsl.Vocabulary) -> None:
    """Print which rules come first on sets in the manner of CLEVR-Hans, and again with the confounder forbidden."""
    for name, (value_, sort, program) in CONFOUNDED.items():
        meant = [words.unary.index(w) for w in name.split()]
        odd = words.unary.index(value_)
        sides: tuple[list[int], list[int]] = ([], [])
        for k, (unary, _, _) in enumerate(known):
            fits = (unary[meant] > 0).all(axis=0)
            if fits.any() and (fits & (unary[odd] > 0)).any():
                sides[0].append(k)
            elif not fits.any() and not ((unary[meant[-1]] > 0) & (unary[odd] > 0)).any():
                sides[1].append(k)
        chosen = [*sides[0][:EXAMPLES], *sides[1][:EXAMPLES]]
        positive = np.arange(len(chosen)) < len(sides[0][:EXAMPLES])
        before, _, _ = induced([seen[k] for k in chosen], positive, words)
        allowed = Words.of(world, [sort])
        parts = [without(seen[k], words, allowed) for k in chosen]
        after, _, _ = induced(parts, positive, allowed)
        firsts = [r.rule.program(allowed) for r in after]
        place = firsts.index(program) + 1 if program in firsts else None
        named = [value_ in r.rule.program(words) for r in before]
        print(f"{name}, confounded with {value_}: first {before[0].rule.program(words)} (named by {sum(named)} of 3);")
        print(f"    {sort} forbidden: {firsts[0]}; the rule itself is number {place}")


def main() -> None:
    """Print how many hidden rules were found, and the times."""
    torch.set_num_threads(1)
    folder, rules = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60
    words, known, seen = collect(folder, int(sys.argv[3]) if len(sys.argv) > 3 else 320)
    measure(words, known, seen, rules, seed=int(sys.argv[4]) if len(sys.argv) > 4 else 0)
    if not (folder / "dev.json").exists():
        confounded(words, known, seen, dsl.Vocabulary.load("clevr"))


def measure(words: Words, known: list[Scored], seen: list[Scored], rules: int, seed: int = 0) -> list[bool]:
    """Print and return whether each hidden rule was found."""
    truth, rng = padded(known), np.random.default_rng(seed)
    hits, seconds = [], []
    for number in range(rules):
        rule, true = hidden(words, truth, rng)
        pools = [rng.permutation(np.flatnonzero(side)).tolist() for side in (true, ~true)]
        chosen = [*pools[0][:EXAMPLES], *pools[1][:EXAMPLES]]
        half = [pool[EXAMPLES : EXAMPLES + FRESH // 2] for pool in pools]
        more = [pool[EXAMPLES + FRESH // 2 :] for pool in pools]
        fresh = [*half[0], *half[1]]
        fresh += [*more[0], *more[1]][: FRESH - len(fresh)]
        first, spent, tried = induced([seen[k] for k in chosen], true[chosen], words)
        agreed = [float(((value(truth, r.rule) > 0)[fresh] == true[fresh]).mean()) for r in first]
        hits.append(max(agreed, default=0.0) >= AGREES)
        seconds.append(spent)
        mark = "✓" if hits[-1] else "✗"
        print(f"{mark} {number:2} {rule.program(words)}  [{bits_of(rule, words):.0f} bits, {true.mean():.0%}]")
        for r, share in zip(first, agreed, strict=True):
            print(f"      {share:.2f} {r.score:6.1f} {r.rule.program(words)}  fit {r.fit:.1f}, {tried} tried")
    print(f"found {sum(hits)} of {len(hits)}; seconds: median {np.median(seconds):.2f}, most {max(seconds):.2f}")
    return hits


if __name__ == "__main__":
    main()
