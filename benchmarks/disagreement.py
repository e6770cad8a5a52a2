"""Programs that disagree: how many mutated gold programs a small scene tells from the original, and how fast.

    PYTHONPATH=. python benchmarks/disagreement.py --data_dir DATA/val [--count 60] [--random 200]

Of CLEVR's gold programs one word each is changed (a value or a relation); where no scene tells the two apart, so many
random scenes are tried besides, which must not contradict a statement that there is none.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from neptune import tasks
from neptune.engine import Engine
from neptune.engine.analysis.differing import MOST_OBJECTS, difference
from neptune.engine.analysis.made_scenes import Varied
from neptune.resources import vocabulary_of
from neptune.scene import ATTRIBUTES

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


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--random", type=int, default=10_000, help="random scenes against each statement of none")
    parser.add_argument("--budget", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, words, engine = random.Random(0), vocabulary_of("clevr"), Engine("scene", None, presuppositions="abstain")
    golds = list(dict.fromkeys(s.program for s in tasks.load("clevr", options.data_dir).samples if s.program))
    rng.shuffle(golds)
    found, alike, drawn, contradicted, sizes = [], 0, 0, 0, []
    for program in golds:
        if len(found) == options.count:
            break
        other = mutated(program, rng)
        if other is None:
            continue
        result = difference([program, other], words, budget=options.budget)
        found.append(result)
        if result.scene is not None:
            sizes.append(len(result.scene))
        elif result.exact_up_to == MOST_OBJECTS:
            alike += 1
            numbers, varied = np.random.default_rng(0), Varied([program, other], words)
            for _ in range(options.random):
                scene = varied.drawn(int(numbers.integers(0, MOST_OBJECTS + 1)), numbers)
                drawn += 1
                contradicted += engine.run(program, scene).value != engine.run(other, scene).value
    apart = [r for r in found if r.differ]
    print(f"{len(apart)} of {len(found)} told apart by a scene of at most {MOST_OBJECTS} objects")
    counted = [sizes.count(n) for n in range(MOST_OBJECTS + 1)]
    print(f"objects of that scene: {counted} (0 to {MOST_OBJECTS})")
    scenes, spent = (statistics.median(v) for v in zip(*((r.tried, r.milliseconds) for r in apart), strict=True))
    print(f"scenes tried {scenes:.0f}, ms {spent:.0f} (medians)")
    print(f"none exists: {alike}; contradicted by {contradicted} of {drawn:,} random scenes")
    print(f"none found: {len(found) - len(apart) - alike}")


if __name__ == "__main__":
    main()
