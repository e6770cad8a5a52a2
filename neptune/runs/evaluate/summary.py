"""The figures of a run, from its records: what ``results.json`` holds."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from neptune.answer import count
from neptune.runs.evaluate.intervals import METHOD, interval
from neptune.runs.record.outcome import ABSTAINED, ANSWERED, ERROR, outcome_of, why_of

Record = Mapping[str, Any]

IOU, STRICT_IOU = 0.5, 0.7
"""Least IoU of the box pointed to with the true one."""


def summarise(
    records: Iterable[Record], totals: Mapping[str, int], unanswered_why: str | None = None
) -> dict[str, Any]:
    """Return what ``results.json`` holds.

    Parameters
    ----------
    records
        The records of a run.
    totals
        Dataset → number of its samples; samples without a record are unanswered.
    unanswered_why
        Why some are: what ended the run.

    Returns
    -------
    dict
        ``n answered abstained abstained_by_why errors unanswered unanswered_why correct accuracy interval
        accuracy_answered interval_answered interval_method error_rate abstention_rate complete by_family by_dataset
        errors_by_kind ties usage oracle_failures seconds``.

        Of n samples each is answered, abstained, an error or unanswered. `accuracy` is over all n, of which only the
        answered can be right; `accuracy_answered` is over the answered. Rates and accuracies are in [0, 1], ``None``
        over nothing; samples of which no right answer is known (`unjudged`, where there are some) count for no
        accuracy, whatever became of them. `interval` and `interval_answered` are the accuracies' intervals, of the one
        kind that `interval_method` names (:mod:`neptune.runs.evaluate.intervals`); `interval` is ``None`` while samples
        are unanswered. `seconds` is the samples' own time, looking inside
        answers included. Where answers have an overlap with a box, also `mean_iou`
        with `mean_iou_interval`, and `iou_accuracy` (the share with an IoU ≥ 0.5), over the `iou_n` answered samples
        that have one. Where samples belong to groups (one sentence about several pictures), also `consistency`, the
        share of the `groups` in which all that is judged is right.
    """
    several = len(totals) > 1
    kept: list[Record] = []
    families: dict[str, list[Record]] = {}
    seconds, ties = 0.0, 0
    kinds: dict[str, int] = {}
    usage: dict[str, float] = {}
    failures: dict[str, int] = {}
    for whole in records:  # which may come from the disk, one after the other
        record = brief(whole)
        kept.append(record)
        family = record.get("family") or "all"
        families.setdefault(f"{record['dataset']}: {family}" if several else str(family), []).append(record)
        if record.get("error"):
            kind = record.get("error_kind") or "error"
            kinds[kind] = kinds.get(kind, 0) + 1
        seconds += whole.get("seconds") or 0.0
        ties += bool(whole.get("tie"))
        count(failures, whole.get("oracle_failures") or {})
        for name, value in (whole.get("usage") or {}).items():
            usage[name] = max(usage.get(name, 0), value) if name == "peak_cells" else usage.get(name, 0) + value
    total = sum(totals.values())
    return {
        **counts(kept, total),
        "unanswered_why": unanswered_why if len(kept) < total else None,
        "interval_method": METHOD,
        "complete": len(kept) == total,
        "ties": ties,
        "by_dataset": {d: counts([r for r in kept if r["dataset"] == d], n) for d, n in totals.items()},
        "by_family": {f: counts(group, len(group)) for f, group in sorted(families.items())},
        "errors_by_kind": kinds,
        "usage": {k: round(v, 8 if k.endswith("cost") else 3) for k, v in usage.items()},
        "oracle_failures": failures,
        "seconds": round(seconds, 3),
    }


_BRIEF = (
    *(
        "dataset",
        "id",
        "family",
        "group",
        "error",
        "error_kind",
        "correct",
        "abstained",
        "settled",
        "why",
        "iou",
        "picture",
    ),
)
MORE = frozenset({"logics", "judge", "blame", "beside", "variants"})
"""What is found out of some records besides, which has figures of its own."""


def brief(record: Record) -> Record:
    """Return what the figures need of a record: little, whatever it holds of plans and traces."""
    found = {name: value for name in _BRIEF if (value := record.get(name)) is not None}
    found |= {name: record[name] for name in sorted(MORE & record.keys())}
    if "judge" in record:  # where judge and exact match disagree, the figures show what about
        found |= {name: record.get(name) for name in ("question", "expected", "answer")}
    for name in ("dataset", "family", "group", "picture"):
        if isinstance(found.get(name), str):
            found[name] = sys.intern(found[name])
    return found


def counts(records: list[Record], n: int) -> dict[str, Any]:
    """Return the figures of one group of samples, of which there are `n`; see :func:`summarise`."""
    outcomes = [outcome_of(r) for r in records]
    errors, abstained = outcomes.count(ERROR), outcomes.count(ABSTAINED)
    judged = [(r, outcome == ANSWERED) for r, outcome in zip(records, outcomes) if r.get("correct") is not None]
    right = [answered and r["correct"] is True for r, answered in judged]
    answered = [(hit, picture_of(r)) for hit, (r, answered) in zip(right, judged) if answered]
    unjudged, whole = len(records) - len(judged), len(records) == n
    found: dict[str, Any] = {
        "n": n,
        "answered": len(records) - errors - abstained,
        "errors": errors,
        "abstained": abstained,
        "unanswered": n - len(records),
        "correct": sum(right),
        "accuracy": sum(right) / (n - unjudged) if n > unjudged else None,
        "interval": _rounded(interval(right, [picture_of(r) for r, _ in judged])) if whole else None,
        "accuracy_answered": sum(right) / len(answered) if answered else None,
        "interval_answered": _rounded(interval([hit for hit, _ in answered], [picture for _, picture in answered])),
        "error_rate": errors / n if n else None,
        "abstention_rate": abstained / n if n else None,
    }
    if abstained:
        found["abstained_by_why"] = dict(Counter(why for r in records if (why := why_of(r))).most_common())
    grouped: dict[tuple[Any, Any], bool] = {}
    for (record, _), hit in zip(judged, right):
        if record.get("group"):
            key = (record["dataset"], record["group"])
            grouped[key] = grouped.get(key, True) and hit
    if grouped:
        found |= {"groups": len(grouped), "consistency": sum(grouped.values()) / len(grouped)}
    if unjudged:
        found["unjudged"] = unjudged
    boxed = [r for r, given in judged if given and r.get("iou") is not None]
    if boxed:
        overlaps = [float(r["iou"]) for r in boxed]
        found |= {
            "iou_n": len(boxed),
            "mean_iou": sum(overlaps) / len(boxed),
            "mean_iou_interval": _rounded(interval(overlaps, [picture_of(r) for r in boxed])),
            "iou_accuracy": sum(x >= IOU for x in overlaps) / len(boxed),
            "iou_accuracy_70": sum(x >= STRICT_IOU for x in overlaps) / len(boxed),
        }
    soft = [float(r["vqa_accuracy"]) for r, _ in judged if r.get("vqa_accuracy") is not None]
    if soft:
        found["vqa_accuracy"] = sum(soft) / len(soft)
    return found


def picture_of(record: Record) -> str:
    """Return what a record's sample is resampled with: its picture, or itself where it has none."""
    return str(record.get("picture") or (record.get("dataset"), record.get("id")))


def _rounded(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else [round(ends[0], 6), round(ends[1], 6)]


def show_interval(ends: Iterable[float] | None) -> str:
    """Return an interval of a share as ``"94.1–98.3"`` (percent), or ``"–"``."""
    if ends is None:
        return "–"
    low, high = ends
    return f"{low * 100:.1f}–{high * 100:.1f}"
