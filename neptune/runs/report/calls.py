"""What a model was sent and what it said, sample by sample, from the ``exchanges.jsonl`` of a run folder.

An exchange belongs to a scene, a question and some objects; a sample shows those of its scene and of the questions
that its plan asks. One that another sample of the same picture asked first is shown with both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neptune.perception.oracle.caching.exchanges import EXCHANGES
from neptune.runs.record import Record

MOST_EACH, MOST = 60, 20_000
"""Exchanges that a page shows of a sample, and in all; the file has the rest."""


def with_calls(folder: Path, records: Iterable[Record]) -> list[Record]:
    """Return the records as :func:`each_with_calls` yields them."""
    return list(each_with_calls(folder, records))


def each_with_calls(folder: Path, records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records, each with ``calls`` and ``calls_left_out`` where its scene's exchanges are known.

    A call is ``question``, ``objects``, ``prompt``, ``picture`` (in words) and ``replies``, texts.
    """
    by_scene = _read(folder / EXCHANGES)
    left = MOST
    for record in records:
        if not by_scene:
            yield record
            continue
        mine = _of(record, by_scene.get(str(record.get("scene")), ()))
        shown = mine[: min(MOST_EACH, left)]
        left -= len(shown)
        yield record | {"calls": shown, "calls_left_out": len(mine) - len(shown)} if mine else record


def _of(record: Mapping[str, Any], exchanges: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    asked = {node.get("question") for node in record.get("plan") or ()} - {None}
    return [e for e in exchanges if not asked or e.get("question") in asked or e.get("kind") == "query"]


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return scene → exchanges, of each cell the last; a line that is torn or foreign is left out."""
    cells: dict[tuple[str, str, str], dict[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            row = json.loads(line)
            cells[str(row["scene"]), str(row["question"]), str(row["objects"])] = row
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    found: dict[str, list[dict[str, Any]]] = {}
    for (scene, _, _), row in cells.items():
        found.setdefault(scene, []).append({k: v for k, v in row.items() if k != "scene"})
    return found
