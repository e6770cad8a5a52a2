"""The same decision: optimised planner and lazy schedule, and batches, against the naive planner asking everything.

    PYTHONPATH=. python benchmarks/equality.py [--data_dir DIR] [--llm_programs DIR] [--part 0/2]

``--data_dir`` (CLEVR format): every gold program of the four tasks, `scene` oracle. ``--llm_programs`` (gzipped JSON
lines ``{"question": …, "programs": […]}``): every program of language models, on synthetic scenes of 6 to 10 objects
with the `random` oracle. Two answers are the same if value, kind and abstention are, or if both are the same error.
Stops at the first difference, with an error; prints how many were compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from llm_programs import programs

from dsl import ProgramError
from neptune import tasks
from neptune.engine import Engine
from neptune.engine.session.batch import Batch
from neptune.errors import NeptuneError
from neptune.scene import Scene

TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
Case = tuple[str, str, Scene]
"""Where it comes from, the program, the scene."""


def main() -> int:
    """Run the comparison; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", help="folder of CLEVR's tasks")
    parser.add_argument("--llm_programs", type=Path, help="folder of *.jsonl.gz")
    parser.add_argument("--part", default="0/1", help="K/N: every N-th case, from the K-th")
    options = parser.parse_args()
    torch.set_num_threads(1)
    first, step = map(int, options.part.split("/"))
    sources = []
    if options.data_dir:
        sources.append(("scene", gold(options.data_dir)))
    if options.llm_programs:
        sources.append(("random", written(options.llm_programs)))
    if not sources:
        parser.error("give --data_dir, --llm_programs, or both")
    for oracle, cases in sources:
        if not compare(oracle, list(cases)[first::step]):
            return 1
    return 0


def gold(data_dir: str) -> Iterator[Case]:
    """Yield the gold programs of the four tasks; questions on one picture share its scene."""
    for name in TASKS:
        scenes: dict[int, Scene] = {}
        for sample in tasks.load(name, data_dir).samples:
            truth = sample.truth()
            scene = scenes.setdefault(id(truth), Scene.from_annotation(truth, sample.picture))
            yield name, sample.gold(), scene


def written(folder: Path) -> Iterator[Case]:
    """Yield programs of language models on synthetic scenes."""
    for i, (source, _, program) in enumerate(programs(folder)):
        yield source, program, Scene.synthetic(6 + i % 5, seed=i)


def compare(oracle: str, cases: list[Case]) -> bool:
    """Run each case these ways; print counts, or the first difference; tell whether there was none."""
    ways = [
        Engine(oracle=oracle, schedule="all", planner="naive"),
        Engine(oracle=oracle, schedule="lazy", planner="optimised"),
    ]
    same: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    started = time.perf_counter()
    together = [answer for at in range(0, len(cases), 400) for answer in batched(oracle, cases[at : at + 400])]
    for (source, program, scene), many in zip(cases, together, strict=True):
        (everything, asked_all), (lazy, asked) = (outcome(engine, program, scene) for engine in ways)
        if many is not None and many != everything:
            print(f"{source}: {program}\non {scene.name}\nnaive, all: {everything}\nin a batch: {many}")
            return False
        if everything != lazy:
            print(f"{source}: {program}\non {scene.name}\nnaive, all:      {everything}\noptimised, lazy: {lazy}")
            return False
        if everything[0] == "error":
            failed[source] += 1
        else:
            same[source] += 1
        calls[f"{source}, all"] += asked_all
        calls[source] += asked
    for source in sorted({*same, *failed}):
        share = calls[source] / max(calls[f"{source}, all"], 1)
        print(
            f"{source:28} {same[source]:6} same answers, {failed[source]:4} same errors; "
            f"calls {calls[source]} of {calls[f'{source}, all']} ({share:.1%})"
        )
    total, seconds = sum(same.values()), time.perf_counter() - started
    print(f"{oracle} oracle: {total} programs, the same answer both ways ({seconds:.0f} s)", flush=True)
    return True


def batched(oracle: str, cases: list[Case]) -> list[tuple[object, ...] | None]:
    """Return what programs come to in one batch; ``None`` where one is run by itself."""
    engine = Engine(oracle=oracle)
    try:
        found = Batch(engine.context).run([(program, scene) for _, program, scene in cases])
    except (ProgramError, NeptuneError):  # of one that can not be asked: it is asked alone
        if len(cases) == 1:
            return [None]
        half = len(cases) // 2
        return [*batched(oracle, cases[:half]), *batched(oracle, cases[half:])]
    return [None if a is None else (a.value, a.kind, a.abstained) for a in found]


def outcome(engine: Engine, program: str, scene: Scene) -> tuple[tuple[object, ...], int]:
    """Return what a program comes to, and the cells asked."""
    try:
        answer = engine.run(program, scene)
    except (ProgramError, NeptuneError) as error:
        return ("error", type(error).__name__), 0
    return (answer.value, answer.kind, answer.abstained), answer.usage.oracle_calls


if __name__ == "__main__":
    sys.exit(main())
