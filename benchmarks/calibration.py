"""Whether probabilities of answers can be believed: a noisy oracle that knows the truth, before and after tuning.

    python benchmarks/calibration.py --data_dir DATA/train --val_dir DATA/val
    python benchmarks/calibration.py --data_dir DATA/train --val_dir DATA/val --tasks clevr --noise 0.3 --limit 40

The oracle ``scene`` gives p = truth + N(0, noise), cut to [0, 1]: with 0.3 every 21st, with 0.5 every 6th answer of it
is wrong, and most are sure. Its numbers are tuned on `data_dir` as ``task: tune`` does (what answers are reported with,
on four more oracles of the same noise); reported are the questions of `val_dir`, each put to as many oracles (seeds of
the noise) as make `--questions` of them.

ECE is the mean gap of probability and accuracy over 15 bins of what was answered. It is never 0: "chance" is its mean
under labels that are drawn from the probabilities themselves, as if they were true to the letter.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from neptune.algebra import LogicParameters
from neptune.engine import Engine
from neptune.learn.shared import shown as on_terminal
from neptune.learn.tune.answers import fit_answers, reported, with_answers
from neptune.learn.tune.fit import Settings, engine_of, fit
from neptune.learn.tune.kinds import kinds_of
from neptune.learn.tune.measure import same_value
from neptune.learn.tune.samples import Shown, read_shown
from neptune.learn.tune.shifts import Shift
from neptune.perception.oracle.scene import SceneOracle
from neptune.resources import vocabulary_of
from neptune.runs.evaluate.calibration import calibration_error
from neptune.scene.types import ScoreRequest
from neptune.tasks import presuppositions_of

TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
DRAWS = 100
FRESH = range(1_001, 1_005)
"""Seeds of the oracles by which is fitted what answers are reported with."""


class Scorer:
    """The logits of a noisy oracle, as tensors; each is drawn once."""

    def __init__(self, oracle: SceneOracle) -> None:
        self.oracle, self.known = oracle, {}  # type: ignore[var-annotated]

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[torch.Tensor]:
        """Return the logits of each request, ``(M,)``."""
        out = []
        for r in requests:
            key = r.scene.name, r.question.text, len(r.objects), r.objects.tobytes()
            if key not in self.known:
                self.known[key] = torch.from_numpy(self.oracle.score([r])[0].logits)
            out.append(self.known[key])
        return out


def neutral(logic: str) -> LogicParameters:
    """Return the numbers to begin with: T = 1 and b = 0 for each kind of predicate."""
    kinds = kinds_of(vocabulary_of("clevr"), "kind")
    soft = {} if logic == "godel" else {"quantifier_tau": 0.2, "comparison_tau": 0.2}
    return LogicParameters(logic, oracle=dict.fromkeys(kinds, (1.0, 0.0)), kinds=kinds, **soft)


def answered(
    parameters: LogicParameters, shown: Sequence[Shown], noise: float, seeds: Sequence[int], task: str
) -> dict[str, Any]:
    """Answer all questions of the pictures, with one oracle a seed; return how well the probabilities fit."""
    p, right, abstained, unsaid, n, correct = [], [], 0, 0, 0, 0
    for seed in seeds:
        engine = Engine(
            oracle=SceneOracle(noise=noise, seed=seed),
            logic=parameters.logic,
            parameters=parameters,
            presuppositions=presuppositions_of(task),
        )
        for start in range(0, len(shown), 20):
            asked = [(s, e) for s in shown[start : start + 20] for e in s.examples]
            for (_, e), a in zip(asked, engine.run_many([(e.program, s.scene) for s, e in asked]), strict=True):
                n += 1
                abstained += a.abstained
                hit = not a.abstained and same_value(a.value, e.target)
                correct += hit
                unsaid += a.probability is None and not a.abstained
                if a.probability is not None:
                    p.append(a.probability)
                    right.append(hit)
    chances = np.array(p)
    draw = np.random.default_rng(0)
    chance = [calibration_error(chances, draw.random(len(chances)) < chances) for _ in range(DRAWS)]
    ece = calibration_error(chances, right)
    return {
        "questions": n, "abstained": abstained / n, "unsaid": unsaid / n, "accuracy": correct / n,
        "accuracy_answered": correct / max(1, n - abstained), "mean_probability": float(chances.mean()),
        "ece": ece, "chance": float(np.mean(chance)), "excess": ece - float(np.mean(chance)),
    }  # fmt: skip


def measure(arguments: argparse.Namespace, task: str, noise: float) -> dict[str, Any]:
    """Tune on one task with one noise, and report before and after."""
    pictures, _ = read_shown([task], arguments.data_dir, Shift(), 0, arguments.limit)
    held = len(pictures) // 4
    scorer = Scorer(SceneOracle(noise=noise, seed=1_000))
    settings = Settings(arguments.epochs, 10, arguments.lr, arguments.patience, seed=0)
    with tempfile.TemporaryDirectory() as folder, on_terminal(None) as report:
        checkpoint = Path(folder) / "checkpoint.pt"
        tuned, history = fit(
            neutral(arguments.start), pictures[held:], pictures[:held], scorer, settings, checkpoint, report
        )
    fresh = [SceneOracle(noise=noise, seed=seed) for seed in FRESH]  # what was descended on is known too well
    found_so = [row for oracle in fresh for row in reported(engine_of(tuned, oracle=oracle), pictures)]
    tuned = with_answers(tuned, fit_answers(found_so))
    shown, _ = read_shown([task], arguments.val_dir, Shift(), 0, arguments.val_limit)
    each = sum(len(s.examples) for s in shown)
    seeds = range(-(-arguments.questions // each))
    found = {
        name: answered(p, shown, noise, seeds, task) for name, p in (("before", neutral("godel")), ("after", tuned))
    }
    return {"task": task, "noise": noise, **found, "parameters": tuned.to_dict(), "history": history}


def row(found: dict[str, Any], when: str) -> str:
    """Return a row of the table."""
    f = found[when]
    cells = [f"{found['task']}, {found['noise']:g}, {when}", f"{f['questions']:,}", f"{f['ece']:.3f}"]
    cells += [f"{f['chance']:.3f}", f"**{f['excess']:.3f}**", f"{f['mean_probability']:.3f}"]
    return f"| {' | '.join([*cells, *(format(f[k], '.3f') for k in ('accuracy_answered', 'accuracy', 'abstained'))])} |"


@torch.no_grad()
def main() -> None:
    """Run, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--val_dir", required=True)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--noise", nargs="+", type=float, default=[0.3, 0.5])
    parser.add_argument("--questions", type=int, default=10_000, help="reported on at least so many")
    parser.add_argument("--start", default="frank:0.1", help="the logic that the descent starts from")
    parser.add_argument("--limit", type=int, default=150, help="pictures to tune on")
    parser.add_argument("--val_limit", type=int)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--patience", type=int, default=3, help="stop after so many epochs without a better likelihood")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| task, noise | questions | ECE | chance | ECE − chance | mean p | right of answered | right | abstained |")
    print("|---|---|---|---|---|---|---|---|---|")
    results = []
    for task in arguments.tasks:
        for noise in arguments.noise:
            with torch.enable_grad():
                found = measure(arguments, task, noise)
            results.append(found)
            print(row(found, "before"), row(found, "after"), sep="\n", flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
