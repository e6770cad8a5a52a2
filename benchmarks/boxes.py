"""Descriptions over several variables under the lazy schedule: how the rounds end, and what they take.

    python benchmarks/boxes.py                                  # 60 objects; in another checkout: what it took before
    python benchmarks/boxes.py --objects 40 --logics godel

What is said of a description inside three variables has a table of N⁴ cells. Shown for each program and logic: how its
decision ended (*heavy*: the bound on the work was met, and all was asked), millions of cells of the tables that were
made, ground atoms asked of those that the program mentions, rounds, and CPU seconds, for an oracle that costs nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from neptune.engine import Engine
from neptune.engine.session.answers import run_program
from neptune.engine.session.session import Session
from neptune.scene import Scene

MEANT = "iota(Object, lambda w: cube(w) and behind(w, x) and left(w, y) and right(w, z))"


def over_three(body: str, quantifier: str = "exists") -> str:
    """Return a formula of x, y and z, which are bound by like quantifiers."""
    for name in "zyx":
        body = f"{quantifier}(Object, lambda {name}: {body})"
    return body


PROGRAMS = {
    "conditions": over_three(f"red(x) and blue(y) and green(z) and left(x, {MEANT})"),
    "for all": over_three(f"not red(x) or not blue(y) or not green(z) or left(x, {MEANT})", "forall"),
    "counted": "count(Object, lambda x: red(x) and exists(Object, lambda y: exists(Object, lambda z: "
    f"blue(y) and green(z) and left(x, {MEANT}))))",
    "one in another": over_three(
        "red(x) and blue(y) and green(z) and left(x, iota(Object, lambda w: cube(w) and behind(w, y) and "
        "left(w, iota(Object, lambda v: sphere(v) and right(v, z) and front(v, x)))))"
    ),
    "pairs alone": over_three(f"left(x, y) and right(y, z) and left(x, {MEANT})"),
    "nothing beside": over_three(f"left(x, {MEANT})"),
    "never true": over_three(
        "red(iota(Object, lambda w: blue(w) and cube(w) and left(w, x) and behind(w, y) and right(w, z)))"
    ),
}


def main() -> None:
    """Run the benchmark; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the made scene")
    parser.add_argument("--logics", nargs="*", default=["godel", "product"])
    options = parser.parse_args()
    scene = Scene.synthetic(options.objects, seed=options.seed)
    print(f"{'program':15} {'logic':12} {'ended':10} {'M cells':>8} {'asked':>6} {'of':>6} {'rounds':>7} {'CPU s':>7}")
    for name, program in PROGRAMS.items():
        for logic in options.logics:
            everything = Engine(oracle="scene", logic=logic).explain(program, options.objects).parts[0].oracle_cells
            engine, runs = Engine(oracle="scene", schedule="lazy", logic=logic), list[Session]()
            began = time.process_time()
            answer = run_program(replace(engine.context, watch=runs.append), program, scene)
            taken, (run,) = time.process_time() - began, runs
            cells = run._executor.by_node.work / 1e6
            ended = run.asker.decisions[0].outcome
            print(
                f"{name:15} {logic:12} {ended:10} {cells:8.1f} {answer.usage.oracle_calls:6} {everything:6} "
                f"{answer.usage.oracle_rounds:7} {taken:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
