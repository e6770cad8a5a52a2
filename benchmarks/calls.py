"""Oracle calls and rounds: the lazy schedules against asking every cell.

    python benchmarks/calls.py [--count 40] [--data_dir DIR] [--out calls.json]

Synthetic scenes with the `scene` oracle (Gaussian noise 0.05 on the truth), programs made as the transfer tasks make
theirs (`made_tasks.py`); with ``--data_dir`` also the questions of CLEVR's four tasks. Prints a table and writes
JSON; a wrong answer, or one that differs from asking every cell, ends it with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from made_tasks import puzzle, refexp

from neptune import tasks
from neptune.engine import Engine
from neptune.execute.schedule import Schedule, box_prior
from neptune.scene import Scene

NOISE = 0.05
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
SCHEDULES: dict[str, tuple[Schedule | str, bool]] = {
    "all": ("all", False),
    "lazy": (Schedule(), True),
    "lazy, no prior": (Schedule(), False),
    "lazy, batch 16": (Schedule(batch=16), True),
    "lazy, batch 64": (Schedule(batch=64), True),
    "best-first, no prior": (Schedule("best-first"), False),
    "best-first": (Schedule("best-first"), True),
    "best-first, batch 4": (Schedule("best-first", 4), True),
    "best-first, batch 16": (Schedule("best-first", 16), True),
}
"""Name → schedule, and whether the box prior orders the cells."""

TARGETS = {
    ("puzzles", 20, "lazy"): (105, 6),
    ("puzzles", 50, "lazy"): (230, 7),
    ("refexps", 20, "lazy"): (58, 4),
    ("refexps", 50, "lazy"): (130, None),
    ("puzzles", 20, "best-first, no prior"): (78, None),
    ("puzzles", 20, "best-first"): (58, None),
}
"""Mean calls and rounds that were asked for."""


def main() -> int:
    """Run the benchmark; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="programs of each kind and size")
    parser.add_argument("--data_dir", help="folder of CLEVR's tasks: adds their questions")
    parser.add_argument("--num_samples", type=int, help="the first samples of each task; by default all")
    parser.add_argument("--out", default="calls.json", help="JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*synthetic(options.count)]
    if options.data_dir:
        rows += [*questions(options.data_dir, options.num_samples)]
    Path(options.out).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    wrong = sum(row["wrong"] for row in rows)
    print(f"wrong answers: {wrong}; written to {options.out}")
    return int(wrong > 0)


def synthetic(count: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each kind of program, number of objects and schedule."""
    print(
        f"{'programs':10} {'N':>3} {'schedule':22} {'calls':>7} {'worst':>6} {'rounds':>7} {'worst':>6}  asked for"
    )
    kinds: dict[str, Callable[[Scene, int], tuple[str, Any]]] = {"puzzles": puzzle, "refexps": refexp}
    for kind, make in kinds.items():
        for n in (20, 50):
            scenes = [Scene.synthetic(n, seed=i) for i in range(count)]
            made = [make(scene, i) for i, scene in enumerate(scenes)]
            for name, (schedule, prior) in SCHEDULES.items():
                if n == 50 and name.startswith("best-first") and "batch" not in name:
                    continue  # Hundreds of rounds each: minutes, and nothing that N = 20 does not show.
                planner = "optimised" if schedule == "all" else "naive"
                engine = Engine(
                    oracle="scene",
                    oracle_options={"noise": NOISE},
                    schedule=schedule,
                    planner=planner,
                    prior=box_prior if prior else None,
                )
                row: dict[str, Any] = {"programs": kind, "objects": n, "schedule": name, "count": count}
                calls, rounds, wrong, started = [], [], 0, time.perf_counter()
                for scene, (program, expected) in zip(scenes, made):
                    answer = engine.run(program, scene)
                    calls.append(answer.usage.oracle_calls)
                    rounds.append(answer.usage.oracle_rounds)
                    wrong += answer.value != expected
                row |= summary(calls, rounds) | {"wrong": wrong, "seconds": time.perf_counter() - started}
                target = TARGETS.get((kind, n, name))
                print(f"{kind:10} {n:3} {name:22} {show(row)}  {target or ''}", flush=True)
                yield row


def questions(data_dir: str, num_samples: int | None) -> Iterator[dict[str, Any]]:
    """Yield one row for each task and way of asking: its share of the calls of asking every cell afresh."""
    print(f"\n{'task':15} {'schedule':22} {'calls':>7} {'worst':>6} {'rounds':>7} {'worst':>6} {'share':>7}")
    for name in TASKS:
        task = tasks.load(name, data_dir, num_samples)
        total_all = 0
        for label, schedule, kept in (
            ("all", "all", False),
            ("lazy", "lazy", False),
            ("all, scene cache", "all", True),
            ("lazy, scene cache", "lazy", True),
        ):
            planner = "optimised" if schedule == "all" else "naive"
            engine = Engine(oracle="scene", detector="scene", schedule=schedule, planner=planner)
            calls, rounds, wrong, started = [], [], 0, time.perf_counter()
            for sample in task.samples:
                scene = engine.scene(sample.picture, sample.truth())
                if not kept:
                    scene = Scene.from_annotation(sample.truth(), sample.picture)
                answer = engine.run(sample.gold(), scene)
                calls.append(answer.usage.oracle_calls)
                rounds.append(answer.usage.oracle_rounds)
                wrong += not task.judge(sample, answer, scene)
            total_all = total_all or sum(calls)
            row = {"task": name, "schedule": label, "count": len(calls), **summary(calls, rounds)}
            row |= {"share": sum(calls) / total_all, "wrong": wrong, "seconds": time.perf_counter() - started}
            print(f"{name:15} {label:22} {show(row)} {row['share']:7.1%}", flush=True)
            yield row


def summary(calls: list[int], rounds: list[int]) -> dict[str, float]:
    """Return mean and worst of calls and rounds."""
    return {
        "calls": sum(calls) / len(calls),
        "calls_worst": max(calls),
        "rounds": sum(rounds) / len(rounds),
        "rounds_worst": max(rounds),
    }


def show(row: dict[str, Any]) -> str:
    """Return the figures of a row as text."""
    return f"{row['calls']:7.1f} {row['calls_worst']:6} {row['rounds']:7.2f} {row['rounds_worst']:6}"


if __name__ == "__main__":
    sys.exit(main())
