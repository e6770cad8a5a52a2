"""When it pays to put an answer to the test: referring expressions, a noisy oracle, verifiers of several qualities.

    PYTHONPATH=. python benchmarks/verification.py --data_dir DATA/val --n 200

The oracle is the scene with noise on its scores; who is asked about the marked object says yes where it is the right
one, and is wrong in a share of its answers, which is drawn for each object and question.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from neptune import tasks
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.runs.guarded.verify import verified
from neptune.scene.types import QueryRequest, ScoreRequest, Scores


class Verifier:
    """Knows the right object of the question that is asked now, and errs in a share of its answers."""

    name = "verifier"

    def __init__(self, wrong: float) -> None:
        self.wrong, self.right = wrong, set[int]()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Say which of the marked objects is meant."""
        return [Scores.of(np.array([self._one(r, int(row[0])) for row in r.objects])) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Say nothing."""
        return [[None] * len(r.objects) for r in requests]

    def _one(self, request: ScoreRequest, index: int) -> float:
        key = zlib.crc32(f"{request.scene.name}|{request.question.text}|{index}".encode())
        errs = np.random.default_rng(key).random() < self.wrong
        return 3.0 if (index in self.right) is not errs else -3.0


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--noise", type=float, default=0.3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = tasks.load("clevr-refexps", options.data_dir, options.n)
    engine = Engine("scene", "scene", oracle_options={"noise": options.noise}, presuppositions="answer")
    asked = []
    for sample in task.samples:
        scene = engine.scene(sample.picture, sample.truth())
        asked.append((sample, scene, engine.run(sample.gold(), scene)))
    before = [task.judge(s, a, scene) is True for s, scene, a in asked]
    calls = sum(a.usage.oracle_calls for *_, a in asked) / len(asked)
    print(json.dumps({"questions": len(asked), "right": round(float(np.mean(before)), 4), "calls": round(calls, 1)}))
    for wrong in (0.0, 0.05, 0.1, 0.2, 0.3):
        verifier = Verifier(wrong)
        context = Engine(verifier).context
        right, given, more = 0, 0, 0
        for sample, scene, answer in asked:
            options_of = range(len(scene))
            verifier.right = {
                k for k in options_of if task.judge(sample, Answer(k, "object", objects=(k,)), scene) is True
            }
            found, said = verified(context, sample.question, scene, answer, answer.value, True)
            right += task.judge(sample, found, scene) is True
            given += not found.abstained
            more += said.get("verified", {}).get("calls", 0)
        n = len(asked)
        row = {"verifier_wrong": wrong, "right_of_all": round(right / n, 4), "given": round(given / n, 4)}
        row |= {"right_of_given": round(right / max(given, 1), 4), "more_calls": round(more / n, 2)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
