"""What asking lazily costs in CPU time, beside asking everything.

    python benchmarks/lazy_cost.py                                      # the sample in examples/clevr
    python benchmarks/lazy_cost.py --data_dir …/clevr/val --num_samples 1500 --rounds 3

Each measure is taken in a process of its own, both schedules in turn; shown is the least of the rounds. The oracle and
the boxes are `scene`, which cost next to nothing, on one thread: what is left is this program's own work.

new questions      `Engine.run`, one question at a time, each text for the first time: read, planned, answered.
plans known        the same questions again on scenes that nothing is known of.
run.py             a whole run, start and report included: everything is asked in batches, lazily in shared rounds.
one by one         the same, but that lazily no rounds are shared (`lazy_pictures: 1`): nothing is tried out before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEDULES = ("all", "lazy")

ONE_BY_ONE = """
import sys, time
import neptune.tasks
from neptune import Engine, Scene
schedule, data_dir, count, known = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "known"
def asked():
    scenes, found = {}, []
    for sample in neptune.tasks.load("clevr", data_dir, num_samples=count).samples:
        key = str(sample.picture.path)
        found.append((sample.gold(), scenes.setdefault(key, Scene.from_annotation(sample.annotation))))
    return found
engine, first = Engine(oracle="scene", schedule=schedule), asked()
for question in first if known else first[:10]:
    engine.run(*question)
questions = asked() if known else first[10:]
began = time.process_time()
for question in questions:
    engine.run(*question)
print((time.process_time() - began) / len(questions))
"""


def one_by_one(schedule: str, data_dir: str, count: int, known: bool) -> float:
    """Return the milliseconds that a question takes, one at a time."""
    words = [sys.executable, "-c", ONE_BY_ONE, schedule, data_dir, str(count), "known" if known else "new"]
    done = subprocess.run(words, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return 1000 * float(done.stdout.split()[-1])


def whole_run(schedule: str, data_dir: str, count: int, pictures: int = 64) -> float:
    """Return the seconds that a run takes; so many pictures share rounds."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "run.py", "--config", "configs/clevr.json", "--data_dir", data_dir]
        words += ["--od_model", "scene", "--vlm_model_name", "scene", "--output_dir", f"{folder}/run"]
        words += ["--processes", "1", "--schedule", schedule, "--num_samples", str(count)]
        words += ["--lazy_pictures", str(pictures)]
        before = os.times()
        done = subprocess.run(words, cwd=ROOT, env=_environment(), capture_output=True, text=True)
        after = os.times()
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return after.children_user + after.children_system - before.children_user - before.children_system


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def main() -> None:
    """Run the benchmark; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default=str(ROOT / "examples" / "clevr"), help="in CLEVR's format")
    parser.add_argument("--num_samples", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data_dir, count = str(Path(options.data_dir).resolve()), options.num_samples
    measures = {
        "new questions, ms": lambda s: one_by_one(s, data_dir, count, known=False),
        "plans known, ms": lambda s: one_by_one(s, data_dir, count, known=True),
        "run.py, s": lambda s: whole_run(s, data_dir, count),
        "one by one, s": lambda s: whole_run(s, data_dir, count, 1),
    }
    print(f"{'CPU, least of ' + str(options.rounds):22} {'all':>9} {'lazy':>9} {'lazy/all':>9}")
    for name, measure in measures.items():
        taken: dict[str, list[float]] = {schedule: [] for schedule in SCHEDULES}
        for turn in range(options.rounds):
            for schedule in SCHEDULES if turn % 2 == 0 else SCHEDULES[::-1]:
                taken[schedule].append(measure(schedule))
        everything, lazily = (min(taken[schedule]) for schedule in SCHEDULES)
        print(f"{name:22} {everything:9.2f} {lazily:9.2f} {lazily / everything:9.2f}", flush=True)


if __name__ == "__main__":
    main()
