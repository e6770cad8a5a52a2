"""What packing a sample of a report costs in two checkouts, measured in turn.

    python benchmarks/packing.py OLD NEW FOLDER [FOLDER …] [--rounds 5]

For each run folder: µs of CPU for each of its samples, from the record in memory to its part of the page, the least of
all passes over the run; and the bytes of that part. Each round is a process of its own, old and new in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

PASSES = 7
CODE = """
import json, sys, time
from pathlib import Path
from neptune.runs.record import read_samples
from neptune.runs.report.data import chunks

records, took = read_samples(Path(sys.argv[1]) / "samples.jsonl")[0], []
for _ in range(int(sys.argv[2])):
    begun = time.process_time()
    packed = chunks(records)
    took.append(time.process_time() - begun)
print(json.dumps([1e6 * min(took) / len(records), sum(map(len, packed)) / len(records)]))
"""


def cost(checkout: Path, folder: Path) -> tuple[float, float]:
    """Return µs of CPU and bytes for each sample of a run."""
    env = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, str(folder), str(PASSES)]
    microseconds, size = json.loads(
        subprocess.run(command, cwd=checkout, env=env, check=True, capture_output=True).stdout
    )
    return microseconds, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="a run folder")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    checkouts = given.old.resolve(), given.new.resolve()
    for folder in given.folders:
        rounds = [[cost(checkout, folder.resolve()) for checkout in checkouts] for _ in range(given.rounds)]
        (old, before), (new, size) = map(min, zip(*rounds, strict=True))
        print(f"{folder}: {old:.1f} and {new:.1f} µs ({old / new:.1f} ×), {before:.0f} and {size:.0f} bytes")


if __name__ == "__main__":
    main()
