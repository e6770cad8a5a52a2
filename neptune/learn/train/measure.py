"""Figures of merit: F1 of a detector; accuracy and calibration of a scorer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neptune.learn.train.data import ClevrFolder
from neptune.perception.embedded.canvas import to_float
from neptune.perception.embedded.concepts import AXES, KINDS, SAME, VALUES
from neptune.perception.embedded.detector_net import DetectorNet, decode
from neptune.perception.embedded.said import Thresholds
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.scene import ATTRIBUTES, iou
from neptune.scene.types import Detections


def matches(found: Detections, boxes: NDArray[np.float32], overlap: float = 0.5) -> NDArray[np.bool_]:
    """Return for each detection (best first) whether it hits a true box not yet hit, with IoU ≥ `overlap`."""
    ious = iou(found.boxes, boxes)
    free = np.ones(len(boxes), dtype=bool)
    hits = np.zeros(len(found.boxes), dtype=bool)
    for i in range(len(hits)):
        candidates = np.where(free, ious[i], -1.0) if len(boxes) else np.zeros(0)
        if len(candidates) and candidates.max() >= overlap:
            free[int(candidates.argmax())] = False
            hits[i] = True
    return hits


def f1(true_positive: float, false_positive: float, false_negative: float) -> float:
    """Return the harmonic mean of precision and recall, in [0, 1]; 1 where there is nothing to find."""
    total = 2 * true_positive + false_positive + false_negative
    return 2 * true_positive / total if total else 1.0


@torch.inference_mode()
def detect_all(
    net: DetectorNet, pictures: Iterable[Tensor], threshold: float = 0.05, batch: int = 8
) -> list[Detections]:
    """Return the detections of pictures on the canvas, uint8 ``(3, HEIGHT, WIDTH)``, in canvas pixels."""
    device = next(net.parameters()).device
    found: list[Detections] = []
    left = iter(pictures)
    while some := list(islice(left, batch)):
        pixels = torch.stack(some).to(device)
        logits, sides = net.eval()(to_float(pixels).contiguous(memory_format=torch.channels_last))
        found += decode(logits, sides, Thresholds(threshold))
    return found


def detector_figures(
    found: Sequence[Detections], truths: Sequence[NDArray[np.float32]], thresholds: Thresholds
) -> dict[str, float]:
    """Return a detector's figures, of what it found in pictures and their true boxes.

    They are ``f1``, ``precision`` and ``recall`` at IoU 0.5, ``exact`` (share of pictures without any miss or
    false alarm), ``iou`` (mean, of the hits) and ``objects`` (how many there are).
    """
    tp = fp = fn = exact = 0
    overlaps: list[float] = []
    for detections, boxes in zip(found, truths, strict=True):
        keep = thresholds.kept(detections)
        kept = Detections(detections.boxes[keep], detections.scores[keep])
        hits = matches(kept, boxes)
        tp, fp, fn = tp + int(hits.sum()), fp + int((~hits).sum()), fn + len(boxes) - int(hits.sum())
        exact += int(hits.all() and hits.sum() == len(boxes))
        if hits.any():
            overlaps += iou(kept.boxes[hits], boxes).max(1).tolist()
    return {
        "f1": f1(tp, fp, fn),
        "precision": tp / max(1, tp + fp),
        "recall": tp / max(1, tp + fn),
        "exact": exact / max(1, len(truths)),
        "iou": float(np.mean(overlaps)) if overlaps else 0.0,
        "objects": float(tp + fn),
    }


def best_thresholds(found: Sequence[Detections], truths: Sequence[NDArray[np.float32]]) -> Thresholds:
    """Return the score thresholds of the highest F1: in turn that of any box, and that of boxes inside better ones.

    Where several are best, it is the middle one.
    """
    grid = [float(t) for t in np.round(np.arange(0.1, 0.91, 0.02), 2)]
    chosen, before = _best(found, truths, [Thresholds(t) for t in grid]), None
    for _ in grid:  # no turn makes F1 less: a few suffice
        if chosen == before:
            break
        before = chosen
        chosen = _best(found, truths, [Thresholds(chosen.score, t) for t in grid if t >= chosen.score])
        chosen = _best(found, truths, [Thresholds(t, chosen.inside) for t in grid if t <= chosen.inside])
    return chosen


def _best(
    found: Sequence[Detections], truths: Sequence[NDArray[np.float32]], choices: Sequence[Thresholds]
) -> Thresholds:
    scores = np.array([detector_figures(found, truths, choice)["f1"] for choice in choices])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return choices[int(best[len(best) // 2])]


def jittered(boxes: Tensor, generator: torch.Generator, amount: float) -> Tensor:
    """Move each side of boxes ``(N, 4)`` by a normal deviate of `amount` times the box's size."""
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    moved = boxes + torch.randn(boxes.shape, generator=generator) * size * amount
    wide = torch.maximum(moved[:, 2:], moved[:, :2] + 4.0)  # never inside out
    return torch.cat([moved[:, :2], wide], 1)


