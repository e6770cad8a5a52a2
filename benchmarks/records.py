"""Two checkouts side by side: are the records of their runs the same, and what does each take?

    python benchmarks/records.py OLD NEW                                 # the sample in examples/clevr, four tasks
    python benchmarks/records.py OLD NEW --data_dir …/clevr/val --num_samples 300 --logic godel product --noise 0 0.5

Each run is ``run.py`` in a process of its own, with the `scene` oracle. Records are compared field by field, in the
text that stands in ``samples.jsonl``, but for times. CPU seconds are those of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
TIMES = {"plan_ms", "execute_ms", "oracle_ms", "inspect_ms"}


def run(checkout: Path, words: list[str], folder: Path) -> tuple[list[dict[str, Any]], float]:
    """Return the records of a run, and its CPU seconds.

    Raises
    ------
    SystemExit
        If it fails; its error is shown.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    before = os.times()
    command = [sys.executable, "run.py", *words, "--output_dir", str(folder)]
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)
    after = os.times()
    if done.returncode not in (0, 2):
        sys.exit(f"{' '.join(words)} in {checkout} failed:\n{done.stderr[-2000:]}")
    lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return [json.loads(line) for line in lines], used


def comparable(record: dict[str, Any]) -> dict[str, str]:
    """Return the fields of a record that must be the same, each as its text."""
    fields = {k: v for k, v in record.items() if k != "seconds"}
    fields["usage"] = {k: v for k, v in (record.get("usage") or {}).items() if k not in TIMES}
    return {k: json.dumps(v, ensure_ascii=False) for k, v in fields.items()}


def differences(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, int]:
    """Return for each field in how many records it differs; ``"records"`` where their number or order does."""
    found: dict[str, int] = {}
    if [r["id"] for r in old] != [r["id"] for r in new]:
        return {"records": abs(len(old) - len(new)) or 1}
    for one, other in zip(old, new, strict=True):
        a, b = comparable(one), comparable(other)
        if list(a) != list(b):
            found["order of fields"] = found.get("order of fields", 0) + 1
        for name in {**a, **b}:
            if a.get(name) != b.get(name):
                found[name] = found.get(name, 0) + 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--data_dir", default=str(ROOT / "examples" / "clevr"), help="in CLEVR's format")
    parser.add_argument("--num_samples", default="40")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS, metavar="TASK")
    parser.add_argument("--schedule", nargs="*", default=["all", "lazy"])
    parser.add_argument("--logic", nargs="*", default=["godel", "product"])
    parser.add_argument("--noise", nargs="*", default=["0", "0.5"])
    parser.add_argument("--inspect", default="values")
    options = parser.parse_args()
    data, total = str(Path(options.data_dir).resolve()), 0
    for task, schedule, logic, noise in product(options.tasks, options.schedule, options.logic, options.noise):
        words = ["--config", f"configs/{task}.json", "--od_model", "scene", "--vlm_model_name", "scene"]
        words += ["--vlm_options", json.dumps({"noise": float(noise)}), "--data_dir", data, "--schedule", schedule]
        words += ["--logic", logic, "--num_samples", options.num_samples, "--inspect", options.inspect]
        with tempfile.TemporaryDirectory() as kept:
            (old, took), (new, takes) = (
                run(checkout.resolve(), words, Path(kept) / name / "run")
                for checkout, name in ((options.old, "old"), (options.new, "new"))
            )
        found = differences(old, new)
        total += sum(found.values())
        print(
            f"{task}, {schedule}, {logic}, noise {noise}: {len(new)} records, {took:.1f} and {takes:.1f} s; "
            f"{found or 'equal'}",
            flush=True,
        )
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
