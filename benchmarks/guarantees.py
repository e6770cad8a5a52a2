"""Certified cascades on CLEVR: calls, how often the risk is broken, bad proxies, shifts, and LOTUS' rule beside ours.

    PYTHONPATH=. python benchmarks/guarantees.py --train DATA/train --val DATA/val --weights scorer.safetensors

The oracle is the scene. The proxy is an embedded scorer that was trained on the pictures of `train` whose SHA-256 is
even (``--half FOLDER`` writes that folder and ends); the others and `val` are the pool. Of each picture ``--each``
questions are taken, by a hash. For every task and proxy each λ is run once over the pool and kept under ``--out``; all
that is drawn anew afterwards is drawn from these losses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from guarantees_alarm import SHIFTS, Shifted, false_alarms, passed, under

from neptune import tasks
from neptune.engine import Engine
from neptune.guarantees.risk import fixed_sequence
from neptune.learn.certify.decisions import Asked, Decisions
from neptune.learn.tune.shifts import Shift
from neptune.perception import registry
from neptune.scene.types import Oracle, QueryRequest, Question, ScoreRequest, Scores

Floats = NDArray[np.float64]

TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
WIDTHS = tuple(2.0**k for k in (14, 11, 9, 7, 5, 3, 1, -1))
ALPHAS, DELTA, DRAWS = (0.01, 0.05, 0.1), 0.05, 500
GUIDE = 1e30
"""A width at which the proxy decides nothing: it only says what to ask first."""

SWAPPED = {"red": "blue", "blue": "red", "green": "yellow", "yellow": "green", "gray": "brown", "brown": "gray"}
SWAPPED |= {"purple": "cyan", "cyan": "purple"}


class Bad:
    """A proxy made bad: its logits with noise, or its colours swapped."""

    name = "bad"

    def __init__(self, inner: Oracle, noise: float = 0.0, swapped: bool = False) -> None:
        self.inner, self.noise, self.swapped = inner, noise, swapped

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as the proxy does, made bad."""
        asked = [ScoreRequest(r.scene, self._question(r.question), r.objects) for r in requests]
        return [
            Scores.of(s.logits + self._noise(r, len(s.logits)))
            for r, s in zip(asked, self.inner.score(asked), strict=True)
        ]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as the proxy does."""
        return self.inner.query(requests)

    def _question(self, question: Question) -> Question:
        if not self.swapped:
            return question
        words = [SWAPPED.get(w.strip("?.,"), w) + ("?" if w.endswith("?") else "") for w in question.text.split()]
        name = question.predicate
        return Question(" ".join(words), question.arity, SWAPPED.get(name, name) if name else name)

    def _noise(self, request: ScoreRequest, count: int) -> Floats:
        if not self.noise:
            return np.zeros(count)
        key = zlib.crc32(f"{request.scene.name}|{request.question.text}".encode())
        return np.random.default_rng(key).normal(0.0, self.noise, count)


# --- the pool ---


def even(path: Path) -> bool:
    """Whether a picture is one of the proxy's training pictures, where it lies in `train`."""
    return int(hashlib.sha256(path.read_bytes()).hexdigest(), 16) % 2 == 0


