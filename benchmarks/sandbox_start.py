"""What the sandbox adds to the start of the same child without it: by the clock, and of the processor.

    PYTHONPATH=. python benchmarks/sandbox_start.py [--rounds 15]

The two are started in turn, in the same run; the least of each counts, since what else runs here only adds. gVisor is
measured where `runsc` is installed; the tests run a stand-in for it, which says nothing of what it costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.bare_child import Bare, cost_of_start  # noqa: E402

from neptune.errors import NeptuneError  # noqa: E402
from neptune.sandbox import Sandbox, SandboxLimits  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    words = parser.parse_args()
    limits = SandboxLimits(start_seconds=120)
    with tempfile.TemporaryDirectory() as folder:
        starters: dict[str, object] = {"alone": Bare(Path(folder))}
        for kind in ("bwrap", "gvisor"):
            try:
                starters[kind] = Sandbox(kind)._starter
            except NeptuneError as error:
                print(f"{kind}: not measured: {error.one_line()}")
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in starters}
        for _ in range(words.rounds):
            for name, starter in starters.items():
                costs[name].append(cost_of_start(starter, limits))
    least = {name: [1000 * min(column) for column in zip(*found)] for name, found in costs.items()}
    for name, found in costs.items():
        middle = [1000 * statistics.median(column) for column in zip(*found)]
        line = {"child": name, "rounds": words.rounds, "least_wall_ms": round(least[name][0], 1)}
        line |= {"least_cpu_ms": round(least[name][1], 1), "median_wall_ms": round(middle[0], 1)}
        line |= {"median_cpu_ms": round(middle[1], 1)}
        if name != "alone":
            line["adds_wall_ms"] = round(least[name][0] - least["alone"][0], 1)
            line["adds_cpu_ms"] = round(least[name][1] - least["alone"][1], 1)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
