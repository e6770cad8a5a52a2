"""Two runs side by side: what differs between them, which answers changed, and how each came about in both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.runs import record as records
from neptune.runs.evaluate.compare import Pair, change, compare_folders, said
from neptune.runs.evaluate.summary import counts
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report.about import about
from neptune.runs.report.build import Pictures, place_pictures
from neptune.runs.report.calls import with_calls
from neptune.runs.report.data import CHUNK, chunked, columns, packed, row_of, sample_of
from neptune.runs.report.pages import PAIR_SCRIPTS, render

STATES = ("lost", "won", "other", "same")
"""What became of an answer from the first run to the second, see :func:`neptune.runs.evaluate.compare.change`."""

MOST_SAME = 200
"""Of answers that did not change so many are on the page."""


def build(first: Path, second: Path, path: Path | None = None, pictures: RecordedPictures | None = None) -> Path:
    """Write the page of two runs side by side, and return its path.

    Parameters
    ----------
    first, second
        Run folders over the same questions.
    path
        The page; ``None``: ``compare-with-FIRST.html`` in the second folder.
    pictures
        Finds the pictures that records name; ``None``: in the two folders, which may be another's.

    Raises
    ------
    ConfigError
        If a folder holds no run, the two have no sample in common, or a sample asks another question.
    """
    both = compare_folders(first, second)
    changed = both.found.changed
    same = [pair for pair in both.found.pairs if change(pair) == "same"]
    pairs = [*changed, *same[:MOST_SAME]]
    names = _names(first, second)
    path = path or second / f"compare-with-{re.sub(r'[^A-Za-z0-9_.-]+', '-', names[0]).strip('-.') or 'first'}.html"
    rows = [_row(pair) for pair in pairs]
    sides = [with_calls(folder, [dict(pair[k]) for pair in pairs]) for k, folder in enumerate((first, second))]
    samples = [{"a": _side(a), "b": _side(b)} for a, b in zip(*sides, strict=True)]
    shown = Pictures(path.parent, len(pairs), pictures or RecordedPictures.of_folders([first, second], None))
    placed = place_pictures(rows, [a.get("picture") for a, _ in pairs], shown)
    n = len(both.found.pairs)
    gain = (both.found.only_second - both.found.only_first) / (both.found.judged or 1)
    html = render(
        "pair.html",
        PAIR_SCRIPTS,
        {"chunk": CHUNK, "states": STATES, "names": names, "title": f"{names[0]} and {names[1]}", "live": False},
        title=f"{names[0]} → {names[1]}",
        names=names,
        sides=[counts([pair[k] for pair in both.found.pairs], n) for k in (0, 1)],
        abouts=[about(first), about(second)],
        found=both.found,
        changed=len(changed),
        left_out=len(same) - len(same[:MOST_SAME]),
        alone=both.alone,
        fields=both.fields,
        n=n,
        gain=gain,
        difference=both.found.difference or (gain, gain),
        index=packed(columns(rows)),
        pictures=packed(placed),
        chunks=chunked(samples),
    )
    records.write_atomic(path, html)
    return path


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The folders' names, told apart."""
    a, b = first.resolve(), second.resolve()
    if a.name != b.name:
        return a.name, b.name
    return f"{a.parent.name}/{a.name}", f"{b.parent.name}/{b.name}"


def _row(pair: Pair) -> dict[str, Any]:
    """A row of the index: the second run's, with both answers."""
    first, second = pair
    a, b = row_of(dict(first)), row_of(dict(second))
    kind = change(pair)
    return b | {
        "answer": _said(second) if kind == "same" else f"{_said(first)} → {_said(second)}",
        "state": kind,
        "doubt": max((row["doubt"] for row in (a, b) if row["doubt"] is not None), default=None),
        "calls": a["calls"] + b["calls"],
        "faults": list(dict.fromkeys([*a["faults"], *b["faults"]])),
    }


def _said(record: Mapping[str, Any]) -> str:
    answer = record.get("answer")
    pointed = answer.get("object") if isinstance(answer, Mapping) else None
    return said(record) if pointed is None or record.get("error") or record.get("abstained") else f"object {pointed}"


def _side(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a sample in one of the runs."""
    row = row_of(dict(record))
    return {"row": {k: row[k] for k in ("program", "answer", "expected", "state")}, **sample_of(dict(record))}
