"""The figures of a run, from its records: what ``results.json`` holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neptune.answer import count
from neptune.runs.evaluate.bootstrap import interval

Record = Mapping[str, Any]

IOU = 0.5
"""Least IoU of the box pointed to with the true one."""


def summarise(records: Iterable[Record], totals: Mapping[str, int]) -> dict[str, Any]:
    """Return what ``results.json`` holds.

    Parameters
    ----------
    records
        The records of a run.
    totals
        Dataset → number of its samples; samples without a record count as not right.

    Returns
    -------
    dict
        ``n answered errors abstained correct accuracy interval error_rate abstention_rate complete by_family by_dataset
        errors_by_kind ties usage oracle_failures seconds``. Rates and `accuracy` are over all n, in [0, 1], ``None``
        for n = 0; samples of which no right answer is known (`unjudged`, where there are some) do not count for
        `accuracy`, whatever became of them. `interval` is the 95 % bootstrap interval of `accuracy` over pictures
        (:mod:`neptune.runs.evaluate.bootstrap`), ``None`` while samples are missing; `seconds` is the samples' own
        time. For datasets whose answers point to objects, also `mean_iou`, `mean_iou_interval` and `iou_accuracy` (the
        share with an IoU ≥ 0.5) over their records: errors and answers that point to nothing have an IoU of 0.
    """
    records = list(records)
    several = len(totals) > 1
    families: dict[str, list[Record]] = {}
    kinds: dict[str, int] = {}
    usage: dict[str, float] = {}
    failures: dict[str, int] = {}
    for record in records:
        family = record.get("family") or "all"
        families.setdefault(f"{record['dataset']}: {family}" if several else str(family), []).append(record)
        if record.get("error"):
            kind = record.get("error_kind") or "error"
            kinds[kind] = kinds.get(kind, 0) + 1
        count(failures, record.get("oracle_failures") or {})
        for name, value in (record.get("usage") or {}).items():
            usage[name] = max(usage.get(name, 0), value) if name == "peak_cells" else usage.get(name, 0) + value
    total = sum(totals.values())
    return {
        **counts(records, total),
        "complete": len(records) == total,
        "ties": sum(bool(r.get("tie")) for r in records),
        "by_dataset": {d: counts([r for r in records if r["dataset"] == d], n) for d, n in totals.items()},
        "by_family": {f: counts(group, len(group)) for f, group in sorted(families.items())},
        "errors_by_kind": kinds,
        "usage": {k: round(v, 8 if k.endswith("cost") else 3) for k, v in usage.items()},
        "oracle_failures": failures,
        "seconds": round(sum(r.get("seconds") or 0.0 for r in records), 3),
    }


def counts(records: list[Record], n: int) -> dict[str, Any]:
    """Return the figures of one group of samples, of which there are `n`; see :func:`summarise`."""
    errors = sum(bool(r.get("error")) for r in records)
    abstained = sum(bool(r.get("abstained")) for r in records)
    judged = [r for r in records if r.get("correct") is not None]
    right = [r.get("correct") is True for r in judged]
    pictures = [picture_of(r) for r in judged]
    unjudged, whole = len(records) - len(judged), len(records) == n
    found: dict[str, Any] = {
        "n": n,
        "answered": len(records) - errors - abstained,
        "errors": errors,
        "abstained": abstained,
        "correct": sum(right),
        "accuracy": sum(right) / (n - unjudged) if n > unjudged else None,
        "interval": _rounded(interval(right, pictures)) if whole else None,
        "error_rate": errors / n if n else None,
        "abstention_rate": abstained / n if n else None,
    }
    if unjudged:
        found["unjudged"] = unjudged
    pointing = {r.get("dataset") for r in judged if "iou" in r}
    if pointing:
        boxed = [r for r in judged if r.get("dataset") in pointing]
        overlaps = [r.get("iou") or 0.0 for r in boxed]
        found |= {
            "mean_iou": sum(overlaps) / len(boxed),
            "mean_iou_interval": _rounded(interval(overlaps, [picture_of(r) for r in boxed])),
            "iou_accuracy": sum(x >= IOU for x in overlaps) / len(boxed),
        }
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
