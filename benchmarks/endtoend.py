"""`run.py` on the four CLEVR tasks, as a user starts it, and where the time went.

    python benchmarks/endtoend.py                                    # the sample in examples/clevr
    python benchmarks/endtoend.py --data_dir …/clevr/val --num_samples 1500
    python benchmarks/endtoend.py --fields "--schedule lazy" --tasks clevr
    python benchmarks/endtoend.py --against OLD                      # another checkout, in turn with this one

Each run is a process of its own in a fresh folder, on one thread, with the `scene` detector and oracle: what is left is
this program's own time. `rate` is questions a second of the whole process by the clock, `by CPU` by its CPU time, which
other work on the machine moves less. The parts are seconds by the clock, from the run's own records:

planning, executing, oracle    of the answers' usage.
other answering                the rest of the samples' `seconds`: scenes, programs, judging.
looking inside                 `inspect_ms` of the usage: what the report shows besides the answer (none of it with
                               `--fields "--inspect none"`).
outside samples                the rest of the clock: the start, data, writing records, results and report.

With `--schedule lazy` (and any other), `rounds` are batches that the oracle got, `calls` ground atoms.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
PARTS = ("planning", "executing", "oracle", "other answering", "looking inside", "outside samples")


def once(checkout: Path, task: str, data_dir: str, count: int | None, fields: list[str]) -> dict[str, Any]:
    """Run one task in a process; return its time, where it went, and what it answered."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "run.py", "--config", f"configs/{task}.json", "--data_dir", data_dir]
        words += ["--od_model", "scene", "--vlm_model_name", "scene", "--output_dir", f"{folder}/run", *fields]
        words += [] if count is None else ["--num_samples", str(count)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
        before, wall = os.times(), time.perf_counter()
        done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True)
        wall, after = time.perf_counter() - wall, os.times()
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        records = [json.loads(text) for text in Path(folder, "run", "samples.jsonl").read_text("utf-8").splitlines()]
        results = json.loads(Path(folder, "run", "results.json").read_text("utf-8"))
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    usage = {key: sum(r.get("usage", {}).get(key) or 0 for r in records) for key in _USAGE}
    within = sum(r.get("seconds") or 0.0 for r in records)
    planning, executing, oracle, inside = (
        usage[key] / 1000 for key in ("plan_ms", "execute_ms", "oracle_ms", "inspect_ms")
    )
    other = within - planning - executing - oracle - inside  # a sample's seconds hold those of looking inside
    seconds = dict(zip(PARTS, (planning, executing, oracle, other, inside, wall - within), strict=True))
    return {
        "task": task,
        "questions": len(records),
        "accuracy": results.get("accuracy"),
        "wall": wall,
        "cpu": cpu,
        "rate": len(records) / wall,
        "rate_by_cpu": len(records) / cpu,
        "calls": usage["oracle_calls"],
        "rounds": usage["oracle_rounds"],
        "seconds": seconds,
        "answers": [[r.get("id"), r.get("answer"), r.get("probability")] for r in records],
    }


_USAGE = ("plan_ms", "execute_ms", "oracle_ms", "inspect_ms", "oracle_calls", "oracle_rounds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default=str(ROOT / "examples" / "clevr"), help="in CLEVR's format")
    parser.add_argument("--num_samples", type=int)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS, metavar="TASK")
    parser.add_argument("--fields", default="", help="further words for run.py")
    parser.add_argument("--against", type=Path, help="another checkout: run in turn with this one, rates compared")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each; the medians are shown")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "endtoend.json"))
    options = parser.parse_args()
    data_dir, fields, rows = str(Path(options.data_dir).resolve()), shlex.split(options.fields), []
    heads = "".join(f"{part:>17}" for part in PARTS)
    print(f"{'task':14} {'checkout':9} {'n':>5} {'rate':>8} {'by CPU':>8} {'calls':>7} {'rounds':>7}{heads}")
    for task in options.tasks:
        checkouts = {"this": ROOT} | ({"other": options.against.resolve()} if options.against else {})
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
        for _ in range(options.rounds):
            for name, checkout in checkouts.items():
                found[name].append(once(checkout, task, data_dir, options.num_samples, fields))
        for name, runs in found.items():
            row = sorted(runs, key=lambda r: r["cpu"])[len(runs) // 2]
            rows.append({"checkout": name, **{k: v for k, v in row.items() if k != "answers"}})
            print(line(rows[-1]), flush=True)
        if options.against:
            faster = statistics.median(o["cpu"] / n["cpu"] for n, o in zip(found["this"], found["other"], strict=True))
            rows[-2]["faster_by_cpu"] = faster
            rows[-2]["different"] = different(found["this"][0]["answers"], found["other"][0]["answers"])
            print(f"{task:14} {faster:.2f} × the rate by CPU; other answers: {rows[-2]['different']}", flush=True)
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(path)


def different(these: list[list[Any]], others: list[list[Any]]) -> int:
    """Return how many samples have another answer, or a probability that differs by more than 1e-6."""
    count = abs(len(these) - len(others))
    for (_, a, p), (_, b, q) in zip(these, others, strict=False):
        count += a != b or (p is None) != (q is None) or abs((p or 0.0) - (q or 0.0)) > 1e-6
    return count


def line(row: dict[str, Any]) -> str:
    parts = "".join(f"{row['seconds'][part]:10.2f} {row['seconds'][part] / row['wall']:5.0%} " for part in PARTS)
    return (
        f"{row['task']:14} {row['checkout']:9} {row['questions']:5} {row['rate']:8.1f} {row['rate_by_cpu']:8.1f}"
        f" {row['calls']:7} {row['rounds']:7}{parts}"
    )


if __name__ == "__main__":
    main()
