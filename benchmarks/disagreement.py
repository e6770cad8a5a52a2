"""Programs that disagree: how many pairs a small scene tells apart, and how fast.

    PYTHONPATH=. python benchmarks/disagreement.py --data_dir DATA/val --budget 400
    PYTHONPATH=. python benchmarks/disagreement.py --programs LLM-PROGRAMS --budget 400

The pairs: CLEVR's gold programs and the same with one word changed (a value or a relation); and what a model wrote for
one question when it was asked several times. Where two have one plan, or all small scenes were tried and none tells
them apart, random scenes are tried besides, which must not contradict that.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from llm_programs import programs

import dsl
from neptune import tasks
from neptune.engine import Engine
from neptune.engine.analysis.differing import MOST_OBJECTS, difference
from neptune.engine.analysis.equivalence import plan_key
from neptune.errors import NeptuneError
from neptune.resources import vocabulary_of
from neptune.scene import ATTRIBUTES, Scene

GROUPS = (*ATTRIBUTES.values(), ("left", "right", "front", "behind"))
"""Words of which one may stand for another."""


def mutated(program: str, rng: random.Random) -> str | None:
    """Return a program with one word changed; ``None`` where there is none to change."""
    places = [
        (m, group)
        for m in re.finditer(r"\b[a-z]+\b", program)
        for group in GROUPS
        if m[0] in group and program[m.end() : m.end() + 1] == "("
    ]
    if not places:
        return None
    place, group = rng.choice(places)
    other = rng.choice([w for w in group if w != place[0]])
    return program[: place.start()] + other + program[place.end() :]


def golds_mutated(folder: str, count: int) -> list[tuple[str, str]]:
    """Return gold programs of CLEVR, each with one word changed in a second text."""
    rng, found = random.Random(0), []
    golds = list(dict.fromkeys(s.program for s in tasks.load("clevr", folder).samples if s.program))
    rng.shuffle(golds)
    for program in golds:
        other = mutated(program, rng)
        if other is not None and len(found) < count:
            found.append((program, other))
    return found


def written_twice(folder: Path) -> list[tuple[str, ...]]:
    """Return the different programs that a model wrote for one question, of the questions that are not held out."""
    by_question: dict[tuple[str, str], list[str]] = {}
    for source, question, program in programs(folder, "known"):
        by_question.setdefault((source, question), []).append(program)
    several = [tuple(dict.fromkeys(found)) for found in by_question.values()]
    return [found for found in several if len(found) > 1]


def sound(program: str) -> bool:
    """Whether a text passes the checks."""
    try:
        dsl.check(program, vocabulary=vocabulary_of("clevr"))
    except dsl.ProgramError:
        return False
    return True


def contradictions(first: str, other: str, count: int, engine: Engine) -> tuple[int, int]:
    """Return on how many of so many random scenes two programs differ, and how many were tried: scenes of at most
    as many objects as all were tried of, of which everything is drawn, and not only what the programs speak of."""
    numbers, wrong = np.random.default_rng(0), 0
    for n, seed in zip(numbers.integers(0, MOST_OBJECTS + 1, count), numbers.integers(2**31, size=count), strict=True):
        scene = Scene.synthetic(int(n), int(seed))
        wrong += said(engine, first, scene) != said(engine, other, scene)
    return wrong, count


def said(engine: Engine, program: str, scene: Scene) -> tuple[object, ...]:
    """Return what a program decides of a scene."""
    try:
        answer = engine.run(program, scene)
    except (dsl.ProgramError, NeptuneError) as error:
        return (type(error).__name__,)
    return ("abstained",) if answer.abstained else (answer.kind, repr(answer.value))


def measure(name: str, groups: Sequence[tuple[str, ...]], budget: int, drawn: int) -> None:
    """Print how many pairs are told apart, by scenes of how many objects, and how fast; `drawn` random scenes are
    set against the statements that there is none."""
    words, engine = vocabulary_of("clevr"), Engine("scene", None, presuppositions="abstain")
    pairs = [pair for group in groups for pair in itertools.combinations([p for p in group if sound(p)], 2)]
    unsound = sum(not sound(p) for group in groups for p in group)
    found, alike, sizes, one_plan = [], [], [], 0
    for first, other in pairs:
        key = plan_key(first, words)
        if key is not None and key == plan_key(other, words):
            one_plan += 1  # the same plan: there is nothing to tell apart
            alike.append((first, other))
            continue
        begun = time.process_time()
        result = difference([first, other], words, budget=budget)
        found.append((result, 1000 * (time.process_time() - begun)))
        if result.scene is not None:
            sizes.append(len(result.scene))
        elif result.exact_up_to == MOST_OBJECTS:
            alike.append((first, other))
    apart = [(r, ms) for r, ms in found if r.differ]
    exact = len(alike) - one_plan
    print(f"{name}: {len(groups)} questions, {len(pairs)} pairs of programs ({unsound} programs are in error)")
    print(f"  one plan: {one_plan}; told apart by a scene of at most {MOST_OBJECTS} objects: {len(apart)}")
    print(f"  objects of that scene: {[sizes.count(n) for n in range(MOST_OBJECTS + 1)]} (0 to {MOST_OBJECTS})")
    if apart:
        scenes, spent = ([r.tried for r, _ in apart], [ms for _, ms in apart])
        print(f"  scenes tried {statistics.median(scenes):.0f}, ms of CPU {statistics.median(spent):.0f} (medians), "
              f"at most {max(scenes)} and {max(spent):.0f}")  # fmt: skip
    print(f"  none exists (all scenes tried): {exact}; none found: {len(found) - len(apart) - exact}", flush=True)
    wrong = tried = 0
    for first, other in alike:
        more, count = contradictions(first, other, -(-drawn // len(alike)), engine)
        wrong, tried = wrong + more, tried + count
    print(f"  contradicted by {wrong} of {tried:,} random scenes", flush=True)


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="CLEVR: its gold programs, one word changed")
    parser.add_argument("--programs", type=Path, help="folder of programs that models wrote, as llm_programs.py reads")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--most", type=int, help="so many of the written questions, drawn with seed 0")
    parser.add_argument("--random", type=int, default=10_000, help="random scenes against the statements of none")
    parser.add_argument("--budget", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.data_dir:
        measure("mutated", golds_mutated(options.data_dir, options.count), options.budget, options.random)
    if options.programs:
        groups = written_twice(options.programs)
        if options.most is not None and options.most < len(groups):
            groups = random.Random(0).sample(groups, options.most)
        measure("written", groups, options.budget, options.random)


if __name__ == "__main__":
    main()
