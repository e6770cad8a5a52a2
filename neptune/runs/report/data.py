"""The samples of a run as the page takes them: an index of all, in columns, and the samples themselves in chunks.

Both are JSON, deflated, in base64: the page inflates the index when it opens (what the list and the charts need), and
a chunk when one of its samples is looked at. So 10,000 samples are a few hundred bytes each, and open at once.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.runs.record import Record, jsonable

CHUNK = 100
"""Samples inflated together."""

_FIELDS: dict[str, list[str]] = json.loads(Path(__file__).with_name("fields.json").read_text(encoding="utf-8"))
_INDEX, _SAMPLE = _FIELDS["index"], _FIELDS["sample"]
"""The columns of the index, and what else the page shows of a sample."""


def state_of(record: Mapping[str, Any]) -> str:
    """Return ``right``, ``wrong``, ``error``, ``abstained``, or ``unjudged`` where no right answer is known."""
    if record.get("error"):
        return "error"
    if record.get("abstained"):
        return "abstained"
    if record.get("correct") is None:
        return "unjudged"
    return "right" if record["correct"] else "wrong"


def doubt_of(record: Mapping[str, Any]) -> float | None:
    """Return 1 minus the probability of the answer given, in [0, 1]; of bounds the lower one; ``None``: not known."""
    p = record.get("probability")
    if p is None:
        bounds = record.get("bounds")
        p = bounds[0] if bounds else None
    return None if p is None else round(1.0 - float(p), 4)


def row_of(record: Record) -> dict[str, Any]:
    """Return a sample's row of the index."""
    usage, flip = record.get("usage") or {}, record.get("flip") or {}
    return {name: record.get(name) for name in _INDEX} | {
        "id": str(record.get("id")),
        "family": record.get("family") or "",
        "state": state_of(record),
        "doubt": doubt_of(record),
        "calls": usage.get("oracle_calls", 0),
        "flip": flip.get("at_most"),
    }


def sample_of(record: Record) -> dict[str, Any]:
    """Return what the page shows of a sample beyond its row; scores with three digits."""
    sample: dict[str, Any] = {
        name: record.get(name) for name in _SAMPLE if record.get(name) not in (None, [], (), "", {})
    }
    if "scores" in sample:
        sample["scores"] = _short(sample["scores"])
    if "trace" in sample:
        sample["trace"] = [
            {k: (_short(v) if k == "scores" else v) for k, v in step.items() if v is not None}
            for step in sample["trace"]
        ]
    return sample


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows as columns; texts that repeat as numbers into a list of them."""
    table: dict[str, Any] = {}
    for name in (*_INDEX, "picture"):
        values = [row.get(name) for row in rows]
        if name in ("dataset", "family", "state"):
            known = list(dict.fromkeys(values))
            place = {value: k for k, value in enumerate(known)}
            table[name] = {"of": known, "at": [place[v] for v in values]}
        else:
            table[name] = values
    return table


def packed(data: Any) -> str:
    """Return JSON of the data, deflated (zlib, RFC 1950), in base64."""
    text = json.dumps(jsonable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "backslashreplace"), 9)).decode("ascii")


def chunks(records: Sequence[Record]) -> list[str]:
    """Return the samples, packed, :data:`CHUNK` at a time."""
    return [packed([sample_of(r) for r in records[start : start + CHUNK]]) for start in range(0, len(records), CHUNK)]


def _short(scores: Sequence[float | None]) -> list[float | None]:
    return [None if s is None else round(float(s), 3) for s in scores]
