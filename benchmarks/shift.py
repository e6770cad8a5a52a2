"""Answers of the embedded scorer on pictures unlike its own, before and after tuning: the table of docs/tuning.md.

    python benchmarks/shift.py --data_dir DATA/train --val_dir DATA/val
    python benchmarks/shift.py --data_dir DATA/train --val_dir DATA/val --parts crop     # which numbers do what

Fitted on shifted pictures of `data_dir`, reported on shifted pictures of `val_dir`. A run that is finished is not
repeated; one that was killed goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from neptune.learn.tune.task import TuneConfig, tune

ROOT = Path(__file__).resolve().parent.parent
STRENGTHS = {"blur": 6.0, "noise": 0.25, "recolour": 0.5, "crop": 0.4}
"""Shift → a strength at which the scorer is wrong in about a fifth of its answers, and sure of most of them."""

CRISP = {"logic": "godel", "quantifier_tau": 0.0, "iota_tau": 1.0, "comparison_tau": 0.0}
PARTS: dict[str, dict[str, Any]] = {
    "T, godel": {"start": CRISP, "learn": ["T"]},
    "T and b, godel": {"start": CRISP, "learn": ["T", "b"]},
    "T and b of each predicate, godel": {"start": CRISP, "learn": ["T", "b"], "per": "predicate"},
    "all but T and b": {"learn": ["theta", "quantifier_tau", "iota_tau", "comparison_tau"]},
    "all": {},
    "all, T and b of each predicate": {"per": "predicate"},
}
"""What is fitted → fields of the config."""


def run(arguments: argparse.Namespace, kind: str, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the results of one run: read where they are, else made; runs on one shift share the cached logits."""
    folder = arguments.out / kind / name.replace(",", "").replace(" ", "-")
    if (folder / "results.json").is_file():
        found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return found
    fields = json.loads((ROOT / "configs" / "tune-clevr.json").read_text(encoding="utf-8"))
    fields |= {"data_dir": arguments.data_dir, "val_dir": arguments.val_dir, "threads": 1}
    fields |= {"shift": {"kind": kind, "strength": STRENGTHS[kind]}}
    fields |= {"logits": arguments.out / kind / "logits.npz"}
    return tune(TuneConfig(**(fields | changes)), folder)


def shown(figure: dict[str, Any]) -> str:
    """Return a figure with its interval."""
    low, high = figure["interval"]
    return f"{figure['value']:.3f} ({low:.3f}–{high:.3f})"


def row(first: str, side: dict[str, Any], turned: str) -> str:
    """Return a row of the table."""
    cells = [shown(side[f]) for f in ("ece", "accuracy", "nll", "brier", "soft_ece")]
    return f"| {first} | " + " | ".join([*cells, shown(side["leaf"]["ece"]), turned]) + " |"


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--val_dir", required=True)
    parser.add_argument("--out", type=Path, default=Path("experiments/shift"))
    parser.add_argument("--parts", choices=list(STRENGTHS), help="one shift: what each group of numbers does")
    arguments = parser.parse_args()
    print("| | ECE | accuracy | NLL | Brier | ECE, distribution | ECE, single cells | turned right / wrong |")
    print("|---|---|---|---|---|---|---|---|")
    if arguments.parts:
        for name, changes in PARTS.items():
            results = run(arguments, arguments.parts, name, changes)
            if name == next(iter(PARTS)):
                print(row("before", results["before"], ""))
            turned = results["turned"]
            print(row(name, results["after"], f"{turned['to_right']} / {turned['to_wrong']}"), flush=True)
        return
    for kind, strength in STRENGTHS.items():
        results = run(arguments, kind, "all", {})
        turned = results["turned"]
        print(row(f"{kind} {strength:g}, before", results["before"], ""))
        print(row("… after", results["after"], f"{turned['to_right']} / {turned['to_wrong']}"), flush=True)


if __name__ == "__main__":
    main()