@dataclass(frozen=True)
class Evidence:
    """Yes/no questions with their logits and truths: both of shape ``(M,)``."""

    logits: NDArray[np.float64]
    truth: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """Share of answers (yes is a logit > 0) that are right."""
        return float(((self.logits > 0) == self.truth).mean()) if len(self.truth) else 1.0

    @property
    def nll(self) -> float:
        """Mean negative log-likelihood, in nats."""
        signed = np.where(self.truth, self.logits, -self.logits)
        return float(np.logaddexp(0.0, -signed).mean()) if len(signed) else 0.0


@torch.inference_mode()
def gather(
    net: ScorerNet, folder: ClevrFolder, indices: Sequence[int], jitter: float = 0.0, seed: int = 0, batch: int = 8
) -> tuple[dict[str, Evidence], dict[str, float]]:
    """Ask a scorer everything that the annotation answers.

    Returns
    -------
    tuple
        Concept → evidence, over all objects (or pairs of different objects) of the pictures; and attribute →
        accuracy of the most probable value.
    """
    device = next(net.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    logits: dict[str, list[Tensor]] = {c: [] for c in (*VALUES, *AXES, *SAME)}
    truth: dict[str, list[Tensor]] = {c: [] for c in logits}
    right: dict[str, list[Tensor]] = {a: [] for a in ATTRIBUTES}
    net.eval()
    for start in range(0, len(indices), batch):
        chosen = indices[start : start + batch]
        pixels = to_float(torch.stack([folder.pixels(i) for i in chosen]).to(device))
        examples = [folder.examples[i] for i in chosen]
        boxes = [jittered(e.boxes, generator, jitter).to(device) if jitter else e.boxes.to(device) for e in examples]
        features = torch.split(net.encode(pixels, boxes), [len(b) for b in boxes])
        for own, example in zip(features, examples):
            n = len(own)
            single = torch.arange(n)[:, None]
            pairs = torch.nonzero(~torch.eye(n, dtype=torch.bool))
            for column, attribute in enumerate(ATTRIBUTES):
                value = example.attributes[:, column]
                right[attribute].append(net.values(own, attribute).argmax(1).cpu() == value)
                same = value[pairs[:, 0]] == value[pairs[:, 1]]
                logits[f"same_{attribute}"].append(net.logits(own, f"same_{attribute}", pairs.to(device)).cpu())
                truth[f"same_{attribute}"].append(same)
                for name in ATTRIBUTES[attribute]:
                    logits[name].append(net.logits(own, name, single.to(device)).cpu())
                    truth[name].append(value == VALUES[name][1])
            for name, (axis, sign) in AXES.items():
                logits[name].append(net.logits(own, name, pairs.to(device)).cpu())
                truth[name].append(example.order[pairs[:, 0], pairs[:, 1], axis] == sign)
    evidence = {c: Evidence(torch.cat(logits[c]).double().numpy(), torch.cat(truth[c]).numpy()) for c in logits}
    return evidence, {a: float(torch.cat(r).float().mean()) for a, r in right.items()}


def pooled(evidence: dict[str, Evidence], concepts: Sequence[str]) -> Evidence:
    """Return the evidence of some concepts as one."""
    return Evidence(
        np.concatenate([evidence[c].logits for c in concepts]), np.concatenate([evidence[c].truth for c in concepts])
    )


def concepts_of_kind(kind: str) -> list[str]:
    """Return the concepts that a temperature of :data:`~neptune.perception.embedded.concepts.KINDS` acts on directly.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if kind in ATTRIBUTES:
        return list(ATTRIBUTES[kind])
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    axis = KINDS.index(kind) - len(ATTRIBUTES)
    return [name for name, (a, _) in AXES.items() if a == axis]
