"""Questions a second with the `scene` oracle, in batches, on one core.

    python benchmarks/throughput.py                                   # the sample in examples/clevr
    python benchmarks/throughput.py --data_dir …/clevr/val --num_samples 1500

"warm" repeats the same questions (programs, plans and scenes known: what a training epoch or a tuning run does);
"new scenes" forgets what the oracle has said; "cold" is the first pass, with parsing and planning. Wall and CPU time
are both shown: on a machine that others use, the second is the honest one. A profile says where the rest goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

import neptune.tasks
from neptune.engine import Engine
from neptune.engine.compile import plan_cache as plans
from neptune.scene import Scene

ROOT = Path(__file__).resolve().parent.parent


def questions(data_dir: str, task: str, num_samples: int | None) -> list[tuple[str, Scene]]:
    """Return gold programs and annotated scenes, one scene for all questions on a picture."""
    scenes: dict[str, Scene] = {}
    out = []
    for sample in neptune.tasks.load(task, data_dir, num_samples=num_samples).samples:
        key = str(sample.picture.path)
        if key not in scenes:
            scenes[key] = Scene.from_annotation(sample.annotation)
        out.append((sample.gold(), scenes[key]))
    return out


def once(engine: Engine, asked: list[tuple[str, Scene]], batch: int) -> dict[str, float]:
    """Run all questions in batches; return questions a second by wall and by CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(asked), batch):
        engine.run_many(asked[start : start + batch])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_second": len(asked) / wall, "per_cpu_second": len(asked) / cpu}


PARTS = (
    ("programs and plans", ("batch.py:_precompiled", "context.py:evidence")),
    ("asking: what is wanted and known", ("batch.py:_ask",)),
    ("  of it the oracle", ("scene.py:score",)),
    ("padding: scores into tables", ("batched_arrays.py:_stacked",)),
    ("operations on arrays", ("batched_arrays.py:_run",)),
    ("answers, witnesses, traces", ("batch_readings.py:answer",)),
)
"""What a pass consists of: the functions whose time, with all they call, is counted (the first that was called)."""


def profile(engine: Engine, asked: list[tuple[str, Scene]], batch: int, rows: int) -> dict[str, Any]:
    """Return where a warm pass spends its time: shares of its parts, and the functions with most time of their own.

    The profiler slows down Python more than it does NumPy, so shares are to be read, not seconds.
    """
    watcher = cProfile.Profile()
    watcher.enable()
    once(engine, asked, batch)
    watcher.disable()
    stats = pstats.Stats(watcher)
    calls = {
        f"{Path(file).name}:{name}": (own, cumulative, count)
        for (file, _, name), (_, count, own, cumulative, _) in stats.stats.items()  # type: ignore[attr-defined]
    }
    total: float = stats.total_tt  # type: ignore[attr-defined]
    parts = {}
    for label, names in PARTS:
        parts[label] = next((calls[n][1] / total for n in names if n in calls), 0.0)
    busiest = sorted(calls.items(), key=lambda item: -item[1][0])[:rows]
    return {
        "parts": parts,
        "functions": [{"function": name, "share": own / total, "calls": count} for name, (own, _, count) in busiest],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default=str(ROOT / "examples" / "clevr"))
    parser.add_argument("--task", default="clevr")
    parser.add_argument("--num_samples", type=int)
    parser.add_argument("--batch", type=int, default=1500)
    parser.add_argument("--logic", default="godel")
    parser.add_argument("--rows", type=int, default=15, help="lines of the profile")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "throughput.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = questions(options.data_dir, options.task, options.num_samples)
    engine = Engine(oracle="scene", schedule="all", planner="optimised", logic=options.logic)
    passes: dict[str, Any] = {"cold": once(engine, asked, options.batch)}
    passes["warm"] = max((once(engine, asked, options.batch) for _ in range(3)), key=lambda r: r["per_second"])
    fresh = {id(s): Scene(s.boxes, s.size, s.picture, s.annotation, s.scores, s.name) for _, s in asked}
    passes["new scenes"] = once(engine, [(p, fresh[id(s)]) for p, s in asked], options.batch)
    print(f"{len(asked)} questions, {plans.planned} shapes planned, batches of {options.batch}")
    print(f"{'pass':12} {'questions/s':>12} {'by CPU time':>12}")
    for name, row in passes.items():
        print(f"{name:12} {row['per_second']:12.0f} {row['per_cpu_second']:12.0f}")
    shown = profile(engine, asked, options.batch, options.rows)
    print("\nwhere a warm pass spends its time")
    for label, share in shown["parts"].items():
        print(f"  {label:36} {share:6.1%}")
    print("\nfunctions, by their own time")
    for row in shown["functions"]:
        print(f"  {row['function']:50.50} {row['share']:6.1%} {row['calls']:8} calls")
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {"questions": len(asked), "shapes": plans.planned, "batch": options.batch, "passes": passes}
    path.write_text(json.dumps({**results, "profile": shown}, indent=1))
    print(path)


if __name__ == "__main__":
    main()