def write_half(train: Path, folder: Path) -> None:
    """Write the folder that the proxy is trained on: links to pictures, and their annotations."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    content = json.loads((train / "scenes.json").read_text(encoding="utf-8"))
    kept = [s for s in content["scenes"] if even(train / "images" / s["image_filename"])]
    for scene in kept:
        link = folder / "images" / scene["image_filename"]
        if not link.exists():
            link.symlink_to((train / "images" / scene["image_filename"]).resolve())
    (folder / "scenes.json").write_text(json.dumps({**content, "scenes": kept}), encoding="utf-8")
    print(f"{len(kept)} of {len(content['scenes'])} pictures are in {folder}")


def of_pool(task: tasks.Task, whole: bool) -> Iterator[tuple[Any, Any, str]]:
    """Yield a folder's questions that have a program: the record's place, the sample, its picture's name.

    Of a folder that is not taken whole, those about the pictures that the proxy was not trained on.
    """
    known: dict[str, bool] = {}
    for index, record in enumerate(task.samples.indices):  # samples are made one by one: only what is taken
        sample = task.samples[index]
        path = sample.picture.path if sample.picture is not None else None
        if sample.problem is not None or sample.program is None or path is None:
            continue
        if path.name not in known:
            known[path.name] = whole or not even(path)
        if known[path.name]:
            yield record, sample, path.name


def pool(name: str, folders: Sequence[Path], each: int, most: int | None, engine: Engine) -> list[Asked]:
    """Return the questions of a task about the pictures of the pool: `each` a picture, of at most `most` pictures."""
    mine: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for folder in folders:
        for record, sample, picture in of_pool(tasks.load(name, folder), folder == folders[-1]):
            mine[picture].append((zlib.crc32(f"{name}|{picture}|{record}".encode()), sample))
    chosen = sorted(mine, key=lambda n: zlib.crc32(n.encode()))[:most]
    found = []
    for picture in chosen:
        for _, sample in sorted(mine[picture], key=lambda pair: pair[0])[:each]:
            scene = engine.scene(sample.picture, sample.truth())
            policy = tasks.presuppositions_of(name, engine.context.presuppositions)
            found.append(Asked(picture, name, sample.family, sample.gold(), scene, policy))
    return found


# --- one pass over the pool for each λ ---


@dataclass
class Rows:
    """Of P pictures: losses and mean calls ``(L, P)`` at each width, of the exact schedules ``(P,)``, and the audit."""

    widths: Floats
    losses: Floats
    calls: Floats
    skipped: Floats
    wrong: Floats
    lazy: Floats
    everything: Floats
    guided: Floats


def rows(path: Path, decisions: Decisions | None, proxy: Oracle, widths: Sequence[float]) -> Rows:
    """Return the rows of a proxy, kept in a file."""
    if path.is_file():
        with np.load(path) as data:
            return Rows(**{name: data[name] for name in Rows.__annotations__})
    assert decisions is not None
    begun = time.process_time()
    of = decisions.a_picture
    sums = lambda x: np.bincount(decisions.pictures, x)  # noqa: E731
    found = [decisions.narrowed(proxy, width) for width in widths]
    made = Rows(
        np.array(widths),
        np.stack([decisions.losses(r) for r in found]),
        np.stack([of(r.calls) for r in found]),
        np.stack([sums(r.skipped) for r in found]),
        np.stack([sums(r.wrong) for r in found]),
        of(decisions.lazily().calls),
        of(decisions.alone().calls),
        of(decisions.narrowed(proxy, GUIDE).calls),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **made.__dict__)
    print(f"  {path.name}: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr, flush=True)
    return made


def chosen(found: Rows, pictures: NDArray[np.int64], alpha: float) -> int:
    """Return which width is certified on some pictures: its index, −1 for infinity."""
    held = fixed_sequence((row[pictures] for row in found.losses), alpha, DELTA)
    # All that hold do so at once: the cheapest is taken.
    return int(found.calls[:held][:, pictures].mean(1).argmin()) if held else -1


def table(name: str, found: Rows, seed: int = 0) -> list[dict[str, Any]]:
    """Return for each alpha what a certificate on the pool saves, and how often one on a redrawn pool breaks alpha."""
    n = found.losses.shape[1]
    out = []
    for alpha in ALPHAS:
        rng = np.random.default_rng(seed)
        at = [chosen(found, rng.integers(0, n, n), alpha) for _ in range(DRAWS)]
        risk = np.array([0.0 if k < 0 else found.losses[k].mean() for k in at])
        calls = np.array([found.lazy.mean() if k < 0 else found.calls[k].mean() for k in at])
        k = chosen(found, np.arange(n), alpha)
        out.append(
            {
                "task": name, "alpha": alpha, "pictures": n, "lambda": None if k < 0 else float(found.widths[k]),
                "risk": 0.0 if k < 0 else float(found.losses[k].mean()),
                "calls": float(found.lazy.mean() if k < 0 else found.calls[k].mean()),
                "lazy": float(found.lazy.mean()), "all": float(found.everything.mean()),
                "guided": float(found.guided.mean()), "broken": int((risk > alpha).sum()),
                "mean_calls": float(calls.mean()), "exact": int(sum(j < 0 for j in at)),
            }
        )  # fmt: skip
    return out


MOST_BROKEN = int(binom.ppf(0.95, DRAWS, DELTA))
"""Of 500 so many breaks are no sign that more than a share delta breaks."""


# --- all of it ---


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--half", type=Path, help="write the proxy's training folder there, and end")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--each", type=int, default=1, help="questions a picture")
    parser.add_argument("--pictures", type=int, help="the most pictures of clevr's pool; by default all")
    parser.add_argument("--most", type=int, help="the most pictures of a transfer task")
    parser.add_argument("--shifted", type=int, default=200, help="the most pictures of a shift")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--parts", nargs="+", default=["tasks", "bad", "alarm", "shifts", "lotus"])
    parser.add_argument("--out", type=Path, default=Path("experiments/guarantees"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.half is not None:
        write_half(options.train, options.half)
        return
    engine = Engine("scene", "scene")
    proxy = registry.oracle("embedded", weights=options.weights)
    folders, results, made = [options.train, options.val], {}, {}

    def decided(name: str, most: int | None) -> Decisions:
        if (name, most) not in made:
            made[name, most] = Decisions(engine.context, pool(name, folders, options.each, most, engine))
        return made[name, most]

    def of(name: str, label: str, by: Oracle, most: int | None, widths: Sequence[float] = WIDTHS) -> Rows:
        path = options.out / f"{name}-{label}-{options.each}-{most}.npz"
        return rows(path, None if path.is_file() else decided(name, most), by, widths)

    if "tasks" in options.parts:
        for name in options.tasks:
            results[name] = table(name, of(name, "plain", proxy, options.pictures if name == "clevr" else options.most))
            show(results[name])
    if "alarm" in options.parts:
        results["false alarms"] = []
        for name in options.tasks:
            found = of(name, "plain", proxy, options.pictures if name == "clevr" else options.most)
            for alpha in ALPHAS:
                k = chosen(found, np.arange(found.losses.shape[1]), alpha)
                if k >= 0:
                    row = {"task": name, "alpha": alpha, "lambda": float(found.widths[k])}
                    results["false alarms"].append(row | {"of_500": false_alarms(found.wrong[k])})
                    print(results["false alarms"][-1], flush=True)
    if "lotus" in options.parts:
        from guarantees_lotus import beside_lotus, cells

        results["lotus"] = beside_lotus(*cells(decided("clevr", options.pictures), Bad(proxy, noise=2.0)))
        for row in results["lotus"]:
            print(row, flush=True)
    if "bad" in options.parts:
        for label, by in (("noise", Bad(proxy, noise=6.0)), ("swapped", Bad(proxy, swapped=True))):
            results[label] = table(f"clevr, {label}", of("clevr", label, by, options.pictures, WIDTHS[::2]))
            show(results[label])
    if "shifts" in options.parts:
        plain = of("clevr", "plain", proxy, options.pictures)
        results["shifts"] = shifts(plain, decided, proxy, options.out, options.shifted, options.each)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "guarantees.json"
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    kept.write_text(json.dumps(before | results, indent=1) + "\n", encoding="utf-8")
    print(kept)


def shifts(plain: Rows, decided: Any, proxy: Oracle, folder: Path, most: int | None, each: int) -> list[dict[str, Any]]:
    """Return for each alpha and shift the risk at the certificate's λ, and how often and how soon the alarm rings."""
    out = []
    for alpha in ALPHAS:
        k = chosen(plain, np.arange(plain.losses.shape[1]), alpha)
        if k < 0:
            continue
        width = float(plain.widths[k])
        for kind, strength in [(kind, strength) for kind, strengths in SHIFTS.items() for strength in strengths]:
            path = folder / f"clevr-under-{kind}-{strength:g}-{each}-{most}-{width:g}.npz"
            by = Shifted(proxy, Shift(kind=kind, strength=strength))  # type: ignore[arg-type]
            row = {"alpha": alpha, "lambda": width, "shift": kind, "strength": strength}
            out.append(row | under(plain.wrong[k], passed(path, lambda: decided("clevr", most), by, width), alpha))
            print(out[-1], flush=True)
    return out


def show(found: list[dict[str, Any]]) -> None:
    """Print the rows of a task."""
    for r in found:
        width = "∞" if r["lambda"] is None else f"{r['lambda']:g}"
        print(
            f"| {r['task']} | {r['pictures']} | {r['alpha']:g} | {width} | {r['all']:.1f} | {r['lazy']:.1f} | "
            f"{r['guided']:.1f} | {r['calls']:.2f} | {r['risk']:.4f} | {r['broken']} of {DRAWS} (≤ {MOST_BROKEN}) | "
            f"{r['mean_calls']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
