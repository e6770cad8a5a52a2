"""Answer sets and selective risk on CLEVR: coverage by family, sizes, and how often the risk is broken.

    PYTHONPATH=. python benchmarks/guarantees_sets.py --train DATA/train --val DATA/val --weights scorer.safetensors

The oracle is an embedded scorer that was trained on half of `train` (see guarantees.py); the other half and `val` are
the pool. The chances of all answers are computed once, and kept under ``--out``. Then the pool is parted by
picture into calibration and test, ``--draws`` times: coverage is the mean over these of the share of test questions
whose set holds the right answer; ``error`` is the standard error of that mean.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from guarantees import of_pool

from neptune import tasks
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.guarantees.conformal import TIES, AnswerSets, risk_coverage, selective_threshold
from neptune.perception import registry
from neptune.runs.guarded.sets import options_of

Floats = NDArray[np.float64]
BATCH = 200


def chances(name: str, folders: list[Path], weights: Path, most: int | None) -> dict[str, Any]:
    """Return of each question its picture, family, the chances of its answers, likeliest first, and which is right."""
    oracle = registry.oracle("embedded", weights=weights)
    engine = Engine(oracle, "scene")
    found: dict[str, list[Any]] = defaultdict(list)
    for folder in folders:
        task = tasks.load(name, folder)
        taken = [sample for _, sample, _ in of_pool(task, folder == folders[-1])]
        taken = taken[: most if most is not None else len(taken)]
        for start in range(0, len(taken), BATCH):
            rows = taken[start : start + BATCH]
            scenes = [engine.scene(s.picture, s.truth()) for s in rows]
            answers = soft_answers(engine.context, [(s.gold(), scene) for s, scene in zip(rows, scenes, strict=True)])
            for sample, scene, answer in zip(rows, scenes, answers, strict=True):
                options = {} if answer is None else options_of(answer)
                ranked = sorted(options.items(), key=lambda pair: -pair[1])
                right = [k for k, (option, _) in enumerate(ranked) if task.judge(sample, option.answer, scene)]
                found["picture"].append(sample.picture.name)
                found["family"].append(sample.family)
                found["chances"].append([round(p, 9) for _, p in ranked[:40]])
                found["right"].append(right[0] if right else -1)
    return dict(found)


def coverage(data: dict[str, Any], alpha: float, randomised: bool, draws: int, each: bool) -> dict[str, Any]:
    """Return mean coverage and size of sets, over all and by family, thresholds by family where `each`."""
    rng = np.random.default_rng(0)
    pictures, families = np.array(data["picture"]), np.array(data["family"])
    names, at = np.unique(pictures, return_inverse=True)
    width = max(map(len, data["chances"]))
    table = np.array([row + [np.nan] * (width - len(row)) for row in data["chances"]])
    right = np.array(data["right"])
    unlikely = np.where(right < 0, np.inf, 1.0 - table[np.arange(len(table)), np.maximum(right, 0)])
    hits: dict[str, list[float]] = defaultdict(list)
    sizes: list[float] = []
    empty: list[float] = []
    for _ in range(draws):
        calibrating = rng.permutation(len(names))[: len(names) // 2]
        mine = np.isin(at, calibrating)
        draw = rng.random(len(table)) if randomised else np.ones(len(table))
        strange = unlikely + TIES * draw
        fitted: AnswerSets[int] = AnswerSets.fitted(
            strange[mine].tolist(), alpha, families[mine].tolist() if each else None, at[mine].tolist()
        )
        limits = np.array([fitted.thresholds.get(f, fitted.thresholds[""]) for f in families])
        kept = (1.0 - table + TIES * draw[:, None]) <= limits[:, None]
        if not randomised:
            kept[:, 0] = True  # without a draw no set is empty
        inside = (right >= 0) & kept[np.arange(len(table)), np.maximum(right, 0)]
        for family in ["", *np.unique(families)]:
            tested = ~mine & ((families == family) if family else True)
            weight = 1.0 / np.bincount(at[tested], minlength=len(names))[at[tested]]
            hits[family].append(float(np.average(inside[tested], weights=weight)))
        sizes.append(float(kept[~mine].sum(1).mean()))
        empty.append(float((~kept[~mine].any(1)).mean()))
    counted = {f: int((families == f).sum()) for f in hits if f}
    return {
        "alpha": alpha, "randomised": randomised, "by_family": each, "covered": float(np.mean(hits[""])),
        "error": round(_error(hits[""]), 5),
        "families": {
            f: {"n": counted[f], "covered": round(float(np.mean(hits[f])), 4), "error": round(_error(hits[f]), 4)}
            for f in sorted(counted)
        },
        "size": float(np.mean(sizes)), "empty": float(np.mean(empty)),
    }  # fmt: skip


def _error(values: list[float]) -> float:
    return float(np.std(values) / np.sqrt(len(values)))


def selective(data: dict[str, Any], alpha: float, delta: float, draws: int) -> dict[str, Any]:
    """Return how often the risk of given answers over the whole pool exceeds alpha, calibration pictures drawn anew."""
    rng = np.random.default_rng(1)
    names, at = np.unique(np.array(data["picture"]), return_inverse=True)
    sure = np.array([row[0] if row else 0.0 for row in data["chances"]])
    wrong = np.array(data["right"]) != 0
    of = [np.flatnonzero(at == k) for k in range(len(names))]
    broken, answered, none = 0, 0.0, 0
    for _ in range(draws):
        drawn = [int(rng.choice(of[k])) for k in rng.integers(0, len(names), len(names))]
        least = selective_threshold(sure[drawn].tolist(), wrong[drawn].tolist(), range(len(drawn)), alpha, delta)
        weight = 1.0 / np.bincount(at)[at]
        given = sure >= least
        none += not given.any()
        answered += float(np.average(given, weights=weight)) / draws
        broken += bool(given.any() and np.average(wrong[given], weights=weight[given]) > alpha)
    curve = risk_coverage(sure.tolist(), wrong.tolist())
    some = [curve[min(int(share * len(curve)), len(curve) - 1)] for share in (0.25, 0.5, 0.75, 1.0)]
    return {
        "alpha": alpha,
        "broken": broken,
        "draws": draws,
        "answered": round(answered, 4),
        "none": none,
        "curve": some,
    }


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--task", default="clevr")
    parser.add_argument("--most", type=int, help="questions of each folder; by default all")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("experiments/guarantees"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / f"chances-{options.task}-{options.most}.json"
    if not path.is_file():
        begun = time.process_time()
        made = chances(options.task, [options.train, options.val], options.weights, options.most)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made), encoding="utf-8")
        print(
            f"{len(made['right'])} questions, {time.process_time() - begun:.0f} s of CPU", file=sys.stderr, flush=True
        )
    data = json.loads(path.read_text(encoding="utf-8"))
    print(f"{len(data['right'])} questions about {len(set(data['picture']))} pictures; right: "
          f"{np.mean(np.array(data['right']) == 0):.4f}")  # fmt: skip
    for alpha in (0.01, 0.05, 0.1):
        for randomised in (False, True):
            print(json.dumps(coverage(data, alpha, randomised, options.draws, each=True)), flush=True)
        print(json.dumps(selective(data, alpha, 0.05, 500)), flush=True)


if __name__ == "__main__":
    main()
