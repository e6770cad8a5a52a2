"""Two checkouts side by side, in one run, on one thread: what does a change of the code cost?

    python benchmarks/checkouts.py OLD NEW                               # two folders, each a checkout of this project
    python benchmarks/checkouts.py OLD NEW --data_dir …/clevr/val --num_samples 1500 --rounds 5

Each measure runs in a process of its own, old and new in turn, so that a machine whose speed drifts slows both. What is
shown is the median of each, and the median of the ratios pair by pair: below 1 the new one is faster. CPU time counts,
not the clock. Only what both checkouts offer to everyone is called.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

QUESTIONS = """
import sys, time, torch
torch.set_num_threads(1)
import neptune.tasks
from neptune import Engine, Scene
data_dir, count = sys.argv[1], int(sys.argv[2]) or None
scenes, asked = {}, []
for s in neptune.tasks.load("clevr", data_dir, num_samples=count).samples:
    key = str(s.picture.path)
    scenes.setdefault(key, Scene.from_annotation(s.annotation))
    asked.append((s.gold(), scenes[key]))
engine = Engine(oracle="scene")
def timed(run):
    started = time.process_time()
    run()
    return time.process_time() - started
"""

MEASURES = {
    "questions, cold": QUESTIONS + "print(timed(lambda: engine.run_many(asked)))",
    "questions, warm": QUESTIONS
    + "engine.run_many(asked); print(min(timed(lambda: engine.run_many(asked)) for _ in range(4)))",
    "one by one, cold": QUESTIONS
    + "engine.run(*asked[0]); print(timed(lambda: [engine.run(*q) for q in asked[:300]]))",
    "one by one, warm": QUESTIONS
    + "few = asked[:100]; [engine.run(*q) for q in few]\n"
    + "print(min(timed(lambda: [engine.run(*q) for q in few]) for _ in range(3)))",
    "lazy, one by one": QUESTIONS
    + "lazy = Engine(oracle='scene', schedule='lazy'); lazy.run(*asked[0])\n"
    + "print(timed(lambda: [lazy.run(*q) for q in asked[:100]]))",
    "planning": QUESTIONS
    + "texts = list(dict.fromkeys(p for p, _ in asked))[:150]; engine.explain(texts[0], 10)\n"
    + "print(timed(lambda: [engine.explain(t, 10) for t in texts]))",
}
PUZZLE = """
import sys, time, torch
torch.set_num_threads(1)
from neptune import Engine, Scene

program = (
    "exists(Object, lambda w: exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: "
    "red(w) and cube(w) and blue(x) and sphere(x) and green(y) and cube(y) and gray(z) and cylinder(z) "
    "and left(w, x) and behind(x, y) and right(y, z)))))"
)
scene, engine = Scene.synthetic(80, seed=0), Engine(oracle="scene")
try:
    from neptune.engine.session.soft_answers import soft_answers
except ImportError:
    from neptune.execute.soft import soft_answers
known = {}
def scorer(requests):
    out = []
    for r in requests:
        key = r.question.text
        if key not in known:
            generator = torch.Generator().manual_seed(len(known))
            known[key] = (3 * torch.randn(len(r.objects), generator=generator)).requires_grad_()
        out.append(known[key])
    return out
def best(run, times):
    taken = []
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return statistics.median(taken)
import statistics
"""
MEASURES |= {
    "puzzle N = 80, forward": PUZZLE
    + "engine.run(program, scene); print(best(lambda: engine.run(program, scene), 40))",
    "puzzle N = 80, backward": PUZZLE
    + "known_by = getattr(engine, 'context', engine)\n"
    + "def step():\n    soft_answers(known_by, [(program, scene)], scorer)[0].probabilities[1].backward()\n"
    + "step(); print(best(step, 30))",
}
RUN = "run.py"


def seconds(checkout: Path, measure: str, data_dir: str, count: int) -> float:
    """Return what one measure takes in a checkout, in seconds of CPU time.

    Raises
    ------
    SystemExit
        If the checkout can not do it; its error is shown.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        if measure == RUN:
            words = ["run.py", "--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]
            words += ["--data_dir", data_dir, "--output_dir", f"{folder}/run", "--num_samples", str(count or 20)]
            before = os.times()
            done = subprocess.run([sys.executable, *words], cwd=checkout, env=env, capture_output=True, text=True)
            after = os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
        else:
            words = [sys.executable, "-c", MEASURES[measure], data_dir, str(count)]
            done = subprocess.run(words, cwd=checkout, env=env, capture_output=True, text=True)
            used = float(done.stdout.split()[-1]) if done.returncode == 0 else 0.0
    if done.returncode:
        sys.exit(f"{measure} in {checkout} failed:\n{done.stderr[-2000:]}")
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--data_dir", default=str(ROOT / "examples" / "clevr"), help="in CLEVR's format")
    parser.add_argument("--num_samples", type=int, default=0, help="0: all")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each measure")
    parser.add_argument("--measures", nargs="*", default=[*MEASURES, RUN], choices=[*MEASURES, RUN], metavar="NAME")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "checkouts.json"))
    options = parser.parse_args()
    data_dir, rows = str(Path(options.data_dir).resolve()), {}
    print(f"{'CPU seconds, median':26} {'old':>10} {'new':>10} {'new/old':>9}   range")
    for measure in options.measures:
        pairs = []
        for turn in range(options.rounds):
            order = [options.old, options.new] if turn % 2 == 0 else [options.new, options.old]
            took = {c: seconds(c.resolve(), measure, data_dir, options.num_samples) for c in order}
            pairs.append((took[options.old], took[options.new]))
        ratios = sorted(new / old for old, new in pairs)
        old, new = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        rows[measure] = {"old": old, "new": new, "ratio": statistics.median(ratios), "ratios": ratios}
        print(
            f"{measure:26} {old:10.4f} {new:10.4f} {statistics.median(ratios):9.3f}   "
            f"{ratios[0]:.3f} – {ratios[-1]:.3f}",
            flush=True,
        )
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1))
    print(path)


if __name__ == "__main__":
    main()
